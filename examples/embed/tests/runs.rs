//! The example does what it says.

use assert_cmd::Command;

#[test]
fn it_runs_twice_on_one_store() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let mut example = Command::new(assert_cmd::cargo::cargo_bin!("rackwright-example-embed"));
        let store = format!("sqlite:{}", dir.path().join("embed.db").display());
        example.arg(store).assert().success().stdout("completed: \"hello, srv001\"\n");
    }
}
