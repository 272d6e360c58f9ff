//! A lab and a step's context for tests.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rackwright_engine::{
    Executor, Observation, RunId, StepContext, StepError,
    step::{
        AttemptInfo, Credential, CredentialSource, Fenced, Holding, StaticCredentials, StepHost,
        SubtaskReport,
    },
};
use rackwright_lab::{Lab, LabOptions, Record};
use rackwright_steps_maas::{Commission, CommissionInput, Maas, MachineOutput};
use serde_json::{Value, json};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// What the engine is to a step: here, memory.
pub(crate) struct Host {
    pub(crate) credentials: Mutex<StaticCredentials>,
    pub(crate) saved: Mutex<Option<Value>>,
    pub(crate) fenced: AtomicBool,
    pub(crate) reports: watch::Sender<Vec<String>>,
}

impl Host {
    pub(crate) fn new(credentials: StaticCredentials) -> Arc<Self> {
        Arc::new(Self {
            credentials: Mutex::new(credentials),
            saved: Mutex::new(None),
            fenced: AtomicBool::new(false),
            reports: watch::Sender::new(Vec::new()),
        })
    }

    /// The context of a new attempt.
    pub(crate) fn context(
        self: &Arc<Self>,
        stop: &CancellationToken,
        limit: Option<Duration>,
    ) -> StepContext {
        let info = AttemptInfo {
            run: RunId(uuid::Uuid::nil()),
            path: "commission".to_owned(),
            attempt: 1,
            deadline: limit.map(|limit| Instant::now() + limit),
            saved: self.saved.lock().unwrap().clone(),
        };
        StepContext::new(Arc::new(info), self.clone(), stop.clone())
    }
}

#[async_trait]
impl StepHost for Host {
    async fn save(&self, _: &AttemptInfo, progress: Value) -> Result<(), StepError> {
        *self.saved.lock().unwrap() = Some(progress);
        Ok(())
    }

    async fn hold(&self, _: &AttemptInfo, holding: Holding) -> Result<(), StepError> {
        panic!("steps of this crate have nothing to hold: {holding}")
    }

    async fn release(&self, _: &AttemptInfo, holding: &Holding) -> Result<(), StepError> {
        panic!("steps of this crate have nothing to release: {holding}")
    }

    fn report(&self, _: &AttemptInfo, report: SubtaskReport) {
        self.reports.send_modify(|reports| reports.push(report.title));
    }

    async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        let credentials = self.credentials.lock().unwrap().clone();
        credentials.credential(name).await
    }

    fn fence(&self, _: &AttemptInfo) -> Result<(), Fenced> {
        if self.fenced.load(Ordering::Relaxed) { Err(Fenced) } else { Ok(()) }
    }
}

/// A lab of two machines at 600 times the speed, and a host that knows its credentials.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    pub(crate) host: Arc<Host>,
    pub(crate) maas: Maas,
    pub(crate) stop: CancellationToken,
    pub(crate) limit: Option<Duration>,
}

impl Bench {
    pub(crate) async fn new(dir: &Path, faults: &[&str]) -> Self {
        let faults = faults.iter().map(|name| name.parse().unwrap()).collect();
        let options =
            LabOptions { machines: Some(2), time_scale: 600.0, faults, ..LabOptions::new(dir) };
        let lab = Lab::start(options).await.unwrap();
        let host = Host::new(lab.credentials());
        let (maas, stop) = (Maas::new(), CancellationToken::new());
        Self { lab, host, maas, stop, limit: None }
    }

    /// The context of a new attempt.
    pub(crate) fn context(&self) -> StepContext {
        self.host.context(&self.stop, self.limit)
    }

    pub(crate) async fn run<E: Executor>(
        &self,
        executor: E,
        input: Value,
    ) -> Result<E::Output, StepError> {
        executor.run(&self.context(), serde_json::from_value(input).unwrap()).await
    }

    pub(crate) async fn commission(&self, more: Value) -> Result<MachineOutput, StepError> {
        self.run(Commission(self.maas.clone()), with(more)).await
    }

    pub(crate) async fn observe(&self) -> Observation<MachineOutput> {
        let input: CommissionInput = serde_json::from_value(with(json!({}))).unwrap();
        Commission(self.maas.clone()).observe(&self.context(), input).await.unwrap()
    }

    /// Begins to commission, and is stopped once MAAS has begun.
    pub(crate) async fn interrupted(&self) -> StepError {
        let mut reports = self.host.reports.subscribe();
        let begun = async {
            let begun = |all: &Vec<String>| all.iter().any(|one| one.starts_with("Commissioning"));
            reports.wait_for(begun).await.unwrap();
            self.stop.cancel();
        };
        let (result, ()) = tokio::join!(self.commission(json!({ "enable_ssh": true })), begun);
        result.unwrap_err()
    }

    pub(crate) fn reports(&self) -> Vec<String> {
        self.host.reports.borrow().clone()
    }

    /// The recorded requests that contain a text.
    pub(crate) fn asked(&self, what: &str) -> Vec<Record> {
        let all = Record::read(self.lab.state().dir()).unwrap();
        all.into_iter().filter(|record| record.what.contains(what)).collect()
    }

    pub(crate) fn api_key(&self) -> String {
        self.lab.state().read(|rack, _| rack.secrets.maas_api_key.clone())
    }

    /// Waits until the first machine has that status.
    pub(crate) async fn until_status(&self, status: u8) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.lab.state().read(|rack, _| rack.machines[0].status) != status {
            assert!(Instant::now() < deadline, "the machine never had status {status}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The first machine, asked for often.
pub(crate) fn with(more: Value) -> Value {
    let mut input = json!({ "machine": "srv001", "poll": "20ms" });
    let Value::Object(more) = more else { panic!("an input is an object") };
    for (key, value) in more {
        input[key] = value;
    }
    input
}
