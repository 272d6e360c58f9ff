//! Tree → model. Every function reports what is wrong and goes on; `None` means that something
//! was reported. Where `Some` comes back the model may still lack what was wrong in it, so a
//! workflow counts only if nothing was reported.

mod amount;
mod asks;
mod choice;
mod condition;
mod fields;
mod items;
mod kind;
mod lock;
mod node;
pub(super) mod patterns;
mod policy;
mod retention;
mod shapes;
mod step;
mod values;
mod waits;
mod window;

use super::yaml::{Kind, Node};
use crate::model::{Defaults, Pointer, Problem, Workflow};

/// Decodes a file's tree; `text` is the file.
pub(super) fn workflow(node: &Node, text: &str) -> (Option<Workflow>, Vec<Problem>) {
    let mut decoder = Decoder { text, problems: Vec::new() };
    let workflow = decoder.workflow(node, &Pointer::root());
    (workflow, decoder.problems)
}

struct Decoder<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl Decoder<'_> {
    /// More than anybody mends at once; looking for more only costs time.
    const MOST: usize = 500;

    fn report(&mut self, problem: Problem) {
        if self.problems.len() < Self::MOST {
            self.problems.push(problem);
        }
    }

    fn workflow(&mut self, node: &Node, at: &Pointer) -> Option<Workflow> {
        let fields = self.fields(node, at, &shapes::WORKFLOW)?;
        let name = self.required(&fields, "workflow", Self::workflow_name);
        let description = self.optional(&fields, "description", Self::text);
        let input = self.optional(&fields, "input", Self::input_schema);
        let defaults = self.optional(&fields, "defaults", Self::defaults).unwrap_or_default();
        let timeout = self.optional(&fields, "timeout", Self::run_time);
        let window = self.optional(&fields, "window", Self::window);
        let locks = self.optional(&fields, "locks", Self::locks).unwrap_or_default();
        let limits = self.optional(&fields, "limits", Self::limits).unwrap_or_default();
        let concurrency = self.optional(&fields, "concurrency", Self::concurrency);
        let queue_timeout = self.optional(&fields, "queue_timeout", Self::queue_time);
        let priority = self.optional(&fields, "priority", Self::priority).unwrap_or_default();
        let retention = self.optional(&fields, "retention", Self::retention);
        let node = self.optional(&fields, "node", Self::node_labels).unwrap_or_default();
        let steps = self.required(&fields, "steps", Self::some_steps);
        let finally = self.optional(&fields, "finally", Self::some_steps).unwrap_or_default();
        let output = self.optional(&fields, "output", Self::free);
        Some(Workflow {
            name: name?,
            description,
            input,
            defaults,
            locks,
            limits,
            concurrency,
            queue_timeout,
            priority,
            retention,
            node,
            timeout,
            window,
            steps: steps?,
            finally,
            output,
        })
    }

    fn defaults(&mut self, node: &Node, at: &Pointer) -> Option<Defaults> {
        let fields = self.fields(node, at, &shapes::DEFAULTS)?;
        Some(Defaults {
            timeout: self.optional(&fields, "timeout", Self::timeout),
            retry: self.optional(&fields, "retry", Self::retry),
        })
    }

    /// The input's JSON Schema.
    fn input_schema(&mut self, node: &Node, at: &Pointer) -> Option<serde_json::Value> {
        if !matches!(node.kind, Kind::Map(_) | Kind::Bool(_)) {
            self.wrong_type(node, at, "a JSON Schema such as `{ type: object, properties: … }`");
            return None;
        }
        let schema = self.free(node, at)?;
        if let Err(error) = jsonschema::meta::validate(&schema) {
            let inside = error.instance_path().to_string();
            let place = inside
                .split('/')
                .skip(1)
                .fold(at.clone(), |at, part| at.key(&part.replace("~1", "/").replace("~0", "~")));
            self.report(
                Problem::new("invalid-schema", place, "`input` is not a valid JSON Schema")
                    .label(error.to_string()),
            );
        }
        Some(schema)
    }
}
