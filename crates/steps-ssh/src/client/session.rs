//! One connection: connect, check the host's key, log in.

use std::{sync::Arc, time::Duration};

use rackwright_engine::step::Credential;
use russh::{
    Disconnect, Preferred,
    client::{self, Handle},
    keys::PublicKeyOrCertificate,
};
use tokio_util::sync::CancellationToken;

use super::{HostKeyError, HostKeyPolicy, SshError, hostkey::Expected, login::Login};

/// Where to connect, and how.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the server's key is checked.
    pub host_key: HostKeyPolicy,
    /// For the TCP connection, the key exchange and the login together.
    pub connect_timeout: Duration,
}

/// A connection, logged in. Dropping it closes it.
pub struct Session {
    pub(super) handle: Handle<Verifier>,
    pub(super) host: String,
    pub(super) cancelled: CancellationToken,
}

/// How often a silent server is asked for a sign of life; after [`KEEPALIVE_MAX`] unanswered
/// ones the connection counts as lost. Without them a host that loses its power in the middle of
/// a command would hold the step until its time-out.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_MAX: usize = 3;

impl Session {
    /// Connects and logs in. `cancelled` ends whatever the session does later.
    pub async fn connect(
        endpoint: &Endpoint,
        credential: &Credential,
        cancelled: CancellationToken,
    ) -> Result<Self, SshError> {
        let host = format!("{}:{}", endpoint.host, endpoint.port);
        let login = Login::from_credential(credential)?;
        let connect = async {
            let expected =
                Expected::read(&endpoint.host_key, &endpoint.host, endpoint.port).await?;
            let config = Arc::new(config(&expected));
            let verifier = Verifier { expected };
            let address = (endpoint.host.as_str(), endpoint.port);
            let mut handle = client::connect(config, address, verifier)
                .await
                .map_err(|failure| failure.at(&host))?;
            login.perform(&mut handle, &host).await?;
            Ok::<_, SshError>(handle)
        };
        let handle = tokio::select! {
            handle = tokio::time::timeout(endpoint.connect_timeout, connect) => handle,
            () = cancelled.cancelled() => return Err(SshError::Cancelled),
        };
        let handle = handle.map_err(|_| SshError::Timeout {
            host: host.clone(),
            what: "connecting".to_owned(),
            after: endpoint.connect_timeout,
        })??;
        Ok(Self { handle, host, cancelled })
    }

    /// Says good-bye. A server that no longer listens is no error.
    pub async fn close(self) {
        let farewell = self.handle.disconnect(Disconnect::ByApplication, "done", "en");
        if let Err(error) = farewell.await {
            tracing::debug!(host = self.host, %error, "the connection was closed already");
        }
    }

    /// `host:port`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Runs `work`, unless told to stop or out of time first.
    pub(super) async fn bounded<T>(
        &self,
        what: &str,
        limit: Option<Duration>,
        work: impl Future<Output = Result<T, SshError>>,
    ) -> Result<T, SshError> {
        let clock = async {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            result = work => result,
            () = clock => Err(SshError::Timeout {
                host: self.host.clone(),
                what: what.to_owned(),
                after: limit.unwrap_or_default(),
            }),
            () = self.cancelled.cancelled() => Err(SshError::Cancelled),
        }
    }
}

fn config(expected: &Expected) -> client::Config {
    client::Config {
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVE_MAX,
        nodelay: true,
        preferred: Preferred { key: expected.algorithms().into(), ..Preferred::default() },
        ..client::Config::default()
    }
}

/// Checks the server's key during the key exchange.
pub(crate) struct Verifier {
    expected: Expected,
}

/// Why a connection was not made.
#[derive(Debug)]
pub(crate) enum ConnectFailure {
    HostKey(HostKeyError),
    Ssh(russh::Error),
}

impl From<russh::Error> for ConnectFailure {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl ConnectFailure {
    fn at(self, host: &str) -> SshError {
        match self {
            Self::HostKey(error) => SshError::HostKey(error),
            Self::Ssh(error) => {
                SshError::Connect { host: host.to_owned(), reason: error.to_string() }
            }
        }
    }
}

impl client::Handler for Verifier {
    type Error = ConnectFailure;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, ConnectFailure> {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                self.expected.check(key).map_err(ConnectFailure::HostKey)?;
                Ok(true)
            }
            // Never asked for: `host_key_certificates` is empty.
            PublicKeyOrCertificate::Certificate(_) => Ok(false),
        }
    }
}
