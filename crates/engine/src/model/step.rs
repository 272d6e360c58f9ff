//! A step and its kinds.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Amount, Approval, Cleanup, Condition, Limit, OnError, Repeat, Retry, Rollout, Signal, Timeout,
    Undo, Version, Wait, WaitFor, WindowUse,
};

/// A node of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Its name, unique in its list: letters, digits, `_` and `-`, not starting with a digit.
    pub id: String,
    /// What it does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Runs only if this holds; otherwise the step is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// Steps of the same list that must be met first. Absent: the step before it. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Vec<String>>,
    /// The maintenance window in which it begins: until then it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowUse>,
    /// What it does.
    #[serde(flatten)]
    pub kind: StepKind,
    /// Retry of this step; tasks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Timeout>,
    /// Names of locks that are held from the step's start to its end; each may be a template, which gives a
    /// name or a list of them. A lock excludes all whose names are the same, above it or below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locks: Vec<String>,
    /// Limits that a slot of is held for as long as the step is under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
    /// The pool whose workers make its calls, cleanup and undo too, instead of the node that has
    /// the run; tasks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// What its failure means for its list.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_error: OnError,
    /// What is owed once it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleanup: Option<Cleanup>,
    /// What takes back what it completed, when its list or one around it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// Where the list continues after this step; what lies between is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

impl Step {
    /// A step without policies.
    pub fn new(id: impl Into<String>, kind: StepKind) -> Self {
        Self {
            id: id.into(),
            description: None,
            when: None,
            needs: None,
            window: None,
            kind,
            retry: None,
            timeout: None,
            locks: Vec::new(),
            limits: Vec::new(),
            pool: None,
            on_error: OnError::default(),
            cleanup: None,
            undo: None,
            next: None,
        }
    }
}

/// A value that is there, also if it is null: `output: null` gives nothing, which is not the same
/// as saying nothing.
pub(super) fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum StepKind {
    /// Calls an executor.
    Task {
        /// The executor, `library.name`.
        uses: String,
        /// Its input; strings may be templates.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        with: Value,
    },
    /// Processes each element of a list.
    Map {
        /// Over what, and how.
        map: Map,
        /// What happens to each element.
        #[serde(flatten)]
        body: Body,
    },
    /// Processes each element of a list, in waves.
    Rollout {
        /// Over what, and how.
        rollout: Rollout,
        /// What happens to each element.
        #[serde(flatten)]
        body: Body,
        /// Steps behind each wave; if they fail, the roll-out halts. They see the number of the
        /// wave as `wave`, from 1, and its items as `wave_items`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gate: Option<Vec<Step>>,
    },
    /// Does its steps again and again until a condition holds. Output: the last iteration's.
    Repeat {
        /// Until when, and how often.
        repeat: Repeat,
        /// What each iteration does.
        #[serde(flatten)]
        body: Branch,
    },
    /// Runs another workflow as a child run.
    Workflow {
        /// Its name.
        workflow: String,
        /// Its input.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        with: Value,
        /// The version this run is pinned to; filled in by the loader, never written by hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// Runs named branches at the same time. Output: an object, the branches' outputs by name, null
    /// for those that did not complete.
    Parallel {
        /// The branches.
        parallel: IndexMap<String, Branch>,
        /// Which of them have to complete: `all`, `any`, or so many. Once that is settled the
        /// others are stopped; what they owe is met, and that they were stopped is no failure.
        #[serde(default, skip_serializing_if = "is_default")]
        wait_for: WaitFor,
    },
    /// Takes the first choice that holds.
    Decision {
        /// The choices, tried in order.
        decision: Vec<Choice>,
    },
    /// Computes an output from what is known.
    Set {
        /// The output; strings may be templates.
        set: Value,
    },
    /// Waits, without anything under way meanwhile. Output: `{ until }`, the time.
    Wait {
        /// For what.
        wait: Wait,
    },
    /// Waits for a signal from outside. Output: what was sent.
    Signal {
        /// For which.
        signal: Signal,
    },
    /// Asks people. Output: `{ approved, by, reason, at }`.
    Approval {
        /// What, and whom.
        approval: Approval,
    },
    /// Groups steps.
    Group {
        /// The steps.
        #[serde(flatten)]
        body: Branch,
    },
}

/// A list of steps with an output of its own: a branch of a `parallel`, or a group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Branch {
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The output; absent: the last step's.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// What a `map` or `rollout` does with each item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Body {
    /// A child run for each item.
    Workflow {
        /// Its name.
        workflow: String,
        /// Its input.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        with: Value,
        /// The version this run is pinned to; filled in by the loader.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<Version>,
    },
    /// Steps for each item.
    Steps(Branch),
}

/// How a `map` goes through its list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// The list: a template that gives one, or the list itself.
    pub over: Value,
    /// The name of the current element in expressions; its index is `NAME_index`.
    #[serde(rename = "as", default = "Map::default_name")]
    pub binding: String,
    /// How many items are processed at once; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_concurrency: Option<u32>,
    /// `fail`: no new item starts after a failure; `continue`: all items are processed, and the
    /// map fails at its end if any of them did.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_error: OnError,
    /// How many items may fail, or which part of them, rounded down: the map completes all the
    /// same. Once more have failed, no new item starts and the map fails. With it the others go on
    /// after a failure (`on_error: continue`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<Amount>,
}

impl Map {
    /// What the current element is called if the map does not say.
    pub fn default_name() -> String {
        "item".to_owned()
    }
}

/// One way a decision can go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Choice {
    /// Taken if its condition holds.
    When {
        /// The condition.
        when: Condition,
        /// What then.
        #[serde(flatten)]
        then: Then,
    },
    /// Taken if no other was.
    Otherwise {
        /// What then: `otherwise: [steps]` or `otherwise: { next: .. }`.
        otherwise: Otherwise,
    },
}

/// What happens if no choice holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Otherwise {
    /// A branch; an empty one does nothing.
    Steps(Vec<Step>),
    /// A jump.
    Jump {
        /// Where the list of the decision continues.
        next: Next,
    },
}

/// What a choice leads to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Then {
    /// A branch.
    Steps {
        /// Its steps.
        steps: Vec<Step>,
    },
    /// A jump.
    Next {
        /// Where the list of the decision continues.
        next: Next,
    },
}

/// Where a list continues: a later step of it, or `end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Next(pub String);

impl Next {
    /// The word that ends a list.
    pub const END: &'static str = "end";
}
