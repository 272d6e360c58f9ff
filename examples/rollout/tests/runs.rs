//! The example does what it says.

use assert_cmd::Command;

#[test]
fn a_bad_host_halts_it() {
    let example = assert_cmd::cargo::cargo_bin!("rackwright-example-rollout");
    let output = Command::new(example).assert().success().get_output().stdout.clone();
    let told = String::from_utf8(output).unwrap();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "completed: 4 of 4 hosts tried, 0 failed", "{told}");
    assert_eq!(lines[1], "failed: 3 of 5 hosts tried, 1 failed", "{told}");
    assert!(lines[2..].iter().any(|line| line.ends_with("bad refuses it")), "{told}");
}
