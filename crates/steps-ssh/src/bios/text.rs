//! Bytes of the tools' files as text and back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a file's bytes stand for text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// ISO 8859-1: each byte is the character of that number. Supermicro's tools write it.
    #[serde(rename = "iso-8859-1")]
    Latin1,
}

/// The text of a file: UTF-8 if it is, else ISO 8859-1, which every file is.
pub fn decode(bytes: Vec<u8>) -> (String, Encoding) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, Encoding::Utf8),
        Err(error) => {
            let text = error.as_bytes().iter().map(|byte| char::from(*byte)).collect();
            (text, Encoding::Latin1)
        }
    }
}

/// The bytes of a text; the character that the encoding lacks, if there is one.
///
/// # Errors
/// The first character that can't be written.
pub fn encode(text: &str, encoding: Encoding) -> Result<Vec<u8>, char> {
    match encoding {
        Encoding::Utf8 => Ok(text.as_bytes().to_vec()),
        Encoding::Latin1 => {
            text.chars().map(|c| u8::try_from(u32::from(c)).map_err(|_| c)).collect()
        }
    }
}
