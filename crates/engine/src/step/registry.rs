//! The executors that an engine knows, by name.

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

use super::{DynExecutor, Executor, erase};

/// Two executors of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("an executor named `{0}` is registered already")]
pub struct DuplicateExecutor(pub String);

/// Executors by name. A step library offers `pub fn register(registry: &mut Registry)`.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, Arc<dyn DynExecutor>>);

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an executor.
    ///
    /// # Errors
    /// [`DuplicateExecutor`] if the name is taken.
    pub fn register<E: Executor>(&mut self, executor: E) -> Result<(), DuplicateExecutor> {
        let executor = erase(executor);
        let name = executor.describe().name.clone();
        if self.0.contains_key(&name) {
            return Err(DuplicateExecutor(name));
        }
        self.0.insert(name, executor);
        Ok(())
    }

    /// Puts an executor that is erased already in the place of its name.
    #[cfg(feature = "testing")]
    pub(crate) fn insert(&mut self, executor: Arc<dyn DynExecutor>) {
        let name = executor.describe().name.clone();
        self.0.insert(name, executor);
    }

    /// The executor of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn DynExecutor>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn DynExecutor>)> {
        self.0.iter().map(|(name, executor)| (name.as_str(), executor))
    }
}
