//! The machines that the nodes act on: they know sessions, refuse dead ones, and count.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};

/// How long a machine is busy with a write.
const WRITE: Duration = Duration::from_millis(60);

/// A process stands between its fence check and its request; it goes on when this is answered.
pub(crate) type Gate = (u32, oneshot::Sender<()>);

/// What happened to the machines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Sessions that were made.
    pub(crate) logins: usize,
    /// Sessions that were deleted by somebody who took over.
    pub(crate) revoked: usize,
    /// Requests with a dead session: refused.
    pub(crate) refused: usize,
    /// Looks at a machine.
    pub(crate) looks: usize,
    /// Writes that took effect, by what they were for.
    pub(crate) writes: BTreeMap<String, usize>,
    /// What must not have happened.
    pub(crate) breaches: Vec<String>,
}

#[derive(Default)]
struct State {
    counts: Counts,
    /// Sessions that are honoured, with their machine.
    sessions: BTreeMap<u64, String>,
    /// Machines that are being written to.
    busy: BTreeSet<String>,
    /// The last session that was made before a look, by what was looked for.
    looked: BTreeMap<String, u64>,
}

/// The server.
pub(crate) struct Devices {
    pub(crate) port: u16,
    state: Arc<Mutex<State>>,
}

impl Devices {
    /// Starts it. Whoever reads `gates` decides when a process at its gate may go on.
    pub(crate) async fn start(gates: mpsc::UnboundedSender<Gate>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, gates) = (Arc::clone(&shared), gates.clone());
                tokio::spawn(async move {
                    // A client that was killed is no matter of ours.
                    let _ = serve(&state, &gates, client).await;
                });
            }
        });
        Ok(Self { port, state })
    }

    pub(crate) fn counts(&self) -> Counts {
        lock(&self.state).counts.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    state: &Mutex<State>,
    gates: &mpsc::UnboundedSender<Gate>,
    client: TcpStream,
) -> Result<()> {
    let (from, mut to) = client.into_split();
    let mut lines = BufReader::new(from).lines();
    while let Some(line) = lines.next_line().await? {
        let request: Value = serde_json::from_str(&line)?;
        let answer = match request["do"].as_str().unwrap_or_default() {
            "gate" => {
                let process = u32::try_from(request["process"].as_u64().unwrap_or(0))?;
                let (go, gone) = oneshot::channel();
                gates.send((process, go))?;
                let _ = gone.await;
                Value::Null
            }
            "write" => write(state, &request).await,
            _ => answer(&mut lock(state), &request),
        };
        to.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
}

fn answer(state: &mut State, request: &Value) -> Value {
    let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
    let session = request["session"].as_u64().unwrap_or(0);
    match request["do"].as_str().unwrap_or_default() {
        "login" => {
            state.counts.logins += 1;
            let session = state.counts.logins as u64;
            state.sessions.insert(session, text("machine"));
            json!(session)
        }
        "logout" => json!(state.sessions.remove(&session).is_some()),
        "revoke" => {
            state.counts.revoked += 1;
            json!(state.sessions.remove(&session).is_some())
        }
        "look" => {
            state.counts.looks += 1;
            let what = text("what");
            let done = state.counts.writes.contains_key(&what);
            state.looked.insert(what, state.counts.logins as u64);
            json!(done)
        }
        other => json!({ "unknown": other }),
    }
}

async fn write(state: &Mutex<State>, request: &Value) -> Value {
    let session = request["session"].as_u64().unwrap_or(0);
    let what = request["what"].as_str().unwrap_or_default().to_owned();
    let machine = {
        let mut state = lock(state);
        let Some(machine) = state.sessions.get(&session).cloned() else {
            state.counts.refused += 1;
            return json!("refused");
        };
        if !state.busy.insert(machine.clone()) {
            state.counts.breaches.push(format!("two at once write to {machine}: {what}"));
        }
        // Who looked had everything revoked before: nothing older may take effect after that.
        if state.looked.get(&what).is_some_and(|looked| session <= *looked) {
            let breach = format!("session {session} wrote {what} after its successor had looked");
            state.counts.breaches.push(breach);
        }
        *state.counts.writes.entry(what).or_default() += 1;
        machine
    };
    tokio::time::sleep(WRITE).await;
    lock(state).busy.remove(&machine);
    json!("written")
}
