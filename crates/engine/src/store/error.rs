//! Why a store can't do what it is asked.

use std::error::Error;

use thiserror::Error;

use crate::model::NodeId;

type Source = Box<dyn Error + Send + Sync>;

/// Why a store can't do what it is asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database can't be reached, or broke off. Trying again may help.
    #[error("the database is not available: {message}")]
    Unavailable {
        /// What was tried, and how to mend it.
        message: String,
        /// What the driver said.
        #[source]
        source: Option<Source>,
    },
    /// Another process works on the SQLite database.
    #[error(
        "{path} is in use by {holder}: stop that process, or use PostgreSQL, which serves several \
         nodes"
    )]
    Held {
        /// The database's file.
        path: String,
        /// The process that holds it.
        holder: String,
    },
    /// The URL names no kind of store.
    #[error(
        "`{url}` names no store: expected sqlite:PATH, postgres://USER@HOST/DATABASE or memory:"
    )]
    UnknownUrl {
        /// The URL, without its password.
        url: String,
    },
    /// The store is wrongly set up: a missing database, a refused user, an unknown option.
    #[error("the store can't be used: {message}")]
    Setup {
        /// What is wrong, and how to mend it.
        message: String,
        /// What the driver said.
        #[source]
        source: Option<Source>,
    },
    /// The caller asked for something that no store can keep.
    #[error("{0}")]
    Invalid(String),
    /// The database holds something that this program never wrote.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The database refused a statement for a reason that is not expected here.
    #[error("the database refused a statement while {doing}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// What the driver said.
        #[source]
        source: Source,
    },
}

impl StoreError {
    /// A node whose lease has run out came back under its old id.
    pub(super) fn joined_before(node: NodeId) -> Self {
        Self::Invalid(format!(
            "node {node} has joined before and its lease has run out: a process that comes back \
             joins with a new id"
        ))
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Held { .. }
            | Self::UnknownUrl { .. }
            | Self::Setup { .. }
            | Self::Invalid(_)
            | Self::Corrupt(_)
            | Self::Refused { .. } => false,
        }
    }
}

/// The URL with its password hidden, for messages.
pub(super) fn without_password(url: &str) -> String {
    let hidden = url.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let at = rest[..end].rfind('@')?;
        let (user, _) = rest[..at].split_once(':')?;
        Some(format!("{scheme}://{user}:***{}", &rest[at..]))
    });
    hidden.unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn passwords_are_hidden() {
        assert_eq!(without_password("postgres://a:b@h/d"), "postgres://a:***@h/d");
        assert_eq!(
            without_password("postgres://a:b@c@h:1/d?x=y@z"),
            "postgres://a:***@h:1/d?x=y@z"
        );
        assert_eq!(without_password("postgres://a@h/d"), "postgres://a@h/d");
        assert_eq!(without_password("sqlite:x"), "sqlite:x");
    }
}
