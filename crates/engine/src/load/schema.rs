//! The JSON Schema of the format.

use serde_json::Value;

/// The JSON Schema of a workflow file.
pub fn schema() -> Value {
    schemars::schema_for!(crate::model::Workflow).to_value()
}
