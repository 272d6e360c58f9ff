//! A node: a process that embeds the engine, with executors that act on the machines.

use std::{env, io::Read as _, process, thread, time::Duration};

use anyhow::{Context, Result};
use rackwright_engine::{
    Config, Describe, Effect, Engine, EngineError, ErrorClass, Executor, Holding, Observation,
    RunRequest, StepContext, StepError, Workflow,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{Instant, sleep, sleep_until},
};

/// What a node is told by its environment.
pub(crate) const STORE: &str = "RACKWRIGHT_NODES_STORE";
pub(crate) const DEVICES: &str = "RACKWRIGHT_NODES_DEVICES";
/// `first/step/runs/milliseconds between two starts`: which runs it starts, and how fast.
pub(crate) const STARTS: &str = "RACKWRIGHT_NODES_STARTS";

/// So many runs work on one machine, which is locked.
const RUNS_PER_MACHINE: u64 = 4;

/// Short, so that a test sees many of them run out.
pub(crate) const LEASE: Duration = Duration::from_millis(1500);

#[derive(Clone, Copy)]
struct Device(u16);

impl Device {
    /// One request on a connection of its own, as tools do.
    async fn ask(self, request: Value) -> Result<Value, StepError> {
        let lost = |error: std::io::Error| {
            let message = format!("the machine does not answer: {error}");
            StepError::new("device.away", ErrorClass::Transient, message)
        };
        let mut stream = TcpStream::connect(("127.0.0.1", self.0)).await.map_err(lost)?;
        stream.write_all(format!("{request}\n").as_bytes()).await.map_err(lost)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).await.map_err(lost)?;
        serde_json::from_str(&line).map_err(|error| {
            StepError::new("device.answer", ErrorClass::Transient, error.to_string())
        })
    }

    /// Logs in, saves the session, checks the fence, and writes: with a gate between the check
    /// and the request, where the harness may stop this process.
    async fn change(self, ctx: &StepContext, machine: &str) -> Result<(), StepError> {
        ctx.fence()?;
        let session = self.ask(json!({ "do": "login", "machine": machine })).await?;
        let holding = ctx.hold("device.session", session.clone()).await?;
        ctx.fence()?;
        self.ask(json!({ "do": "gate", "process": process::id() })).await?;
        let write = json!({ "do": "write", "session": session, "what": what(ctx) });
        if self.ask(write).await? != json!("written") {
            return Err(StepError::new("device.refused", ErrorClass::Conflict, "session is dead"));
        }
        self.ask(json!({ "do": "logout", "session": session })).await?;
        ctx.release(&holding).await
    }

    async fn revoke(self, holding: &Holding) -> Result<(), StepError> {
        self.ask(json!({ "do": "revoke", "session": holding.token })).await.map(drop)
    }
}

fn what(ctx: &StepContext) -> String {
    format!("{}/{}", ctx.run_id(), ctx.path())
}

fn machine(input: &Value) -> &str {
    input["machine"].as_str().unwrap_or_default()
}

/// `device.flash`: must not be made twice.
struct Flash(Device);

impl Executor for Flash {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("device.flash", Effect::Verify).revocable()
    }

    async fn run(&self, ctx: &StepContext, input: Value) -> Result<Value, StepError> {
        self.0.change(ctx, machine(&input)).await?;
        Ok(json!("flashed"))
    }

    async fn observe(&self, ctx: &StepContext, _: Value) -> Result<Observation<Value>, StepError> {
        let done = self.0.ask(json!({ "do": "look", "what": what(ctx) })).await?;
        let done = done == json!(true);
        Ok(if done { Observation::Done(json!("seen")) } else { Observation::NotDone })
    }

    async fn revoke(&self, _: &StepContext, _: Value, it: &Holding) -> Result<(), StepError> {
        self.0.revoke(it).await
    }
}

/// `device.config`: may be made again.
struct Configure(Device);

