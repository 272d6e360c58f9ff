//! Steps that let time pass.

use super::{Decoder, fields::wrong_type, policy::setting, shapes};
use crate::{
    load::yaml::{Kind, Node},
    model::{Moment, Pointer, Problem, Repeat, Wait},
};

impl Decoder<'_> {
    pub(super) fn wait(&mut self, node: &Node, at: &Pointer) -> Option<Wait> {
        if let Kind::Text(text, _) = &node.kind {
            self.report(
                wrong_type(node, at, "a mapping with `for`, `until` or `window`")
                    .help(format!("write `wait: {{ for: {text} }}`")),
            );
            return None;
        }
        let fields = self.fields(node, at, &shapes::WAIT)?;
        match fields.present(&["for", "until", "window"]).as_slice() {
            ["for"] => {
                let duration = self.optional(&fields, "for", setting(Self::duration))?;
                Some(Wait { duration: Some(duration), ..Wait::default() })
            }
            ["until"] => {
                let until = self.optional(&fields, "until", setting(Self::moment))?;
                Some(Wait { until: Some(until), ..Wait::default() })
            }
            ["window"] => {
                let window = self.required(&fields, "window", Self::text)?;
                let needs = self.optional(&fields, "needs", setting(Self::duration));
                Some(Wait { window: Some(window), needs, ..Wait::default() })
            }
            [] => {
                self.report(
                    Problem::new(
                        "missing-field",
                        at.clone(),
                        "a `wait` needs `for`, `until` or `window`",
                    )
                    .label("for what?")
                    .help(
                        "`for: 10m` waits for a time, `until: \"2026-12-24T22:00:00Z\"` until one",
                    ),
                );
                None
            }
            several => {
                self.conflict(&fields, several, "make two steps of it");
                None
            }
        }
    }

    /// A point in time.
    fn moment(&mut self, node: &Node, at: &Pointer) -> Option<Moment> {
        const EXPECTED: &str = "a point in time such as `\"2026-12-24T22:00:00Z\"`";
        match &node.kind {
            Kind::Text(text, _) => match text.parse() {
                Ok(moment) => return Some(moment),
                Err(_) => self.report(
                    Problem::new("bad-time", at.clone(), format!("expected {EXPECTED}"))
                        .label("not a point in time")
                        .help("write date, time and zone: `Z` is UTC, `+01:00` an hour before it"),
                ),
            },
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Seq(_) | Kind::Map(_) => {
                self.wrong_type(node, at, EXPECTED);
            }
        }
        None
    }

    pub(super) fn repeat(&mut self, node: &Node, at: &Pointer) -> Option<Repeat> {
        if let Kind::Number(count) = &node.kind {
            self.report(wrong_type(node, at, "a mapping with `until`").help(format!(
                "for {count} times write `until: iteration == {count}, max_iterations: {count}`"
            )));
            return None;
        }
        let fields = self.fields(node, at, &shapes::REPEAT)?;
        let until = self.required(&fields, "until", Self::condition);
        let delay = self.optional(&fields, "delay", setting(Self::duration));
        let max_iterations = self.optional(&fields, "max_iterations", setting(Self::count));
        Some(Repeat { until: until?, delay, max_iterations })
    }
}
