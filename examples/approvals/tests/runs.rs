//! The example does what it says.

use assert_cmd::Command;

#[test]
fn two_people_decide() {
    let example = assert_cmd::cargo::cargo_bin!("rackwright-example-approvals");
    let output = Command::new(example).assert().success().get_output().stdout.clone();
    let told = String::from_utf8(output).unwrap();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "eva is asked: Flash srv1? ({\"host\":\"srv1\"})", "{told}");
    assert_eq!(lines[2], "srv1: completed, all said yes", "{told}");
    assert!(lines[5].starts_with("srv2: failed, "), "{told}");
    assert_eq!(lines.len(), 6, "{told}");
}
