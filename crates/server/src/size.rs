//! Sizes on the command line.

use std::{fmt, str::FromStr};

/// A number of bytes: `4194304`, `4096KiB` or `4MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) usize);

const UNITS: [(&str, usize); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
            .unwrap_or((text, 1));
        let number = digits.trim_end().parse::<usize>().ok();
        let size = number.and_then(|number| number.checked_mul(unit)).filter(|size| *size > 0);
        size.map(Self).ok_or_else(|| "expected a size such as 4MiB, 512KiB or 65536".to_owned())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().find(|(_, unit)| self.0.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [("4MiB", 4 << 20), ("1 KiB", 1024), ("17", 17), ("17B", 17)] {
            assert_eq!(text.parse::<Size>().unwrap(), Size(bytes));
        }
        assert_eq!(Size(4 << 20).to_string(), "4MiB");
        assert_eq!(Size(1025).to_string(), "1025B");
        for text in ["", "0", "4MB", "-1", "99999999999999MiB"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
