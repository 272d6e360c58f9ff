//! API keys and the OAuth header made of them (RFC 5849 §3.4.4, PLAINTEXT).

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use rackwright_engine::model::StepError;
use secrecy::{ExposeSecret, SecretString};

/// `consumer:token:secret`.
#[derive(Clone)]
pub(crate) struct ApiKey {
    consumer: SecretString,
    token: SecretString,
    secret: SecretString,
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl ApiKey {
    /// Reads a key. The error shows the key's form, never the key.
    pub(crate) fn parse(text: &str) -> Result<Self, StepError> {
        let parts: Vec<_> = text.trim().split(':').collect();
        match parts.as_slice() {
            [consumer, token, secret] if parts.iter().all(|part| is_plain(part)) => Ok(Self {
                consumer: (*consumer).into(),
                token: (*token).into(),
                secret: (*secret).into(),
            }),
            _ => Err(StepError::permanent(
                "maas.api_key",
                format!(
                    "the credential's `api_key` has {} parts separated by colons, where MAAS's \
                     keys have three, of letters and digits",
                    parts.len()
                ),
            )
            .hint("copy the key whole from MAAS: user preferences, API keys")),
        }
    }

    /// The value of an `Authorization` header, for one request.
    pub(crate) fn authorization(&self) -> String {
        self.header(&hex::encode(rand::random::<[u8; 16]>()), now())
    }

    fn header(&self, nonce: &str, timestamp: u64) -> String {
        // The parts need no percent-encoding: they are letters and digits. The consumer's secret
        // is empty in MAAS, so the signature is the encoded ampersand and the token's secret.
        format!(
            "OAuth oauth_version=\"1.0\", oauth_signature_method=\"PLAINTEXT\", \
             oauth_consumer_key=\"{}\", oauth_token=\"{}\", oauth_signature=\"%26{}\", \
             oauth_nonce=\"{nonce}\", oauth_timestamp=\"{timestamp}\"",
            self.consumer.expose_secret(),
            self.token.expose_secret(),
            self.secret.expose_secret(),
        )
    }
}

fn is_plain(part: &str) -> bool {
    !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric())
}

#[expect(clippy::disallowed_methods, reason = "OAuth compares this host's clock with MAAS's")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_header_is_the_one_that_maas_documents() {
        let key = ApiKey::parse(" con1:tok2:sec3\n").unwrap();
        insta::assert_snapshot!(key.header("abc", 1_700_000_000), @r#"OAuth oauth_version="1.0", oauth_signature_method="PLAINTEXT", oauth_consumer_key="con1", oauth_token="tok2", oauth_signature="%26sec3", oauth_nonce="abc", oauth_timestamp="1700000000""#);
        assert_ne!(key.authorization(), key.authorization(), "a nonce is used once");
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
    }

    #[rstest]
    #[case("")]
    #[case("secret")]
    #[case("con:tok")]
    #[case("con:tok:")]
    #[case("con:tok:secret:more")]
    #[case("con:tok:se\"cret")]
    fn a_bad_key_is_refused_without_being_shown(#[case] text: &str) {
        let error = ApiKey::parse(text).unwrap_err();
        assert_eq!(error.code, "maas.api_key");
        assert!(!error.message.contains("con") && !error.message.contains("secret"), "{error}");
    }
}
