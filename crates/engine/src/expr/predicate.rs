//! Conditions, compiled.

use super::{
    compare::compare,
    compiled::Compiled,
    error::{EvalError, ExprProblem, Reference},
    path::Path,
    scan::ScanError,
    scope::Scope,
    split::{Piece, split},
    template::Template,
};
use crate::model::{Comparison, Condition, Operator, Pointer};

/// A compiled [`Condition`].
#[derive(Debug)]
pub struct Predicate {
    test: Test,
    references: Vec<Reference>,
}

#[derive(Debug)]
enum Test {
    Literal(bool),
    Expression(Compiled),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    Compare(Box<Compare>),
}

#[derive(Debug)]
struct Compare {
    pointer: Pointer,
    path: Path,
    operator: Operator,
    value: Template,
}

impl Predicate {
    /// Compiles a condition.
    ///
    /// # Errors
    /// Everything that is wrong with its expressions and paths.
    pub fn compile(condition: &Condition) -> Result<Self, Vec<ExprProblem>> {
        let mut compiler = Compiler { problems: Vec::new(), references: Vec::new() };
        let test = compiler.test(condition, &Pointer::root());
        match test {
            Some(test) if compiler.problems.is_empty() => {
                Ok(Self { test, references: compiler.references })
            }
            _ => Err(compiler.problems),
        }
    }

    /// What it reads.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Its value, if it is `true` or `false` and nothing else.
    pub fn constant(&self) -> Option<bool> {
        match &self.test {
            Test::Literal(value) => Some(*value),
            Test::Expression(_) | Test::All(_) | Test::Any(_) | Test::Not(_) | Test::Compare(_) => {
                None
            }
        }
    }

    /// Whether it holds. Parts that don't matter any more (after a false one of `all`, a true one
    /// of `any`) are not evaluated.
    ///
    /// # Errors
    /// The first part that has no value.
    pub fn eval(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        self.test.eval(scope)
    }
}

impl Test {
    fn eval(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        match self {
            Self::Literal(value) => Ok(*value),
            Self::Expression(expression) => expression.truth(scope),
            Self::All(tests) => {
                for test in tests {
                    if !test.eval(scope)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Any(tests) => {
                for test in tests {
                    if test.eval(scope)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(test) => Ok(!test.eval(scope)?),
            Self::Compare(comparison) => comparison.eval(scope),
        }
    }
}

impl Compare {
    fn eval(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        let evaluated;
        let value = if let Some(value) = self.value.constant() {
            value
        } else {
            evaluated = self.value.eval(scope).map_err(|mut error| {
                error.pointer = join(&self.pointer.key("value"), &error.pointer);
                error
            })?;
            &evaluated
        };
        let result = self.path.find(scope, |found| compare(found, self.operator, value));
        result.map_err(|what| EvalError {
            pointer: self.pointer.key("field"),
            range: None,
            expression: self.path.source().to_owned(),
            message: format!("the path {what}"),
            hint: Some(
                "ask whether something is there first, with `exists`; `contains` looks at several \
                 values"
                    .to_owned(),
            ),
        })
    }
}

fn join(base: &Pointer, relative: &Pointer) -> Pointer {
    relative.segments().fold(base.clone(), |at, segment| at.key(&segment))
}

struct Compiler {
    problems: Vec<ExprProblem>,
    references: Vec<Reference>,
}

impl Compiler {
    fn test(&mut self, condition: &Condition, at: &Pointer) -> Option<Test> {
        match condition {
            Condition::Literal(value) => Some(Test::Literal(*value)),
            Condition::Expression(text) => self.expression(text, at),
            Condition::All(all) => self.tests(&all.all, &at.key("all")).map(Test::All),
            Condition::Any(any) => self.tests(&any.any, &at.key("any")).map(Test::Any),
            Condition::Not(not) => {
                self.test(&not.not, &at.key("not")).map(|test| Test::Not(Box::new(test)))
            }
            Condition::Compare(comparison) => self.compare(comparison, at),
        }
    }

    fn tests(&mut self, conditions: &[Condition], at: &Pointer) -> Option<Vec<Test>> {
        let tests: Vec<_> = conditions
            .iter()
            .enumerate()
            .filter_map(|(index, condition)| self.test(condition, &at.index(index)))
            .collect();
        (tests.len() == conditions.len()).then_some(tests)
    }

    fn expression(&mut self, text: &str, at: &Pointer) -> Option<Test> {
        let range = if text.contains("{{") {
            match split(text).map(|pieces| single(text, &pieces)) {
                Ok(Some(range)) => range,
                Ok(None) => {
                    let message = "a condition is one expression, without text around it";
                    let help = "write `{{ a == 'x' and b }}`, or leave the braces out";
                    return self.refuse(at, text, message, help);
                }
                Err(error) => return self.refuse(at, text, error.message, error.help),
            }
        } else {
            0..text.len()
        };
        match Compiled::new(text, range, at) {
            Ok(compiled) => {
                self.references.extend(compiled.references());
                Some(Test::Expression(compiled))
            }
            Err(errors) => {
                self.problems.extend(errors.into_iter().map(|error| ExprProblem::new(at, error)));
                None
            }
        }
    }

    fn refuse(
        &mut self,
        at: &Pointer,
        text: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<Test> {
        let error =
            ScanError { range: 0..text.len(), message: message.into(), help: Some(help.into()) };
        self.problems.push(ExprProblem::new(at, error));
        None
    }

    fn compare(&mut self, comparison: &Comparison, at: &Pointer) -> Option<Test> {
        let path = match Path::compile(&comparison.field) {
            Ok(path) => {
                let mut reference = path.reference();
                reference.pointer = at.key("field");
                self.references.push(reference);
                Some(path)
            }
            Err(error) => {
                self.problems.push(ExprProblem::new(&at.key("field"), error));
                None
            }
        };
        let value_at = at.key("value");
        let value = match Template::compile(&comparison.value) {
            Ok(value) => {
                let references = value.references().iter().cloned();
                self.references.extend(references.map(|mut reference| {
                    reference.pointer = join(&value_at, &reference.pointer);
                    reference
                }));
                value
            }
            Err(problems) => {
                self.problems.extend(problems.into_iter().map(|mut problem| {
                    problem.pointer = join(&value_at, &problem.pointer);
                    problem
                }));
                return None;
            }
        };
        let list = matches!(comparison.operator, Operator::In | Operator::NotIn);
        if list && value.constant().is_some_and(|value| !value.is_array()) {
            self.problems.push(ExprProblem {
                pointer: value_at,
                range: 0..0,
                message: "`in` and `not_in` compare with a list".to_owned(),
                help: Some("write `value: [a, b]`".to_owned()),
            });
        }
        let (pointer, operator) = (at.clone(), comparison.operator);
        Some(Test::Compare(Box::new(Compare { pointer, path: path?, operator, value })))
    }
}

/// The one expression of a condition in braces.
fn single(text: &str, pieces: &[Piece]) -> Option<std::ops::Range<usize>> {
    let mut found = None;
    for piece in pieces {
        match piece {
            Piece::Expression(range) if found.is_none() => found = Some(range.clone()),
            Piece::Text(range) if text[range.clone()].trim().is_empty() => {}
            Piece::Expression(_) | Piece::Text(_) => return None,
        }
    }
    found
}
