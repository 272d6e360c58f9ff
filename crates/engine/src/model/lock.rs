//! Names of locks and limits, and what is asked of them.

use std::{borrow::Cow, cmp::Ordering, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::RunId;

/// The name of something that is locked: segments joined by `/`, the widest first, such as
/// `site/rack4/server/srv001`. A name stands for itself and for all names below it.
///
/// Names are ordered segment by segment: that is the one order in which locks are taken.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LockPath(String);

/// A text that is no name of a lock.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no name of a lock: {problem}")]
pub struct InvalidLockPath {
    /// The text, cut if it is long.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl LockPath {
    /// The longest name in bytes: what an index of a database holds with ease.
    pub const LONGEST: usize = 512;

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this name stands for the other one: it is the same, or above it.
    pub fn covers(&self, other: &Self) -> bool {
        let rest = other.0.strip_prefix(&self.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether the two can't be held at the same time by different holders.
    pub fn conflicts(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The name and those above it, the widest first.
    pub fn lineage(&self) -> impl Iterator<Item = &str> {
        let ends = self.0.match_indices('/').map(|(at, _)| at);
        ends.chain([self.0.len()]).map(|end| &self.0[..end])
    }
}

impl FromStr for LockPath {
    type Err = InvalidLockPath;

    fn from_str(text: &str) -> Result<Self, InvalidLockPath> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        let problem = if text.is_empty() {
            "it is empty"
        } else if text.len() > Self::LONGEST {
            "it is longer than 512 bytes"
        } else if text.split('/').any(str::is_empty) {
            "a segment between two `/` is empty"
        } else if !text.split('/').all(|segment| segment.chars().all(plain)) {
            "a segment has letters, digits, `.`, `_`, `:` and `-`"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(InvalidLockPath { text: text.chars().take(80).collect(), problem })
    }
}

impl TryFrom<String> for LockPath {
    type Error = InvalidLockPath;

    fn try_from(text: String) -> Result<Self, InvalidLockPath> {
        text.parse()
    }
}

impl From<LockPath> for String {
    fn from(path: LockPath) -> Self {
        path.0
    }
}

impl Ord for LockPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.split('/').cmp(other.0.split('/'))
    }
}

impl PartialOrd for LockPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for LockPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LockPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl JsonSchema for LockPath {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "LockPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[A-Za-z0-9._:-]+(/[A-Za-z0-9._:-]+)*$",
            "maxLength": Self::LONGEST,
        })
    }
}

/// One thing that is asked for: a lock, or a slot of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockClaim {
    /// The lock's name, or the limit's. The two have nothing to do with each other.
    pub name: LockPath,
    /// A slot of the limit of that name; none: the lock, for nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
}

/// One of several that may hold something at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// How many may, by the word of who asks.
    pub max: u32,
    /// For whom: between keys, slots are shared out evenly.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
}

impl LockClaim {
    /// The lock of this name.
    pub const fn lock(name: LockPath) -> Self {
        Self { name, slot: None }
    }

    /// Where it stands in the order in which things are taken: the slots of whole workflows, locks
    /// by name, slots of limits by name, slots of executors. Workflows call each other in one direction
    /// alone, so the slots of theirs need no order among themselves.
    pub fn rank(&self) -> (u8, Option<&LockPath>) {
        match self.slot {
            None => (1, Some(&self.name)),
            Some(_) if self.name.as_str().starts_with("workflow/") => (0, None),
            // Of a task: nothing is taken inside of it.
            Some(_) if self.name.as_str().starts_with("executor/") => (3, None),
            Some(_) => (2, Some(&self.name)),
        }
    }
}

/// The first claim that would be taken out of the one order ([`LockClaim::rank`]), with what is held
/// that comes after it. Those who take everything in this order never wait for each other in a
/// circle; what is held already, or is covered by it, may be taken again.
pub fn out_of_order<'a>(
    held: impl IntoIterator<Item = &'a LockClaim>,
    wanted: &'a [LockClaim],
) -> Option<(&'a LockClaim, &'a LockClaim)> {
    let last = held.into_iter().max_by_key(|claim| claim.rank())?;
    let first = wanted.iter().min_by_key(|claim| claim.rank())?;
    (first.rank() < last.rank()).then_some((first, last))
}

impl fmt::Display for LockClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.slot {
            None => write!(f, "`{}`", self.name),
            Some(slot) => write!(f, "a slot of `{}` ({} in all)", self.name, slot.max),
        }
    }
}

/// Who holds or waits: a run, or one step of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LockHolder {
    /// The run.
    pub run: RunId,
    /// The number of its step; none: the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::LockPath;

    fn path(text: &str) -> LockPath {
        text.parse().expect("a name")
    }

    #[test]
    fn names_are_checked() {
        for good in ["a", "site/rack-4/server/SRV_001", "10.0.0.1:443", "mac/aa:bb:cc"] {
            assert_eq!(path(good).as_str(), good);
        }
        for bad in ["", "/", "a/", "/a", "a//b", "a b", "ä", "a/{{ x }}", &"x".repeat(513)] {
            assert!(bad.parse::<LockPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_covers_itself_and_what_is_below() {
        let rack = path("site/rack4");
        for below in ["site/rack4", "site/rack4/a", "site/rack4/a/b"] {
            assert!(rack.covers(&path(below)) && path(below).conflicts(&rack), "{below}");
        }
        for beside in ["site", "site/rack40", "site/rack4-1", "rack4", "site/rack5/rack4"] {
            assert!(!rack.covers(&path(beside)), "{beside}");
        }
        assert!(rack.conflicts(&path("site")) && !rack.conflicts(&path("site/rack40")));
        assert_eq!(path("a/b/c").lineage().collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
    }

    /// `-` and `.` sort before `/`: a plain comparison would tear a name from what is below it.
    #[test]
    fn what_is_below_a_name_follows_it_without_a_gap() {
        let mut names = ["a-b", "a/z", "a", "b", "a/b/c", "a.b", "a/b"].map(path);
        names.sort();
        assert_eq!(names.map(String::from), ["a", "a/b", "a/b/c", "a/z", "a-b", "a.b", "b"]);
    }
}
