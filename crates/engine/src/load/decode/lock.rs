//! Locks, limits, priorities.

use super::{Decoder, fields::wrong_type, shapes};
use crate::{
    load::yaml::{Kind, Node},
    model::{Concurrency, HumanDuration, Limit, Pointer, Problem},
};

impl Decoder<'_> {
    pub(super) fn locks(&mut self, node: &Node, at: &Pointer) -> Option<Vec<String>> {
        if let Kind::Text(text, _) = &node.kind {
            self.report(
                wrong_type(node, at, "a list of names")
                    .help(format!("write `locks: [\"{text}\"]`")),
            );
            return None;
        }
        let list = self.list(node, at, "a list of names", Self::text)?;
        self.not_empty(node, at, "a name")?;
        Some(list)
    }

    pub(super) fn limits(&mut self, node: &Node, at: &Pointer) -> Option<Vec<Limit>> {
        let list = self.list(node, at, "a list of limits", Self::limit)?;
        self.not_empty(node, at, "a limit")?;
        Some(list)
    }

    fn limit(&mut self, node: &Node, at: &Pointer) -> Option<Limit> {
        let fields = self.fields(node, at, &shapes::LIMIT)?;
        let name = self.required(&fields, "name", Self::text);
        let max = self.required(&fields, "max", Self::count);
        let key = self.optional(&fields, "key", Self::text);
        Some(Limit { name: name?, max: max?, key })
    }

    pub(super) fn concurrency(&mut self, node: &Node, at: &Pointer) -> Option<Concurrency> {
        if let Kind::Number(count) = &node.kind {
            self.report(
                wrong_type(node, at, "a mapping with `max`")
                    .help(format!("write `concurrency: {{ max: {count} }}`")),
            );
            return None;
        }
        let fields = self.fields(node, at, &shapes::CONCURRENCY)?;
        let max = self.required(&fields, "max", Self::count);
        let key = self.optional(&fields, "key", Self::text);
        Some(Concurrency { max: max?, key })
    }

    /// How long to wait for locks and limits.
    pub(super) fn queue_time(&mut self, node: &Node, at: &Pointer) -> Option<HumanDuration> {
        self.constant_time(node, at, "the time of waiting")
    }

    pub(super) fn priority(&mut self, node: &Node, at: &Pointer) -> Option<u8> {
        let given = match &node.kind {
            Kind::Number(number) => number.to_string().parse().ok(),
            Kind::Null | Kind::Bool(_) | Kind::Text(..) | Kind::Seq(_) | Kind::Map(_) => {
                self.wrong_type(node, at, "a number from 0 to 9");
                return None;
            }
        };
        let priority = given.filter(|priority| *priority <= 9);
        if priority.is_none() {
            self.report(
                Problem::new("out-of-range", at.clone(), "a priority is a number from 0 to 9")
                    .help("9 comes first; without it 0"),
            );
        }
        priority
    }
}
