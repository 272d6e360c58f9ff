//! One scene, from the start of the run until everything has ended, and the judgement.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rackwright_engine::{
    Client, Engine, EngineError, RunId, RunRequest,
    runtime::PlanUnavailable,
    store::{JournalRow, RunFilter, Store},
    testing::{Cluster, Device, Faults, VirtualTime},
};
use serde_json::json;

use super::{
    actors::executors,
    backend::{Backend, Place},
    chance::Chance,
    figures::Figures,
    judge,
    operator::{Operator, Standing},
    scene::Scene,
};

/// Everything that can happen by itself has happened long before.
const END: Duration = Duration::from_hours(100);

/// More operations than the nodes need, whatever happens: they are busy with nothing.
const BUSY: u64 = 50_000;
const PER_SECOND: u64 = 20;

/// How a scene went.
#[derive(Clone, Debug)]
pub struct Course {
    /// What happened.
    pub figures: Figures,
    /// The journals, by run.
    pub journals: BTreeMap<RunId, Vec<JournalRow>>,
}

/// A scene that broke a law.
#[derive(Debug)]
pub struct Failure {
    /// The scene.
    pub scene: Scene,
    /// Which laws, and how.
    pub breaches: Vec<String>,
    /// The operations of the nodes on the store and the devices.
    pub operations: Vec<String>,
    /// The journals, one row a line.
    pub journal: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scene { seed, workflow, nodes, faults, deeds, .. } = &self.scene;
        writeln!(f, "seed {seed} breaks {} law(s):", self.breaches.len())?;
        for breach in &self.breaches {
            writeln!(f, "  {breach}")?;
        }
        writeln!(f, "{nodes} node(s); people: {deeds:?}; faults: {faults}")?;
        writeln!(f, "workflow: {}", String::from_utf8_lossy(&workflow.canonical()))?;
        writeln!(f, "journal:")?;
        for line in &self.journal {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "operations:")?;
        self.operations.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Plays a scene.
///
/// # Errors
/// What broke a law, or kept the scene from being played.
pub fn play(scene: &Scene, backend: &Backend) -> Result<Course, Box<Failure>> {
    let mut seen = Seen::default();
    let played = catch_unwind(AssertUnwindSafe(|| stage(scene, *backend, &mut seen)));
    let mut breaches = match played {
        Ok(Ok(breaches)) => breaches,
        Ok(Err(error)) => vec![format!("{error:#}")],
        Err(panic) => vec![format!("panic: {}", judge::text_of(&*panic))],
    };
    if breaches.is_empty() {
        return Ok(Course { figures: seen.figures, journals: seen.journals });
    }
    breaches.dedup();
    let rows = seen.journals.iter().flat_map(|(run, rows)| rows.iter().map(move |row| (run, row)));
    let line = |(run, row): (&RunId, &JournalRow)| {
        let events = String::from_utf8_lossy(&row.events);
        format!("{run} {} epoch {} {}: {events}", row.seq, row.epoch, row.at.micros())
    };
    let journal = rows.map(line).collect();
    let operations = seen.operations;
    Err(Box::new(Failure { scene: scene.clone(), breaches, operations, journal }))
}

#[derive(Default)]
struct Seen {
    figures: Figures,
    journals: BTreeMap<RunId, Vec<JournalRow>>,
    operations: Vec<String>,
}

fn stage(scene: &Scene, backend: Backend, seen: &mut Seen) -> Result<Vec<String>> {
    let time = VirtualTime::new()?;
    let place = backend.place(time.clock())?;
    let faults = Faults::new(scene.faults.clone(), Some(time.clock()));
    faults.keep_log();
    let device = Device::new();
    let client = Client::new(Arc::clone(&place.store));
    let ended = time.run(async {
        prepare(scene, &*place.store).await?;
        let ended = carry_on(scene, &place, &faults, &device, &mut seen.figures).await;
        // Also of a scene that did not come to its end.
        seen.journals = journals(&client).await?;
        ended
    });
    seen.operations = faults.log();
    seen.figures.of_faults(&faults.tally());
    seen.figures.of_device(&device);
    let mut breaches = device.breaches();
    breaches.extend(ended.as_ref().err().map(|error| format!("{error:#}")));
    breaches.extend(time.run(judge::judge(
        scene,
        &client,
        &device,
        ended.is_ok(),
        &mut seen.figures,
    ))?);
    seen.figures.add("virtual seconds", time.elapsed().as_secs());
    drop((client, time));
    place.leave()?;
    Ok(breaches)
}

/// The workflows are there before any node is.
async fn prepare(scene: &Scene, store: &dyn Store) -> Result<()> {
    for workflow in [&scene.kid, &scene.workflow] {
        let canonical = workflow.canonical();
        store.put_definition(workflow.version(), &workflow.name, &canonical).await?;
    }
    Ok(())
}

async fn journals(client: &Client) -> Result<BTreeMap<RunId, Vec<JournalRow>>> {
    let mut journals = BTreeMap::new();
    let filter = RunFilter { limit: 10_000, ..RunFilter::default() };
    for run in client.runs(&filter).await? {
        journals.insert(run.id, client.journal(run.id, 0).await?);
    }
    Ok(journals)
}

/// Starts the run and goes on until all runs have ended.
async fn carry_on(
    scene: &Scene,
    place: &Place,
    faults: &Faults,
    device: &Device,
    figures: &mut Figures,
) -> Result<()> {
    let (seed, actors) = (scene.seed, device.clone());
    let mut cluster = Cluster::builder(Arc::clone(&place.store))
        .nodes(scene.nodes)
        .faults(faults)
        .config(scene.config.clone())
        .executors(move |link| executors(seed, &actors, link))
        .build()
        .await?;
    // The one that the generator's workflows name.
    let minute = br#"{"cron":"* * * * *","duration":"20s","time_zone":"UTC"}"#;
    place.store.calendars().put_window("minute", minute, "sim").await?;
    let mut stage = Stage { seed, deaths: BTreeMap::new(), crashes: 0, begun: now() };
    let root = stage.start(&mut cluster).await?;
    let mut operator = Operator::new(scene, cluster.client(), device);
    loop {
        stage.tend(&mut cluster).await?;
        if let Standing::Ended = operator.look(root).await? {
            break;
        }
        let played = stage.begun.elapsed();
        if played > END {
            bail!("the runs do not end: {}", unended(&cluster.client()).await?);
        }
        let operations: u64 = faults.tally().operations.values().sum();
        if operations > BUSY + PER_SECOND * played.as_secs() {
            let client = cluster.client();
            bail!("{operations} operations in {played:?}: {}", unended(&client).await?);
        }
        // Quick at first, when most happens.
        let pause = if played < Duration::from_mins(5) { 1 } else { 60 };
        tokio::time::sleep(Duration::from_secs(pause)).await;
    }
    let stuck: Vec<_> = (0..cluster.len())
        .filter_map(|slot| cluster.engine(slot))
        .flat_map(Engine::stuck)
        .collect();
    figures.merge(&operator.figures);
    figures.add("crashes", stage.crashes);
    if stuck.is_empty() { Ok(()) } else { bail!("runs are stuck: {stuck:?}") }
}

async fn unended(client: &Client) -> Result<String> {
    let runs = client.runs(&RunFilter { limit: 10_000, ..RunFilter::default() }).await?;
    let alive = runs.iter().filter(|run| !run.status.is_ended());
    Ok(alive.map(|run| format!("{run:?}")).collect::<Vec<_>>().join("; "))
}

fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Keeps the nodes coming back.
struct Stage {
    seed: u64,
    /// The nodes that are dead, and when they come back.
    deaths: BTreeMap<usize, tokio::time::Instant>,
    crashes: u64,
    begun: tokio::time::Instant,
}

impl Stage {
    /// Starts the run, on any node, as often as it takes: the key makes it one run.
    async fn start(&mut self, cluster: &mut Cluster) -> Result<RunId> {
        for attempt in 0..200 {
            self.tend(cluster).await?;
            let slot = attempt % cluster.len();
            if let Some(engine) = cluster.engine(slot) {
                let request =
                    RunRequest::new("random").input(json!({ "n": 3 })).idempotency_key("the run");
                let started = engine.start(request);
                match tokio::time::timeout(Duration::from_secs(20), started).await {
                    Ok(Ok(run)) => return Ok(run.id()),
                    Ok(Err(error)) if !passes(&error) => return Err(error).context("the start"),
                    // The node died, or could not reach the store.
                    Ok(Err(_)) | Err(_) => {}
                }
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        bail!("the run could not be started");
    }

    /// Buries the dead, and starts those whose time has come.
    async fn tend(&mut self, cluster: &mut Cluster) -> Result<()> {
        let dead = cluster.bury();
        for slot in dead {
            let (seed, crashes) = (self.seed, &mut self.crashes);
            let back = *self.deaths.entry(slot).or_insert_with(|| {
                *crashes += 1;
                let away = Chance::of(seed, ("away", *crashes)).time(Duration::from_secs(40));
                now() + away
            });
            if back <= now() {
                self.deaths.remove(&slot);
                cluster.start(slot).await?;
            }
        }
        Ok(())
    }
}

/// Whether the same call may succeed later.
fn passes(error: &EngineError) -> bool {
    match error {
        EngineError::Store(error) | EngineError::Unavailable(PlanUnavailable::Store(error)) => {
            error.is_transient()
        }
        EngineError::ShutDown | EngineError::Start(_) => true,
        EngineError::Unavailable(_)
        | EngineError::Plan(_)
        | EngineError::Duplicate(_)
        | EngineError::Invalid { .. }
        | EngineError::UnknownWorkflow(_)
        | EngineError::Input { .. }
        | EngineError::UnknownRun(_)
        | EngineError::Window { .. }
        | EngineError::Journal { .. }
        | EngineError::TooLarge(_)
        | EngineError::Archive(_)
        | EngineError::Refused(_) => false,
    }
}
