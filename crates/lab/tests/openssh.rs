//! OpenSSH's clients on the lab's machines: that the lab speaks SSH, not just to our own client.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, too")]

use std::{os::unix::fs::PermissionsExt, path::Path, process::Output};

use rackwright_lab::{Lab, LabOptions, Record};
use tempfile::TempDir;
use tokio::process::Command;

struct Desk {
    dir: TempDir,
    lab: Lab,
}

impl Desk {
    /// A lab of three, or nothing where the clients aren't installed: then the test says so, and
    /// fails if `RACKWRIGHT_REQUIRE_PEERS=1` asks for real peers.
    async fn start(faults: &[&str]) -> Option<Self> {
        if ["/usr/bin/ssh", "/usr/bin/sftp"].iter().any(|program| !Path::new(program).exists()) {
            let required = std::env::var("RACKWRIGHT_REQUIRE_PEERS").is_ok_and(|v| v == "1");
            assert!(!required, "OpenSSH's clients are missing: apt-get install openssh-client");
            eprintln!("SKIPPED: OpenSSH's clients are missing (apt-get install openssh-client)");
            return None;
        }
        let dir = TempDir::new().unwrap();
        let lab = Lab::start(LabOptions {
            machines: Some(3),
            time_scale: 400.0,
            faults: faults.iter().map(|fault| fault.parse().unwrap()).collect(),
            commissioned: true,
            ..LabOptions::new(dir.path())
        });
        let lab = lab.await.unwrap();
        let password = lab.state().read(|rack, _| rack.secrets.ssh_password.clone());
        let ask = dir.path().join("askpass");
        std::fs::write(&ask, format!("#!/bin/sh\necho '{password}'\n")).unwrap();
        std::fs::set_permissions(&ask, std::fs::Permissions::from_mode(0o700)).unwrap();
        Some(Self { dir, lab })
    }

    /// The client, told where to find the password and the host keys, and nothing else.
    fn client(&self, program: &str, port_flag: &str, machine: usize) -> Command {
        let mut command = Command::new(program);
        let port = self.lab.state().read(|rack, _| rack.machines[machine].ssh_port);
        let hosts = self.lab.known_hosts();
        command
            .env("SSH_ASKPASS", self.dir.path().join("askpass"))
            .env("SSH_ASKPASS_REQUIRE", "force")
            .env_remove("SSH_AUTH_SOCK")
            .args(["-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=no"])
            .args(["-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1"])
            .args(["-o", &format!("UserKnownHostsFile={}", hosts.display())])
            .args([port_flag, &port.to_string()]);
        command
    }

    async fn ssh(&self, machine: usize, line: &str) -> Output {
        self.client("ssh", "-p", machine).args(["ubuntu@127.0.0.1", line]).output().await.unwrap()
    }

    async fn sftp(&self, machine: usize, batch: &str) -> Output {
        let file = self.dir.path().join("batch");
        std::fs::write(&file, batch).unwrap();
        let mut sftp = self.client("sftp", "-P", machine);
        sftp.arg("-b").arg(file).arg("ubuntu@127.0.0.1").output().await.unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn ssh_runs_commands() {
    let Some(desk) = Desk::start(&[]).await else { return };
    let output = desk.ssh(0, "hostname").await;
    assert_eq!(text(&output.stdout), "srv001\n", "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
    let output = desk.ssh(0, "cat /nowhere").await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "cat: /nowhere: No such file or directory\n");
    let output = desk.ssh(2, "ilorest save").await;
    assert_eq!(output.status.code(), Some(127), "a Supermicro has no ilorest");
    let output = desk.ssh(0, "sudo -n racadm get BIOS.ProcSettings.LogicalProc").await;
    assert_eq!(text(&output.stdout), "[Key=BIOS.Setup.1-1#ProcSettings]\nLogicalProc=Enabled\n");
    let records = Record::read(desk.dir.path()).unwrap();
    assert_eq!(records[1].what, "cat /nowhere");
    assert_eq!((records[1].machine.as_deref(), records[1].status), (Some("srv001"), Some(1)));
    desk.lab.shutdown().await;
}

#[tokio::test]
async fn sftp_moves_files() {
    let Some(desk) = Desk::start(&[]).await else { return };
    let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 253) as u8).collect();
    let (here, back) = (desk.dir.path().join("here"), desk.dir.path().join("back"));
    std::fs::write(&here, &bytes).unwrap();
    let batch = format!(
        "put {} /tmp/there\nrename /tmp/there /tmp/moved\nget /tmp/moved {}\n",
        here.display(),
        back.display()
    );
    let output = desk.sftp(1, &batch).await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(std::fs::read(&back).unwrap(), bytes);
    // The old name is gone. As root, a client that gets a file may change the mode of its target.
    let gone = format!("get /tmp/there {}\n", desk.dir.path().join("gone").display());
    assert!(!desk.sftp(1, &gone).await.status.success());
    assert!(desk.sftp(1, "rm /tmp/moved\n").await.status.success());
    let files = desk.lab.state().read(|rack, _| rack.machines[1].host.files.len());
    assert_eq!(files, 0);
    let records = Record::read(desk.dir.path()).unwrap();
    let seen: Vec<_> = records.iter().map(|record| record.what.as_str()).collect();
    assert_eq!(
        seen,
        ["PUT /tmp/there", "RENAME /tmp/there /tmp/moved", "GET /tmp/moved", "REMOVE /tmp/moved"]
    );
    desk.lab.shutdown().await;
}

#[tokio::test]
async fn a_wrong_key_and_a_refused_password_are_seen_by_ssh_too() {
    let faults = ["wrong_host_key@srv001", "ssh_password_refused@srv002", "ssh_drops@srv003"];
    let Some(desk) = Desk::start(&faults).await else { return };
    for (machine, says) in [
        (0, "REMOTE HOST IDENTIFICATION HAS CHANGED"),
        (1, "Permission denied"),
        (2, "closed by remote host"),
    ] {
        let output = desk.ssh(machine, "true").await;
        assert_eq!(output.status.code(), Some(255));
        assert!(text(&output.stderr).contains(says), "{}", text(&output.stderr));
    }
    assert!(desk.ssh(2, "true").await.status.success());
    desk.lab.shutdown().await;
}
