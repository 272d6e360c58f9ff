//! The example says what it should.

use assert_cmd::Command;

#[test]
fn runs() {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("rackwright-example-testing-kit"))
        .assert()
        .success();
    let said = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(said.contains("completed after 30 min"), "{said}");
    assert!(said.contains("1 write(s), 1 in effect, 0 breaches"), "{said}");
    assert!(said.contains("0 violations"), "{said}");
}
