//! Wrong usage, and stores that are not there.

use std::os::unix::fs::PermissionsExt;

use crate::support::{SUM, Sandbox, has, stderr, stdout};

#[test]
fn usage_is_explained() {
    let sandbox = Sandbox::new();
    let help = sandbox.rackwright(&["--help"]).code(0);
    has(&stdout(&help), &["run", "validate", "resume", "Exit status: 0 completed; 1 a run failed"]);
    let wrong = sandbox.rackwright(&["rnu"]).code(2);
    has(&stderr(&wrong), &["rnu", "run"]);
    sandbox.rackwright(&[]).code(2);
    let fault = sandbox.rackwright(&["run", "x", "--lab", "--lab-fault", "ssh_drop"]).code(2);
    has(&stderr(&fault), &["did you mean `ssh_drops`?"]);
    let speed = sandbox.rackwright(&["run", "x", "--lab", "--lab-speed", "0"]).code(2);
    has(&stderr(&speed), &["expected a number above 0"]);
}

#[test]
fn stores_that_are_not_there() {
    let sandbox = Sandbox::new();
    let gone = ["runs", "list", "--store", "postgres://a:secret@127.0.0.1:1/x"];
    let told = stderr(&sandbox.rackwright(&gone).code(5));
    assert!(!told.contains("secret"), "{told}");
    let unknown = sandbox.rackwright(&["runs", "list", "--store", "redis://x"]).code(2);
    has(&stderr(&unknown), &["names no store", "sqlite:PATH"]);
    let memory = sandbox.rackwright(&["runs", "list", "--store", "memory:"]).code(2);
    has(&stderr(&memory), &["would end with this process"]);
}

#[test]
fn inputs_are_checked_before_there_is_a_run() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    let missing = sandbox.rackwright(&["run", &file]).code(2);
    has(&stderr(&missing), &["workflow `sum`", "\"left\"", "the first number"]);
    let wrong = sandbox.rackwright(&["run", &file, "-i", "left=x", "-i", "y"]).code(2);
    has(&stderr(&wrong), &["left: expected an integer, got `x`", "expected NAME=VALUE"]);
    let unknown = sandbox.rackwright(&["run", &file, "-i", "left=1", "-i", "rihgt=1"]).code(2);
    has(&stderr(&unknown), &["rihgt", "did you mean `right`?"]);
    sandbox.rackwright(&["runs", "show", "last"]).code(2);
}

#[test]
fn inputs_come_from_files_and_arguments() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("sum.yaml", SUM);
    for (name, text) in [("in.yaml", "left: 40\nright: 1\n"), ("in.json", r#"{"left": 40}"#)] {
        let input = sandbox.file(name, text);
        let run = ["run", &file, "--input-file", &input, "-i", "right=2", "--json"];
        let ended = crate::support::objects(&sandbox.rackwright(&run).code(0)).pop().unwrap();
        assert_eq!((&ended["type"], &ended["output"]), (&"outcome".into(), &42.into()));
    }
    let bad = sandbox.file("bad.yaml", "left: [1\n");
    let told = sandbox.rackwright(&["run", &file, "--input-file", &bad]).code(2);
    has(&stderr(&told), &["bad.yaml:", "error["]);
    let list = sandbox.file("list.yaml", "- 1\n");
    let told = sandbox.rackwright(&["run", &file, "--input-file", &list]).code(2);
    has(&stderr(&told), &["a mapping of names to values"]);
}

#[test]
fn credentials_are_kept_from_others() {
    let sandbox = Sandbox::new();
    let file = sandbox.file(
        "tag.yaml",
        "workflow: tag\nsteps: [{ id: tag, uses: maas.tag, with: { machine: a, credential: mass } }]\n",
    );
    let secrets = sandbox.file("c.toml", "[maas]\nurl = \"x\"\napi_key = \"hidden\"\n");
    let run = ["run", &file, "--credentials", &secrets];
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o640)).unwrap();
    let told = stderr(&sandbox.rackwright(&run).code(2));
    has(&told, &["others may read", "0640", "chmod 600"]);
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).unwrap();
    let told = stdout(&sandbox.rackwright(&run).code(1));
    has(&told, &["there is no credential `mass`", "RACKWRIGHT_CREDENTIAL_MASS_FIELD"]);
    assert!(!told.contains("hidden"), "{told}");
    let told = sandbox.rackwright(&["run", &file, "--credentials", "/nowhere"]).code(2);
    has(&stderr(&told), &["there is no credentials file /nowhere"]);
}
