//! A lab that is being served.

use std::path::{Path, PathBuf};

use rackwright_engine::step::{Credential, StaticCredentials};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Fault, LabError, LabState, maas, ports, ssh, state::replace};

const KNOWN_HOSTS: &str = "known_hosts";

/// What lab is to be served.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Where the lab keeps its files. What a rack is made from (the number of machines, the
    /// seeds, `commissioned`) counts only where there is no `lab.json` yet.
    pub dir: PathBuf,
    /// How many machines; [`LabOptions::MACHINES`], or as many as the rack has, if absent.
    pub machines: Option<usize>,
    /// What the rack is made from.
    pub seed: u64,
    /// How many simulated seconds pass in a real one.
    pub time_scale: f64,
    /// Faults, in addition to those that the rack has.
    pub faults: Vec<Fault>,
    /// Adds faults by seed.
    pub fault_seed: Option<u64>,
    /// Whether the machines arrive commissioned and switched on instead of new and off.
    pub commissioned: bool,
}

impl LabOptions {
    /// How many machines a rack has unless asked otherwise.
    pub const MACHINES: usize = 8;
    /// How fast time passes unless asked otherwise: commissioning takes four to eight seconds.
    pub const TIME_SCALE: f64 = 30.0;

    /// A rack of eight without faults, with its files in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            machines: None,
            seed: 1,
            time_scale: Self::TIME_SCALE,
            faults: Vec::new(),
            fault_seed: None,
            commissioned: false,
        }
    }
}

/// Where the lab's services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The MAAS URL, as clients want it: `http://127.0.0.1:PORT/MAAS`.
    pub maas: String,
    /// Host name and `127.0.0.1:PORT` of each machine's SSH server.
    pub ssh: Vec<(String, String)>,
}

/// A lab that is being served, until it is shut down or its process ends.
#[derive(Debug)]
pub struct Lab {
    state: LabState,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Lab {
    /// Serves the lab in the options' directory, made new where there is none: binds all ports,
    /// writes `lab.json` and `known_hosts`, and starts the services on the current runtime.
    ///
    /// # Errors
    /// See [`LabError`].
    pub async fn start(options: LabOptions) -> Result<Self, LabError> {
        let state = LabState::open(&options)?;
        let listeners = bind_all(&state).await?;
        write_known_hosts(&state)?;
        let lab = Self { state, stop: CancellationToken::new(), tasks: TaskTracker::new() };
        lab.tasks.spawn(maas::serve(lab.state.clone(), listeners.maas, lab.stop.clone()));
        for (machine, listener) in listeners.ssh.into_iter().enumerate() {
            lab.tasks.spawn(ssh::serve(lab.state.clone(), machine, listener, lab.stop.clone()));
        }
        lab.tasks.close();
        Ok(lab)
    }

    /// The rack behind the services.
    pub fn state(&self) -> &LabState {
        &self.state
    }

    /// Where the services are.
    pub fn addresses(&self) -> Addresses {
        self.state.read(|rack, _| Addresses {
            maas: format!("http://127.0.0.1:{}/MAAS", rack.maas_port),
            ssh: rack
                .machines
                .iter()
                .map(|m| (m.hostname.clone(), format!("127.0.0.1:{}", m.ssh_port)))
                .collect(),
        })
    }

    /// The credentials `maas` (`url`, `api_key`) and `ssh` (`username`, `password`).
    pub fn credentials(&self) -> StaticCredentials {
        let url = self.addresses().maas;
        let secrets = self.state.read(|rack, _| rack.secrets.clone());
        let maas = Credential::new([("url", url), ("api_key", secrets.maas_api_key)]);
        let ssh = Credential::new([
            ("username", secrets.ssh_username),
            ("password", secrets.ssh_password),
        ]);
        StaticCredentials([("maas".to_owned(), maas), ("ssh".to_owned(), ssh)].into())
    }

    /// The file with the machines' host keys, in the format of OpenSSH (sshd(8)).
    pub fn known_hosts(&self) -> PathBuf {
        self.state.dir().join(KNOWN_HOSTS)
    }

    /// The rack as a workflow's input: `machines`, each with `server_id`, `hostname`,
    /// `device_type`, `ssh_port`, `target_ipmi_ip` and `gateway`, and `known_hosts`.
    pub fn inventory(&self) -> Value {
        let machines: Vec<_> = self.state.read(|rack, _| {
            let lines = rack.machines.iter().enumerate().map(|(index, m)| {
                json!({
                    "server_id": m.system_id,
                    "hostname": m.hostname,
                    "device_type": m.device_type,
                    "ssh_port": m.ssh_port,
                    "target_ipmi_ip": format!("10.20.{}.{}", index / 200, 10 + index % 200),
                    "gateway": "10.20.0.1",
                })
            });
            lines.collect()
        });
        json!({ "machines": machines, "known_hosts": self.known_hosts() })
    }

    /// Ends the services, and waits until they have ended.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Listeners {
    maas: TcpListener,
    ssh: Vec<TcpListener>,
}

async fn bind_all(state: &LabState) -> Result<Listeners, LabError> {
    let maas = ports::bind("MAAS", state.read(|rack, _| rack.maas_port)).await?;
    let wanted = state.read(|rack, _| {
        rack.machines.iter().map(|m| (m.hostname.clone(), m.ssh_port)).collect::<Vec<_>>()
    });
    let mut ssh = Vec::with_capacity(wanted.len());
    for (hostname, port) in wanted {
        ssh.push(ports::bind(&hostname, port).await?);
    }
    let file = |source| LabError::File { path: state.dir().to_owned(), source };
    let maas_port = maas.local_addr().map_err(file)?.port();
    let ports: Vec<_> = ssh
        .iter()
        .map(|listener| listener.local_addr().map(|at| at.port()))
        .collect::<Result<_, _>>()
        .map_err(file)?;
    state
        .update(|rack, _| {
            rack.maas_port = maas_port;
            for (machine, port) in rack.machines.iter_mut().zip(ports) {
                machine.ssh_port = port;
            }
        })
        .map_err(file)?;
    Ok(Listeners { maas, ssh })
}

fn write_known_hosts(state: &LabState) -> Result<(), LabError> {
    let machines = state.read(|rack, _| rack.machines.clone());
    let lines = machines.iter().map(ssh::known_hosts_line).collect::<Result<String, _>>()?;
    let path: &Path = state.dir();
    replace(path, KNOWN_HOSTS, lines.as_bytes())
        .map_err(|source| LabError::File { path: path.join(KNOWN_HOSTS), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lab_comes_back_on_its_ports() {
        let dir = tempfile::tempdir().unwrap();
        let options = LabOptions { machines: Some(2), ..LabOptions::new(dir.path()) };
        let first = Lab::start(options.clone()).await.unwrap();
        let (addresses, hosts) = (first.addresses(), std::fs::read(first.known_hosts()).unwrap());
        first.shutdown().await;
        let again = Lab::start(options.clone()).await.unwrap();
        assert_eq!(again.addresses(), addresses);
        assert_eq!(std::fs::read(again.known_hosts()).unwrap(), hosts);
        let second = Lab::start(options).await.unwrap_err().to_string();
        assert!(second.contains("is another process serving this lab?"), "{second}");
        let inventory = again.inventory();
        assert_eq!(inventory["machines"][1]["hostname"], "srv002");
        again.shutdown().await;
    }
}
