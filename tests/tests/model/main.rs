//! A model of lease, claim, append and take-over, checked exhaustively for two nodes and two runs.
//!
//! Each run has one step that must not be repeated blindly, on a device of its own that knows
//! sessions. Processes are killed, or stopped between any two of their actions for any time;
//! leases run out; the database serialises its transactions. The state is finite without any
//! bound on time, take-overs or kills: leases are kept as the ticks that are left, epochs and
//! seqs as whether they are the present ones, tokens as whether the journal names them and the
//! device honours them.
//!
//! Not modelled: a commit whose acknowledgement is lost and that is committed again (the tests of
//! the stores hold that), clocks that drift, several steps (each has the same life).

#![expect(clippy::expect_used, reason = "a test that can't go on panics")]

mod checker;
mod rules;
mod world;

use checker::{Explored, explore};
use rules::{AFTER_REVOKE, EXECUTED_AGAIN, FENCED_OUT, Plant, Protocol, TWICE_AT_ONE_SEQ};

fn checked(plant: Plant) -> Explored {
    let found = explore(&Protocol(plant));
    println!(
        "{plant:?}: {} states, {} transitions, {} deep, {} ends",
        found.states, found.transitions, found.deepest, found.ends
    );
    found
}

/// The shortest way to what a planted defect breaks.
fn broken(plant: Plant) -> String {
    let (property, way) = checked(plant).broken.expect("the planted defect is not found");
    println!("{property}, after:\n  {}\n", way.join("\n  "));
    property
}

#[test]
fn the_protocol_holds_in_every_state() {
    let found = checked(Plant::Nothing);
    assert_eq!(found.broken, None);
    assert!(found.states > 100_000 && found.ends > 0, "the model hardly moves: {found:?}");
}

/// Either check of an append is enough: the epoch stops a former owner at once, the seq from the
/// moment on in which the new one has appended its claim.
#[test]
fn the_dense_seq_alone_holds_too() {
    assert_eq!(checked(Plant::NoEpoch).broken, None);
}

#[test]
fn a_taker_that_does_not_wait_the_whole_lease_is_found() {
    assert_eq!(broken(Plant::HastyTaker), FENCED_OUT);
}

#[test]
fn an_append_that_ignores_a_conflict_is_found() {
    assert_eq!(broken(Plant::AppendOverConflict), TWICE_AT_ONE_SEQ);
}

/// What the documentation of `StepContext::fence` admits.
#[test]
fn a_target_with_nothing_to_revoke_leaves_the_gap_open() {
    let property = broken(Plant::NothingToRevoke);
    assert!([AFTER_REVOKE, EXECUTED_AGAIN].contains(&property.as_str()), "{property}");
}

/// Why `StepContext::hold` comes before the first use.
#[test]
fn a_session_used_before_it_is_saved_is_found() {
    let property = broken(Plant::UseBeforeHold);
    assert!([AFTER_REVOKE, EXECUTED_AGAIN].contains(&property.as_str()), "{property}");
}
