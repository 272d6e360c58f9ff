//! Any input: an answer, soon, and no panic.

#[path = "support/exercise.rs"]
mod exercise;
#[path = "support/mutate.rs"]
mod mutate;

use std::{
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant},
};

use proptest::prelude::*;

static CORPUS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| mutate::corpus(&[Path::new("tests/good"), Path::new("tests/bad")]));

/// Far more than any of these takes (tenths of a second), also on a machine with other work.
const SOON: Duration = Duration::from_secs(15);

fn soon(what: &str, bytes: &[u8]) {
    let start = Instant::now();
    exercise::exercise(bytes);
    assert!(start.elapsed() < SOON, "{what} took {:?}", start.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn changed_files_get_an_answer(seed: u64) {
        soon("a changed file", &mutate::mutated(&CORPUS, seed));
    }

    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,200}|[ \\-:{}\\[\\]\"'&*!|>#\\n\\ta-z0-9]{0,200}") {
        soon("a text", text.as_bytes());
    }
}

#[test]
fn the_corpus_is_there() {
    assert!(CORPUS.len() > 50);
}

/// Shapes that made other parsers slow: large in one direction each.
#[test]
fn large_inputs_get_an_answer_soon() {
    let mib = 1 << 20;
    let fill = |head: &str, piece: &str, tail: &str| {
        let count = (mib - head.len() - tail.len()) / piece.len();
        format!("{head}{}{tail}", piece.repeat(count))
    };
    let keys: Vec<_> = (0..60_000).map(|n| format!("k{n}: 1\n")).collect();
    let step = "  - id: a\n    uses: x.y\n    retires: 3\n";
    for (what, text) in [
        ("brackets", fill("workflow: ", "[", "")),
        ("braces", fill("workflow: ", "{a: ", "")),
        ("one line", fill("workflow: x\nsteps: [], description: \"", "x ", "\"")),
        ("a long scalar", fill("workflow: x\nretires: 3\ndescription: \"", "é\\n", "\"\n")),
        ("a long name", fill("", "x", ": 1\n")),
        ("dashes", fill("", "- ", "")),
        ("question marks", fill("", "? ", "")),
        ("line breaks", fill("workflow: x\n", "\n", "retires: 1")),
        ("comments", fill("workflow: x\n", "# x\n", "retires: 1")),
        ("many unknown keys", keys.concat()),
        ("the same key", fill("", "a: 1\n", "")),
        ("many bad steps", fill("workflow: x\nsteps:\n", step, "")),
        ("bad steps on a line", fill("workflow: x\nsteps: [", "{id: 1},", "]\n")),
        ("anchors", fill("workflow: x\nsteps: [", "&a x,", "]")),
        ("unknown aliases", fill("workflow: x\nsteps: [", "*a ,", "]")),
        (
            "aliases of a long text",
            fill(&format!("a: &a {}\nb: [", "x".repeat(mib / 2)), "*a ,", "]"),
        ),
        ("a folded text", fill("workflow: >\n", "  x\n\n", "")),
        ("block text", fill("workflow: |\n", "  x\n", "")),
        ("tags", fill("workflow: x\nsteps: [", "!a x,", "]")),
        ("documents", fill("", "---\n", "")),
        ("quotes", fill("workflow: '", "''", "")),
    ] {
        soon(what, text.as_bytes());
    }
}
