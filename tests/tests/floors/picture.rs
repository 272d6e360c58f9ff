//! Which floor uses which, as text.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

use crate::source::Source;

/// Each floor with the floors that it uses.
pub(crate) struct Picture(BTreeMap<String, BTreeSet<String>>);

impl Picture {
    pub(crate) fn of(files: &[(PathBuf, Source)]) -> Self {
        let mut floors = BTreeMap::<_, BTreeSet<_>>::new();
        for (_, source) in files {
            if let Some(floor) = &source.floor {
                let uses = source.uses.iter().filter(|used| *used != floor).cloned();
                floors.entry(floor.clone()).or_default().extend(uses);
            }
        }
        Self(floors)
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (floor, uses) in &self.0 {
            let uses: Vec<_> = uses.iter().map(String::as_str).collect();
            let uses = if uses.is_empty() { "nothing".into() } else { uses.join(", ") };
            writeln!(f, "{floor} uses {uses}")?;
        }
        Ok(())
    }
}
