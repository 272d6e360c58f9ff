//! Commands about files: validate, graph, steps, schema.

use serde_json::Value;

use crate::support::{SUM, Sandbox, has, objects, shipped, stderr, stdout};

const BAD: &str = "\
workflow: bad
steps:
  - id: one
    uses: maas.comission
    with: { machine: a }
  - id: two
    uses: maas.tag
    wiht: {}
";

#[test]
fn valid_files_are_counted() {
    let sandbox = Sandbox::new();
    let files = [shipped("lab-rack.yaml"), shipped("provision-server.yaml")];
    let told = sandbox.rackwright(&["validate", &files[0], &files[1]]).code(0);
    assert_eq!(stdout(&told), "2 files are valid\n");
}

#[test]
fn problems_of_all_files_are_told_in_one_go() {
    let sandbox = Sandbox::new();
    let bad = sandbox.file("bad.yaml", BAD);
    let worse = sandbox.file("worse.yaml", "workflow: [\n");
    let good = sandbox.file("sum.yaml", SUM);
    let told = stderr(&sandbox.rackwright(&["validate", &bad, &worse, &good]).code(2));
    has(&told, &["bad.yaml:8:", "worse.yaml:", "1 valid, 2 invalid"]);
    assert!(!told.contains('\u{1b}'), "no colours in a pipe: {told}");
    let json = objects(&sandbox.rackwright(&["validate", &bad, &good, "--json"]).code(2));
    let (outcome, problems) = json.split_last().unwrap();
    assert_eq!((&outcome["files"], &outcome["valid"]), (&2.into(), &1.into()));
    assert!(problems.iter().any(|it| it["start"]["line"] == 8), "{problems:?}");
    let told = stderr(&sandbox.rackwright(&["run", &bad]).code(2));
    has(&told, &["bad.yaml:8:"]);
    let told = stderr(&sandbox.rackwright(&["validate", "/nowhere.yaml"]).code(2));
    has(&told, &["/nowhere.yaml", "can't read it"]);
}

#[test]
fn executors_and_inputs_are_checked() {
    let sandbox = Sandbox::new();
    let text = "workflow: w\nsteps: [{ id: a, uses: maas.comission, with: { machine: x } }]\n";
    let told = stderr(&sandbox.rackwright(&["validate", &sandbox.file("w.yaml", text)]).code(2));
    has(&told, &["maas.comission", "maas.commission"]);
    let text = "workflow: w\nsteps: [{ id: a, uses: maas.tag, with: { machine: x, tags: [] } }]\n";
    let told = stderr(&sandbox.rackwright(&["validate", &sandbox.file("w.yaml", text)]).code(2));
    has(&told, &["w.yaml:2:", "tags"]);
}

#[test]
fn workflows_are_drawn() {
    let sandbox = Sandbox::new();
    let file = shipped("provision-server.yaml");
    for (format, parts) in [
        ("svg", ["<svg", "push-bios"]),
        ("dot", ["digraph", "push-bios"]),
        ("mermaid", ["flowchart", "push-bios"]),
    ] {
        has(&stdout(&sandbox.rackwright(&["graph", &file, "--format", format]).code(0)), &parts);
    }
    sandbox.rackwright(&["graph", &file, "--format", "png"]).code(2);
}

#[test]
fn the_catalogue_shows_executors_and_schemas() {
    let sandbox = Sandbox::new();
    let list = stdout(&sandbox.rackwright(&["steps"]).code(0));
    has(&list, &["EXECUTOR", "maas.commission", "ssh.exec", "bios.import", "ipmi.set_lan"]);
    let some = stdout(&sandbox.rackwright(&["steps", "ssh."]).code(0));
    has(&some, &["ssh.exec"]);
    assert!(!some.contains("maas."), "{some}");
    let one = stdout(&sandbox.rackwright(&["steps", "maas.tag"]).code(0));
    has(&one, &["maas.tag  (idempotent)", "input:", "\"machine\"", "output:", "\"hostname\""]);
    let all = objects(&sandbox.rackwright(&["steps", "--json"]).code(0));
    assert!(all.iter().all(|it| it["input"].is_object() && it["effect"].is_string()));
    let told = sandbox.rackwright(&["steps", "nothing.here"]).code(2);
    has(&stderr(&told), &["there is no executor `nothing.here`", "maas.tag"]);
}

#[test]
fn the_schema_is_json() {
    let told = stdout(&Sandbox::new().rackwright(&["schema"]).code(0));
    let schema: Value = serde_json::from_str(&told).unwrap();
    assert!(schema["$schema"].is_string() && schema["properties"]["steps"].is_object());
}
