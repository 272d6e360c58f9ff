//! What a run or a step asks for before it starts: locks and slots of limits, as templates.

use std::time::Duration;

use serde_json::Value;

use crate::{
    expr::{Scope, Template},
    model::{Concurrency, Limit, LockClaim, LockPath, Slot, StepError, Workflow},
};

/// Locks and limits of a run or a step.
#[derive(Debug)]
pub struct LocksPlan {
    paths: Vec<Template>,
    limits: Vec<LimitPlan>,
    /// How long it may wait for them.
    pub queue_timeout: Option<Duration>,
}

#[derive(Debug)]
struct LimitPlan {
    name: Template,
    max: u32,
    key: Option<Template>,
}

/// The names of limits that stand for workflows and executors.
pub(super) const RESERVED: [&str; 2] = ["workflow/", "executor/"];

impl LocksPlan {
    /// Compiles what a step asks for; none if it asks for nothing.
    ///
    /// # Errors
    /// What is wrong with a template.
    pub fn compile(
        locks: &[String],
        limits: &[Limit],
        queue_timeout: Option<Duration>,
    ) -> Result<Option<Self>, String> {
        if locks.is_empty() && limits.is_empty() {
            return Ok(None);
        }
        let paths = locks.iter().map(|text| template(text)).collect::<Result<_, _>>()?;
        let limits = limits.iter().map(LimitPlan::compile).collect::<Result<_, _>>()?;
        Ok(Some(Self { paths, limits, queue_timeout }))
    }

    /// Compiles what a run asks for; none if it asks for nothing.
    ///
    /// # Errors
    /// What is wrong with a template.
    pub fn of_workflow(workflow: &Workflow) -> Result<Option<Self>, String> {
        let mut limits = workflow.limits.clone();
        limits.extend(workflow.concurrency.as_ref().map(|it| whole(&workflow.name, it)));
        let wait = workflow.queue_timeout.map(|wait| wait.0);
        Self::compile(&workflow.locks, &limits, wait)
    }

    /// Adds a limit that the engine sets on an executor.
    pub fn limit_executor(locks: &mut Option<Box<Self>>, executor: &str, max: u32) {
        let name = Template::compile(&Value::from(format!("executor/{executor}")));
        // Names of executors have no templates in them.
        let Ok(name) = name else { return };
        let empty =
            || Box::new(Self { paths: Vec::new(), limits: Vec::new(), queue_timeout: None });
        locks.get_or_insert_with(empty).limits.push(LimitPlan { name, max, key: None });
    }

    /// What is asked for with the data at hand, in the order in which things are taken.
    ///
    /// # Errors
    /// A template has no value, or one that is no name.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Vec<LockClaim>, StepError> {
        let mut claims = Vec::new();
        for path in &self.paths {
            match path.eval(scope)? {
                Value::Array(names) => {
                    for given in &names {
                        claims.push(LockClaim::lock(name("locks", given)?));
                    }
                }
                given @ (Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_)) => claims.push(LockClaim::lock(name("locks", &given)?)),
            }
        }
        for limit in &self.limits {
            let name = name("limits", &limit.name.eval(scope)?)?;
            let key = limit.key.as_ref().map(|key| key.eval(scope)).transpose()?;
            let key = key.map(|key| text(&key)).unwrap_or_default();
            claims.push(LockClaim { name, slot: Some(Slot { max: limit.max, key }) });
        }
        claims.sort_by(|a, b| a.rank().cmp(&b.rank()));
        claims.dedup_by(|a, b| a.rank() == b.rank() && a.name == b.name);
        Ok(claims)
    }
}

impl LimitPlan {
    fn compile(limit: &Limit) -> Result<Self, String> {
        let key = limit.key.as_ref().map(|key| template(key)).transpose()?;
        Ok(Self { name: template(&limit.name)?, max: limit.max, key })
    }
}

/// The limit that a workflow's `concurrency` is.
fn whole(workflow: &str, concurrency: &Concurrency) -> Limit {
    let Concurrency { max, key } = concurrency.clone();
    Limit { name: format!("workflow/{workflow}"), max, key }
}

fn template(text: &str) -> Result<Template, String> {
    Template::compile(&Value::from(text)).map_err(|problems| {
        let texts = problems.into_iter().map(|problem| problem.message);
        texts.collect::<Vec<_>>().join("; ")
    })
}

fn name(field: &str, given: &Value) -> Result<LockPath, StepError> {
    let bad = |message: String| {
        StepError::permanent("engine.lock_name", message)
            .hint("a name is segments of letters, digits, `.`, `_`, `:` and `-`, joined by `/`")
    };
    match given {
        Value::String(text) => text.parse().map_err(|error| bad(format!("`{field}`: {error}"))),
        Value::Number(number) => {
            number.to_string().parse().map_err(|error| bad(format!("`{field}`: {error}")))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(bad(format!("`{field}` has to give names; a template gave {given}")))
        }
    }
}

/// A key is any value; texts stand for themselves. Long ones are cut where a database would refuse.
fn text(key: &Value) -> String {
    let key = match key {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            key.to_string()
        }
    };
    let mut end = key.len().min(LockPath::LONGEST);
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    key[..end].replace('\0', "")
}
