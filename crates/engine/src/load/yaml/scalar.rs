//! What a plain scalar means (YAML 1.2.2 §10.3, the core schema), minus its traps.

use serde_json::Number;

use super::Kind;

/// Why a plain scalar can't be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadNumber {
    /// `0123`: octal in YAML 1.1, decimal in 1.2.
    LeadingZero,
    /// More digits than 64 bits or a double hold.
    TooLarge,
    /// `.inf`, `.nan`: JSON has no such numbers.
    NotFinite,
}

impl BadNumber {
    pub(super) fn explain(&self) -> &'static str {
        match self {
            Self::LeadingZero => "a number with leading zeros: YAML's versions disagree about it",
            Self::TooLarge => "a number that is too large to be kept exactly",
            Self::NotFinite => "not a number that JSON can hold",
        }
    }
}

/// Null, a boolean or a number; `None` if it is text.
pub(super) fn resolve(text: &str) -> Result<Option<Kind>, BadNumber> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Some(Kind::Null)),
        "true" | "True" | "TRUE" => return Ok(Some(Kind::Bool(true))),
        "false" | "False" | "FALSE" => return Ok(Some(Kind::Bool(false))),
        ".nan" | ".NaN" | ".NAN" => return Err(BadNumber::NotFinite),
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Err(BadNumber::NotFinite);
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(None);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    number(text, unsigned)
}

fn radix(digits: &str, radix: u32) -> Result<Option<Kind>, BadNumber> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return Ok(None);
    }
    let value = u64::from_str_radix(digits, radix).map_err(|_| BadNumber::TooLarge)?;
    Ok(Some(Kind::Number(value.into())))
}

fn number(text: &str, unsigned: &str) -> Result<Option<Kind>, BadNumber> {
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let has_digits = !whole.is_empty() || fraction.is_some_and(|part| !part.is_empty());
    let good_exponent = exponent.is_none_or(|part| {
        let digits = part.strip_prefix(['+', '-']).unwrap_or(part);
        !digits.is_empty() && all_digits(digits)
    });
    if !has_digits || !all_digits(whole) || !fraction.is_none_or(all_digits) || !good_exponent {
        return Ok(None);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(BadNumber::LeadingZero);
    }
    if fraction.is_none() && exponent.is_none() {
        return integer(text).map(Some);
    }
    let value: f64 = text.parse().map_err(|_| BadNumber::TooLarge)?;
    let number = Number::from_f64(value).ok_or(BadNumber::TooLarge)?;
    Ok(Some(Kind::Number(number)))
}

fn integer(text: &str) -> Result<Kind, BadNumber> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(value) = text.parse::<u64>() {
        return Ok(Kind::Number(value.into()));
    }
    let value: i64 = text.parse().map_err(|_| BadNumber::TooLarge)?;
    Ok(Kind::Number(value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Option<String> {
        resolve(text).unwrap().map(|kind| match kind {
            Kind::Null => "null".to_owned(),
            Kind::Bool(value) => value.to_string(),
            Kind::Number(number) => number.to_string(),
            Kind::Text(..) | Kind::Seq(_) | Kind::Map(_) => unreachable!(),
        })
    }

    #[test]
    fn reads_the_core_schema() {
        for (text, wanted) in [
            ("~", "null"),
            ("True", "true"),
            ("0", "0"),
            ("-7", "-7"),
            ("+7", "7"),
            ("0x1F", "31"),
            ("0o17", "15"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("2.", "2.0"),
            ("1e3", "1000.0"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9223372036854775808", "-9223372036854775808"),
        ] {
            assert_eq!(json(text).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn the_rest_is_text() {
        for text in [
            "yes",
            "off",
            "1_000",
            "10.0.0.1",
            "00:1a:2b",
            "-",
            ".",
            "e5",
            "1e",
            "0x",
            "0xZZ",
            "12e4x",
            "+",
            "0o9",
            "tRue",
            "1.2.3",
            "2024-01-01",
        ] {
            assert_eq!(json(text), None, "{text}");
        }
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        for (text, why) in [
            ("0123", BadNumber::LeadingZero),
            ("-01", BadNumber::LeadingZero),
            ("00.5", BadNumber::LeadingZero),
            ("12e4567", BadNumber::TooLarge),
            ("123456789012345678901", BadNumber::TooLarge),
            ("0xFFFFFFFFFFFFFFFFF", BadNumber::TooLarge),
            ("-.inf", BadNumber::NotFinite),
            (".nan", BadNumber::NotFinite),
        ] {
            assert_eq!(resolve(text).unwrap_err(), why, "{text}");
        }
    }
}
