//! Against OpenSSH's server, which somebody else wrote.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, too")]

#[path = "support/sshd.rs"]
mod sshd;
mod support;

use std::{collections::HashMap, os::unix::fs::PermissionsExt, time::Duration};

use rackwright_engine::{ErrorClass, Observation, StepError, step::Credential};
use serde_json::{Value, json};
use sshd::{Sshd, keygen, read};
use support::Runner;

/// A server, and a runner that knows the credentials `key`, `stranger`, `locked`, `password`.
fn start() -> Option<(Sshd, Runner)> {
    let server = sshd::start()?;
    let password = Credential::new([("username", server.user.as_str()), ("password", "wrong")]);
    let locked = |passphrase: &str| {
        Credential::new([
            ("username", server.user.clone()),
            ("private_key", read(&server.path("locked"))),
            ("passphrase", passphrase.to_owned()),
        ])
    };
    let credentials = HashMap::from([
        ("key".to_owned(), server.credential("user")),
        ("stranger".to_owned(), server.credential("stranger")),
        ("locked".to_owned(), locked("pass phrase")),
        ("mistyped".to_owned(), locked("pass phrases")),
        ("password".to_owned(), password),
        ("empty".to_owned(), Credential::new([("username", "root")])),
    ]);
    Some((server, Runner::new(credentials)))
}

fn with(server: &Sshd, more: Value) -> Value {
    let mut with = json!({
        "host": "127.0.0.1",
        "port": server.port,
        "credential": "key",
        "host_key": server.fingerprint("host"),
    });
    let Value::Object(more) = more else { panic!("an object") };
    with.as_object_mut().unwrap().extend(more);
    with
}

async fn refused(runner: &Runner, uses: &str, with: Value) -> StepError {
    runner.run(uses, with).await.unwrap_err()
}

#[tokio::test]
async fn a_command_gives_its_output_and_exit_status() {
    let Some((server, runner)) = start() else { return };
    let command = "echo out; echo err >&2; exit 3";
    let output = runner
        .run("ssh.exec", with(&server, json!({ "command": command, "expect_exit": [0, 3] })))
        .await
        .unwrap();
    assert_eq!(output["exit"], 3);
    assert_eq!(output["stdout"], "out\n");
    assert_eq!(output["stderr"], "err\n");
    assert_eq!(output["stdout_truncated"], false);

    let error = refused(&runner, "ssh.exec", with(&server, json!({ "command": command }))).await;
    assert_eq!((error.code.as_str(), error.class), ("ssh.exit", ErrorClass::Permanent));
    assert!(error.message.contains("exit status 3"), "{error}");
    assert_eq!(error.details["stderr"], "err\n");
    assert_eq!(runner.reports()[1], "Running the command");
}

#[tokio::test]
async fn a_signal_is_told_apart() {
    let Some((server, runner)) = start() else { return };
    let error = refused(&runner, "ssh.exec", with(&server, json!({ "command": "kill -TERM $$" })));
    let error = error.await;
    assert!(error.message.contains("signal TERM"), "{error}");
    assert_eq!(error.class, ErrorClass::Permanent);
    let error = refused(&runner, "ssh.query", with(&server, json!({ "command": "kill -9 $$" })));
    assert_eq!(error.await.class, ErrorClass::Transient);
}

#[tokio::test]
async fn long_output_is_cut_and_read_to_its_end() {
    let Some((server, runner)) = start() else { return };
    let command = "head -c 5000000 /dev/zero | tr '\\0' x; printf 'caf\\351' >&2; exit 0";
    let with = with(&server, json!({ "command": command, "max_output": 1000 }));
    let output = runner.run("ssh.query", with).await.unwrap();
    assert_eq!(output["stdout"].as_str().unwrap(), "x".repeat(1000));
    assert_eq!(output["stdout_truncated"], true);
    assert_eq!(output["stderr"], "caf\u{fffd}");
    assert_eq!(output["stderr_truncated"], false);
}

