//! OpenSSH's server, with its own configuration and keys, on a free port of loopback.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rackwright_engine::step::Credential;
use tempfile::TempDir;

const SERVER: &str = "/usr/sbin/sshd";

/// A running server; dropping it ends it.
pub(crate) struct Sshd {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    pub(crate) user: String,
    child: Child,
}

/// The server, or nothing where it isn't installed: then the test says so, and fails if
/// `RACKWRIGHT_REQUIRE_PEERS=1` asks for real peers.
pub(crate) fn start() -> Option<Sshd> {
    if !Path::new(SERVER).exists() {
        let required = std::env::var("RACKWRIGHT_REQUIRE_PEERS").is_ok_and(|value| value == "1");
        assert!(!required, "{SERVER} is missing: apt-get install openssh-server");
        eprintln!("SKIPPED: {SERVER} is missing (apt-get install openssh-server)");
        return None;
    }
    for _ in 0..5 {
        if let Some(server) = Sshd::try_start() {
            return Some(server);
        }
    }
    panic!("sshd does not start; its log is above");
}

impl Sshd {
    fn try_start() -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let path = |name: &str| dir.path().join(name);
        for (name, passphrase) in
            [("host", ""), ("user", ""), ("locked", "pass phrase"), ("stranger", "")]
        {
            keygen(&["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f"], &path(name));
        }
        let authorized = ["user.pub", "locked.pub"].map(|name| read(&path(name))).concat();
        std::fs::write(path("authorized_keys"), authorized).unwrap();
        // Where sshd changes its root before the login; Debian makes it at boot.
        let _ = std::fs::create_dir_all("/run/sshd");
        // sshd can't tell which port it got; a port lost to somebody else is tried again.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nPidFile none\n\
             AuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n\
             PasswordAuthentication yes\nKbdInteractiveAuthentication no\nMaxAuthTries 10\n\
             Subsystem sftp internal-sftp\n",
            host = path("host").display(),
            keys = path("authorized_keys").display(),
        );
        std::fs::write(path("config"), config).unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let mut child = Command::new(SERVER)
            .args(["-D", "-e", "-f"])
            .arg(path("config"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if child.try_wait().unwrap().is_some() || Instant::now() > deadline {
                eprintln!("{}", read(&path("log")));
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap().trim().to_owned();
        Some(Self { dir, port, user, child })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn credential(&self, key: &str) -> Credential {
        Credential::new([("username", self.user.clone()), ("private_key", read(&self.path(key)))])
    }

    /// Writes a known-hosts file with a key for this server, and gives its path.
    pub(crate) fn known_hosts(&self, key: &str, mark: &str) -> PathBuf {
        let file = self.path(&format!("known_hosts_{key}"));
        let key = read(&self.path(&format!("{key}.pub")));
        let line = format!("{mark}[127.0.0.1]:{} {key}", self.port);
        std::fs::write(&file, line).unwrap();
        file
    }

    pub(crate) fn fingerprint(&self, key: &str) -> String {
        let public = self.path(&format!("{key}.pub"));
        let output = Command::new("ssh-keygen").arg("-lf").arg(public).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn keygen(arguments: &[&str], file: &Path) {
    let status = Command::new("ssh-keygen")
        .args(arguments)
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
