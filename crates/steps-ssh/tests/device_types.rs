//! Device types: the files that ship, and what is said about bad ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, too")]

mod support;

use std::{collections::HashMap, path::Path};

use rackwright_steps_ssh::{DeviceTypes, device::ToolKind};
use rstest::rstest;
use serde_json::json;
use support::Runner;

const GOOD: &str = "\
name: mine
vendor: dell
tool:
  kind: racadm
bios:
  settings:
    LogicalProc: Disabled
    CorePerfBoost: 8
    AcPwrRcvry: true
";

fn load(name: &str, text: &str) -> Result<DeviceTypes, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    let here = format!("{}/", dir.path().display());
    DeviceTypes::default()
        .with_directory(dir.path())
        .map_err(|problems| problems.to_string().replace(&here, ""))
}

#[test]
fn those_that_ship_are_fine_and_so_are_their_files() {
    let built_in = DeviceTypes::built_in().unwrap();
    let names: Vec<_> = built_in.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["dell-r750", "hpe-dl385", "supermicro-x12"]);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/device-types");
    let read = DeviceTypes::default().with_directory(&directory).unwrap();
    assert_eq!(read.iter().count(), 3, "each file that ships is built in");
    for found in read.iter() {
        assert_eq!(built_in.get(&found.name).unwrap(), *found);
    }
}

#[test]
fn a_directory_adds_to_what_is_built_in_and_wins() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine.yaml"), GOOD).unwrap();
    let other = GOOD.replace("mine", "dell-r750").replace("racadm", "racadm\n  path: /opt/racadm");
    std::fs::write(dir.path().join("dell-r750.yaml"), other).unwrap();
    std::fs::write(dir.path().join("README.md"), "not a device type").unwrap();
    let types = DeviceTypes::built_in().unwrap().with_directory(dir.path()).unwrap();
    assert_eq!(types.iter().count(), 4);
    assert_eq!(types.get("mine").unwrap().tool.kind, ToolKind::Racadm);
    assert_eq!(types.get("dell-r750").unwrap().tool.path.as_deref(), Some("/opt/racadm"));
    let missing = DeviceTypes::built_in().unwrap().with_directory(&dir.path().join("none"));
    assert_eq!(missing.unwrap().iter().count(), 3);
}

#[rstest]
#[case::unknown_field("vendor: dell\n", "vendor: dell\nmodell: x\n", "mine.yaml:3:1: ")]
#[case::unknown_vendor("vendor: dell", "vendor: del", "mine.yaml:2:9: ")]
#[case::missing("vendor: dell\n", "", "mine.yaml:")]
#[case::duplicate("vendor: dell\n", "vendor: dell\nvendor: dell\n", "mine.yaml:3:1: ")]
#[case::not_yaml("  kind: racadm", "  kind: [racadm", "mine.yaml:")]
#[case::nested_value("LogicalProc: Disabled", "LogicalProc: [a, b]", "mine.yaml:7:")]
#[case::duration("bios:", "timeouts: { export: soon }\nbios:", "mine.yaml:5:21: ")]
#[case::other_vendor("racadm", "sum", "mine.yaml:3:1: the tool `sum` is not for machines of")]
#[case::other_name("name: mine", "name: yours", "mine.yaml:1:1: the name is `yours`")]
#[case::definitions("kind: racadm", "kind: racadm\n  definitions: x.xml", "mine.yaml:3:1: ")]
#[case::excluded(
    "bios:",
    "bios:\n  allowed: { LogicalProc: [Enabled] }",
    "mine.yaml:3:1: `LogicalProc` is wanted as `Disabled`, which `allowed` excludes"
)]
fn a_bad_file_is_refused_with_its_place(
    #[case] from: &str,
    #[case] to: &str,
    #[case] problem: &str,
) {
    load("mine.yaml", GOOD).unwrap();
    assert!(GOOD.contains(from));
    let said = load("mine.yaml", &GOOD.replacen(from, to, 1)).unwrap_err();
    assert!(said.starts_with(problem), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn all_files_are_reported_at_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.yaml"), "name: a\n").unwrap();
    std::fs::write(dir.path().join("b.yaml"), "- 1\n").unwrap();
    let problems = DeviceTypes::default().with_directory(dir.path()).unwrap_err();
    assert_eq!(problems.0.len(), 2, "{problems}");
}

#[tokio::test]
async fn a_device_type_is_data_for_the_workflow() {
    let runner = Runner::new(HashMap::new());
    let input = json!({ "device_type": "dell-r750" });
    let loaded = runner.run("device_type.load", input).await.unwrap();
    assert_eq!(loaded["vendor"], "dell");
    assert_eq!(loaded["bios"]["settings"]["SysProfile"], "PerfOptimized");
    assert_eq!(loaded["timeouts"]["import"], "30m");
}

#[test]
fn the_catalogue_of_executors_has_schemas_that_refuse_unknown_fields() {
    let runner = Runner::new(HashMap::new());
    let names: Vec<&str> = runner.registry().iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "bios.apply_profile",
            "bios.export",
            "bios.import",
            "device_type.load",
            "ipmi.set_lan",
            "ssh.download",
            "ssh.exec",
            "ssh.query",
            "ssh.upload"
        ]
    );
    for (name, executor) in runner.registry().iter() {
        let schema = executor.input_schema().as_value();
        let closed =
            schema["additionalProperties"] == false || schema["unevaluatedProperties"] == false;
        assert!(closed, "{name}: {schema:#}");
        assert!(schema["properties"].as_object().is_some_and(|p| !p.is_empty()), "{name}");
        assert!(!executor.describe().about.is_empty());
    }
    let exec = runner.registry().get("ssh.exec").unwrap().input_schema().as_value();
    assert!(exec["properties"]["host"]["description"].is_string(), "{exec:#}");
}

#[tokio::test]
async fn an_unknown_field_of_the_input_is_refused() {
    let runner = Runner::new(HashMap::new());
    let input = json!({ "host": "h", "credential": "c", "command": "x", "comand": "y" });
    let error = runner.run("ssh.exec", input).await.unwrap_err();
    assert_eq!(error.code, "engine.input");
    assert!(error.message.contains("comand"), "{error}");
}
