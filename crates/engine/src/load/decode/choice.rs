//! Decisions.

use super::{Decoder, fields::Fields, shapes};
use crate::{
    load::yaml::{Kind, Node},
    model::{Choice, Otherwise, Pointer, Problem, Then},
};

impl Decoder<'_> {
    pub(super) fn choices(&mut self, node: &Node, at: &Pointer) -> Option<Vec<Choice>> {
        let choices = self.list(node, at, "a list of choices", Self::choice)?;
        self.not_empty(node, at, "a choice")?;
        self.check_last(node, at);
        Some(choices)
    }

    /// What stands after `otherwise` is never looked at.
    fn check_last(&mut self, node: &Node, at: &Pointer) {
        let Kind::Seq(items) = &node.kind else { return };
        let first = items.iter().position(|item| item.get("otherwise").is_some());
        if let Some(first) = first.filter(|first| first + 1 < items.len()) {
            self.report(
                Problem::new(
                    "unreachable-choice",
                    at.index(first + 1),
                    "no choice can follow `otherwise`",
                )
                .label("never taken")
                .related(at.index(first), "always taken")
                .help("`otherwise` is the last choice"),
            );
        }
    }

    fn choice(&mut self, node: &Node, at: &Pointer) -> Option<Choice> {
        let fields = self.fields(node, at, &shapes::CHOICE)?;
        if fields.has("otherwise") {
            for name in fields.present(&["when", "steps", "next"]) {
                self.misplaced(&fields, name, "`otherwise` is a choice of its own");
            }
            let otherwise = self.optional(&fields, "otherwise", Self::otherwise)?;
            return Some(Choice::Otherwise { otherwise });
        }
        let when = self.required(&fields, "when", Self::condition);
        let then = self.then(&fields);
        Some(Choice::When { when: when?, then: then? })
    }

    fn then(&mut self, fields: &Fields<'_>) -> Option<Then> {
        match fields.present(&["steps", "next"]).as_slice() {
            ["steps"] => {
                let steps = self.optional(fields, "steps", Self::steps)?;
                Some(Then::Steps { steps })
            }
            ["next"] => {
                let next = self.optional(fields, "next", Self::next)?;
                Some(Then::Next { next })
            }
            [] => {
                let message = "a choice needs `steps` or `next`";
                self.report(
                    Problem::new("missing-field", fields.at.clone(), message)
                        .label("what then?")
                        .help("`steps: []` does nothing; `next: ID` goes on at a later step of the list"),
                );
                None
            }
            several => {
                self.conflict(fields, several, "put `next` on the last step of the branch's list");
                None
            }
        }
    }

    fn otherwise(&mut self, node: &Node, at: &Pointer) -> Option<Otherwise> {
        match &node.kind {
            Kind::Seq(_) => self.steps(node, at).map(Otherwise::Steps),
            Kind::Map(_) => {
                let fields = self.fields(node, at, &shapes::JUMP)?;
                let next = self.required(&fields, "next", Self::next)?;
                Some(Otherwise::Jump { next })
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(..) => {
                self.wrong_type(node, at, "a list of steps, or `{ next: ID }`");
                None
            }
        }
    }
}
