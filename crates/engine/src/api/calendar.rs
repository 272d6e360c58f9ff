//! Maintenance windows: writing them, and runs that wait for them.

use super::{Client, EngineError};
use crate::{
    calendar::{Window, Windows},
    graph::compile,
    machine::{Input, WindowInput},
    model::{RunId, RunStatus, Timestamp, Workflow},
    runtime::{WINDOW_MAIL, decode_windows, outgoing},
    step::Effect,
    store::{Definition, RunFilter},
};

/// How many runs are told of a change at once.
const PAGE: u32 = 500;

/// A window as it stands in the store.
#[derive(Clone, Debug)]
pub struct WindowInfo {
    /// Its name.
    pub name: String,
    /// What it says, or why it can't be read here.
    pub window: Result<Window, String>,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// Who wrote it.
    pub updated_by: String,
}

impl Client {
    /// Writes a window; an earlier one of the name goes. Runs that wait for it look again. Returns
    /// how many runs were told.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if the window can't be kept, or what the store says.
    pub async fn put_window(
        &self,
        name: &str,
        window: &Window,
        by: &str,
    ) -> Result<usize, EngineError> {
        check_name("window", name)?;
        window.check().map_err(|error| EngineError::Refused(error.to_string()))?;
        let definition = serde_json::to_vec(window)
            .map_err(|error| EngineError::Refused(format!("window `{name}`: {error}")))?;
        self.store.calendars().put_window(name, &definition, by).await?;
        self.tell_those_who_wait(name).await
    }

    /// All windows, by name.
    ///
    /// # Errors
    /// What the store says.
    pub async fn windows(&self) -> Result<Vec<WindowInfo>, EngineError> {
        let rows = self.store.calendars().windows().await?;
        let info = |row: crate::store::WindowRow| WindowInfo {
            window: serde_json::from_slice(&row.definition).map_err(|error| error.to_string()),
            name: row.name,
            updated_at: row.updated_at,
            updated_by: row.updated_by,
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// The windows as a run sees them.
    ///
    /// # Errors
    /// What the store says.
    pub async fn known_windows(&self) -> Result<Windows, EngineError> {
        Ok(decode_windows(&self.store.calendars().windows().await?))
    }

    /// Takes a window away. Steps that wait for it fail; returns how many runs were told, or none
    /// if there was no such window.
    ///
    /// # Errors
    /// What the store says.
    pub async fn remove_window(&self, name: &str) -> Result<Option<usize>, EngineError> {
        if self.store.calendars().remove_window(name).await? {
            self.tell_those_who_wait(name).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Lets a step (by its path) or a run (without one) begin although its window is not open.
    /// Without a path, where the run does not wait itself, the only step that waits is meant.
    ///
    /// # Errors
    /// [`EngineError::Refused`] if nothing there waits for a window.
    pub async fn override_window(
        &self,
        run: RunId,
        path: Option<&str>,
        by: &str,
        reason: &str,
    ) -> Result<Option<String>, EngineError> {
        let view = self.view(run).await?;
        let waiting: Vec<_> = view.before_windows().into_iter().map(|(path, _)| path).collect();
        let refused = |what: String| {
            let known: Vec<_> = waiting
                .iter()
                .map(|path| path.clone().unwrap_or_else(|| "the run itself".to_owned()))
                .collect();
            let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            EngineError::Refused(format!("{what}; what waits for a window: {known}"))
        };
        let path = match (path, waiting.as_slice()) {
            (Some(path), all) if all.iter().any(|it| it.as_deref() == Some(path)) => {
                Some(path.to_owned())
            }
            (Some(path), _) => {
                return Err(refused(format!("`{path}` of run {run} waits for no window")));
            }
            (None, [None, ..]) => None,
            (None, [Some(only)]) => Some(only.clone()),
            (None, []) => return Err(refused(format!("run {run} waits for no window"))),
            (None, _) => {
                return Err(refused(format!("several steps of run {run} wait: name one of them")));
            }
        };
        let input = Input::Window(WindowInput::Override {
            path: path.clone(),
            by: by.to_owned(),
            reason: reason.to_owned(),
        });
        let key = format!("override {}", path.as_deref().unwrap_or_default());
        self.tell(run, &key, &input).await?;
        Ok(path)
    }

    /// Tells the runs of all workflows that use a window of this name, or one that only the run
    /// knows. Those that don't wait lose nothing by it.
    async fn tell_those_who_wait(&self, name: &str) -> Result<usize, EngineError> {
        let mut told = 0;
        let definitions = self.store.definitions(None).await?;
        let mut users: Vec<_> =
            definitions.iter().filter(|it| uses(it, name)).map(|it| it.name.clone()).collect();
        users.dedup();
        for workflow in users {
            let mut filter = RunFilter {
                status: vec![RunStatus::Running, RunStatus::Waiting, RunStatus::Attention],
                workflow: Some(workflow),
                limit: PAGE,
                ..RunFilter::default()
            };
            loop {
                let page = self.store.runs(&filter).await?;
                let input = Input::Window(WindowInput::Changed);
                let key = format!("{WINDOW_MAIL}{name}");
                let mail: Vec<_> =
                    page.iter().map(|record| outgoing(record.id, &key, &input)).collect();
                self.store.send(&mail).await?;
                told += mail.len();
                match page.last() {
                    Some(last) if page.len() == PAGE as usize => filter.before = Some(last.id),
                    Some(_) | None => break,
                }
            }
        }
        Ok(told)
    }
}

/// The longest name of a window or a schedule, in letters.
const LONGEST_NAME: usize = 100;

/// Refuses names that nobody could type again.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), EngineError> {
    let letter = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    let count = name.chars().count();
    if (1..=LONGEST_NAME).contains(&count) && name.chars().all(letter) {
        return Ok(());
    }
    Err(EngineError::Refused(format!(
        "`{name}` can't be the name of a {what}: use up to {LONGEST_NAME} letters, digits, `_`, \
         `-` and `.`"
    )))
}

/// Whether a workflow uses a window of this name, as far as one can see.
fn uses(definition: &Definition, name: &str) -> bool {
    let Ok(workflow) = serde_json::from_slice::<Workflow>(&definition.canonical) else {
        // Of a later release, perhaps: its runs look for nothing at worst.
        return true;
    };
    // Which effects its executors have does not matter.
    compile(&workflow, &|_| Some(Effect::Read)).is_ok_and(|plan| plan.may_use_window(name))
}
