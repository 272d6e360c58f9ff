//! The engine as a whole, on every store.

mod basics;
mod support;
