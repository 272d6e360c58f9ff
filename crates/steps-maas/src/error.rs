//! What can go wrong with a request, and what a step says of it.

use std::{error::Error, fmt::Write, time::Duration};

use rackwright_engine::model::{ErrorClass, StepError};
use serde_json::{Value, json};

/// How much of an answer's text is kept as evidence, in characters.
const EVIDENCE: usize = 500;

/// Why a request has no good answer.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// No connection came about: MAAS never saw the request.
    Unreachable(String),
    /// The connection ended, or time ran out, before the answer was there.
    NoAnswer(String),
    /// MAAS answered with another status than success.
    Refused { status: u16, text: String, retry_after: Option<Duration> },
    /// The answer is not what this client knows.
    Garbled(String),
}

/// A request and why it has no good answer.
#[derive(Clone, Debug)]
pub(crate) struct RequestError {
    /// `GET machines/abc123/`.
    pub(crate) request: String,
    pub(crate) trouble: Trouble,
}

impl RequestError {
    pub(crate) fn new(request: &str, trouble: Trouble) -> Self {
        Self { request: request.to_owned(), trouble }
    }

    /// From reqwest; the URL is left out (it is in `request`), the causes are kept.
    pub(crate) fn from_reqwest(request: &str, error: reqwest::Error) -> Self {
        let connecting = error.is_connect() || error.is_builder();
        let error = error.without_url();
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        let trouble = if connecting { Trouble::Unreachable(text) } else { Trouble::NoAnswer(text) };
        Self::new(request, trouble)
    }

    /// Whether the same read may well succeed in a moment.
    pub(crate) fn passes(&self) -> bool {
        match &self.trouble {
            Trouble::Unreachable(_) | Trouble::NoAnswer(_) => true,
            Trouble::Refused { status, .. } => matches!(status, 429 | 500 | 502..=504),
            Trouble::Garbled(_) => false,
        }
    }

    /// Whether a request that was to change something may have done so.
    pub(crate) fn may_have_worked(&self) -> bool {
        match &self.trouble {
            Trouble::NoAnswer(_) | Trouble::Garbled(_) => true,
            Trouble::Refused { status, .. } => *status >= 500,
            Trouble::Unreachable(_) => false,
        }
    }

    /// How long MAAS asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match &self.trouble {
            Trouble::Refused { retry_after, .. } => *retry_after,
            Trouble::Unreachable(_) | Trouble::NoAnswer(_) | Trouble::Garbled(_) => None,
        }
    }

    /// The status of MAAS's answer.
    pub(crate) fn status(&self) -> Option<u16> {
        match &self.trouble {
            Trouble::Refused { status, .. } => Some(*status),
            Trouble::Unreachable(_) | Trouble::NoAnswer(_) | Trouble::Garbled(_) => None,
        }
    }
}

impl From<RequestError> for StepError {
    fn from(error: RequestError) -> Self {
        let request = &error.request;
        let step = match &error.trouble {
            Trouble::Unreachable(why) => {
                Self::transient("maas.unreachable", format!("MAAS can't be reached: {why}"))
                    .hint("check the credential's `url`, and that MAAS runs and answers there")
            }
            Trouble::NoAnswer(why) => {
                Self::transient("maas.no_answer", format!("MAAS gave no answer: {why}"))
                    .hint("MAAS or a proxy before it is overloaded or restarts")
            }
            Trouble::Garbled(why) => Self::permanent(
                "maas.garbled",
                format!("the answer to {request} is not what MAAS 2.0's API documents: {why}"),
            )
            .hint("check that the credential's `url` is MAAS's own and ends in /MAAS"),
            Trouble::Refused { status, text, .. } => refused(*status, &words(text)),
        };
        step.details(evidence(&error))
    }
}

