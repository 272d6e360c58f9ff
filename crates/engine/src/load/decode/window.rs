//! Windows.

use super::{Decoder, policy::setting, shapes};
use crate::{
    load::yaml::{Kind, Node},
    model::{Pointer, WindowNeeds, WindowUse},
};

impl Decoder<'_> {
    /// `window: weekend`, or `window: { name: weekend, needs: 45m }`.
    pub(super) fn window(&mut self, node: &Node, at: &Pointer) -> Option<WindowUse> {
        if !matches!(node.kind, Kind::Map(_)) {
            return self.text(node, at).map(WindowUse::Named);
        }
        let fields = self.fields(node, at, &shapes::WINDOW)?;
        let name = self.required(&fields, "name", Self::text);
        let needs = self.optional(&fields, "needs", setting(Self::duration));
        Some(WindowUse::Needs(WindowNeeds { name: name?, needs }))
    }
}
