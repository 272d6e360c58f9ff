//! OAuth 1.0 with PLAINTEXT signatures (RFC 5849 §3.4.4), as MAAS checks API keys.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use rackwright_engine::model::Timestamp;

use super::{form, reply::Reply};

/// How far a time stamp may be off, in seconds.
const THRESHOLD: i64 = 300;
/// How many nonces are remembered.
const NONCES: usize = 10_000;

/// The nonces that were used, newest last.
#[derive(Debug, Default)]
pub(super) struct Nonces(Mutex<(HashSet<String>, VecDeque<String>)>);

impl Nonces {
    /// Whether this is the first time.
    fn fresh(&self, nonce: &str) -> bool {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, order) = &mut *guard;
        if !seen.insert(nonce.to_owned()) {
            return false;
        }
        order.push_back(nonce.to_owned());
        if order.len() > NONCES
            && let Some(oldest) = order.pop_front()
        {
            seen.remove(&oldest);
        }
        true
    }
}

/// Checks an `Authorization` header against the API key `consumer:token:secret`.
pub(super) fn check(
    header: Option<&str>,
    api_key: &str,
    now: Timestamp,
    nonces: &Nonces,
) -> Result<(), Reply> {
    let Some(parameters) = header.and_then(parameters) else {
        // No OAuth at all: piston's plain refusal.
        return Err(challenge("Forbidden".to_owned()));
    };
    let get = |name: &str| {
        parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    };
    let names = ["consumer_key", "token", "signature", "signature_method", "timestamp", "nonce"];
    let missing: Vec<_> = names
        .iter()
        .map(|name| format!("oauth_{name}"))
        .filter(|name| get(name).is_none())
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(Reply::text(
            400,
            format!("'Bad Request: Missing OAuth parameters: {missing}'"),
        ));
    }
    let refused = |why: String| Err(challenge(format!("Authorization Error: '{why}'")));
    let value = |name| get(name).unwrap_or_default();
    let mut key = api_key.splitn(3, ':');
    if Some(value("oauth_consumer_key")) != key.next() {
        return Err(challenge("Authorization Error: Invalid API key.".to_owned()));
    }
    let token = value("oauth_token");
    if Some(token) != key.next() {
        return refused(format!("Invalid access token: {token}"));
    }
    let method = value("oauth_signature_method");
    if method != "PLAINTEXT" {
        return refused(format!(
            "Signature method {method} not supported try one of the following: PLAINTEXT"
        ));
    }
    let seconds = now.micros() / 1_000_000;
    let given = value("oauth_timestamp").parse().unwrap_or(0_i64);
    if seconds.saturating_sub(given).abs() > THRESHOLD {
        return refused(format!(
            "Expired timestamp: given {given} and now {seconds} has a greater difference than \
             threshold {THRESHOLD}"
        ));
    }
    // The consumer's secret is empty in MAAS: what remains is the ampersand and the token's.
    let signature = format!("&{}", key.next().unwrap_or_default());
    if value("oauth_signature") != signature {
        return refused("Invalid signature.".to_owned());
    }
    let nonce = value("oauth_nonce");
    if !nonces.fresh(nonce) {
        return refused(format!("Nonce already used: {nonce}"));
    }
    Ok(())
}

fn challenge(text: String) -> Reply {
    Reply::text(401, text).header("www-authenticate", "OAuth realm=\"OAuth\"")
}

/// The parameters of an OAuth header; `None` if it is another scheme.
fn parameters(header: &str) -> Option<Vec<(String, String)>> {
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("OAuth") {
        return None;
    }
    let pairs = rest.split(',').filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        let value = value.trim_matches('"').replace('+', "%2B").replace('&', "%26");
        let value = form::urlencoded(format!("v={value}").as_bytes());
        Some((name.to_owned(), value.into_iter().next()?.1))
    });
    Some(pairs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000_000);

    fn answer(header: Option<&str>) -> (u16, String) {
        match check(header, "con:tok:sec", NOW, &Nonces::default()) {
            Ok(()) => (200, String::new()),
            Err(reply) => (reply.status, reply.body),
        }
    }

    fn header(changes: &[(&str, &str)]) -> String {
        let mut fields = vec![
            ("oauth_version", "1.0"),
            ("oauth_signature_method", "PLAINTEXT"),
            ("oauth_consumer_key", "con"),
            ("oauth_token", "tok"),
            ("oauth_signature", "%26sec"),
            ("oauth_nonce", "n"),
            ("oauth_timestamp", "1000000"),
        ];
        for &(name, value) in changes {
            fields.retain(|(key, _)| *key != name);
            if !value.is_empty() {
                fields.push((name, value));
            }
        }
        let fields = fields.iter().map(|(name, value)| format!("{name}=\"{value}\""));
        format!("OAuth {}", fields.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn the_right_key_passes_and_others_are_refused_with_the_real_texts() {
        assert_eq!(answer(Some(&header(&[]))), (200, String::new()));
        for (change, status, text) in [
            (("oauth_consumer_key", "x"), 401, "Authorization Error: Invalid API key."),
            (("oauth_token", "x"), 401, "Invalid access token: x"),
            (("oauth_signature", "%26x"), 401, "Invalid signature."),
            (("oauth_signature_method", "HMAC-SHA1"), 401, "HMAC-SHA1 not supported"),
            (("oauth_timestamp", "1"), 401, "Expired timestamp: given 1 and now 1000000"),
            (("oauth_timestamp", ""), 400, "Missing OAuth parameters: oauth_timestamp"),
            (("oauth_nonce", ""), 400, "Missing OAuth parameters: oauth_nonce"),
        ] {
            let (got, body) = answer(Some(&header(&[change])));
            assert_eq!(got, status, "{change:?}");
            assert!(body.contains(text), "{body}");
        }
        assert_eq!(answer(None), (401, "Forbidden".to_owned()));
        assert_eq!(answer(Some("Basic YTpi")), (401, "Forbidden".to_owned()));
    }

    #[test]
    fn a_nonce_passes_once() {
        let nonces = Nonces::default();
        let check = || check(Some(&header(&[])), "con:tok:sec", NOW, &nonces);
        assert!(check().is_ok());
        assert!(check().unwrap_err().body.contains("Nonce already used: n"));
    }
}