fn refused(status: u16, words: &str) -> StepError {
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    let make = |code: &str, class, what: &str, hint: &str| {
        StepError::new(code, class, format!("{what}{said}")).hint(hint)
    };
    match status {
        300..=399 => make(
            "maas.redirected",
            ErrorClass::Permanent,
            "MAAS sends elsewhere",
            "check the credential's `url`: scheme, host, and the path /MAAS",
        ),
        401 if words.contains("Expired timestamp") => make(
            "maas.clock",
            ErrorClass::Unauthorized,
            "MAAS refuses the request's time",
            "this host's clock and MAAS's differ by minutes: check NTP on both",
        ),
        401 => make(
            "maas.unauthorized",
            ErrorClass::Unauthorized,
            "MAAS refuses the API key",
            "check the credential's `api_key`; keys are made in MAAS's user preferences",
        ),
        403 => make(
            "maas.forbidden",
            ErrorClass::Unauthorized,
            "the API key's user may not do this",
            "use the key of an administrator",
        ),
        404 => make(
            "maas.not_found",
            ErrorClass::Permanent,
            "MAAS does not have it",
            "check the name; it may have been deleted in MAAS",
        ),
        409 => make(
            "maas.conflict",
            ErrorClass::Conflict,
            "the machine's state forbids this",
            "look at the machine's status in MAAS; somebody else may be working on it",
        ),
        429 | 500.. => make(
            "maas.unavailable",
            ErrorClass::Transient,
            &format!("MAAS answers {status}"),
            "MAAS is overloaded, restarts, or has no rack controller connected",
        ),
        _ => make(
            "maas.refused",
            ErrorClass::Permanent,
            &format!("MAAS refuses the request with {status}"),
            "see MAAS's words; the step's input may name what does not exist there",
        ),
    }
}

/// MAAS's words: plain text as it is, a form's errors as `field: text`.
fn words(text: &str) -> String {
    let plain = || {
        // Pages of proxies and of Django say little in much HTML.
        if text.trim_start().starts_with('<') { String::new() } else { shorten(text.trim()) }
    };
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return plain() };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let list = |value: &Value| match value.as_array() {
        Some(items) => items.iter().map(text).collect::<Vec<_>>().join(" "),
        None => text(value),
    };
    let parts = fields.iter().map(|(field, value)| match field.as_str() {
        "__all__" => list(value),
        field => format!("{field}: {}", list(value)),
    });
    shorten(&parts.collect::<Vec<_>>().join("; "))
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(EVIDENCE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn evidence(error: &RequestError) -> Value {
    let mut evidence = json!({ "request": error.request });
    if let Trouble::Refused { status, text, .. } = &error.trouble {
        evidence["status"] = json!(status);
        evidence["answer"] = json!(shorten(text.trim()));
    }
    evidence
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn step(status: u16, text: &str) -> StepError {
        let trouble = Trouble::Refused { status, text: text.to_owned(), retry_after: None };
        RequestError::new("POST machines/abc123/op-commission", trouble).into()
    }

    #[rstest]
    #[case(301, "", "maas.redirected", ErrorClass::Permanent)]
    #[case(400, "no", "maas.refused", ErrorClass::Permanent)]
    #[case(
        401,
        "Authorization Error: Invalid API key.",
        "maas.unauthorized",
        ErrorClass::Unauthorized
    )]
    #[case(401, "'Expired timestamp: given 1 and now 2'", "maas.clock", ErrorClass::Unauthorized)]
    #[case(403, "", "maas.forbidden", ErrorClass::Unauthorized)]
    #[case(404, "Not Found", "maas.not_found", ErrorClass::Permanent)]
    #[case(409, "Cannot abort", "maas.conflict", ErrorClass::Conflict)]
    #[case(429, "", "maas.unavailable", ErrorClass::Transient)]
    #[case(503, "", "maas.unavailable", ErrorClass::Transient)]
    fn statuses_have_codes_and_classes(
        #[case] status: u16,
        #[case] text: &str,
        #[case] code: &str,
        #[case] class: ErrorClass,
    ) {
        let error = step(status, text);
        assert_eq!((error.code.as_str(), error.class), (code, class));
        assert!(error.hint.is_some());
        assert_eq!(error.details["status"], status);
    }

    #[test]
    fn words_of_forms_texts_and_pages() {
        let form = r#"{"__all__": ["Not now."], "pool": ["Select a valid choice."]}"#;
        assert!(step(400, form).message.ends_with(": Not now.; pool: Select a valid choice."));
        assert!(step(409, "plain\n").message.ends_with(": plain"));
        assert_eq!(step(502, "<html>Bad Gateway</html>").message, "MAAS answers 502");
        assert!(step(400, &"ü".repeat(5000)).message.chars().count() < 600);
    }
}
