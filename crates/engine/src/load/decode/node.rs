//! What a workflow asks of its nodes.

use std::collections::BTreeMap;

use super::Decoder;
use crate::{
    load::yaml::{Kind, Node},
    model::Pointer,
};

impl Decoder<'_> {
    pub(super) fn node_labels(
        &mut self,
        node: &Node,
        at: &Pointer,
    ) -> Option<BTreeMap<String, String>> {
        match &node.kind {
            Kind::Map(entries) if !entries.is_empty() => {
                let mut labels = BTreeMap::new();
                for entry in entries {
                    let value = self.text(&entry.value, &at.key(&entry.key));
                    labels.extend(value.map(|value| (entry.key.to_string(), value)));
                }
                Some(labels)
            }
            Kind::Map(_)
            | Kind::Null
            | Kind::Bool(_)
            | Kind::Number(_)
            | Kind::Text(..)
            | Kind::Seq(_) => {
                self.wrong_type(node, at, "labels such as `site: ams1`");
                None
            }
        }
    }
}
