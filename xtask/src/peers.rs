//! `cargo xtask peers`: software that others wrote must agree with ours.

use std::{
    fs,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::{
    Outcome, install,
    shell::{self, Running},
    test,
    workspace::{self, Program},
};

/// The last release of Canonical's client.
const LIBMAAS: &str = "python-libmaas==0.6.8";

/// The lab alone, until its standard input ends.
const LAB: Program = Program { kind: "--example", name: "serve" };

#[derive(Args)]
pub(crate) struct Options {
    /// Which ones [default: all]
    #[arg(conflicts_with = "all")]
    peers: Vec<Peer>,
    /// All of them, which is also what no name means
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Peer {
    /// OpenSSH: its server for the steps over SSH, its client for the lab's machines
    Openssh,
    /// Canonical's Python client, for the lab's MAAS
    MaasClient,
}

pub(crate) fn run(options: &Options) -> Outcome {
    let peers = match options.peers.as_slice() {
        [] => Peer::value_variants(),
        named => named,
    };
    let mut worst = 0;
    for peer in peers {
        let code = match peer {
            Peer::Openssh => test::target("openssh")?,
            Peer::MaasClient => maas_client()?,
        };
        eprintln!("xtask: {peer:?}: {}", if code == 0 { "agrees" } else { "does not agree" });
        worst = worst.max(code);
    }
    Ok(worst)
}

fn maas_client() -> Outcome {
    let python = python()?;
    let home = tempfile::tempdir()?;
    let mut command = shell::command(LAB.build(false)?);
    // Three new machines; a minute of commissioning takes half a second.
    command.arg(home.path()).args(["3", "120"]);
    let mut lab = Running::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let deadline = Instant::now() + Duration::from_secs(30);
    let line = lab.lines()?.next(Some(deadline))?.context("the lab ended before it was ready")?;
    let (url, key) = maas_of_lab(&line)?;
    let mut client = shell::command(python);
    client.arg(workspace::root().join("tests/peers/maas_client.py"));
    client.env("RACKWRIGHT_LAB_MAAS_URL", url).env("RACKWRIGHT_LAB_MAAS_KEY", key);
    Ok(shell::code(shell::status(&mut client)?))
}

/// The address and the API key of MAAS, from the line that the lab prints when it is ready.
fn maas_of_lab(line: &str) -> anyhow::Result<(String, String)> {
    let lab: Value = serde_json::from_str(line).with_context(|| format!("the lab said: {line}"))?;
    let text = |name: &str| {
        let value = lab[name].as_str().map(str::to_owned);
        value.with_context(|| format!("no `{name}` in: {line}"))
    };
    Ok((text("url")?, text("api_key")?))
}

/// A Python in an environment of its own that has the MAAS client; made once.
fn python() -> anyhow::Result<PathBuf> {
    let place = workspace::target_dir()?.join("peers").join(LIBMAAS);
    let (python, done) = (place.join("bin/python"), place.join("complete"));
    if done.exists() {
        return Ok(python);
    }
    install::need("python3", "python3", || install::find("python3"))?;
    // Debian has `venv` without `ensurepip` until its package is there.
    install::need("Python's venv", "python3-venv", || {
        shell::output(shell::command("python3").args(["-c", "import venv, ensurepip"])).ok()
    })?;
    shell::check(shell::command("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    shell::check(shell::command(&python).args(["-m", "pip", "install", "--quiet", LIBMAAS]))?;
    fs::write(done, "")?;
    Ok(python)
}

#[cfg(test)]
mod tests {
    use super::maas_of_lab;

    #[test]
    fn the_lab_tells_where_maas_is() {
        let line = r#"{"url": "http://127.0.0.1:1/MAAS", "api_key": "a:b:c", "inventory": []}"#;
        let expected = ("http://127.0.0.1:1/MAAS".to_owned(), "a:b:c".to_owned());
        assert_eq!(maas_of_lab(line).unwrap(), expected);
        assert!(maas_of_lab("{}").unwrap_err().to_string().contains("no `url`"));
    }
}
