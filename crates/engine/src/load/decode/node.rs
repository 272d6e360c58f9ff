//! Where runs and steps are carried out.

use std::collections::BTreeMap;

use super::Decoder;
use crate::{
    load::yaml::{Kind, Node},
    model::{Pointer, Problem},
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

    /// The name of a pool: workers are started with it, so it is no template.
    pub(super) fn pool(&mut self, node: &Node, at: &Pointer) -> Option<String> {
        let name = self.text(node, at)?;
        if name.contains("{{") {
            let message = "the name of a pool can't be a template";
            self.report(
                Problem::new("bad-name", at.clone(), message)
                    .label("expected a name")
                    .help("workers are started for a pool by its name"),
            );
            return None;
        }
        Some(name)
    }
}
