//! Maintenance windows and schedules in the store. What they mean is not its business.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::{StoreError, append::check_key};
use crate::model::Timestamp;

/// A maintenance window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRow {
    /// Its name.
    pub name: String,
    /// What it says, opaque to the store.
    pub definition: Bytes,
    /// When it was written last.
    pub updated_at: Timestamp,
    /// Who wrote it.
    pub updated_by: String,
}

/// A schedule as it is written by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSchedule {
    /// Its name.
    pub name: String,
    /// What it says, opaque to the store.
    pub definition: Bytes,
    /// Where it stands, opaque to the store.
    pub state: Bytes,
    /// When a node has to look at it; never, if absent.
    pub due_at: Option<Timestamp>,
    /// Who wrote it.
    pub by: String,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Its name.
    pub name: String,
    /// What it says, opaque to the store.
    pub definition: Bytes,
    /// Where it stands, opaque to the store.
    pub state: Bytes,
    /// When a node has to look at it; never, if absent.
    pub due_at: Option<Timestamp>,
    /// Counts its changes.
    pub revision: u64,
    /// When a person wrote it last.
    pub updated_at: Timestamp,
    /// Who that was.
    pub updated_by: String,
}

/// The part of a store that keeps windows and schedules.
#[async_trait]
pub trait CalendarStore: Send + Sync {
    /// Writes a window; an earlier one of the name goes. 1 to 512 bytes of name.
    async fn put_window(&self, name: &str, definition: &[u8], by: &str) -> Result<(), StoreError>;

    /// All windows, by name.
    async fn windows(&self) -> Result<Vec<WindowRow>, StoreError>;

    /// Takes a window away. Whether there was one.
    async fn remove_window(&self, name: &str) -> Result<bool, StoreError>;

    /// Writes a schedule; an earlier one of the name goes. Nobody holds it afterwards.
    async fn put_schedule(&self, schedule: &NewSchedule) -> Result<(), StoreError>;

    /// Changes where a schedule stands, if it is still at this revision, and lets it go. Whether
    /// it was.
    async fn change_schedule(
        &self,
        name: &str,
        revision: u64,
        state: &[u8],
        due_at: Option<Timestamp>,
    ) -> Result<bool, StoreError>;

    /// All schedules by name, or the one of this name.
    async fn schedules(&self, name: Option<&str>) -> Result<Vec<ScheduleRow>, StoreError>;

    /// Takes a schedule away. Whether there was one.
    async fn remove_schedule(&self, name: &str) -> Result<bool, StoreError>;

    /// Takes up to `limit` schedules that are due. Nobody else gets them before the caller has
    /// changed them or `hold` is over.
    async fn claim_schedules(
        &self,
        limit: u32,
        hold: Duration,
    ) -> Result<Vec<ScheduleRow>, StoreError>;
}

impl NewSchedule {
    /// Refuses names that a database can't hold.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        check_key("schedule name", &self.name)?;
        check_key("name of a person", &self.by)
    }
}

/// Refuses names that a database can't hold.
pub(super) fn check_window(name: &str, by: &str) -> Result<(), StoreError> {
    check_key("window name", name)?;
    check_key("name of a person", by)
}
