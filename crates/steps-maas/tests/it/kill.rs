//! A lab in a process of its own that is killed again and again.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rackwright_engine::{
    Executor,
    step::{Credential, StaticCredentials},
};
use rackwright_lab::{Lab, LabOptions, Rack};
use rackwright_steps_maas::{Maas, Tag};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::Host;

const DIR: &str = "RACKWRIGHT_TEST_LAB_DIR";
const ROUNDS: u32 = 12;

/// Serves a lab until its standard input ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other process of `a_killed_lab_comes_back`, which starts it"]
async fn child() {
    let dir = std::env::var_os(DIR).expect("started by a_killed_lab_comes_back");
    let options = LabOptions { machines: Some(2), ..LabOptions::new(dir) };
    let lab = Lab::start(options).await.unwrap();
    println!("\nthe lab is up");
    tokio::task::block_in_place(|| std::io::stdin().read_to_end(&mut Vec::new())).unwrap();
    lab.shutdown().await;
}

fn start(dir: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "kill::child", "--nocapture"])
        .env(DIR, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let up = lines.map_while(Result::ok).any(|line| line == "the lab is up");
    assert!(up, "the lab's process ended: {:?}", child.wait());
    child
}

fn rack(dir: &Path) -> Rack {
    serde_json::from_slice(&fs::read(dir.join("lab.json")).unwrap()).unwrap()
}

fn credentials(rack: &Rack) -> StaticCredentials {
    let url = format!("http://127.0.0.1:{}/MAAS", rack.maas_port);
    let maas = Credential::new([("url", &url), ("api_key", &rack.secrets.maas_api_key)]);
    StaticCredentials([("maas".to_owned(), maas)].into())
}

/// Tags the first machine until the process is killed; returns the tags that MAAS acknowledged.
async fn tag_until_killed(
    host: &std::sync::Arc<Host>,
    child: &mut Child,
    round: u32,
) -> Vec<String> {
    let (tag, stop) = (Tag(Maas::new()), CancellationToken::new());
    let mut rng = StdRng::seed_from_u64(round.into());
    let life = Duration::from_millis(rng.random_range(5..120));
    let mut acknowledged = Vec::new();
    let tagging = async {
        for number in 0.. {
            let name = format!("tag-{round}-{number}");
            let input = json!({ "machine": "srv001", "add": [name] });
            let input = serde_json::from_value(input).unwrap();
            if tag.run(&host.context(&stop, None), input).await.is_err() {
                break;
            }
            acknowledged.push(name);
        }
    };
    let killing = async {
        tokio::time::sleep(life).await;
        child.kill().unwrap();
        child.wait().unwrap();
        stop.cancel();
    };
    tokio::join!(tagging, killing);
    acknowledged
}

#[tokio::test]
async fn a_killed_lab_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = start(dir.path());
    let first = rack(dir.path());
    let host = Host::new(credentials(&first));
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        acknowledged.extend(tag_until_killed(&host, &mut child, round).await);
        let left = rack(dir.path());
        for tag in &acknowledged {
            assert!(left.machines[0].tags.contains(tag), "round {round}: {tag} is lost");
        }
        assert_eq!((left.maas_port, &left.secrets), (first.maas_port, &first.secrets));
        child = start(dir.path());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!acknowledged.is_empty(), "no round lasted long enough to do anything");
}
