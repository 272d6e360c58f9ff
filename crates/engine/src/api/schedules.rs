//! Schedules: writing them and telling them something. Nodes that take over any run fire them.

use super::{Client, EngineError, calendar::check_name};
use crate::{
    calendar::{Schedule, ScheduleState},
    graph::validate_input,
    model::{Timestamp, Workflow},
    runtime::{encode_schedule, first_state},
    store::{NewSchedule, ScheduleRow},
};

/// How often a change is tried again that others were in the way of.
const TRIES: usize = 20;

/// A schedule as it stands in the store.
#[derive(Clone, Debug)]
pub struct ScheduleInfo {
    /// Its name.
    pub name: String,
    /// What it says and where it stands, or why that can't be read here.
    pub schedule: Result<(Schedule, ScheduleState), String>,
    /// When a person wrote it last.
    pub updated_at: Timestamp,
    /// Who that was.
    pub updated_by: String,
}

impl ScheduleInfo {
    fn of(row: ScheduleRow) -> Self {
        Self {
            schedule: read(&row),
            name: row.name,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
        }
    }
}

fn read(row: &ScheduleRow) -> Result<(Schedule, ScheduleState), String> {
    let schedule = serde_json::from_slice(&row.definition).map_err(|error| error.to_string())?;
    let state = serde_json::from_slice(&row.state).map_err(|error| error.to_string())?;
    Ok((schedule, state))
}

impl Client {
    /// Writes a schedule; an earlier one of the name goes. Its times count from now on.
    ///
    /// # Errors
    /// [`EngineError::UnknownWorkflow`] or [`EngineError::Input`] if its runs could not start,
    /// [`EngineError::Refused`] if it can't be kept, or what the store says.
    pub async fn put_schedule(
        &self,
        name: &str,
        schedule: &Schedule,
        by: &str,
    ) -> Result<(), EngineError> {
        check_name("schedule", name)?;
        schedule.check().map_err(|error| EngineError::Refused(error.to_string()))?;
        self.check_startable(schedule).await?;
        let now = self.store.now().await?;
        let before = self.store.calendars().schedules(Some(name)).await?.pop();
        let before = before.and_then(|row| serde_json::from_slice(&row.state).ok());
        let state = first_state(schedule, before, now);
        let new = NewSchedule {
            name: name.to_owned(),
            definition: encode_schedule(schedule).into(),
            due_at: state.due_at(schedule, name, now),
            state: encode_schedule(&state).into(),
            by: by.to_owned(),
        };
        Ok(self.store.calendars().put_schedule(&new).await?)
    }

    async fn check_startable(&self, schedule: &Schedule) -> Result<(), EngineError> {
        let name = &schedule.workflow;
        let unknown = || EngineError::UnknownWorkflow(name.clone());
        let definition = match schedule.version {
            Some(version) => self.store.definition(version).await?,
            None => self.store.definitions(Some(name)).await?.into_iter().next(),
        };
        let definition = definition.filter(|it| it.name == *name).ok_or_else(unknown)?;
        let workflow: Workflow = serde_json::from_slice(&definition.canonical)
            .map_err(|error| EngineError::Refused(format!("workflow `{name}`: {error}")))?;
        validate_input(&workflow, schedule.input.clone())
            .map(drop)
            .map_err(|problems| EngineError::Input { workflow: name.clone(), problems })
    }

    /// All schedules, by name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn schedules(&self) -> Result<Vec<ScheduleInfo>, EngineError> {
        let rows = self.store.calendars().schedules(None).await?;
        Ok(rows.into_iter().map(ScheduleInfo::of).collect())
    }

    /// One schedule.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if there is none of this name, or what the store says.
    pub async fn schedule(&self, name: &str) -> Result<ScheduleInfo, EngineError> {
        self.schedule_row(name).await.map(ScheduleInfo::of)
    }

    /// Starts nothing more by itself, until it is resumed.
    ///
    /// # Errors
    /// As for [`Client::schedule`].
    pub async fn pause_schedule(&self, name: &str) -> Result<(), EngineError> {
        self.change_schedule(name, |_, state, _| state.pause()).await
    }

    /// Goes on with the first time from now on: those that came during the pause are not caught up.
    ///
    /// # Errors
    /// As for [`Client::schedule`].
    pub async fn resume_schedule(&self, name: &str) -> Result<(), EngineError> {
        self.change_schedule(name, |schedule, state, now| state.resume(schedule, now)).await
    }

    /// Asks for a run now, paused or not. A node starts it as soon as the previous run has ended;
    /// with [`crate::calendar::Overlap::CancelPrevious`] that is cancelled.
    ///
    /// # Errors
    /// As for [`Client::schedule`].
    pub async fn trigger_schedule(&self, name: &str) -> Result<(), EngineError> {
        self.change_schedule(name, |_, state, now| state.trigger(now)).await
    }

    /// Takes a schedule away; its runs go on. Whether there was one.
    ///
    /// # Errors
    /// What the store says.
    pub async fn remove_schedule(&self, name: &str) -> Result<bool, EngineError> {
        Ok(self.store.calendars().remove_schedule(name).await?)
    }

    async fn schedule_row(&self, name: &str) -> Result<ScheduleRow, EngineError> {
        let row = self.store.calendars().schedules(Some(name)).await?.pop();
        row.ok_or_else(|| EngineError::Refused(format!("there is no schedule `{name}`")))
    }

    async fn change_schedule(
        &self,
        name: &str,
        change: impl Fn(&Schedule, &mut ScheduleState, Timestamp) + Send + Sync,
    ) -> Result<(), EngineError> {
        for _ in 0..TRIES {
            let row = self.schedule_row(name).await?;
            let (schedule, mut state) = read(&row).map_err(|error| {
                EngineError::Refused(format!("schedule `{name}` can't be read here: {error}"))
            })?;
            let now = self.store.now().await?;
            change(&schedule, &mut state, now);
            // A node looks at once: it knows best whether something can start.
            let due = state
                .due_at(&schedule, name, now)
                .map(|due| if state.waiting.is_empty() { due } else { now });
            let text = encode_schedule(&state);
            let calendars = self.store.calendars();
            if calendars.change_schedule(name, row.revision, &text, due).await? {
                return Ok(());
            }
        }
        Err(EngineError::Refused(format!("schedule `{name}` changes all the time: try again")))
    }
}
