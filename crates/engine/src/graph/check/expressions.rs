//! Expressions: their syntax, and whether what they read can be there.

use serde_json::Value;

use super::{
    Checker, schema,
    scope::{Frame, Sight},
    words::suggest,
};
use crate::{
    expr::{ExprProblem, Predicate, Reference, Template},
    model::{Condition, Pointer, Problem, Step, StepKind},
};

/// Names that an expression has without a map around it.
const ROOTS: [&str; 3] = ["input", "run", "steps"];
/// What is known of the run.
const RUN_FIELDS: [&str; 4] = ["id", "workflow", "version", "labels"];
/// What `finally` knows of it beside that: what it is about to end as, and why.
const ENDING_FIELDS: [&str; 2] = ["status", "errors"];

/// A place below another.
pub(super) fn join(base: &Pointer, relative: &Pointer) -> Pointer {
    relative.segments().fold(base.clone(), |at, segment| at.key(&segment))
}

impl<'w> Checker<'_, 'w> {
    /// A value that may hold expressions. `None` if they are wrong, which is reported.
    pub(super) fn template(
        &mut self,
        value: &Value,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) -> Option<Template> {
        match Template::compile(value) {
            Ok(template) => {
                self.references(template.references(), value, at, frame);
                Some(template)
            }
            Err(problems) => {
                self.expression_problems(problems, at);
                None
            }
        }
    }

    /// A condition. `None` if it is wrong, which is reported.
    pub(super) fn predicate(
        &mut self,
        condition: &Condition,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) -> Option<Predicate> {
        match Predicate::compile(condition) {
            Ok(predicate) => {
                let source = serde_json::to_value(condition).unwrap_or_default();
                self.references(predicate.references(), &source, at, frame);
                Some(predicate)
            }
            Err(problems) => {
                self.expression_problems(problems, at);
                None
            }
        }
    }

    fn expression_problems(&mut self, problems: Vec<ExprProblem>, at: &Pointer) {
        for problem in problems {
            let place = join(at, &problem.pointer);
            let mut report = Problem::new("bad-expression", place, problem.message);
            if !problem.range.is_empty() {
                report = report.range(problem.range);
            }
            report.help.extend(problem.help);
            self.report(report);
        }
    }

    fn references(
        &mut self,
        references: &[Reference],
        source: &Value,
        at: &Pointer,
        frame: &Frame<'_, 'w>,
    ) {
        for (index, reference) in references.iter().enumerate() {
            let repeated = references[..index].iter().any(|earlier| {
                earlier.pointer == reference.pointer
                    && earlier.root == reference.root
                    && earlier.path == reference.path
            });
            let text = source.pointer(reference.pointer.as_str()).and_then(Value::as_str);
            let text = text.unwrap_or_default();
            let minus = text[..reference.range.start.min(text.len())].ends_with('-');
            // `steps.my-step` reads as a difference; the part before the `-` is reported.
            if repeated || (minus && self.is_end_of_id(&reference.root)) {
                continue;
            }
            if let Some(problem) = self.reference(reference, frame) {
                let place = join(at, &reference.pointer);
                self.report(Problem { at: place, range: Some(reference.range.clone()), ..problem });
            }
        }
    }

    fn is_end_of_id(&self, word: &str) -> bool {
        self.index.ids().any(|id| id.ends_with(word) && id.contains('-'))
    }

    /// What is wrong with a name, without its place.
    fn reference(&self, reference: &Reference, frame: &Frame<'_, 'w>) -> Option<Problem> {
        let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
        match reference.root.as_str() {
            "steps" => self.step_reference(path.first()?, &path[1..], frame),
            "input" => self.input_reference(&path),
            "run" => {
                let field = path.first()?;
                if ENDING_FIELDS.contains(field) && !self.in_finally {
                    let message = format!("`run.{field}` is not known before the run ends");
                    let help = "only the steps of `finally` can read it";
                    return Some(problem("unknown-name", message).help(help));
                }
                let ending = if self.in_finally { &ENDING_FIELDS[..] } else { &[] };
                let known = RUN_FIELDS.iter().chain(ending).copied();
                (!known.clone().any(|it| it == *field)).then(|| {
                    let message = format!("a run has no `{field}`");
                    with_help(problem("unknown-name", message), suggest(field, "it has", known))
                })
            }
            root => self.binding_reference(root, frame),
        }
    }

    fn binding_reference(&self, root: &str, frame: &Frame<'_, 'w>) -> Option<Problem> {
        let bindings: Vec<&str> = frame.bindings().collect();
        let plain = root.strip_suffix("_index").unwrap_or(root);
        let gate = frame.gate_names();
        if gate.contains(&root) || bindings.iter().any(|it| *it == root || *it == plain) {
            return None;
        }
        let found = problem("unknown-name", format!("`{root}` is not defined here"));
        if frame.visible().contains(&root) {
            let help = format!("what a step made is read as `steps.{root}.output`");
            return Some(found.help(help));
        }
        let properties = self.workflow.input.as_ref().map(schema::properties).unwrap_or_default();
        if properties.contains(&root) {
            return Some(found.help(format!("write `input.{root}`")));
        }
        let known = ROOTS.into_iter().chain(gate.iter().copied()).chain(bindings.iter().copied());
        Some(with_help(found, suggest(root, "defined are", known)))
    }

    fn input_reference(&self, path: &[&str]) -> Option<Problem> {
        let schema = self.workflow.input.as_ref()?;
        let (field, holder) = schema::missing_field(schema, path)?;
        let holder = std::iter::once("input").chain(holder.iter().copied()).collect::<Vec<_>>();
        let message = format!("`{}` has no `{field}`", holder.join("."));
        let known = schema::lookup(schema, &path[..holder.len() - 1]).map(schema::properties);
        let known = known.unwrap_or_default();
        let found = problem("unknown-input", message);
        Some(with_help(found, suggest(field, "its schema has", known.into_iter())))
    }

    fn step_reference(&self, id: &str, path: &[&str], frame: &Frame<'_, 'w>) -> Option<Problem> {
        let not_before = |message: String| problem("step-not-before", message);
        match frame.look(id) {
            Sight::Seen(step) => self.output_reference(step, path),
            Sight::Itself => Some(
                not_before(format!("`{id}` can't read its own result"))
                    .help("only its `cleanup` and its `undo` can"),
            ),
            Sight::Around if path.first() == Some(&"items") && frame.is_in_gate_of(id) => None,
            Sight::Around if frame.is_in_gate_of(id) => Some(
                not_before(format!("`{id}` holds this gate, so it has not ended yet"))
                    .help(format!("its items so far are read as `steps.{id}.items`")),
            ),
            Sight::Around => Some(
                not_before(format!("`{id}` holds this step, so it has not ended yet"))
                    .help("the other steps of its list can be read by their own ids"),
            ),
            Sight::NotBefore { reader } => {
                let found =
                    not_before(format!("`{id}` need not have ended when `{reader}` starts"));
                let plain = frame
                    .chain()
                    .any(|frame| frame.order.plain && frame.steps.iter().any(|step| step.id == id));
                Some(found.help(if plain {
                    format!("move `{id}` before `{reader}`")
                } else {
                    format!("add `{id}` to the `needs` of `{reader}`")
                }))
            }
            Sight::Absent => Some(self.absent_step(id, frame)),
        }
    }

    fn absent_step(&self, id: &str, frame: &Frame<'_, 'w>) -> Problem {
        match self.index.holder(id) {
            Some(holder) => {
                let message = format!("`{id}` is inside of `{holder}` and can't be seen from here");
                let found = problem("step-not-visible", message);
                match frame.look(holder) {
                    Sight::Seen(_) => found.help(format!(
                        "read `steps.{holder}.output`, and let `{holder}` have it as its `output`"
                    )),
                    Sight::Around => found.help(format!(
                        "branches of `{holder}` that run side by side, or in place of each other, \
                         don't see each other"
                    )),
                    Sight::Itself | Sight::NotBefore { .. } | Sight::Absent => found,
                }
            }
            None if self.index.has(id) => {
                problem("step-not-visible", format!("`{id}` can't be seen from here"))
            }
            None => {
                let found = problem("unknown-step", format!("there is no step `{id}`"));
                let dashed = self
                    .index
                    .ids()
                    .find(|other| other.strip_prefix(id).is_some_and(|rest| rest.starts_with('-')));
                if let Some(dashed) = dashed {
                    let help = format!("write `steps['{dashed}']`: `-` is a minus in expressions");
                    return found.help(help);
                }
                let visible = frame.visible();
                with_help(found, suggest(id, "from here can be seen", visible.into_iter()))
            }
        }
    }

    /// A field of an output whose schema is known.
    fn output_reference(&self, step: &Step, path: &[&str]) -> Option<Problem> {
        let (StepKind::Task { uses, .. }, Some((&"output", fields))) =
            (&step.kind, path.split_first())
        else {
            return None;
        };
        let info = self.catalogue.executor(uses)?;
        let (field, holder) = schema::missing_field(info.output, fields)?;
        let known = schema::lookup(info.output, holder).map(schema::properties).unwrap_or_default();
        let message = format!("the output of `{uses}` has no `{field}`");
        let help = suggest(field, "it has", known.into_iter());
        Some(with_help(problem("unknown-output", message), help))
    }
}

fn problem(code: &'static str, message: String) -> Problem {
    Problem::new(code, Pointer::root(), message)
}

fn with_help(mut problem: Problem, help: Option<String>) -> Problem {
    problem.help.extend(help);
    problem
}
