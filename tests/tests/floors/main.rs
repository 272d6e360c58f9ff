//! The floors of the engine: each uses only those below it, the pure ones stay pure, and the
//! whole picture is `picture.txt`. `BLESS=1 cargo test --test floors` writes that file anew.

mod picture;
mod source;

use std::{collections::BTreeSet, env, fs, path::Path};

use picture::Picture;
use source::Source;

/// A floor, what it may use, and whether it is a function of its arguments alone.
struct Floor {
    name: &'static str,
    may_use: &'static [&'static str],
    pure: bool,
}

const fn floor(name: &'static str, may_use: &'static [&'static str], pure: bool) -> Floor {
    Floor { name, may_use, pure }
}

/// From the ground up. `step` is what executors are written against: it stands on the model
/// alone, so that a step library does not depend on how runs are stored or driven; the floors
/// above speak of its effects and observations, which are data.
const FLOORS: [Floor; 11] = [
    floor("model", &[], true),
    floor("calendar", &["model"], true),
    floor("expr", &["model"], true),
    floor("step", &["model"], false),
    floor("graph", &["model", "expr", "step"], true),
    floor("load", &["model", "expr", "step", "graph"], true),
    floor("machine", &["model", "calendar", "expr", "step", "graph"], true),
    floor("store", &["model", "expr", "graph", "machine"], false),
    floor("runtime", &["model", "calendar", "expr", "step", "graph", "machine", "store"], false),
    floor(
        "api",
        &["model", "calendar", "expr", "step", "graph", "load", "machine", "store", "runtime"],
        false,
    ),
    // Behind a feature: for the tests of those who embed the engine.
    floor("testing", &["model", "step", "store", "runtime", "api"], false),
];

/// Crates and types that a pure floor does not name: the clock, randomness, logs, the outside.
const IMPURE: [&str; 9] = [
    "Instant",
    "SystemTime",
    "rand",
    "reqwest",
    "sqlx",
    "tokio",
    "tokio_util",
    "tracing",
    "getrandom",
];

fn engine() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/engine/src"))
}

fn known(name: &str) -> Option<&'static Floor> {
    FLOORS.iter().find(|floor| floor.name == name)
}

/// What is wrong with one file, as `path: complaint`.
fn complaints(floor: &Floor, path: &Path, source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for used in source.uses.iter().filter(|used| used.as_str() != floor.name) {
        match known(used) {
            Some(_) if floor.may_use.contains(&used.as_str()) => {}
            Some(_) => found.push(format!("`{}` may not use `{used}`", floor.name)),
            None => found.push(format!("`crate::{used}` is no floor: name the floor it lives on")),
        }
    }
    let impure = IMPURE.iter().filter(|name| floor.pure && source.names.contains(**name));
    found.extend(impure.map(|name| format!("`{}` is pure, but names `{name}`", floor.name)));
    found.iter().map(|text| format!("{}: {text}", path.display())).collect()
}

#[test]
fn floors_use_only_what_is_below_them() {
    let files = source::files(engine()).unwrap();
    assert!(files.len() > 5, "no sources in {}", engine().display());
    let mut wrong = Vec::new();
    for (path, source) in &files {
        match source.floor.as_deref() {
            Some(name) => match known(name) {
                Some(floor) => wrong.extend(complaints(floor, path, source)),
                None => wrong.push(format!("{}: `{name}` is no floor", path.display())),
            },
            // The crate's root puts the floors on show; it has no code of its own.
            None => assert_eq!(path, Path::new("lib.rs"), "a file beside the floors"),
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_picture_of_imports_is_the_agreed_one() {
    let now = Picture::of(&source::files(engine()).unwrap()).to_string();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/floors/picture.txt");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let agreed = fs::read_to_string(&path).unwrap();
    let gone = agreed.lines().filter(|line| !now.lines().any(|other| other == *line));
    let new = now.lines().filter(|line| !agreed.lines().any(|other| other == *line));
    let changes: Vec<_> =
        gone.map(|line| format!("- {line}")).chain(new.map(|line| format!("+ {line}"))).collect();
    assert!(
        changes.is_empty(),
        "the floors use each other in a new way:\n{}\nif that is meant: BLESS=1 cargo test --test \
         floors",
        changes.join("\n")
    );
}

#[test]
fn no_floor_may_use_one_above_it() {
    let mut below = BTreeSet::new();
    for floor in &FLOORS {
        assert!(floor.may_use.iter().all(|name| below.contains(name)), "{}", floor.name);
        below.insert(floor.name);
    }
}

#[test]
fn a_wrong_import_is_found() {
    let text = "use crate::{model::Id, store::Store};\nuse std::time::Instant;\n\
                fn f() { super::super::runtime::go(crate::RunId::new()) }";
    let source = Source::parse(Path::new("machine/fold.rs"), text);
    let machine = known("machine").unwrap();
    assert_eq!(
        complaints(machine, Path::new("x"), &source),
        [
            "x: `crate::RunId` is no floor: name the floor it lives on",
            "x: `machine` may not use `runtime`",
            "x: `machine` may not use `store`",
            "x: `machine` is pure, but names `Instant`",
        ]
    );
}
