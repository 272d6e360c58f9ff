//! Ports that stay the same over a restart.

use std::{io, time::Duration};

use rand::Rng;
use tokio::{net::TcpListener, time::Instant};

use crate::LabError;

/// New ports are taken below the range from which Linux picks ports for outgoing connections
/// (32768 and up): between a kill and the restart nobody takes them by accident.
const RANGE: std::ops::Range<u16> = 18_000..32_000;

/// How long a restart waits for a killed process to let go of its port.
const PATIENCE: Duration = Duration::from_secs(2);

/// Binds `port` on loopback, or a free one if it is 0.
pub(crate) async fn bind(service: &str, port: u16) -> Result<TcpListener, LabError> {
    let failed = |port, source| LabError::Port { service: service.to_owned(), port, source };
    if port == 0 {
        return fresh().await.map_err(|source| failed(0, source));
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Ok(listener) => return Ok(listener),
            Err(source) if Instant::now() >= deadline => return Err(failed(port, source)),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn fresh() -> io::Result<TcpListener> {
    for _ in 0..50 {
        let port = rand::rng().random_range(RANGE);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return Ok(listener);
        }
    }
    // A crowded machine: any port will do.
    TcpListener::bind(("127.0.0.1", 0)).await
}