#[tokio::test]
async fn a_command_that_takes_too_long_has_an_unknown_outcome() {
    let Some((server, runner)) = start() else { return };
    let slow = json!({ "command": "sleep 20", "command_timeout": "300ms" });
    let error = refused(&runner, "ssh.exec", with(&server, slow.clone())).await;
    assert_eq!((error.code.as_str(), error.class), ("ssh.timeout", ErrorClass::UnknownOutcome));
    let error = refused(&runner, "ssh.query", with(&server, slow)).await;
    assert_eq!(error.class, ErrorClass::Timeout);
}

#[tokio::test]
async fn a_connection_that_dies_under_a_command_has_an_unknown_outcome() {
    let Some((server, runner)) = start() else { return };
    // The shell's parent is the server's process for this connection.
    let dies = json!({ "command": "kill -9 $PPID; sleep 20" });
    let error = refused(&runner, "ssh.exec", with(&server, dies.clone())).await;
    assert_eq!(error.code, "ssh.connection_lost");
    assert_eq!(error.class, ErrorClass::UnknownOutcome);
    let mut repeatable = with(&server, dies.clone());
    repeatable["repeatable"] = true.into();
    assert_eq!(refused(&runner, "ssh.exec", repeatable).await.class, ErrorClass::Transient);
    let error = refused(&runner, "ssh.query", with(&server, dies)).await;
    assert_eq!(error.class, ErrorClass::Transient);
}

#[tokio::test]
async fn an_interrupted_command_is_observed_by_its_check() {
    let Some((server, runner)) = start() else { return };
    let mark = server.path("mark");
    let step = |check: &str| {
        let command = format!("touch {}", mark.display());
        with(&server, json!({ "command": command, "check": check }))
    };
    let check = format!("test -e {}", mark.display());
    assert_eq!(runner.observe("ssh.exec", step(&check)).await.unwrap(), Observation::NotDone);
    runner.run("ssh.exec", step(&check)).await.unwrap();
    let seen = runner.observe("ssh.exec", step(&check)).await.unwrap();
    assert!(matches!(seen, Observation::Done(output) if output["observed"] == true));
    let seen = runner.observe("ssh.exec", step("no-such-program")).await.unwrap();
    assert!(matches!(seen, Observation::Unknown(_)), "a check that can't run says nothing");
    let without = with(&server, json!({ "command": "touch x" }));
    let seen = runner.observe("ssh.exec", without).await.unwrap();
    assert!(matches!(seen, Observation::Unknown(evidence) if evidence["command"] == "touch x"));
    let repeatable = with(&server, json!({ "command": "touch x", "repeatable": true }));
    assert_eq!(runner.observe("ssh.exec", repeatable).await.unwrap(), Observation::NotDone);
}

#[tokio::test]
async fn files_go_up_and_down_whole() {
    let Some((server, runner)) = start() else { return };
    let file = server.path("file with space");
    let bytes: Vec<u8> = (0..300_000u32).map(|i| (i * 7 % 251) as u8).collect();
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
    let up = with(&server, json!({ "path": file, "content_base64": base64, "mode": "0750" }));
    let output = runner.run("ssh.upload", up.clone()).await.unwrap();
    assert_eq!((&output["size"], &output["changed"]), (&json!(300_000), &json!(true)));
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o750);
    assert!(!server.path("file with space.rackwright-part").exists());
    let sum = std::process::Command::new("sha256sum").arg(&file).output().unwrap().stdout;
    assert!(String::from_utf8(sum).unwrap().contains(output["sha256"].as_str().unwrap()));

    let again = runner.run("ssh.upload", up).await.unwrap();
    assert_eq!(again["changed"], false);

    let down = with(&server, json!({ "path": file, "sha256": output["sha256"] }));
    let fetched = runner.run("ssh.download", down).await.unwrap();
    assert_eq!(fetched["content_base64"], base64);
    assert_eq!(fetched["content"], Value::Null);

    let text = with(&server, json!({ "path": file, "content": "grüß\n" }));
    runner.run("ssh.upload", text).await.unwrap();
    let fetched = runner.run("ssh.download", with(&server, json!({ "path": file }))).await;
    assert_eq!(fetched.unwrap()["content"], "grüß\n");
}

