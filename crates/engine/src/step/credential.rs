//! Credentials: named in workflows, never valued in them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use crate::model::StepError;

/// The secret fields of one credential (`username`, `password`, `private_key`, `api_key`, …).
/// Debug output shows the fields' names only.
#[derive(Clone, Default)]
pub struct Credential(BTreeMap<String, SecretString>);

impl Credential {
    /// Builds a credential from its fields.
    pub fn new<K: Into<String>, V: Into<String>>(fields: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(
            fields
                .into_iter()
                .map(|(key, value)| (key.into(), SecretString::from(value.into())))
                .collect(),
        )
    }

    /// A field, if the credential has it. Keep what this returns away from logs and errors.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(ExposeSecret::expose_secret)
    }

    /// A field that has to be there.
    ///
    /// # Errors
    /// `engine.credential_field`, naming the field and those that exist.
    pub fn require(&self, field: &str) -> Result<&str, StepError> {
        self.get(field).ok_or_else(|| {
            let known: Vec<_> = self.0.keys().map(String::as_str).collect();
            StepError::permanent(
                "engine.credential_field",
                format!("the credential has no field `{field}`"),
            )
            .hint(format!("its fields are: {}", known.join(", ")))
        })
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where credentials come from.
#[async_trait]
pub trait CredentialSource: Send + Sync + 'static {
    /// The credential of that name.
    async fn credential(&self, name: &str) -> Result<Credential, StepError>;
}

fn unknown(name: &str) -> StepError {
    StepError::permanent("engine.unknown_credential", format!("there is no credential `{name}`"))
        .hint("name it in the credentials file, or in the builder's credential source")
}

/// No credentials at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCredentials;

#[async_trait]
impl CredentialSource for NoCredentials {
    async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        Err(unknown(name))
    }
}

/// Credentials held in memory.
#[derive(Clone, Debug, Default)]
pub struct StaticCredentials(pub HashMap<String, Credential>);

#[async_trait]
impl CredentialSource for StaticCredentials {
    async fn credential(&self, name: &str) -> Result<Credential, StepError> {
        self.0.get(name).cloned().ok_or_else(|| unknown(name))
    }
}
