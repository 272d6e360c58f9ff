//! Steps that wait for somebody outside.

use super::{Decoder, fields::wrong_type, policy::setting, shapes};
use crate::{
    load::yaml::{Kind, Node},
    model::{Approval, OnTimeout, Pointer, Signal},
};

const ON_TIMEOUT: [(&str, OnTimeout); 3] =
    [("reject", OnTimeout::Reject), ("approve", OnTimeout::Approve), ("fail", OnTimeout::Fail)];

impl Decoder<'_> {
    pub(super) fn signal(&mut self, node: &Node, at: &Pointer) -> Option<Signal> {
        if let Kind::Text(text, _) = &node.kind {
            self.report(
                wrong_type(node, at, "a mapping with `name`")
                    .help(format!("write `signal: {{ name: {text} }}`")),
            );
            return None;
        }
        let fields = self.fields(node, at, &shapes::SIGNAL)?;
        let name = self.required(&fields, "name", Self::signal_name);
        let schema = self.optional(&fields, "schema", |this, node, at| match &node.kind {
            Kind::Map(_) | Kind::Bool(_) => Some(node.to_json()),
            Kind::Null | Kind::Number(_) | Kind::Text(..) | Kind::Seq(_) => {
                this.wrong_type(node, at, "a JSON Schema, such as `{ type: object }`");
                None
            }
        });
        Some(Signal { name: name?, schema })
    }

    pub(super) fn approval(&mut self, node: &Node, at: &Pointer) -> Option<Approval> {
        if let Kind::Text(text, _) = &node.kind {
            self.report(
                wrong_type(node, at, "a mapping with `message`")
                    .help(format!("write `approval: {{ message: \"{text}\" }}`")),
            );
            return None;
        }
        let fields = self.fields(node, at, &shapes::APPROVAL)?;
        let message = self.required(&fields, "message", Self::text);
        let show = self.optional(&fields, "show", Self::free);
        let approvers = self.optional(&fields, "approvers", |this, node, at| {
            this.list(node, at, "a list of names", Self::text)
        });
        let timeout = self.optional(&fields, "timeout", setting(Self::duration));
        let on_timeout = self
            .optional(&fields, "on_timeout", |this, node, at| this.word(node, at, &ON_TIMEOUT))
            .unwrap_or_default();
        let approvers = approvers.unwrap_or_default();
        Some(Approval { message: message?, show, approvers, timeout, on_timeout })
    }
}