#[tokio::test]
async fn transfers_that_can_not_be_are_refused() {
    let Some((server, runner)) = start() else { return };
    let file = server.path("f");
    std::fs::write(&file, "12345").unwrap();
    let download = |more: Value| with(&server, more);
    let error =
        refused(&runner, "ssh.download", download(json!({ "path": server.path("none") }))).await;
    assert_eq!((error.code.as_str(), error.class), ("ssh.file", ErrorClass::Permanent));
    assert!(error.message.contains("No such file"), "{error}");
    let error = refused(&runner, "ssh.download", download(json!({ "path": file, "max_bytes": 4 })));
    assert!(error.await.message.contains("larger than 4 bytes"));
    let wrong = json!({ "path": file, "sha256": "00" });
    assert_eq!(refused(&runner, "ssh.download", download(wrong)).await.code, "ssh.checksum");
    let nowhere = json!({ "path": server.path("none").join("f"), "content": "x" });
    assert_eq!(refused(&runner, "ssh.upload", with(&server, nowhere)).await.code, "ssh.file");
    for bad in [
        json!({ "path": "/f" }),
        json!({ "path": "/f", "content": "", "content_base64": "" }),
        json!({ "path": "/f", "content_base64": "*" }),
        json!({ "path": "/f", "content": "", "mode": "rw" }),
    ] {
        assert_eq!(
            refused(&runner, "ssh.upload", with(&server, bad)).await.code,
            "ssh.upload_input"
        );
    }
}

#[tokio::test]
async fn nothing_is_changed_behind_a_closed_fence() {
    let Some((server, runner)) = start() else { return };
    runner.close_fence();
    let mark = server.path("mark");
    let touch = with(&server, json!({ "command": format!("touch {}", mark.display()) }));
    assert_eq!(refused(&runner, "ssh.exec", touch).await.code, "engine.fenced");
    let upload = with(&server, json!({ "path": mark, "content": "x" }));
    assert_eq!(refused(&runner, "ssh.upload", upload).await.code, "engine.fenced");
    assert!(!mark.exists());
    runner.run("ssh.query", with(&server, json!({ "command": "true" }))).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_step_stops_soon() {
    let Some((server, runner)) = start() else { return };
    let step = runner.run("ssh.exec", with(&server, json!({ "command": "sleep 20" })));
    let cancel = async {
        while runner.reports().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        runner.cancel.cancel();
    };
    let (result, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(step, cancel) })
            .await
            .expect("stops long before the command ends");
    assert_eq!(result.unwrap_err().class, ErrorClass::Cancelled);
}

/// `ssh.query` with a known-hosts file instead of a pinned key.
fn by_file(server: &Sshd, file: &std::path::Path) -> Value {
    let mut with = with(server, json!({ "command": "true", "known_hosts": file }));
    with.as_object_mut().unwrap().remove("host_key");
    with
}

#[tokio::test]
async fn host_keys_are_looked_up_in_known_hosts() {
    let Some((server, runner)) = start() else { return };
    let file = server.known_hosts("host", "");
    runner.run("ssh.query", by_file(&server, &file)).await.unwrap();
    // `ssh-keygen -H` replaces the names in the file by their hashes.
    keygen(&["-H", "-f"], &file);
    assert!(read(&file).starts_with("|1|"));
    runner.run("ssh.query", by_file(&server, &file)).await.unwrap();
    // What OpenSSH's own scanner writes is read, too.
    let scan = std::process::Command::new("ssh-keyscan")
        .args(["-p", &server.port.to_string(), "127.0.0.1"])
        .output()
        .unwrap();
    std::fs::write(&file, scan.stdout).unwrap();
    runner.run("ssh.query", by_file(&server, &file)).await.unwrap();
}

