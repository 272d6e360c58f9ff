//! A node in this process: the engine, and the lab if its runs need one.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use rackwright_engine::{Config, Engine, store::Store};
use rackwright_lab::{Lab, LabError, LabOptions};

use crate::{
    cli::Common,
    credentials::{Credentials, OwnCredentials},
    exit::{Exit, Failure, Outcome},
    home::Home,
    metrics, workflows,
};

/// What runs act on beside their workflow. It stands in their labels, so that they can be resumed
/// with the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site {
    /// The lab's directory; without it runs act on the real world.
    pub(crate) lab: Option<PathBuf>,
    /// How fast the lab's time passes, as text.
    pub(crate) lab_speed: Option<String>,
    /// A directory of device types.
    pub(crate) device_types: Option<PathBuf>,
}

const LAB: &str = "lab";
const LAB_SPEED: &str = "lab_speed";
const DEVICE_TYPES: &str = "device_types";

impl Site {
    /// The names of its labels.
    pub(crate) const LABELS: [&'static str; 3] = [LAB, LAB_SPEED, DEVICE_TYPES];

    /// As a run's labels say.
    pub(crate) fn of(labels: &BTreeMap<String, String>) -> Self {
        Self {
            lab: labels.get(LAB).map(PathBuf::from),
            lab_speed: labels.get(LAB_SPEED).cloned(),
            device_types: labels.get(DEVICE_TYPES).map(PathBuf::from),
        }
    }

    /// The labels that a run gets.
    pub(crate) fn labels(&self) -> Vec<(&'static str, String)> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|it| it.display().to_string());
        [
            (LAB, path(&self.lab)),
            (LAB_SPEED, self.lab_speed.clone()),
            (DEVICE_TYPES, path(&self.device_types)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// Starts the lab again that runs used.
    pub(crate) async fn lab_again(&self) -> Outcome<Option<Lab>> {
        let Some(dir) = &self.lab else { return Ok(None) };
        if !dir.join("lab.json").is_file() {
            let text = format!("the lab of these runs, {}, is gone", dir.display());
            return Err(Failure::unavailable(text)
                .hint("cancel them with `rackwright runs cancel RUN`, or bring it back"));
        }
        let mut options = LabOptions::new(dir);
        if let Some(speed) = self.lab_speed.as_ref().and_then(|text| text.parse().ok()) {
            options.time_scale = speed;
        }
        Ok(Some(Lab::start(options).await.map_err(lab_failure)?))
    }
}

/// A lab that can't be served.
pub(crate) fn lab_failure(error: LabError) -> Failure {
    let exit = match &error {
        LabError::Size { .. } | LabError::TooMany { .. } | LabError::NoMachine { .. } => {
            Exit::Usage
        }
        LabError::File { .. }
        | LabError::State { .. }
        | LabError::Port { .. }
        | LabError::HostKey { .. } => Exit::Unavailable,
    };
    Failure::new(exit, error)
}

/// An engine with its lab.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    lab: Option<Lab>,
    /// Where Prometheus finds its metrics.
    pub(crate) metrics: Option<SocketAddr>,
}

impl Node {
    /// Joins the store. The node takes nothing over until it is told what.
    pub(crate) async fn start(
        common: &Common,
        home: &Home,
        site: &Site,
        lab: Option<Lab>,
        store: Arc<dyn Store>,
    ) -> Outcome<Self> {
        // Who runs or resumes by hand sees it die: quarantine is for nodes that come back by
        // themselves.
        let config = Config { quarantine_after: None, ..Config::default() };
        Self::start_as(common, home, site, lab, store, config).await
    }

    /// The same with settings of its own.
    pub(crate) async fn start_as(
        common: &Common,
        home: &Home,
        site: &Site,
        lab: Option<Lab>,
        store: Arc<dyn Store>,
        config: Config,
    ) -> Outcome<Self> {
        let metrics = match common.metrics {
            Some(address) => Some(metrics::serve(address).await?),
            None => None,
        };
        let types = workflows::device_types(home, site.device_types.as_deref())?;
        let credentials = match &lab {
            Some(lab) => Credentials::Lab(lab.credentials()),
            None => Credentials::Own(OwnCredentials::load(common, home)?),
        };
        let config = Config { claims: None, max_payload: common.max_payload.0, ..config };
        let engine = Engine::builder()
            .open_store(store)
            .registry(workflows::registry(types)?)
            .credentials(credentials)
            .config(config)
            .build()
            .await?;
        Ok(Self { engine, lab, metrics })
    }

    /// Finishes or checkpoints what runs, and leaves.
    pub(crate) async fn stop(self) -> Outcome<()> {
        let stopped = self.engine.shutdown().await;
        if let Some(lab) = self.lab {
            lab.shutdown().await;
        }
        Ok(stopped?)
    }
}
