//! Windows and schedules in memory.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;

use super::MemoryStore;
use crate::{
    model::Timestamp,
    store::{
        CalendarStore, NewSchedule, ScheduleRow, StoreError, WindowRow, calendar::check_window,
    },
};

/// What is kept beside the runs.
#[derive(Debug, Default)]
pub(super) struct Calendars {
    windows: BTreeMap<String, WindowRow>,
    schedules: BTreeMap<String, (ScheduleRow, Option<Timestamp>)>,
}

#[async_trait]
impl CalendarStore for MemoryStore {
    async fn put_window(&self, name: &str, definition: &[u8], by: &str) -> Result<(), StoreError> {
        check_window(name, by)?;
        let row = WindowRow {
            name: name.to_owned(),
            definition: Bytes::copy_from_slice(definition),
            updated_at: self.clock.now(),
            updated_by: by.to_owned(),
        };
        self.state().await.calendars.windows.insert(name.to_owned(), row);
        Ok(())
    }

    async fn windows(&self) -> Result<Vec<WindowRow>, StoreError> {
        Ok(self.state().await.calendars.windows.values().cloned().collect())
    }

    async fn remove_window(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.state().await.calendars.windows.remove(name).is_some())
    }

    async fn put_schedule(&self, schedule: &NewSchedule) -> Result<(), StoreError> {
        schedule.check()?;
        let NewSchedule { name, definition, state, due_at, by } = schedule.clone();
        let schedules = &mut self.state().await.calendars.schedules;
        let revision = schedules.get(&name).map_or(1, |(row, _)| row.revision + 1);
        let updated_at = self.clock.now();
        let row = ScheduleRow {
            name: name.clone(),
            definition,
            state,
            due_at,
            revision,
            updated_at,
            updated_by: by,
        };
        schedules.insert(name, (row, None));
        Ok(())
    }

    async fn change_schedule(
        &self,
        name: &str,
        revision: u64,
        state: &[u8],
        due_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let schedules = &mut self.state().await.calendars.schedules;
        let Some((row, held)) = schedules.get_mut(name).filter(|it| it.0.revision == revision)
        else {
            return Ok(false);
        };
        row.state = Bytes::copy_from_slice(state);
        row.due_at = due_at;
        row.revision += 1;
        *held = None;
        Ok(true)
    }

    async fn schedules(&self, name: Option<&str>) -> Result<Vec<ScheduleRow>, StoreError> {
        let state = self.state().await;
        let all = state.calendars.schedules.values().map(|(row, _)| row);
        Ok(all.filter(|row| name.is_none_or(|name| row.name == name)).cloned().collect())
    }

    async fn remove_schedule(&self, name: &str) -> Result<bool, StoreError> {
        Ok(self.state().await.calendars.schedules.remove(name).is_some())
    }

    async fn claim_schedules(
        &self,
        limit: u32,
        hold: Duration,
    ) -> Result<Vec<ScheduleRow>, StoreError> {
        let now = self.clock.now();
        let schedules = &mut self.state().await.calendars.schedules;
        let mut due: Vec<_> = schedules
            .values_mut()
            .filter(|(row, held)| {
                row.due_at.is_some_and(|at| at <= now) && held.is_none_or(|until| until <= now)
            })
            .collect();
        due.sort_by_key(|(row, _)| row.due_at);
        let taken = due.into_iter().take(limit as usize);
        let hold = |(row, held): &mut (ScheduleRow, Option<Timestamp>)| {
            *held = Some(now.after(hold));
            row.clone()
        };
        Ok(taken.map(hold).collect())
    }
}
