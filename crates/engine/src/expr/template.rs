//! A JSON value whose strings may hold expressions.

use serde_json::{Map, Value};

use super::{
    budget::LIMIT,
    compiled::Compiled,
    error::{EvalError, ExprProblem, Reference},
    scan::ScanError,
    scope::Scope,
    split::{Piece, split},
};
use crate::model::Pointer;

/// A JSON value whose strings may hold `{{ }}`. A string that is one `{{ }}` (white space around it
/// does not count) becomes the value of the expression, with its type; any other becomes a text,
/// in which what is not a text stands as JSON. Keys are taken as they are.
#[derive(Debug)]
pub struct Template {
    root: Node,
    references: Vec<Reference>,
}

#[derive(Debug)]
enum Node {
    Constant(Value),
    Single(Compiled),
    Text(Vec<Part>),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug)]
enum Part {
    Text(String),
    Expression(Compiled),
}

impl Template {
    /// Compiles a value. Expressions that read nothing are evaluated here and now.
    ///
    /// # Errors
    /// Everything that is wrong with its expressions.
    pub fn compile(value: &Value) -> Result<Self, Vec<ExprProblem>> {
        let mut compiler = Compiler { problems: Vec::new(), references: Vec::new() };
        let root = compiler.node(value, &Pointer::root());
        if compiler.problems.is_empty() {
            Ok(Self { root, references: compiler.references })
        } else {
            Err(compiler.problems)
        }
    }

    /// The value, if nothing has to be evaluated.
    pub fn constant(&self) -> Option<&Value> {
        match &self.root {
            Node::Constant(value) => Some(value),
            Node::Single(_) | Node::Text(_) | Node::List(_) | Node::Object(_) => None,
        }
    }

    /// What its expressions read.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// The value with its expressions evaluated.
    ///
    /// # Errors
    /// The first expression that has no value.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value, EvalError> {
        self.root.eval(scope, &mut { LIMIT })
    }
}

impl Node {
    fn eval(&self, scope: &dyn Scope, left: &mut usize) -> Result<Value, EvalError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Single(expression) => expression.json(scope, left),
            Self::Text(parts) => text(parts, scope, left).map(Value::String),
            Self::List(items) => {
                let items = items.iter().map(|item| item.eval(scope, left));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Object(fields) => {
                let mut object = Map::new();
                for (key, node) in fields {
                    object.insert(key.clone(), node.eval(scope, left)?);
                }
                Ok(Value::Object(object))
            }
        }
    }
}

fn text(parts: &[Part], scope: &dyn Scope, left: &mut usize) -> Result<String, EvalError> {
    let mut text = String::new();
    for part in parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Expression(expression) => {
                let part = expression.text(scope)?;
                *left = left.checked_sub(part.len()).ok_or_else(|| expression.too_large())?;
                text.push_str(&part);
            }
        }
    }
    Ok(text)
}

struct Compiler {
    problems: Vec<ExprProblem>,
    references: Vec<Reference>,
}

impl Compiler {
    fn node(&mut self, value: &Value, pointer: &Pointer) -> Node {
        match value {
            Value::String(text) => self.string(text, pointer),
            Value::Array(items) => {
                let nodes = items.iter().enumerate();
                let nodes: Vec<_> =
                    nodes.map(|(at, item)| self.node(item, &pointer.index(at))).collect();
                if nodes.iter().all(Node::is_constant) {
                    let items = nodes.into_iter().filter_map(Node::into_constant);
                    return Node::Constant(Value::Array(items.collect()));
                }
                Node::List(nodes)
            }
            Value::Object(fields) => {
                let nodes = fields.iter();
                let nodes: Vec<_> = nodes
                    .map(|(key, value)| (key.clone(), self.node(value, &pointer.key(key))))
                    .collect();
                if nodes.iter().all(|(_, node)| node.is_constant()) {
                    let fields = nodes
                        .into_iter()
                        .filter_map(|(key, node)| node.into_constant().map(|value| (key, value)));
                    return Node::Constant(Value::Object(fields.collect()));
                }
                Node::Object(nodes)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Node::Constant(value.clone()),
        }
    }

    fn refuse(&mut self, pointer: &Pointer, errors: impl IntoIterator<Item = ScanError>) -> Node {
        self.problems.extend(errors.into_iter().map(|error| ExprProblem::new(pointer, error)));
        Node::Constant(Value::Null)
    }

    fn string(&mut self, text: &str, pointer: &Pointer) -> Node {
        let pieces = match split(text) {
            Ok(pieces) => pieces,
            Err(error) => {
                let help = Some(error.help);
                let error = ScanError { range: error.range, message: error.message, help };
                return self.refuse(pointer, [error]);
            }
        };
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Text(range) => parts.push(Part::Text(text[range].to_owned())),
                Piece::Expression(range) => match Compiled::new(text, range, pointer) {
                    Ok(compiled) => {
                        self.references.extend(compiled.references());
                        parts.push(Part::Expression(compiled));
                    }
                    Err(errors) => drop(self.refuse(pointer, errors)),
                },
            }
        }
        self.fold(parts, pointer)
    }

    /// Decides what a string becomes, and folds what does not depend on anything.
    fn fold(&mut self, mut parts: Vec<Part>, pointer: &Pointer) -> Node {
        let blank = |part: &Part| matches!(part, Part::Text(text) if text.trim().is_empty());
        let single = parts.iter().filter(|part| !blank(part)).count() == 1
            && parts.iter().any(|part| matches!(part, Part::Expression(_)));
        if single {
            parts.retain(|part| matches!(part, Part::Expression(_)));
            let Some(Part::Expression(compiled)) = parts.pop() else {
                return Node::Constant(Value::Null);
            };
            if !compiled.is_constant() {
                return Node::Single(compiled);
            }
            return match compiled.fold(&mut { LIMIT }) {
                Ok(value) => Node::Constant(value),
                Err(error) => self.refuse(pointer, [error]),
            };
        }
        let is_constant = |part: &Part| match part {
            Part::Text(_) => true,
            Part::Expression(compiled) => compiled.is_constant(),
        };
        if !parts.iter().all(is_constant) {
            return Node::Text(parts);
        }
        match text(&parts, &super::scope::Nothing, &mut { LIMIT }) {
            Ok(text) => Node::Constant(Value::String(text)),
            Err(error) => {
                let range = error.range.unwrap_or(0..0);
                self.refuse(
                    pointer,
                    [ScanError { range, message: error.message, help: error.hint }],
                )
            }
        }
    }
}

impl Node {
    fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }

    fn into_constant(self) -> Option<Value> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Single(_) | Self::Text(_) | Self::List(_) | Self::Object(_) => None,
        }
    }
}
