//! How large a value from outside may be that a run records.

use std::io;

use serde::Serialize;
use serde_json::json;
use thiserror::Error;

use super::StepError;

/// The largest value that a run takes from outside, in bytes of JSON, unless somebody says
/// otherwise: 4 MiB, enough for the inventory of a rack, and little enough that a journal of
/// hundreds of them still folds in a moment.
pub const MAX_PAYLOAD: usize = 4 << 20;

/// The longest message of an error that is kept whole, and the longest title of a sub-task.
const LONGEST_TEXT: usize = 16 << 10;

/// A value is larger than a run may record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} is {size} bytes as JSON, and the limit is {limit} bytes")]
pub struct PayloadTooLarge {
    /// Whose value it is: "the output of `ssh.exec`".
    pub what: String,
    /// Its size in bytes of JSON.
    pub size: usize,
    /// How many bytes are allowed.
    pub limit: usize,
}

impl PayloadTooLarge {
    /// The code of a step's error.
    pub const CODE: &'static str = "engine.payload_too_large";
    /// How to mend it.
    pub const HINT: &'static str = "keep it elsewhere (a file, an object store) and hand on its \
                                    address, or raise the limit: `Config::max_payload`, \
                                    `--max-payload`";
}

impl From<PayloadTooLarge> for StepError {
    fn from(error: PayloadTooLarge) -> Self {
        let details = json!({ "size": error.size, "limit": error.limit });
        Self::permanent(PayloadTooLarge::CODE, error.to_string())
            .hint(PayloadTooLarge::HINT)
            .details(details)
    }
}

/// Counts what is written.
struct Count(usize);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The size of a value in bytes of JSON, without writing it.
pub fn json_size(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    // A count does not fail; what has no JSON form is refused where it is written.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

/// Refuses a value of more than `limit` bytes of JSON. `what` says whose it is.
///
/// # Errors
/// [`PayloadTooLarge`].
pub fn check_payload(
    what: impl FnOnce() -> String,
    value: &impl Serialize,
    limit: usize,
) -> Result<(), PayloadTooLarge> {
    let size = json_size(value);
    if size <= limit { Ok(()) } else { Err(PayloadTooLarge { what: what(), size, limit }) }
}

impl StepError {
    /// The error, cut down to what a run may record: what it says is more than what it carries.
    #[must_use]
    pub(crate) fn within(mut self, limit: usize) -> Self {
        let size = json_size(&self.details);
        if size > limit {
            self.details = json!({ "dropped": {
                "why": "the details are larger than a run may record", "size": size, "limit": limit,
            } });
        }
        shorten(&mut self.message);
        if let Some(hint) = &mut self.hint {
            shorten(hint);
        }
        self
    }
}

/// Cuts a text that nobody will read to its end.
pub(crate) fn shorten(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{StepError, check_payload, json_size};

    #[test]
    fn a_size_is_that_of_the_text() {
        for value in [json!(null), json!("ä\n\""), json!({ "a": [1, 2.5, true, {}] })] {
            assert_eq!(json_size(&value), value.to_string().len(), "{value}");
        }
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        let value = json!("x".repeat(98));
        assert_eq!(check_payload(String::new, &value, 100), Ok(()));
        let error = check_payload(|| "it".to_owned(), &value, 99).unwrap_err();
        assert_eq!(error.to_string(), "it is 100 bytes as JSON, and the limit is 99 bytes");
    }

    #[test]
    fn an_error_is_cut_down_and_says_so() {
        let error = StepError::permanent("t.x", "ä".repeat(100_000)).details(json!("x".repeat(50)));
        let cut = error.clone().within(20);
        assert_eq!(cut.details["dropped"]["size"], json!(52));
        assert!(cut.message.len() < 20_000 && cut.message.ends_with("ä…"));
        let kept = StepError { message: "short".to_owned(), ..error }.within(52);
        assert_eq!((kept.message.as_str(), kept.details), ("short", Value::from("x".repeat(50))));
    }
}
