//! What is wrong with a workflow, and where: what the loader and the checks report.

use std::{borrow::Cow, fmt, ops::Range};

use serde::{Deserialize, Serialize};

/// The place of a value in a workflow: a JSON Pointer (RFC 6901) such as `/steps/2/with/target`.
/// The root is the empty pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pointer(String);

impl Pointer {
    /// The workflow as a whole.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// The field `name` of what this points at.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        let mut text = String::with_capacity(self.0.len() + name.len() + 1);
        text.push_str(&self.0);
        text.push('/');
        for letter in name.chars() {
            match letter {
                '~' => text.push_str("~0"),
                '/' => text.push_str("~1"),
                other => text.push(other),
            }
        }
        Self(text)
    }

    /// The element `index` of what this points at, from 0.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// What holds this; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.rfind('/').map(|slash| Self(self.0[..slash].to_owned()))
    }

    /// The names and indices from the root, unescaped.
    pub fn segments(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.0.split('/').skip(1).map(|segment| {
            if segment.contains('~') {
                Cow::Owned(segment.replace("~1", "/").replace("~0", "~"))
            } else {
                Cow::Borrowed(segment)
            }
        })
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of RFC 6901; empty at the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that is wrong with a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable, for people who search for it and tools that filter it: `unknown-field`.
    pub code: &'static str,
    /// Where.
    pub at: Pointer,
    /// Bytes inside the text of the scalar at `at`: a place in an expression.
    pub range: Option<Range<usize>>,
    /// The key is meant, not its value.
    pub on_key: bool,
    /// What is wrong, in one line.
    pub message: String,
    /// What stands under the underline: what was expected.
    pub label: Option<String>,
    /// How to mend it.
    pub help: Vec<String>,
    /// Other places that matter, and why.
    pub related: Vec<(Pointer, String)>,
}

impl Problem {
    /// A problem with the value at a place.
    pub fn new(code: &'static str, at: Pointer, message: impl Into<String>) -> Self {
        Self {
            code,
            at,
            range: None,
            on_key: false,
            message: message.into(),
            label: None,
            help: Vec::new(),
            related: Vec::new(),
        }
    }

    /// The key is meant, not its value.
    #[must_use]
    pub fn on_key(mut self) -> Self {
        self.on_key = true;
        self
    }

    /// The place inside the scalar's text, in bytes.
    #[must_use]
    pub fn range(mut self, range: Range<usize>) -> Self {
        self.range = Some(range);
        self
    }

    /// What stands under the underline.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// How to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Another place that matters, and why.
    #[must_use]
    pub fn related(mut self, at: Pointer, why: impl Into<String>) -> Self {
        self.related.push((at, why.into()));
        self
    }
}

/// For workflows that have no file: those that were built in Rust.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        if !self.at.is_root() {
            write!(f, "\n  --> {}", self.at)?;
        }
        if let Some(label) = &self.label {
            write!(f, ": {label}")?;
        }
        for (at, why) in &self.related {
            write!(f, "\n  = note: {at}: {why}")?;
        }
        for help in &self.help {
            write!(f, "\n  = help: {help}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_escape_as_rfc_6901_says() {
        let at = Pointer::root().key("a/b").index(3).key("m~n");
        assert_eq!(at.as_str(), "/a~1b/3/m~0n");
        assert_eq!(at.segments().collect::<Vec<_>>(), ["a/b", "3", "m~n"]);
        assert_eq!(at.parent().map(|at| at.to_string()).as_deref(), Some("/a~1b/3"));
        assert_eq!(Pointer::root().parent(), None);
        assert_eq!(Pointer::root().segments().count(), 0);
        assert_eq!(Pointer::root().key("").segments().collect::<Vec<_>>(), [""]);
    }
}
