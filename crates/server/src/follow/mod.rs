//! Following runs and their children, live.

mod family;
mod lines;
mod live;
mod show;

pub(crate) use family::{Family, Standing};
pub(crate) use live::final_trees;
pub(crate) use show::{Ended, follow};

use std::{collections::HashMap, time::Duration};

use rackwright_engine::{
    Client, EngineError,
    api::RunEvent,
    machine::Event,
    model::{RunId, Timestamp},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::Instant,
};

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
    /// One task for each run. They are not polled here: a stream that is left alone in the middle
    /// of a query keeps a connection from those who need one.
    tasks: JoinSet<()>,
    told: UnboundedReceiver<Told>,
    tell: UnboundedSender<Told>,
}

/// How long a child that is not there yet is waited for before it is looked for again.
const LATER: Duration = Duration::from_millis(250);

impl Follower {
    /// Follows these runs from their beginnings.
    pub(crate) fn new(client: Client, roots: &[RunId]) -> Self {
        let (tell, told) = unbounded_channel();
        let mut follower = Self {
            client,
            families: roots.iter().map(|run| Family::new(*run)).collect(),
            family_of: HashMap::new(),
            tasks: JoinSet::new(),
            told,
            tell,
        };
        for (family, run) in roots.iter().enumerate() {
            follower.add(*run, family);
        }
        follower
    }

    fn add(&mut self, run: RunId, family: usize) {
        if self.family_of.insert(run, family).is_none() {
            self.listen(run, Duration::ZERO);
        }
    }

    fn listen(&mut self, run: RunId, after: Duration) {
        let tell = self.tell.clone();
        let mut events = self.client.run(run).events();
        self.tasks.spawn(async move {
            tokio::time::sleep(after).await;
            while let Some(told) = events.next().await {
                if tell.send(told).is_err() {
                    return;
                }
            }
        });
    }

    /// The runs that are followed, with their children.
    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }

    /// What comes next; `None` once all runs have ended. It may be given up while it waits, but
    /// what it gave has to be taken in.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            tokio::select! {
                biased;
                told = self.told.recv() => return told,
                ended = self.tasks.join_next() => {
                    // What the last task said is taken in before its end is.
                    if ended.is_none() {
                        return self.told.try_recv().ok();
                    }
                }
            }
        }
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
                self.listen(run, LATER);
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
        if let Event::Migrated { version, .. } = &event.event {
            let plan = self.client.plan(*version).await?;
            return self.families[family].moved(event, plan);
        }
        self.families[family].apply(event)
    }
}
