//! Windows and schedules in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::query;

use super::{SqliteStore, rows};
use crate::{
    model::Timestamp,
    store::{
        CalendarStore, NewSchedule, ScheduleRow, StoreError, WindowRow,
        calendar::check_window,
        sql::{micros, signed},
    },
};

#[async_trait]
impl CalendarStore for SqliteStore {
    async fn put_window(&self, name: &str, definition: &[u8], by: &str) -> Result<(), StoreError> {
        check_window(name, by)?;
        let put = query(include_str!("sql/put_window.sql"))
            .bind(name)
            .bind(definition)
            .bind(self.clock.now().micros())
            .bind(by);
        self.write("writing a window", put).await.map(drop)
    }

    async fn windows(&self) -> Result<Vec<WindowRow>, StoreError> {
        let find = query(include_str!("sql/windows.sql"));
        self.all("reading the windows", find).await?.iter().map(rows::window_row).collect()
    }

    async fn remove_window(&self, name: &str) -> Result<bool, StoreError> {
        let remove = query("DELETE FROM windows WHERE name = ?1").bind(name);
        Ok(self.write("removing a window", remove).await? > 0)
    }

    async fn put_schedule(&self, schedule: &NewSchedule) -> Result<(), StoreError> {
        schedule.check()?;
        let put = query(include_str!("sql/put_schedule.sql"))
            .bind(&schedule.name)
            .bind(&schedule.definition[..])
            .bind(&schedule.state[..])
            .bind(schedule.due_at.map(Timestamp::micros))
            .bind(self.clock.now().micros())
            .bind(&schedule.by);
        self.write("writing a schedule", put).await.map(drop)
    }

    async fn change_schedule(
        &self,
        name: &str,
        revision: u64,
        state: &[u8],
        due_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let change = query(include_str!("sql/change_schedule.sql"))
            .bind(name)
            .bind(signed(revision)?)
            .bind(state)
            .bind(due_at.map(Timestamp::micros));
        Ok(self.write("changing a schedule", change).await? > 0)
    }

    async fn schedules(&self, name: Option<&str>) -> Result<Vec<ScheduleRow>, StoreError> {
        let find = query(include_str!("sql/schedules.sql")).bind(name);
        self.all("reading the schedules", find).await?.iter().map(rows::schedule_row).collect()
    }

    async fn remove_schedule(&self, name: &str) -> Result<bool, StoreError> {
        let remove = query("DELETE FROM schedules WHERE name = ?1").bind(name);
        Ok(self.write("removing a schedule", remove).await? > 0)
    }

    async fn claim_schedules(
        &self,
        limit: u32,
        hold: Duration,
    ) -> Result<Vec<ScheduleRow>, StoreError> {
        let doing = "taking schedules that are due";
        let take = query(include_str!("sql/claim_schedules.sql"))
            .bind(self.clock.now().micros())
            .bind(micros(hold))
            .bind(i64::from(limit));
        let mut pen = self.pen.take().await?;
        let found = pen.all(doing, take).await?;
        pen.put_back();
        found.iter().map(rows::schedule_row).collect()
    }
}
