//! Whether the server is the one that was meant.

use std::path::PathBuf;

use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};
use thiserror::Error;

use super::known_hosts::{self, Entry, Marker};

/// What the server's key is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// One key, by its fingerprint as OpenSSH prints it: `SHA256:` and base64 without padding.
    Pinned(String),
    /// The keys that an OpenSSH `known_hosts` file holds for the host.
    KnownHosts(PathBuf),
}

/// The server's key was not accepted. Never retried: a person has to look.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HostKeyError {
    /// Nothing is recorded for this host.
    #[error("{host} shows the {kind} key {seen}, and {file} records no key for it")]
    Unknown {
        /// `host:port`.
        host: String,
        /// The key's algorithm.
        kind: String,
        /// The fingerprint of the key that the server showed.
        seen: String,
        /// The `known_hosts` file.
        file: String,
    },
    /// Another key is recorded.
    #[error("{host} shows the {kind} key {seen}, but {recorded_in} records {recorded}")]
    Changed {
        /// `host:port`.
        host: String,
        /// The key's algorithm.
        kind: String,
        /// The fingerprint of the key that the server showed.
        seen: String,
        /// The fingerprints that were expected.
        recorded: String,
        /// Where they are written down.
        recorded_in: String,
    },
    /// The key is marked `@revoked`.
    #[error("{host} shows the key {seen}, which {file}:{line} marks as revoked")]
    Revoked {
        /// `host:port`.
        host: String,
        /// The fingerprint of the key that the server showed.
        seen: String,
        /// The `known_hosts` file.
        file: String,
        /// The line in it, from 1.
        line: usize,
    },
    /// The `known_hosts` file can't be read.
    #[error("can't read the known-hosts file {file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the operating system says.
        reason: String,
    },
}

/// The keys that are expected of one host, read before the connection is made.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    host: String,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Pinned(String),
    File { file: String, entries: Vec<Entry> },
}

/// The host-key algorithms that this client can verify, best first. RSA is left out: the feature
/// is off, and every OpenSSH server since 2014 has one of these.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
];

impl Expected {
    pub(crate) async fn read(
        policy: &HostKeyPolicy,
        host: &str,
        port: u16,
    ) -> Result<Self, HostKeyError> {
        let source = match policy {
            HostKeyPolicy::Pinned(fingerprint) => Source::Pinned(normal(fingerprint)),
            HostKeyPolicy::KnownHosts(path) => {
                let file = path.display().to_string();
                let entries = known_hosts::entries(path, host, port).await.map_err(|error| {
                    HostKeyError::Unreadable { file: file.clone(), reason: error.to_string() }
                })?;
                Source::File { file, entries }
            }
        };
        Ok(Self { host: format!("{host}:{port}"), source })
    }

    /// The algorithms to ask for: those of recorded keys first, so that a server with several
    /// keys shows one that can be compared.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        let recorded = |algorithm: &Algorithm| match &self.source {
            Source::Pinned(_) => false,
            Source::File { entries, .. } => entries
                .iter()
                .any(|entry| entry.marker == Marker::None && entry.key.algorithm() == *algorithm),
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = ALGORITHMS.into_iter().partition(recorded);
        first.extend(rest);
        first
    }

    pub(crate) fn check(&self, key: &PublicKey) -> Result<(), HostKeyError> {
        let seen = fingerprint(key);
        let kind = key.algorithm().to_string();
        let host = self.host.clone();
        match &self.source {
            Source::Pinned(pinned) if *pinned == seen => Ok(()),
            Source::Pinned(pinned) => Err(HostKeyError::Changed {
                host,
                kind,
                seen,
                recorded: pinned.clone(),
                recorded_in: "the step's input `host_key`".to_owned(),
            }),
            Source::File { file, entries } => {
                let of = |marker| entries.iter().filter(move |entry| entry.marker == marker);
                if let Some(entry) = of(Marker::Revoked).find(|entry| same(&entry.key, key)) {
                    let (file, line) = (file.clone(), entry.line);
                    return Err(HostKeyError::Revoked { host, seen, file, line });
                }
                if of(Marker::None).any(|entry| same(&entry.key, key)) {
                    return Ok(());
                }
                let recorded: Vec<_> =
                    of(Marker::None).map(|entry| fingerprint(&entry.key)).collect();
                let Some(line) = of(Marker::None).map(|entry| entry.line).next() else {
                    return Err(HostKeyError::Unknown { host, kind, seen, file: file.clone() });
                };
                let recorded = recorded.join(", ");
                let recorded_in = format!("{file}:{line}");
                Err(HostKeyError::Changed { host, kind, seen, recorded, recorded_in })
            }
        }
    }
}

/// Comments are no part of a key's identity.
fn same(a: &PublicKey, b: &PublicKey) -> bool {
    a.key_data() == b.key_data()
}

pub(crate) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn normal(fingerprint: &str) -> String {
    let fingerprint = fingerprint.trim().trim_end_matches('=');
    match fingerprint.split_once(':') {
        Some((kind, rest)) if kind.eq_ignore_ascii_case("sha256") => format!("SHA256:{rest}"),
        _ => fingerprint.to_owned(),
    }
}
