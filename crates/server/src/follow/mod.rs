//! Following runs and their children, live.

mod family;
mod lines;
mod live;
mod show;

pub(crate) use family::{Family, Standing};
pub(crate) use live::final_trees;
pub(crate) use show::{Ended, follow};

use std::{collections::HashMap, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream, SelectAll},
};
use rackwright_engine::{
    Client, EngineError,
    api::RunEvent,
    machine::Event,
    model::{RunId, Timestamp},
};
use tokio::time::Instant;

use crate::exit::Outcome;

/// An event, or why it can't be had.
type Told = Result<RunEvent, EngineError>;

/// The database's clock, asked once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    then: Timestamp,
    asked: Instant,
}

impl Clock {
    /// Asks the store.
    pub(crate) async fn read(client: &Client) -> Outcome<Self> {
        let asked = Instant::now();
        Ok(Self { then: client.store().now().await?, asked })
    }

    /// When it was asked.
    pub(crate) const fn then(self) -> Timestamp {
        self.then
    }

    /// Now.
    pub(crate) fn now(self) -> Timestamp {
        self.then.after(self.asked.elapsed())
    }
}

/// Runs with their children and what happens to them.
pub(crate) struct Follower {
    client: Client,
    families: Vec<Family>,
    /// Which family a run belongs to.
    family_of: HashMap<RunId, usize>,
    streams: SelectAll<BoxStream<'static, Told>>,
}

/// How long a child that is not there yet is waited for before it is looked for again.
const LATER: Duration = Duration::from_millis(250);

impl Follower {
    /// Follows these runs from their beginnings.
    pub(crate) fn new(client: Client, roots: &[RunId]) -> Self {
        let mut follower = Self {
            client,
            families: roots.iter().map(|run| Family::new(*run)).collect(),
            family_of: HashMap::new(),
            streams: SelectAll::new(),
        };
        for (family, run) in roots.iter().enumerate() {
            follower.add(*run, family);
        }
        follower
    }

    fn add(&mut self, run: RunId, family: usize) {
        if self.family_of.insert(run, family).is_none() {
            self.streams.push(self.client.run(run).events().boxed());
        }
    }

    /// The runs that are followed, with their children.
    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }

    /// What comes next; `None` once all runs have ended. It may be given up while it waits, but
    /// what it gave has to be taken in.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        self.streams.next().await
    }

    /// Takes in what came: the event, applied to its family, if it was one.
    pub(crate) async fn take_in(&mut self, told: Told) -> Outcome<Option<(usize, RunEvent)>> {
        match told {
            Ok(event) => {
                let Some(&family) = self.family_of.get(&event.run) else { return Ok(None) };
                self.apply(family, &event).await?;
                Ok(Some((family, event)))
            }
            // A child's first row may come after its parent's word of it.
            Err(EngineError::UnknownRun(run)) if self.is_child(run) => {
                let events = self.client.run(run).events();
                let wait = stream::once(tokio::time::sleep(LATER)).filter_map(async |()| None);
                self.streams.push(wait.chain(events).boxed());
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn is_child(&self, run: RunId) -> bool {
        self.family_of.get(&run).is_some_and(|family| self.families[*family].root() != run)
    }

    async fn apply(&mut self, family: usize, event: &RunEvent) -> Result<(), EngineError> {
        if matches!(event.event, Event::Created(_)) {
            let view = self.client.beginning(event.run).await?;
            self.families[family].join(event.run, view);
        }
        if let (Event::ChildStarted { run, .. }, Some(path)) = (&event.event, &event.path) {
            self.families[family].expect(event.run, path, *run);
            self.add(*run, family);
        }
        self.families[family].apply(event)
    }
}
