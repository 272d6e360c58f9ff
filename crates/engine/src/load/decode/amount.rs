//! How many of several.

use super::Decoder;
use crate::{
    load::yaml::{Kind, Node},
    model::{Amount, Pointer, Problem, WaitFor},
};

impl Decoder<'_> {
    /// `all`, `any`, or a number of branches.
    pub(super) fn wait_for(&mut self, node: &Node, at: &Pointer) -> Option<WaitFor> {
        match &node.kind {
            Kind::Number(_) => self.count(node, at).map(WaitFor::Count),
            Kind::Text(..) => self.word(node, at, &[("all", WaitFor::All), ("any", WaitFor::Any)]),
            Kind::Null | Kind::Bool(_) | Kind::Seq(_) | Kind::Map(_) => {
                self.wrong_type(node, at, "`all`, `any` or a number of branches");
                None
            }
        }
    }

    /// A number from 0, or a part in percent.
    pub(super) fn amount(&mut self, node: &Node, at: &Pointer) -> Option<Amount> {
        const EXPECTED: &str = "a whole number, or a part in percent such as `25%`";
        let (amount, shown) = match &node.kind {
            Kind::Number(number) => {
                let count = number.as_u64().and_then(|count| u32::try_from(count).ok());
                (count.map(Amount::Count), number.to_string())
            }
            Kind::Text(text, _) => (text.parse().ok(), text.to_string()),
            Kind::Null | Kind::Bool(_) | Kind::Seq(_) | Kind::Map(_) => {
                self.wrong_type(node, at, EXPECTED);
                return None;
            }
        };
        if amount.is_none() {
            let problem = Problem::new("out-of-range", at.clone(), format!("expected {EXPECTED}"));
            let short = shown.chars().count() <= 30 && !shown.contains('\n');
            self.report(if short {
                problem.label(format!("`{shown}` is neither"))
            } else {
                problem.label("this is neither")
            });
        }
        amount
    }
}
