//! The engine as a whole, on every store.

mod basics;
mod crash;
mod cut;
mod device;
mod support;
