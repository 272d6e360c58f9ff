//! How long ended runs are kept.

use super::{Decoder, fields::wrong_type, shapes};
use crate::{
    load::yaml::{Kind, Node},
    model::{Pointer, Retention},
};

impl Decoder<'_> {
    /// `retention: { age: 90d, count: 1000 }`.
    pub(super) fn retention(&mut self, node: &Node, at: &Pointer) -> Option<Retention> {
        let short = match &node.kind {
            Kind::Text(text, _) => Some(format!("age: {text}")),
            Kind::Number(count) => Some(format!("count: {count}")),
            Kind::Null | Kind::Bool(_) | Kind::Seq(_) | Kind::Map(_) => None,
        };
        if let Some(short) = short {
            self.report(
                wrong_type(node, at, "a mapping with `age` or `count`")
                    .help(format!("write `retention: {{ {short} }}`")),
            );
            return None;
        }
        let fields = self.fields(node, at, &shapes::RETENTION)?;
        self.not_empty(node, at, "`age` or `count`")?;
        let age = self.optional(&fields, "age", Self::duration);
        let count = self.optional(&fields, "count", Self::count);
        Some(Retention { age, count })
    }
}
