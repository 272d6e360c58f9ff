//! The only place that reads YAML.

use serde_saphyr::Options;

use super::DeviceType;

/// A problem's place and words.
pub(super) struct YamlProblem {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) message: String,
}

/// A device type is a page of text; more than this is not one.
const MAX_BYTES: usize = 256 * 1024;

pub(super) fn read(text: &str) -> Result<DeviceType, YamlProblem> {
    if text.len() > MAX_BYTES {
        let message = format!("the file is larger than {MAX_BYTES} bytes");
        return Err(YamlProblem { line: 1, column: 1, message });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let place = error.location();
        let bare = error.without_snippet().to_string();
        YamlProblem {
            line: place.as_ref().map_or(1, serde_saphyr::Location::line),
            column: place.as_ref().map_or(1, serde_saphyr::Location::column),
            message: bare,
        }
    })
}

fn options() -> Options {
    serde_saphyr::options! {
        strict_booleans: true,
        budget: serde_saphyr::budget! {
            max_events: 20_000,
            max_anchors: 16,
            max_depth: 16,
        },
    }
}
