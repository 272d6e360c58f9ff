//! OpenSSH's `known_hosts` file, as sshd(8) describes it: plain and hashed names, lists,
//! wildcards, negation, `[host]:port`, and the markers `@revoked` and `@cert-authority`.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::PublicKey;
use sha1::Sha1;

/// What a line says of the key that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// The host's key.
    None,
    /// The key must never be accepted.
    Revoked,
    /// The key of an authority that signs host certificates.
    CertAuthority,
}

/// A key that the file holds for a host.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The line in the file, from 1.
    pub(crate) line: usize,
    pub(crate) marker: Marker,
    pub(crate) key: PublicKey,
}

/// Reads the entries for a host. Lines that can't be read are skipped, as OpenSSH does: one odd
/// line must not lock everybody out, and can't let anybody in.
pub(crate) async fn entries(path: &Path, host: &str, port: u16) -> std::io::Result<Vec<Entry>> {
    let text = tokio::fs::read(path).await?;
    Ok(parse(&String::from_utf8_lossy(&text), host, port))
}

fn parse(text: &str, host: &str, port: u16) -> Vec<Entry> {
    let host = host.to_ascii_lowercase();
    let name = if port == 22 { host } else { format!("[{host}]:{port}") };
    text.lines().enumerate().filter_map(|(at, line)| entry(at + 1, line, &name)).collect()
}

fn entry(line: usize, text: &str, name: &str) -> Option<Entry> {
    let text = text.trim();
    if text.starts_with('#') {
        return None;
    }
    let (marker, rest) = match text.strip_prefix('@') {
        None => (Marker::None, text),
        Some(line) => {
            let (marker, rest) = line.split_once([' ', '\t'])?;
            match marker {
                "revoked" => (Marker::Revoked, rest.trim_start()),
                "cert-authority" => (Marker::CertAuthority, rest.trim_start()),
                _ => return None,
            }
        }
    };
    let (patterns, key) = rest.split_once([' ', '\t'])?;
    if !matches_any(patterns, name) {
        return None;
    }
    let key = PublicKey::from_openssh(key.trim()).ok()?;
    Some(Entry { line, marker, key })
}

fn matches_any(patterns: &str, name: &str) -> bool {
    if let Some(hashed) = patterns.strip_prefix("|1|") {
        return matches_hash(hashed, name);
    }
    let mut matched = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(negated) if wildcard(&negated.to_ascii_lowercase(), name) => return false,
            Some(_) => {}
            None => matched |= wildcard(&pattern.to_ascii_lowercase(), name),
        }
    }
    matched
}

/// `|1|salt|hash`, both in base64; the hash is HMAC-SHA1 of the name under the salt.
fn matches_hash(hashed: &str, name: &str) -> bool {
    let matches = || {
        let (salt, hash) = hashed.split_once('|')?;
        let salt = BASE64.decode(salt).ok()?;
        let hash = BASE64.decode(hash).ok()?;
        let mac = Hmac::<Sha1>::new_from_slice(&salt).ok()?;
        Some(mac.chain_update(name.as_bytes()).verify_slice(&hash).is_ok())
    };
    matches().unwrap_or(false)
}

/// `*` stands for any characters, `?` for one. Linear in practice: on a mismatch only the last
/// star is tried again.
fn wildcard(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                None => return false,
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    #[rstest]
    #[case::plain("host.example", "host.example", 22, true)]
    #[case::case_of_letters("Host.Example", "HOST.example", 22, true)]
    #[case::list("other,host.example", "host.example", 22, true)]
    #[case::port("[host.example]:2222", "host.example", 2222, true)]
    #[case::port_missing("host.example", "host.example", 2222, false)]
    #[case::port_given_for_22("[host.example]:2222", "host.example", 22, false)]
    #[case::star("10.0.*", "10.0.3.4", 22, true)]
    #[case::question("10.0.3.?", "10.0.3.4", 22, true)]
    #[case::question_is_one("10.0.3.?", "10.0.3.44", 22, false)]
    #[case::negated("!10.0.3.4,10.0.*", "10.0.3.4", 22, false)]
    #[case::other("10.0.3.5", "10.0.3.4", 22, false)]
    #[case::bad_hash("|1|nonsense", "10.0.3.4", 22, false)]
    fn host_names(#[case] names: &str, #[case] host: &str, #[case] port: u16, #[case] found: bool) {
        let text = format!("# a comment\n\n{names} {KEY} remark\n");
        let entries = parse(&text, host, port);
        assert_eq!(!entries.is_empty(), found);
        assert!(entries.iter().all(|entry| entry.line == 3 && entry.marker == Marker::None));
    }

    #[test]
    fn a_hashed_name_is_found_by_its_hmac() {
        // Made with `ssh-keygen -H`; see also the test against OpenSSH's own tools.
        let salt = BASE64.encode(b"01234567890123456789");
        let hash = |name: &str| {
            let mac = Hmac::<Sha1>::new_from_slice(b"01234567890123456789").unwrap();
            BASE64.encode(mac.chain_update(name.as_bytes()).finalize().into_bytes())
        };
        let text = format!("|1|{salt}|{} {KEY}", hash("[10.0.0.5]:2222"));
        assert_eq!(parse(&text, "10.0.0.5", 2222).len(), 1);
        assert_eq!(parse(&text, "10.0.0.5", 22).len(), 0);
        assert_eq!(parse(&text, "10.0.0.6", 2222).len(), 0);
    }

    #[test]
    fn markers_are_read_and_broken_lines_skipped() {
        let text =
            format!("@revoked * {KEY}\n@cert-authority *.a {KEY}\n@odd * {KEY}\nh nokey\nh\n");
        let entries = parse(&text, "h.a", 22);
        let seen: Vec<_> = entries.iter().map(|entry| (entry.line, entry.marker)).collect();
        assert_eq!(seen, [(1, Marker::Revoked), (2, Marker::CertAuthority)]);
    }
}
