//! The loader against files: those in `good` load, those in `bad` are refused with the words
//! beside them (`UPDATE=1` writes these anew).

#![expect(clippy::unwrap_used, reason = "a test that can't read its files has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use rackwright_engine::{
    Describe, Effect, Registry, StepContext, StepError, Workflow, executor_fn,
    load::{self, Diagnostics, Library, Loaded},
    model::{Pointer, Problem},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

fn files(directory: &str, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no {ending} files in {directory}");
    files
}

/// What is checked of a file without knowing executors.
fn check(path: &Path) -> Result<Loaded, Diagnostics> {
    load::load_file(path)
}

/// An update, as a step library would define it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Update {
    target: String,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    mode: Mode,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Immediate,
    Deferred,
}

#[derive(Serialize, JsonSchema)]
struct Updated {
    version: String,
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    let about = Describe::new("redfish.update_firmware", Effect::Verify);
    let update = executor_fn(about, async |_: StepContext, _: Update| {
        Ok::<_, StepError>(Updated { version: String::new() })
    });
    registry.register(update).unwrap();
    registry
}

/// Compares with the golden file; `false` if they differ.
fn matches_golden(path: &Path, found: &str) -> bool {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, found).unwrap();
        return true;
    }
    let wanted = fs::read_to_string(path).unwrap_or_default();
    if wanted != found {
        eprintln!("--- {} wants\n{wanted}\n+++ found\n{found}", path.display());
    }
    wanted == found
}

#[test]
fn bad_files_are_refused_in_these_words() {
    let bad = files("tests/bad", "yaml");
    let wrong: Vec<_> = bad
        .iter()
        .filter(|path| {
            let Err(problems) = check(path) else { panic!("{} loads", path.display()) };
            !matches_golden(&path.with_extension("stderr"), &problems.to_string())
        })
        .collect();
    assert!(wrong.is_empty(), "run with UPDATE=1 and read the difference of {wrong:?}");
    assert!(bad.len() >= 35);
}

#[test]
fn files_that_make_no_sense_are_refused_in_these_words() {
    let registry = registry();
    let wrong: Vec<_> = files("tests/bad/checked", "yaml")
        .into_iter()
        .filter(|path| {
            let checked = Library::new().load(path).and_then(|bundle| bundle.check(&registry));
            let Err(problems) = checked else { panic!("{} passes", path.display()) };
            !matches_golden(&path.with_extension("stderr"), &problems.to_string())
        })
        .collect();
    assert!(wrong.is_empty(), "run with UPDATE=1 and read the difference of {wrong:?}");
}

#[test]
fn calls_between_files_are_refused_in_these_words() {
    for name in ["circle", "missing", "wrong-inside", "wrong-name"] {
        let path = Path::new("tests/bad/calls").join(format!("{name}.yaml"));
        let library = Library::new().directory("tests/bad/calls/shared");
        let problems = library.load(&path).unwrap_err().to_string();
        assert!(matches_golden(&path.with_extension("stderr"), &problems), "{name}");
    }
}

#[test]
fn good_files_load_and_survive_their_canonical_form() {
    for path in files("tests/good", "yaml") {
        let loaded = check(&path).unwrap_or_else(|problems| panic!("{problems}"));
        let stored: Workflow = serde_json::from_slice(&loaded.workflow.canonical())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(stored, loaded.workflow, "{}", path.display());
        assert_eq!(stored.version(), loaded.workflow.version());
    }
}

#[test]
fn a_bundle_is_pinned_from_the_leaves_up() {
    let library = Library::new().directory("tests/good/shared");
    let bundle = library.load(Path::new("tests/good/calls.yaml")).unwrap();
    let names: Vec<_> = bundle.workflows.iter().map(|one| one.workflow.name.as_str()).collect();
    assert_eq!(names, ["leaf", "branch", "calls"]);
    assert_eq!(bundle.root().unwrap().workflow.name, "calls");
    for caller in &bundle.workflows {
        let text = String::from_utf8(caller.workflow.canonical()).unwrap();
        for called in &bundle.workflows {
            let call = format!("\"workflow\":\"{}\",\"with\"", called.workflow.name);
            let pinned = format!("\"version\":\"{}\"", called.workflow.version());
            assert!(!text.contains(&call) || text.contains(&pinned), "{text} lacks {pinned}");
        }
        let stored: Workflow = serde_json::from_str(&text).unwrap();
        assert_eq!(stored, caller.workflow);
    }
    let alone = load::load_file(Path::new("tests/good/calls.yaml")).unwrap();
    assert_ne!(alone.workflow.version(), bundle.root().unwrap().workflow.version());
}

