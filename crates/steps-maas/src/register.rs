//! What the executors share, and their registration.

use std::{sync::Arc, time::Duration};

use rackwright_engine::{Registry, model::StepError, step::DuplicateExecutor};

use crate::{Commission, MachineAddress, SetPool, SetZone, Tag, WaitStatus};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one request may take in all. MAAS itself gives its rack controllers 60 s.
const REQUEST: Duration = Duration::from_secs(90);

/// The connections that all executors of this library share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Maas(Arc<Result<reqwest::Client, String>>);

impl Maas {
    /// Makes the shared HTTP client: rustls with ring, the host's trusted certificates, no
    /// redirects (they would carry a request to where nobody pointed).
    pub fn new() -> Self {
        // A process has one provider; somebody else's choice is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("rackwright/", env!("CARGO_PKG_VERSION")))
            .build();
        Self(Arc::new(client.map_err(|error| error.to_string())))
    }

    /// The client, or why there is none (a host without certificates, say).
    pub(crate) fn http(&self) -> Result<reqwest::Client, StepError> {
        self.0.as_ref().clone().map_err(|why| {
            StepError::permanent("maas.http", format!("no HTTP client can be made: {why}"))
                .hint("install the host's certificates (Debian: ca-certificates)")
        })
    }
}

impl Default for Maas {
    fn default() -> Self {
        Self::new()
    }
}

/// Registers the executors of this library.
///
/// # Errors
/// [`DuplicateExecutor`] if a name is taken.
pub fn register(registry: &mut Registry) -> Result<(), DuplicateExecutor> {
    let maas = Maas::new();
    registry.register(Commission(maas.clone()))?;
    registry.register(WaitStatus(maas.clone()))?;
    registry.register(MachineAddress(maas.clone()))?;
    registry.register(Tag(maas.clone()))?;
    registry.register(SetPool(maas.clone()))?;
    registry.register(SetZone(maas))
}
