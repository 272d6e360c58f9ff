//! What one evaluation may produce. Fuel counts instructions, not bytes; this counts the bytes
//! that filters and joins make.

#![expect(clippy::wildcard_enum_match_arm, reason = "the evaluator's kinds are an open list")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use minijinja::{
    Error, ErrorKind, State,
    value::{Object, Value as Jinja, ValueKind},
};

/// What the texts made in one evaluation may weigh together, and a result too, in bytes.
pub(super) const LIMIT: usize = 16 << 20;
/// The name under which filters find the budget of the evaluation. No expression can name it: it
/// holds a blank.
pub(super) const NAME: &str = "the budget";
/// What a value costs beside its text, roughly.
const CELL: usize = 8;
/// Values nested deeper than this are refused: walks over them recurse.
pub(super) const DEEPEST: usize = 64;

#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Object for Budget {}

impl Budget {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(LIMIT))
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), Error> {
        match self.left().checked_sub(bytes) {
            Some(left) => {
                self.0.store(left, Ordering::Relaxed);
                Ok(())
            }
            None => Err(too_large()),
        }
    }
}

pub(super) fn too_large() -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("the result is too large: an expression may make {} MiB", LIMIT >> 20),
    )
}

fn of(state: &State<'_, '_>) -> Arc<Budget> {
    // Without one (an expression that is folded when it is compiled has one too) each call has
    // the whole limit.
    let found = state.lookup(NAME).and_then(|value| value.downcast_object::<Budget>());
    found.unwrap_or_else(|| Arc::new(Budget::new()))
}

/// Takes `bytes` from the evaluation's budget.
pub(super) fn charge(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    of(state).take(bytes)
}

/// Takes what the value weighs as a text.
pub(super) fn charge_value(state: &State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    let budget = of(state);
    let mut left = budget.left();
    let before = left;
    weigh(value, &mut left, 0)?;
    budget.take(before - left)
}

fn weigh(value: &Jinja, left: &mut usize, depth: usize) -> Result<(), Error> {
    let own = value.as_str().map_or(CELL, str::len);
    *left = left.checked_sub(own).ok_or_else(too_large)?;
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {}
        _ => return Ok(()),
    }
    if depth >= DEEPEST {
        return Err(Error::new(ErrorKind::InvalidOperation, "the value is nested too deep"));
    }
    for item in value.try_iter()? {
        if value.kind() == ValueKind::Map {
            weigh(&value.get_item(&item)?, left, depth + 1)?;
        }
        weigh(&item, left, depth + 1)?;
    }
    Ok(())
}
