//! Reads from Rust sources what they name: simple, by characters, without a parser. Comments,
//! texts and what is compiled for tests only do not count.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// What one file names.
pub(crate) struct Source {
    /// The floor that the file belongs to; none for the crate's root.
    pub(crate) floor: Option<String>,
    /// First segments of the paths below `crate`.
    pub(crate) uses: BTreeSet<String>,
    /// Every identifier.
    pub(crate) names: BTreeSet<String>,
    /// Modules that are compiled for tests only, and lie in files of their own.
    test_modules: BTreeSet<String>,
}

impl Source {
    /// Reads a file; `path` is relative to the crate's sources.
    pub(crate) fn parse(path: &Path, text: &str) -> Self {
        let mut test_modules = BTreeSet::new();
        let tokens = without_tests(&tokens(text), &mut test_modules);
        let depth = depth(path);
        let mut uses = BTreeSet::new();
        for start in 0..tokens.len() {
            if let Some(rest) = below_root(&tokens, start, depth) {
                first_segments(rest, &mut uses);
            }
        }
        let mut segments = path.iter().map(|part| part.to_string_lossy().into_owned());
        let floor = segments.next().filter(|name| name != "lib.rs");
        let floor = floor.map(|name| name.trim_end_matches(".rs").to_owned());
        Self { floor, uses, names: tokens.into_iter().collect(), test_modules }
    }
}

/// All files of a crate, without those that only tests compile, in order.
pub(crate) fn files(root: &Path) -> io::Result<Vec<(PathBuf, Source)>> {
    let mut files = Vec::new();
    read(root, Path::new(""), &mut files)?;
    let tests: Vec<PathBuf> = files
        .iter()
        .flat_map(|(path, source)| {
            let home = module(path);
            source.test_modules.iter().map(move |name| home.join(name))
        })
        .collect();
    files.retain(|(path, _)| !tests.iter().any(|test| module(path).starts_with(test)));
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}

fn read(root: &Path, below: &Path, files: &mut Vec<(PathBuf, Source)>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read(root, &name, files)?;
        } else if name.extension().is_some_and(|extension| extension == "rs") {
            let source = Source::parse(&name, &fs::read_to_string(entry.path())?);
            files.push((name, source));
        }
    }
    Ok(())
}

/// The module of a file as a path: `a/mod.rs` and `a.rs` are `a`, `lib.rs` is the empty path.
fn module(path: &Path) -> PathBuf {
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib") => path.parent().map(Path::to_owned).unwrap_or_default(),
        _ => path.with_extension(""),
    }
}

/// How many `super::` lead from the file's module to the root of the crate.
fn depth(path: &Path) -> usize {
    module(path).iter().count()
}

/// Identifiers and punctuation; `::` is one token.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if let Some(length) = skipped(rest) {
            length
        } else if first.is_alphanumeric() || first == '_' {
            let end = |c: char| !c.is_alphanumeric() && c != '_';
            let length = rest.find(end).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".into());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.into());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of a comment, a text or a character at the start of `rest`.
fn skipped(rest: &str) -> Option<usize> {
    let until = |start: usize, end: &str| {
        rest[start..].find(end).map_or(rest.len(), |at| start + at + end.len())
    };
    if rest.starts_with("//") {
        return Some(until(2, "\n"));
    }
    if rest.starts_with("/*") {
        return Some(until(2, "*/"));
    }
    if rest.starts_with("r\"") || rest.starts_with("r#") {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        // `r#type` is an identifier.
        let end = format!("\"{}", "#".repeat(hashes));
        return rest[1 + hashes..].starts_with('"').then(|| until(2 + hashes, &end));
    }
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    if quote == '\'' && !rest[1..].starts_with('\\') && rest.chars().nth(2) != Some('\'') {
        return Some(1); // a lifetime
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return Some(at + 1);
        }
        escaped = c == '\\' && !escaped;
    }
    Some(rest.len())
}

/// Leaves out the items after `#[cfg(test)]`, and notes those that are modules in other files.
fn without_tests(tokens: &[String], modules: &mut BTreeSet<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]"].map(String::from)) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let start = at;
        let mut nesting = 0_usize;
        at += 7;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token.as_str() {
                "{" | "(" | "[" => nesting += 1,
                "}" if nesting == 1 => break,
                "}" | ")" | "]" => nesting = nesting.saturating_sub(1),
                ";" if nesting == 0 => {
                    let module = tokens[start..at].iter().skip_while(|token| *token != "mod");
                    modules.extend(module.skip(1).take(1).cloned());
                    break;
                }
                _ => {}
            }
        }
    }
    kept
}

/// What follows `crate::`, or as many `super::` as lead to the root of the crate.
fn below_root(tokens: &[String], start: usize, depth: usize) -> Option<&[String]> {
    let rest = &tokens[start..];
    if rest.starts_with(&["crate".into(), "::".into()]) {
        return Some(&rest[2..]);
    }
    let up = ["super".to_owned(), "::".to_owned()];
    let steps = rest.chunks(2).take_while(|pair| *pair == up).count();
    (depth > 0 && steps == depth).then(|| &rest[2 * steps..])
}

/// `a::b` gives `a`; `{a::b, c}` gives `a` and `c`.
fn first_segments(rest: &[String], found: &mut BTreeSet<String>) {
    if rest.first().is_none_or(|token| token != "{") {
        found.extend(rest.first().cloned());
        return;
    }
    let mut nesting = 0_usize;
    let mut head = false;
    for token in rest {
        match token.as_str() {
            "{" => {
                nesting += 1;
                head = nesting == 1;
            }
            "}" if nesting == 1 => return,
            "}" => nesting -= 1,
            "," => head = nesting == 1,
            name if head => {
                found.insert(name.to_owned());
                head = false;
            }
            _ => {}
        }
    }
}

#[test]
fn reads_paths_and_leaves_tests_texts_and_comments_out() {
    let text = r##"
        use crate::{
            model::{Id, crate_name},
            step::Executor, // crate::api
        };
        /* crate::api */ const A: &str = "crate::api \" crate::api"; const B: &str = r#"crate::api"#;
        fn a<'a>(c: char) -> super::super::graph::Plan<'a> { if c == '"' { crate::expr::eval() } }
        #[cfg(test)]
        mod fixtures;
        #[cfg(test)]
        mod tests { use crate::runtime::Turn; fn f() { tokio::spawn(()) } }
        fn c() { super::store::c() }
    "##;
    let source = Source::parse(Path::new("machine/fold.rs"), text);
    let uses: Vec<_> = source.uses.iter().map(String::as_str).collect();
    assert_eq!(uses, ["expr", "graph", "model", "step"]);
    assert_eq!(source.floor.as_deref(), Some("machine"));
    assert!(source.test_modules.contains("fixtures"));
    assert!(!source.names.contains("tokio"));
    assert!(source.names.contains("Executor"));
}

#[test]
fn a_floor_in_one_file_reaches_the_root_by_one_super() {
    let source = Source::parse(Path::new("store/mod.rs"), "use super::machine::State;");
    assert!(source.uses.contains("machine"));
    assert_eq!(module(Path::new("store/sqlite/mod.rs")), Path::new("store/sqlite"));
    assert_eq!(module(Path::new("lib.rs")), Path::new(""));
}
