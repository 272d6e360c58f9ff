//! The same rules for names as in `values`, as regular expressions for the JSON Schema.

/// Of steps and branches.
pub(in crate::load) const ID: &str = "^[A-Za-z_][A-Za-z0-9_-]*$";
/// Of executors.
pub(in crate::load) const EXECUTOR: &str = "^[A-Za-z_][A-Za-z0-9_-]*(\\.[A-Za-z_][A-Za-z0-9_-]*)+$";
/// Of workflows.
pub(in crate::load) const WORKFLOW: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]*$";
/// Of the current item of a map.
pub(in crate::load) const BINDING: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
/// Names that expressions have already.
pub(in crate::load) const TAKEN: [&str; 3] = ["input", "run", "steps"];
