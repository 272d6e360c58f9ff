//! The machines' SSH servers: reachable while the machine is up, with the host key that
//! `known_hosts` lists, on which the vendor's tools behave as on real machines.
//!
//! A client that loses its connection does not stop its command, as with OpenSSH; a machine that
//! goes down stops everything.

mod connection;
mod host;
mod keys;
mod sftp;
mod shell;
mod tools;

use std::{sync::Arc, time::Duration};

use russh::{MethodKind, MethodSet, server::Config};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{FaultKind, LabState};
use connection::Connection;

pub use host::{Host, HostFile, Job, JobEnd};
pub(crate) use keys::known_hosts_line;

/// How often a connection looks whether its machine is still up, in real time.
const PULSE: Duration = Duration::from_millis(100);

/// Serves one machine (its index in the rack) until `stop`, and returns when its connections and
/// commands have ended: nothing writes the lab's file afterwards. A machine that is not up closes
/// what connects.
pub(crate) async fn serve(
    state: LabState,
    machine: usize,
    listener: TcpListener,
    stop: CancellationToken,
) {
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((stream, peer)) = accepted else { continue };
        if !welcome(&state, machine) {
            tracing::debug!(machine, %peer, "connection closed");
            continue;
        }
        // Answers are small: without this each waits 40 ms for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(machine, %peer, %error, "the connection stays slow");
        }
        let served =
            Served { state: state.clone(), machine, stop: stop.clone(), tasks: tasks.clone() };
        tasks.spawn(served.carry(stream));
    }
    tasks.close();
    tasks.wait().await;
}

/// Whether the machine answers at all.
fn welcome(state: &LabState, machine: usize) -> bool {
    let up = state.read(|rack, now| rack.machines[machine].is_up(now));
    let refuses = || {
        let kind = FaultKind::SshRefusedOnce;
        state.read(|rack, _| rack.has_fault(kind, machine))
            && state.update(|rack, _| rack.strikes(kind, machine)).unwrap_or(false)
    };
    up && !refuses()
}

/// A machine, as its connections see it.
#[derive(Clone)]
struct Served {
    state: LabState,
    machine: usize,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Served {
    /// Carries bytes between the client and the server's end until one of them ends, the
    /// connection is to be cut, or the machine goes down. What cuts simply drops the socket.
    async fn carry(self, mut client: TcpStream) {
        let machine = self.machine;
        let (mut outer, inner) = tokio::io::duplex(256 * 1024);
        let cut = CancellationToken::new();
        let config = Arc::new(config(&self.state, machine));
        let connection = Connection::new(self.clone(), cut.clone());
        let serve = async {
            let session = russh::server::run_stream(config, inner, connection).await?;
            session.await
        };
        let down = async {
            while self.state.read(|rack, now| rack.machines[machine].is_up(now)) {
                tokio::time::sleep(PULSE).await;
            }
        };
        let copy = tokio::io::copy_bidirectional(&mut client, &mut outer);
        tokio::select! {
            result = async { tokio::join!(serve, copy) } => {
                if let (Err(error), _) = result {
                    tracing::debug!(machine, %error, "SSH connection ended");
                }
            }
            () = cut.cancelled() => {}
            () = self.stop.cancelled() => {}
            () = down => {}
        }
    }
}

fn config(state: &LabState, machine: usize) -> Config {
    let key = state.read(|rack, _| {
        let wrong = rack.has_fault(FaultKind::WrongHostKey, machine);
        keys::host_key_shown(&rack.machines[machine], wrong)
    });
    let mut methods = MethodSet::empty();
    methods.push(MethodKind::Password);
    Config {
        methods,
        keys: vec![key],
        // Loopback only: there is nobody to slow down.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: 6,
        ..Config::default()
    }
}
