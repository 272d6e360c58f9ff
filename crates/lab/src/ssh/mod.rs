//! The machines' SSH servers.

mod keys;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::LabState;

pub(crate) use keys::known_hosts_line;

/// Serves one machine (its index in the rack) until `stop`. A machine that is not up closes what
/// connects.
pub(crate) async fn serve(
    state: LabState,
    machine: usize,
    listener: TcpListener,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        if let Ok((_stream, peer)) = accepted {
            let up = state.read(|rack, now| rack.machines[machine].is_up(now));
            tracing::debug!(machine, up, %peer, "connection closed");
        }
    }
}
