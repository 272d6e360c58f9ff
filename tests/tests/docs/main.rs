//! The documentation's workflows: each file of `docs/examples` runs and does what its first lines
//! say, and `docs/kinds.md` has a row with an example for every field that the format knows.

#![expect(clippy::unwrap_used, reason = "a test that can't go on panics")]

mod demo;
mod example;
mod page;
mod play;

use std::{collections::BTreeSet, fs, path::PathBuf};

use example::Example;
use page::Page;
use play::play;
use rackwright_engine::load;
use serde_json::Value;

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs"))
}

fn examples() -> Vec<PathBuf> {
    let files = fs::read_dir(docs().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|it| it == "yaml")).collect();
    files.sort();
    assert!(files.len() > 10, "no examples in {}", docs().display());
    files
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// One after the other they would take the sum of their pauses.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_example_does_what_it_says() {
    let mut plays = tokio::task::JoinSet::new();
    for path in examples() {
        plays.spawn(async move {
            let example = Example::read(&path)?;
            play(&path, &example).await
        });
    }
    let mut wrong = Vec::new();
    while let Some(played) = plays.join_next().await {
        wrong.extend(played.unwrap().err());
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_example_is_linked_from_the_table() {
    let page = Page::read(&docs().join("kinds.md"));
    let linked: BTreeSet<_> = page.rows.iter().flat_map(|row| row.links.iter().cloned()).collect();
    let there: BTreeSet<_> = examples().iter().map(|path| file_name(path)).collect();
    let lost: Vec<_> = there.difference(&linked).collect();
    assert!(lost.is_empty(), "docs/kinds.md has no link to {lost:?}");
    let dead: Vec<_> = linked.difference(&there).collect();
    assert!(dead.is_empty(), "docs/kinds.md links {dead:?}, which are not in docs/examples");
}

/// The fields of an object of the schema.
fn fields(schema: &Value, place: &str) -> Vec<String> {
    let fields = schema.pointer(place).and_then(Value::as_object);
    let fields: Vec<_> = fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect();
    assert!(!fields.is_empty(), "the schema has nothing at {place}");
    fields
}

#[test]
fn every_field_of_workflows_and_steps_has_a_row() {
    let page = Page::read(&docs().join("kinds.md"));
    let schema = load::schema();
    let mut missing = Vec::new();
    for place in ["/properties", "/definitions/Step/properties"] {
        for field in fields(&schema, place) {
            let shown = page.rows.iter().filter(|row| row.names.contains(&field)).any(|row| {
                row.links.iter().any(|link| {
                    let text = fs::read_to_string(docs().join("examples").join(link)).unwrap();
                    page::mentions(&text, &field)
                })
            });
            if !shown {
                missing.push(format!("{place}/{field}"));
            }
        }
    }
    assert!(
        missing.is_empty(),
        "docs/kinds.md has no row that begins with the name of these and links a file that uses \
         them: {missing:#?}"
    );
}

/// What stands inside of a kind or policy is at least named, or shown by an example.
#[test]
fn every_other_field_is_named() {
    let page = Page::read(&docs().join("kinds.md"));
    let schema = load::schema();
    let texts: Vec<_> = examples().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let mut missing = Vec::new();
    for definition in fields(&schema, "/definitions") {
        let place = format!("/definitions/{definition}/properties");
        if schema.pointer(&place).is_none() {
            continue;
        }
        for field in fields(&schema, &place) {
            let shown = texts.iter().any(|text| page::mentions(text, &field));
            if !shown && !page.text.contains(&format!("`{field}`")) {
                missing.push(format!("{definition}.{field}"));
            }
        }
    }
    assert!(missing.is_empty(), "neither docs/kinds.md nor an example names {missing:#?}");
}
