//! What is recorded at one moment, to be compared with what happens afterwards.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::{
    book::Change,
    journal::{Journals, Task},
    place::Place,
};

/// What was recorded when no process was at work.
#[derive(Debug)]
pub struct Look {
    /// All journals.
    pub journals: Journals,
    /// All tasks.
    pub tasks: Vec<Task>,
    /// How many requests the lab had written down.
    pub requests: usize,
    /// Machines and executors whose every step is recorded as completed.
    pub completed: BTreeSet<(String, String)>,
}

impl Look {
    /// Looks now.
    ///
    /// # Errors
    /// When the store or the lab's files can't be read.
    pub async fn take(place: &Place) -> Result<Self> {
        let book = place.book();
        let journals = Journals::read(&place.client().await?).await?;
        let rack = book.rack()?;
        let (completed, tasks) = rack.map_or_else(Default::default, |rack| {
            (journals.completed(&rack), journals.tasks(&rack))
        });
        Ok(Self { journals, tasks, requests: book.records()?.len(), completed })
    }

    /// What changed in the lab since.
    ///
    /// # Errors
    /// When the lab's files can't be read.
    pub fn changes(&self, place: &Place) -> Result<Vec<Change>> {
        place.book().changes(self.requests)
    }

    /// The changes since by steps that were recorded as completed: there must be none.
    ///
    /// # Errors
    /// When the lab's files can't be read.
    pub fn repeated(&self, place: &Place) -> Result<Vec<Change>> {
        let key = |change: &Change| (change.machine.clone(), change.executor.to_owned());
        let mut changes = self.changes(place)?;
        changes.retain(|change| self.completed.contains(&key(change)));
        Ok(changes)
    }
}
