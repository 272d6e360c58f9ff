//! Windows and schedules of a wrapped store.

use std::time::Duration;

use async_trait::async_trait;

use super::{Around, Stored, Wrapped};
use crate::{
    model::Timestamp,
    store::{CalendarStore, NewSchedule, ScheduleRow, WindowRow},
};

#[async_trait]
impl<A: Around> CalendarStore for Wrapped<A> {
    async fn put_window(&self, name: &str, definition: &[u8], by: &str) -> Stored<()> {
        let put = self.inner.calendars().put_window(name, definition, by);
        self.call("put_window", put).await
    }

    async fn windows(&self) -> Stored<Vec<WindowRow>> {
        self.call("windows", self.inner.calendars().windows()).await
    }

    async fn remove_window(&self, name: &str) -> Stored<bool> {
        self.call("remove_window", self.inner.calendars().remove_window(name)).await
    }

    async fn put_schedule(&self, schedule: &NewSchedule) -> Stored<()> {
        self.call("put_schedule", self.inner.calendars().put_schedule(schedule)).await
    }

    async fn change_schedule(
        &self,
        name: &str,
        revision: u64,
        state: &[u8],
        due_at: Option<Timestamp>,
    ) -> Stored<bool> {
        let change = self.inner.calendars().change_schedule(name, revision, state, due_at);
        self.call("change_schedule", change).await
    }

    async fn schedules(&self, name: Option<&str>) -> Stored<Vec<ScheduleRow>> {
        self.call("schedules", self.inner.calendars().schedules(name)).await
    }

    async fn remove_schedule(&self, name: &str) -> Stored<bool> {
        self.call("remove_schedule", self.inner.calendars().remove_schedule(name)).await
    }

    async fn claim_schedules(&self, limit: u32, hold: Duration) -> Stored<Vec<ScheduleRow>> {
        let claim = self.inner.calendars().claim_schedules(limit, hold);
        self.call("claim_schedules", claim).await
    }
}
