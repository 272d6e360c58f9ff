//! How fast things go in these tests.

use std::time::Duration;

/// What `--lab-speed` gets: a commissioning takes about 0.3 s then, less than the time after which
/// MAAS is asked for it again.
pub const SPEED: &str = "600";

/// The longest that any process may take. Only one that hangs comes near it.
pub const LIMIT: Duration = Duration::from_mins(2);
