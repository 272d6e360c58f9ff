//! Exit statuses other than 0 and 1, and what is said then.

use std::fs;

use anyhow::{Context, Result, ensure};
use rackwright_tests::{
    pace::LIMIT,
    place::{Backend, Place, RACK},
};

use crate::shown::last;

/// A command that nobody may repeat blindly.
const CAREFUL: &str = r#"
workflow: careful
input:
  type: object
  required: [server_id]
  properties:
    server_id: { type: string }
    ssh_port: { type: integer }
    known_hosts: { type: string }
steps:
  - id: commission
    uses: maas.commission
    with: { machine: "{{ input.server_id }}", enable_ssh: true, poll: 100ms }
  - id: once
    uses: ssh.exec
    with:
      host: 127.0.0.1
      port: "{{ input.ssh_port }}"
      credential: ssh
      known_hosts: "{{ input.known_hosts }}"
      command: echo done
"#;

#[tokio::test]
async fn usage_and_invalid_files_are_2() -> Result<()> {
    let place = Place::new(&Backend::Sqlite).await?;
    let file = place.path().join("bad.yaml");
    fs::write(&file, CAREFUL.replace("uses: ssh.exec", "uses: ssh.exce"))?;
    let file = file.to_str().context("a path in UTF-8")?;
    for (arguments, words) in [
        (["run", file].as_slice(), ["bad.yaml:15:11", "ssh.exce", "ssh.exec"].as_slice()),
        (
            &["run", RACK, "--lab", "--lab-fault", "comission_fails_once"],
            &["commission_fails_once"],
        ),
        (&["run", RACK, "--lab=0"], &["1 to 1000 machines"]),
        (&["run", RACK], &["machines"]),
        (&["runs", "show", "no-such-run"], &["no-such-run"]),
        (&["walk"], &["walk"]),
    ] {
        let told = place.rackwright(arguments)?.run(LIMIT).await?.expect(2)?.stderr;
        for word in words {
            ensure!(told.contains(word), "`{word}` is missing for {arguments:?}: {told}");
        }
    }
    place.leave().await
}

#[tokio::test]
async fn a_run_that_waits_for_a_person_is_4_until_one_decides() -> Result<()> {
    let place = Place::new(&Backend::Sqlite).await?;
    let file = place.path().join("careful.yaml");
    fs::write(&file, CAREFUL)?;
    let file = file.to_str().context("a path in UTF-8")?;
    let lab =
        ["--lab=1", "--lab-speed", "600", "--lab-fault", "ssh_drops", "-i", "server_id=srv001"];
    let told =
        place.rackwright(&[&["run", file], &lab[..]].concat())?.run(LIMIT).await?.expect(4)?;
    let hint = "runs resolve";
    ensure!(told.all().contains(hint), "how to decide is not said: {}", told.all());
    ensure!(last(&place).await?["record"]["status"] == "attention");
    place.resume(&[]).await?.expect(4)?;
    let decide = ["runs", "resolve", "last", "once", "retry", "--reason", "it was not done"];
    place.rackwright(&decide)?.run(LIMIT).await?.expect(0)?;
    place.resume(&[]).await?.expect(0)?;
    ensure!(last(&place).await?["record"]["status"] == "completed");
    place.leave().await
}

#[tokio::test]
async fn a_store_that_is_not_there_is_5() -> Result<()> {
    let place = Place::new(&Backend::Sqlite).await?;
    // Nothing listens on port 1 (tcpmux), and only root could make it.
    let url = "postgres://nobody:secret@127.0.0.1:1/none";
    for command in [["runs", "list"].as_slice(), &["resume"], &["run", RACK, "--lab=1"]] {
        let told = place.rackwright(command)?.env("RACKWRIGHT_STORE", url).run(LIMIT).await?;
        let told = told.expect(5)?.stderr;
        ensure!(told.contains("database is not available"), "{command:?}: {told}");
        ensure!(!told.contains("secret"), "{command:?} tells the password: {told}");
    }
    place.leave().await
}
