//! The windows of a store, as a node knows them at a moment.

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

use super::{Opening, Window};
use crate::model::{HumanDuration, StepError, Timestamp};

/// The windows that are known, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows {
    by_name: BTreeMap<String, Arc<Window>>,
    /// Windows that are there but can't be read: written by a later release.
    unreadable: BTreeMap<String, String>,
}

/// Why a window never fits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoFit {
    /// There is no window of this name.
    #[error("there is no maintenance window `{name}`")]
    Unknown {
        /// The name.
        name: String,
        /// One that it may have been meant to be.
        near: Option<String>,
    },
    /// It is there, but can't be read.
    #[error("the maintenance window `{name}` can't be read here: {reason}")]
    Unreadable {
        /// The name.
        name: String,
        /// Why.
        reason: String,
    },
    /// It is never open for long enough.
    #[error("the window is open for {duration}, and {needs} are needed")]
    TooShort {
        /// How long it is open.
        duration: HumanDuration,
        /// How long is needed.
        needs: HumanDuration,
    },
    /// Its rule has ended.
    #[error("the maintenance window `{name}` does not open again")]
    Over {
        /// The name.
        name: String,
    },
}

impl Windows {
    /// Puts a window in; an earlier one of the name goes.
    pub fn insert(&mut self, name: impl Into<String>, window: Window) {
        self.by_name.insert(name.into(), Arc::new(window));
    }

    /// Notes a window that can't be read.
    pub fn insert_unreadable(&mut self, name: impl Into<String>, reason: impl Into<String>) {
        self.unreadable.insert(name.into(), reason.into());
    }

    /// A window.
    pub fn get(&self, name: &str) -> Option<&Arc<Window>> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Window>)> {
        self.by_name.iter().map(|(name, window)| (name.as_str(), window))
    }

    /// The window of this name, or why there is none.
    ///
    /// # Errors
    /// [`NoFit::Unknown`] or [`NoFit::Unreadable`].
    pub fn find(&self, name: &str) -> Result<&Arc<Window>, NoFit> {
        if let Some(window) = self.by_name.get(name) {
            return Ok(window);
        }
        let name = name.to_owned();
        if let Some(reason) = self.unreadable.get(&name) {
            return Err(NoFit::Unreadable { name, reason: reason.clone() });
        }
        let near = self
            .by_name
            .keys()
            .map(|known| (strsim::jaro_winkler(known, &name), known))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(likeness, _)| *likeness > 0.8)
            .map(|(_, known)| known.clone());
        Err(NoFit::Unknown { name, near })
    }

    /// Whether there is a window of this name that is open for so long, now or later.
    ///
    /// # Errors
    /// There is none.
    pub fn allows(&self, name: &str, needs: HumanDuration) -> Result<(), NoFit> {
        let duration = self.find(name)?.duration;
        if needs > duration { Err(NoFit::TooShort { duration, needs }) } else { Ok(()) }
    }

    /// When work that needs so long can begin in a window: in an opening that is open already, or
    /// the next that is long enough. None while the window is switched off.
    ///
    /// # Errors
    /// It never fits.
    pub fn fit(
        &self,
        name: &str,
        now: Timestamp,
        needs: HumanDuration,
    ) -> Result<Option<Opening>, NoFit> {
        let window = self.find(name)?;
        match window.next_fit(now, needs)? {
            None if window.enabled => Err(NoFit::Over { name: name.to_owned() }),
            fit => Ok(fit),
        }
    }
}

impl From<NoFit> for StepError {
    fn from(none: NoFit) -> Self {
        let message = none.to_string();
        match none {
            NoFit::Unknown { name, near } => {
                let near = near.map(|near| format!("; did you mean `{near}`?"));
                Self::permanent("engine.no_window", message).hint(format!(
                    "make it with `rackwright windows add {name} --cron … --duration …`{}",
                    near.unwrap_or_default()
                ))
            }
            NoFit::Unreadable { name, .. } => Self::permanent("engine.no_window", message).hint(
                format!("write it anew with `rackwright windows add {name}`, or update this node"),
            ),
            NoFit::TooShort { .. } => Self::permanent("engine.window_too_short", message)
                .hint("make the window longer, or ask for less with `needs`"),
            NoFit::Over { name } => Self::permanent("engine.window_over", message)
                .hint(format!("give it a rule that goes on: `rackwright windows add {name} …`")),
        }
    }
}
