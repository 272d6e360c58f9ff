//! The simulation: random workflows with random outcomes on a cluster to which random things
//! happen, over the real runtime in virtual time; then everything is held to the laws. A seed
//! decides all of it, on every store.

mod actors;
mod backend;
mod chance;
mod figures;
#[path = "../../../crates/engine/tests/machine/generate.rs"]
#[allow(
    clippy::expect_used,
    missing_docs,
    reason = "a test's file: the machine's tests use it too"
)]
mod generate;
#[path = "../../../crates/engine/tests/machine/invariants.rs"]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's file, whose panics are caught"
)]
mod invariants;
mod judge;
mod operator;
mod play;
mod scene;
mod shrink;

pub use backend::Backend;
pub use figures::Figures;
pub use play::{Course, Failure, play};
pub use scene::{Deed, Scene};
pub use shrink::shrink;

use rackwright_engine::model::planted::{Defect, plant};

/// Plays a seed with a defect planted in the engine, or none.
///
/// # Errors
/// What broke a law.
pub fn play_seed(
    seed: u64,
    backend: &Backend,
    defect: Option<Defect>,
) -> Result<Course, Box<Failure>> {
    plant(defect);
    let scene = Scene::draw(seed);
    let result = play(&scene, backend);
    plant(None);
    result
}