#[tokio::test]
async fn an_unknown_host_key_is_refused_with_its_fingerprint() {
    let Some((server, runner)) = start() else { return };
    let file = server.path("empty");
    std::fs::write(&file, "other.example ssh-ed25519 AAAA\n").unwrap();
    let error = refused(&runner, "ssh.query", by_file(&server, &file)).await;
    assert_eq!((error.code.as_str(), error.class), ("ssh.host_key_unknown", ErrorClass::Permanent));
    assert!(error.message.contains(&server.fingerprint("host")), "{error}");
    assert!(error.message.contains("ssh-ed25519") && error.message.contains("empty"), "{error}");
    let error = refused(&runner, "ssh.query", by_file(&server, &server.path("missing"))).await;
    assert_eq!(error.code, "ssh.known_hosts");
}

#[tokio::test]
async fn a_changed_host_key_is_refused_with_both_fingerprints() {
    let Some((server, runner)) = start() else { return };
    let (seen, recorded) = (server.fingerprint("host"), server.fingerprint("stranger"));
    let file = server.known_hosts("stranger", "");
    let by_file = refused(&runner, "ssh.query", by_file(&server, &file)).await;
    assert!(by_file.message.contains("known_hosts_stranger:1"), "{by_file}");
    let pinned = with(&server, json!({ "command": "true", "host_key": recorded }));
    let pinned = refused(&runner, "ssh.query", pinned).await;
    for error in [by_file, pinned] {
        assert_eq!(error.code, "ssh.host_key_changed");
        assert_eq!(error.class, ErrorClass::Permanent);
        assert!(error.message.contains(&seen) && error.message.contains(&recorded), "{error}");
        assert_eq!(error.details, json!({ "seen": seen, "recorded": recorded }));
    }
    let revoked = server.known_hosts("host", "@revoked ");
    let error = refused(&runner, "ssh.query", self::by_file(&server, &revoked)).await;
    assert_eq!(error.code, "ssh.host_key_revoked");
    let md5 = with(&server, json!({ "command": "true", "host_key": "MD5:aa:bb" }));
    assert_eq!(refused(&runner, "ssh.query", md5).await.code, "ssh.host_key_invalid");
}

#[tokio::test]
async fn logins_succeed_with_the_right_key_only() {
    let Some((server, runner)) = start() else { return };
    let by =
        |credential: &str| with(&server, json!({ "command": "true", "credential": credential }));
    runner.run("ssh.query", by("locked")).await.unwrap();
    for (credential, tried) in [("stranger", "publickey"), ("password", "password")] {
        let error = refused(&runner, "ssh.query", by(credential)).await;
        assert_eq!(
            (error.code.as_str(), error.class),
            ("ssh.login_refused", ErrorClass::Unauthorized)
        );
        assert!(error.message.contains(&format!("tried {tried}")), "{error}");
        assert!(!error.message.contains("wrong"), "no password in an error: {error}");
    }
    for (credential, says) in [("mistyped", "`private_key` can't be read"), ("empty", "no field")] {
        let error = refused(&runner, "ssh.query", by(credential)).await;
        assert_eq!(error.code, "ssh.credential");
        assert!(error.message.contains(says), "{error}");
        assert!(!error.message.contains("phrase"), "no passphrase in an error: {error}");
    }
}

#[tokio::test]
async fn nobody_at_home_is_transient() {
    let Some((server, runner)) = start() else { return };
    let mut with = with(&server, json!({ "command": "true" }));
    drop(server);
    let error = refused(&runner, "ssh.query", with.clone()).await;
    assert_eq!((error.code.as_str(), error.class), ("ssh.unreachable", ErrorClass::Transient));
    // A port that is open, but says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    with["port"] = silent.local_addr().unwrap().port().into();
    with["connect_timeout"] = "300ms".into();
    let error = refused(&runner, "ssh.query", with).await;
    assert_eq!((error.code.as_str(), error.class), ("ssh.timeout", ErrorClass::Timeout));
}
