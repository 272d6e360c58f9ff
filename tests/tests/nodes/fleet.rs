//! Three processes, and what happens to them.

use std::{env, fs::File, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use rackwright_tests::postgres::Postgres;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    device::{Devices, Gate},
    figures::Figures,
    node,
    proxy::Proxy,
};

/// How many nodes there are.
pub(crate) const NODES: u64 = 3;

/// How long a stopped process sleeps: others have taken its runs over by then.
const STOPPED: Duration = Duration::from_millis(3500);

struct Process {
    child: Child,
    proxy: Proxy,
    /// Stopped until then.
    stopped: Option<Instant>,
}

impl Process {
    fn id(&self) -> Option<u32> {
        self.child.id()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(kill_process(id.context("the node has ended by itself")?, signal)?)
    }
}

/// The nodes, their database and their machines.
pub(crate) struct Fleet {
    pub(crate) postgres: Postgres,
    pub(crate) devices: Devices,
    pub(crate) figures: Figures,
    gates: mpsc::UnboundedReceiver<Gate>,
    processes: Vec<Process>,
    random: StdRng,
    logs: TempDir,
    runs: u64,
    pause: Duration,
}

impl Fleet {
    /// Starts all; each node starts its share of `runs`, one in each `pause`.
    pub(crate) async fn start(
        postgres: Postgres,
        seed: u64,
        runs: u64,
        pause: Duration,
    ) -> Result<Self> {
        let (sender, gates) = mpsc::unbounded_channel();
        let mut fleet = Self {
            devices: Devices::start(sender).await?,
            figures: Figures::default(),
            gates,
            processes: Vec::new(),
            random: StdRng::seed_from_u64(seed),
            logs: TempDir::with_prefix("rackwright-nodes-")?,
            runs,
            pause,
            postgres,
        };
        for number in 0..NODES {
            let proxy = Proxy::start(fleet.postgres.port()).await?;
            let child = fleet.spawn(number, proxy.port)?;
            fleet.processes.push(Process { child, proxy, stopped: None });
        }
        Ok(fleet)
    }

    /// This test program once more, as a node.
    fn spawn(&self, number: u64, port: u16) -> Result<Child> {
        let log = File::options().create(true).append(true).open(self.log(number))?;
        let starts = format!("{number}/{NODES}/{}/{}", self.runs, self.pause.as_millis());
        let mut command = Command::new(env::current_exe()?);
        command.args(["--exact", "a_node", "--ignored", "--nocapture"]);
        command.env(node::STORE, self.postgres.url(port)).env(node::STARTS, starts);
        command.env(node::DEVICES, self.devices.port.to_string());
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        Ok(command.spawn()?)
    }

    fn log(&self, number: u64) -> PathBuf {
        self.logs.path().join(format!("node-{number}"))
    }

    /// Keeps what the nodes said, and tells where.
    pub(crate) fn keep_logs(&mut self) -> PathBuf {
        self.logs.disable_cleanup(true);
        self.logs.path().to_owned()
    }

    /// Lets processes at their gates pass, wakes those that slept enough, and does something to
    /// one of them every now and then.
    pub(crate) async fn harass(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.tend()?;
            if self.random.random_bool(0.03) {
                self.harm().await?;
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Without doing anything more to them.
    pub(crate) fn tend(&mut self) -> Result<()> {
        while let Ok((id, go)) = self.gates.try_recv() {
            if self.random.random_bool(0.02) {
                self.stop_at_gate(id)?;
            }
            // A stopped process reads this when it wakes, and sends its request at once.
            let _ = go.send(());
        }
        let now = Instant::now();
        for number in 0..self.processes.len() {
            let process = &mut self.processes[number];
            if process.stopped.is_some_and(|until| until <= now) {
                process.stopped = None;
                process.signal(Signal::CONT)?;
            }
            if process.child.try_wait()?.is_some() {
                bail!("node {number} has ended by itself: {}", self.keep_logs().display());
            }
        }
        Ok(())
    }

    fn stop_at_gate(&mut self, id: u32) -> Result<()> {
        let found = self.processes.iter_mut().find(|it| it.id() == Some(id));
        if let Some(process) = found.filter(|it| it.stopped.is_none()) {
            process.signal(Signal::STOP)?;
            process.stopped = Some(Instant::now() + STOPPED);
            self.figures.stops += 1;
            self.figures.at_gates += 1;
        }
        Ok(())
    }

    async fn harm(&mut self) -> Result<()> {
        let number = self.random.random_range(0..self.processes.len());
        let process = &mut self.processes[number];
        match self.random.random_range(0..10) {
            0..3 => {
                process.child.kill().await?;
                process.stopped = None;
                self.figures.kills += 1;
                let port = process.proxy.port;
                self.processes[number].child = self.spawn(number as u64, port)?;
            }
            3..5 if process.stopped.is_none() => {
                process.signal(Signal::STOP)?;
                process.stopped = Some(Instant::now() + STOPPED);
                self.figures.stops += 1;
            }
            3..7 => {
                process.proxy.cut();
                self.figures.cuts += 1;
            }
            _ => {
                // Often shorter than a lease, sometimes longer.
                let time = self.random.random_range(50..3000);
                process.proxy.hold_up(Duration::from_millis(time));
                self.figures.delays += 1;
            }
        }
        Ok(())
    }

    pub(crate) fn restart_postgres(&mut self, crash: bool) -> Result<()> {
        self.figures.restarts += 1;
        self.postgres.restart(crash)
    }

    /// Ends all nodes; nobody writes any more.
    pub(crate) async fn end(&mut self) -> Result<()> {
        for process in &mut self.processes {
            process.child.kill().await?;
        }
        Ok(())
    }
}