/// Every code that the loader can give has a golden file: codes are read from its source.
#[test]
fn every_code_is_shown_by_a_golden_file() {
    let mut sources = Vec::new();
    for directory in ["src/load", "src/load/yaml", "src/load/decode"] {
        sources.extend(files(directory, "rs"));
    }
    let mut codes = BTreeSet::new();
    for path in sources {
        let text = fs::read_to_string(path).unwrap();
        for call in text.split("Problem::new(").chain(text.split("Diagnostic::new(")).skip(1) {
            let start = call.trim_start();
            if let Some(code) = start.strip_prefix('"').and_then(|rest| rest.split('"').next()) {
                codes.insert(code.to_owned());
            }
        }
    }
    assert!(codes.len() > 20, "{codes:?}");
    let mut golden = String::new();
    for directory in ["tests/bad", "tests/bad/calls"] {
        for path in files(directory, "stderr") {
            golden += &fs::read_to_string(path).unwrap();
        }
    }
    // These need a file that is too large to keep or that is not there: see below.
    let elsewhere = ["unreadable"];
    let missing: Vec<_> = codes
        .iter()
        .filter(|code| !golden.contains(&format!("error[{code}]")))
        .filter(|code| !elsewhere.contains(&code.as_str()))
        .collect();
    assert!(missing.is_empty(), "no golden file shows {missing:?}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let problems = load::load_file(Path::new("tests/bad/nowhere.yaml")).unwrap_err().to_string();
    assert!(problems.contains("error[unreadable]: can't read it"), "{problems}");
    assert!(problems.contains("tests/bad/nowhere.yaml"), "{problems}");
    let large = "# comment\n".repeat(120_000);
    let problems = load::load_str("large.yaml", &large).unwrap_err().to_string();
    assert!(problems.contains("error[too-large]: the file is larger than 1 MiB"), "{problems}");
    let wide = format!("workflow: wide\nsteps: [{}]\n", "a,".repeat(120_000));
    let problems = load::load_str("wide.yaml", &wide).unwrap_err().to_string();
    assert!(problems.contains("more than 100000 values"), "{problems}");
}

#[test]
fn editors_get_lines_columns_and_pointers() {
    let text = "workflow: x\nsteps:\n  - { id: a, description: \"日本 🚀\", uses: a.b, wiht: 1 }\n";
    let json = load::load_str("x.yaml", text).unwrap_err().to_json();
    let problem = &json[0];
    assert_eq!(problem["code"], "unknown-field");
    assert_eq!(problem["pointer"], "/steps/0/wiht");
    assert_eq!(problem["start"]["line"], 3);
    assert_eq!(problem["start"]["column"], 46);
    let offset = usize::try_from(problem["start"]["offset"].as_u64().unwrap()).unwrap();
    assert!(text[offset..].starts_with("wiht"));
}

fn as_json(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(&text, options).ok()
}

#[test]
fn the_schema_accepts_good_files_and_refuses_bad_ones() {
    let schema = load::schema();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for path in files("tests/good", "yaml") {
        let value = as_json(&path).unwrap();
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
    // What a schema can't see: text that is no JSON, numbers as they are written, the meaning of
    // `input`, which choice is the last, which of two durations is longer.
    let beyond = ["bad-input-schema", "numbers"];
    for path in files("tests/bad", "yaml") {
        let Some(value) = as_json(&path) else { continue };
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(!validator.is_valid(&value), !beyond.contains(&stem), "{stem}");
    }
}

/// Checks of the meaning come later and speak in pointers; the source shows them.
#[test]
fn later_problems_are_shown_in_the_source() {
    let text = "workflow: x\nsteps:\n  - id: a\n    parallel:\n      left:\n        - id: b\n          uses: a.b\n          with:\n            script: |\n              echo start\n              echo {{ nowhere }}\n";
    let loaded = load::load_str("x.yaml", text).unwrap();
    let step =
        Pointer::root().key("steps").index(0).key("parallel").key("left").key("steps").index(0);
    let script = "echo start\necho {{ nowhere }}\n";
    let start = script.find("nowhere").unwrap();
    let problems = vec![
        Problem::new("unknown-name", step.key("with").key("script"), "nothing is called `nowhere`")
            .range(start..start + "nowhere".len())
            .label("not known here"),
        Problem::new("unknown-executor", step.key("uses"), "no executor is called `a.b`")
            .related(step.key("id"), "in this step")
            .help("`rackwright steps` lists them"),
        Problem::new("missing-field", step.key("with").key("target"), "`target` is missing"),
    ];
    let shown = loaded.source.diagnostics(problems).to_string();
    assert!(matches_golden(Path::new("tests/bad/later.stderr"), &shown), "{shown}");
}