impl Executor for Configure {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("device.config", Effect::Idempotent).revocable()
    }

    async fn run(&self, ctx: &StepContext, input: Value) -> Result<Value, StepError> {
        self.0.change(ctx, machine(&input)).await?;
        Ok(json!("configured"))
    }

    async fn revoke(&self, _: &StepContext, _: Value, it: &Holding) -> Result<(), StepError> {
        self.0.revoke(it).await
    }
}

/// `device.read`: changes nothing.
struct Read(Device);

impl Executor for Read {
    type Input = Value;
    type Output = Value;

    fn describe(&self) -> Describe {
        Describe::new("device.read", Effect::Read)
    }

    async fn run(&self, ctx: &StepContext, _: Value) -> Result<Value, StepError> {
        // Of something else than what is written, so that it is no look before a write.
        self.0.ask(json!({ "do": "look", "what": format!("{} read", what(ctx)) })).await
    }
}

pub(crate) fn workflow() -> Result<Workflow> {
    let retry = json!({ "max_attempts": 20, "delay": "50ms" });
    let task = |id: &str, uses: &str| json!({ "id": id, "uses": uses, "with": { "machine": "{{ input.machine }}" }, "retry": retry });
    let mut configure = task("configure", "device.config");
    configure["cleanup"] = task("", "device.flash");
    if let Some(cleanup) = configure["cleanup"].as_object_mut() {
        cleanup.remove("id");
    }
    Ok(serde_json::from_value(json!({
        "workflow": "machine",
        // Several runs want each machine: one after the other.
        "locks": ["device/{{ input.machine }}"],
        "steps": [
            task("read", "device.read"),
            task("flash", "device.flash"),
            configure,
            { "id": "parts", "map": { "over": ["nic", "disk"], "max_concurrency": 1 },
              "steps": [task("part", "device.flash")] },
        ],
    }))?)
}

/// Works until it is killed.
pub(crate) async fn work() -> Result<()> {
    end_with_the_harness();
    let told = |name: &str| env::var(name).with_context(|| name.to_owned());
    let device = Device(told(DEVICES)?.parse()?);
    let engine = loop {
        match build(&told(STORE)?, device).await {
            Ok(engine) => break engine,
            // The database may be away just now.
            Err(EngineError::Store(error)) if error.is_transient() => {
                sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    let starts = told(STARTS)?;
    let numbers: Vec<u64> = starts.split('/').map(str::parse).collect::<Result<_, _>>()?;
    let [first, step, runs, pause] = numbers[..] else { anyhow::bail!("{STARTS}={starts}") };
    start(&engine, (first, step, runs), Duration::from_millis(pause)).await?;
    std::future::pending().await
}

/// Nobody outlives the harness: it holds the other end of the standard input.
fn end_with_the_harness() {
    thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        process::abort();
    });
}

async fn build(store: &str, device: Device) -> Result<Engine, EngineError> {
    let config = Config {
        lease: LEASE,
        poll: Duration::from_millis(100),
        max_in_flight: 8,
        stop_grace: Duration::from_secs(1),
        ..Config::default()
    };
    let engine = Engine::builder()
        .store(store)
        .config(config)
        .register(Flash(device))
        .register(Configure(device))
        .register(Read(device))
        .build()
        .await?;
    Ok(engine)
}

/// Starts its share of the runs; those that a former process started are there already.
async fn start(
    engine: &Engine,
    (first, step, runs): (u64, u64, u64),
    pause: Duration,
) -> Result<()> {
    let mut due = Instant::now();
    let mut number = first;
    while number < runs {
        let request = RunRequest::new("machine")
            .input(json!({ "machine": format!("m{}", number / RUNS_PER_MACHINE) }))
            .idempotency_key(format!("run-{number}"));
        let started = match engine.deploy(workflow()?).await {
            Ok(_) => engine.start(request).await.map(drop),
            Err(error) => Err(error),
        };
        match started {
            Ok(()) => {
                number += step;
                due += pause;
                sleep_until(due).await;
            }
            Err(error @ EngineError::Invalid { .. }) => return Err(error.into()),
            // The store is away, or the lease was lost: the run is asked for again.
            Err(error) => {
                eprintln!("run {number} is started again: {error}");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
    Ok(())
}
