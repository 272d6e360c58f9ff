//! `cargo xtask fuzz`: damaged workflow files for the loader, for a while.

use clap::Args;

use crate::Outcome;

#[derive(Args)]
pub(crate) struct Options {
    /// How long
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u32,
}
pub(crate) fn run(_: &Options) -> Outcome {
    Ok(0)
}
