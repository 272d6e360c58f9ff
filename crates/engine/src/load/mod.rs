//! Files → workflows. All problems of a file are told at once, each with its place.
//!
//! The floor above `model`: text is read into a tree with places (`yaml`), the tree into a
//! [`Workflow`] by hand-written decoding that never stops at the first problem (`decode`), and
//! problems are drawn into the text (`diagnostics`). Checks that need the meaning of a workflow
//! (expressions, executors, the graph) work on the model and come back here to be shown:
//! [`Source::diagnostics`].

mod decode;
mod diagnostics;
mod library;
mod render;
mod schema;
mod source;
mod words;
mod yaml;

use std::{fs::File, io::Read as _, path::Path, sync::Arc};

pub use self::{
    diagnostics::{Diagnostic, Diagnostics},
    library::{Bundle, Library},
    schema::schema,
    source::Source,
    yaml::Limits,
};
use serde_json::Value;

use crate::model::Workflow;

/// A workflow and the text it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The workflow. References to other workflows are not pinned yet: see [`Library`].
    pub workflow: Workflow,
    /// Its text, for problems that are found later.
    pub source: Arc<Source>,
}

/// Reads a workflow from a text; `name` is what problems call the file.
///
/// # Errors
/// All that is wrong with the text.
pub fn load_str(name: &str, text: &str) -> Result<Loaded, Diagnostics> {
    let limits = Limits::DEFAULT;
    if text.len() > limits.bytes {
        return Err(too_large(name, limits));
    }
    let parsed = yaml::parse(text, limits);
    let source = Source::new(name, text, parsed.tree.clone());
    let mut diagnostics = Diagnostics::new(&source, parsed.problems);
    let workflow = parsed.tree.and_then(|tree| {
        let (workflow, problems) = decode::workflow(&tree, text);
        diagnostics.extend_elsewhere(source.diagnostics(problems));
        workflow
    });
    diagnostics.sort();
    match workflow {
        Some(workflow) if diagnostics.is_empty() => Ok(Loaded { workflow, source }),
        _ => Err(diagnostics),
    }
}

/// Reads data, such as the input of a run, from a YAML or JSON file.
///
/// # Errors
/// The file can't be read, or all that is wrong with its text.
pub fn load_value(path: &Path) -> Result<Value, Diagnostics> {
    let name = path.display().to_string();
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| not_utf8(&name, &bytes, error.valid_up_to()))?;
    if text.len() > Limits::DEFAULT.bytes {
        return Err(too_large(&name, Limits::DEFAULT));
    }
    let parsed = yaml::parse(text, Limits::DEFAULT);
    let source = Source::new(&name, text, parsed.tree.clone());
    let diagnostics = Diagnostics::new(&source, parsed.problems);
    match parsed.tree {
        Some(tree) if diagnostics.is_empty() => Ok(tree.to_json()),
        Some(_) | None => Err(diagnostics),
    }
}

/// Reads a workflow from bytes.
///
/// # Errors
/// All that is wrong with them.
pub fn load_bytes(name: &str, bytes: &[u8]) -> Result<Loaded, Diagnostics> {
    if bytes.len() > Limits::DEFAULT.bytes {
        return Err(too_large(name, Limits::DEFAULT));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => load_str(name, text),
        Err(error) => Err(not_utf8(name, bytes, error.valid_up_to())),
    }
}

/// Reads a workflow from a file.
///
/// # Errors
/// The file can't be read, or all that is wrong with its text.
pub fn load_file(path: &Path) -> Result<Loaded, Diagnostics> {
    load_bytes(&path.display().to_string(), &read(path)?)
}

/// The bytes of a file. One byte more than allowed tells that it is too large, without reading on
/// for ever.
fn read(path: &Path) -> Result<Vec<u8>, Diagnostics> {
    let most = u64::try_from(Limits::DEFAULT.bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)) {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let problem = Diagnostic::new("unreadable", 0..0, format!("can't read it: {error}"));
            let name = path.display().to_string();
            Err(Diagnostics::new(&Source::new(&name, "", None), vec![problem]))
        }
    }
}

fn too_large(name: &str, limits: Limits) -> Diagnostics {
    let message = format!("the file is larger than {} MiB", limits.bytes >> 20);
    let problem = Diagnostic::new("too-large", 0..0, message)
        .help("large data belongs in the input of a run, not in a workflow");
    Diagnostics::new(&Source::new(name, "", None), vec![problem])
}

fn not_utf8(name: &str, bytes: &[u8], good: usize) -> Diagnostics {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let end = (good + 200).min(bytes.len());
    // What is good before the place keeps its offsets; the rest of its line is for the picture.
    let text = String::from_utf8_lossy(&bytes[..end]);
    let problem = Diagnostic::new("not-utf8", good..good + 1, "the file is not UTF-8 from here on")
        .label(format!("the byte 0x{:02x}", bytes.get(good).copied().unwrap_or_default()))
        .help(if utf16 { "it starts like UTF-16: save it as UTF-8" } else { "save it as UTF-8" });
    Diagnostics::new(&Source::new(name, &text, None), vec![problem])
}
