//! Workflows written in Rust. They make the same model as a file: one that says the same has the
//! same version.
//!
//! ```
//! use rackwright_engine::model::{Retry, Step, Workflow};
//! use serde_json::json;
//!
//! let workflow = Workflow::builder("greet")
//!     .step(Step::task("hello", "demo.hello").with(json!({ "name": "{{ input.name }}" })))
//!     .output(json!("{{ steps.hello.output }}"))
//!     .build();
//! assert_eq!(workflow.steps.len(), 1);
//! ```

use std::time::Duration;

use serde_json::Value;

use super::{
    Amount, Approval, Backoff, Body, Branch, Choice, Cleanup, CleanupPolicy, Condition, Defaults,
    ErrorClass, HumanDuration, Map, Moment, Next, OnError, OnTimeout, Otherwise, Repeat, Retention,
    Retry, Setting, Signal, Step, StepKind, Then, Timeout, TimeoutParts, Undo, Wait, WaitFor,
    WindowUse, Workflow,
};

/// Puts a [`Workflow`] together.
#[derive(Clone, Debug)]
pub struct WorkflowBuilder(pub(super) Workflow);

impl Workflow {
    /// A workflow of this name, without steps yet.
    pub fn builder(name: impl Into<String>) -> WorkflowBuilder {
        WorkflowBuilder(Self {
            name: name.into(),
            description: None,
            input: None,
            defaults: Defaults::default(),
            timeout: None,
            window: None,
            locks: Vec::new(),
            limits: Vec::new(),
            concurrency: None,
            queue_timeout: None,
            priority: 0,
            retention: None,
            node: std::collections::BTreeMap::new(),
            steps: Vec::new(),
            finally: Vec::new(),
            output: None,
        })
    }
}

impl WorkflowBuilder {
    /// What it does, for people.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.0.description = Some(text.into());
        self
    }

    /// The JSON Schema of its input.
    #[must_use]
    pub fn input(mut self, schema: Value) -> Self {
        self.0.input = Some(schema);
        self
    }

    /// The retry of tasks that say nothing themselves.
    #[must_use]
    pub fn default_retry(mut self, retry: Retry) -> Self {
        self.0.defaults.retry = Some(retry);
        self
    }

    /// The time-out of tasks that say nothing themselves.
    #[must_use]
    pub fn default_timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.0.defaults.timeout = Some(timeout.into());
        self
    }

    /// The maintenance window in which its runs begin.
    #[must_use]
    pub fn window(mut self, window: impl Into<WindowUse>) -> Self {
        self.0.window = Some(window.into());
        self
    }

    /// The next step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.0.steps.push(step);
        self
    }

    /// How long a run may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = Some(HumanDuration(timeout));
        self
    }

    /// How long its runs are kept once they have ended.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.0.retention = Some(retention);
        self
    }

    /// The next of the steps that run at the end, however a run ends.
    #[must_use]
    pub fn finally(mut self, step: Step) -> Self {
        self.0.finally.push(step);
        self
    }

    /// The output; without it the last step's.
    #[must_use]
    pub fn output(mut self, output: Value) -> Self {
        self.0.output = Some(output);
        self
    }

    /// The workflow. It is checked when it is deployed.
    #[must_use]
    pub fn build(self) -> Workflow {
        self.0
    }
}

/// The kinds of steps.
impl Step {
    /// Calls an executor; its input comes by [`Step::with`].
    pub fn task(id: impl Into<String>, uses: impl Into<String>) -> Self {
        Self::new(id, StepKind::Task { uses: uses.into(), with: Value::Null })
    }

    /// Runs another workflow as a child run; its input comes by [`Step::with`].
    pub fn workflow(id: impl Into<String>, workflow: impl Into<String>) -> Self {
        let (workflow, with) = (workflow.into(), Value::Null);
        Self::new(id, StepKind::Workflow { workflow, with, version: None })
    }

    /// Processes each element of a list. `body` is what happens to each.
    pub fn map(id: impl Into<String>, map: Map, body: impl Into<Body>) -> Self {
        Self::new(id, StepKind::Map { map, body: body.into() })
    }

    /// Runs named branches at the same time.
    pub fn parallel<N: Into<String>, B: Into<Branch>>(
        id: impl Into<String>,
        branches: impl IntoIterator<Item = (N, B)>,
    ) -> Self {
        let branches = branches.into_iter().map(|(name, branch)| (name.into(), branch.into()));
        let (parallel, wait_for) = (branches.collect(), WaitFor::All);
        Self::new(id, StepKind::Parallel { parallel, wait_for })
    }

    /// Takes the first choice that holds.
    pub fn decision(id: impl Into<String>, choices: impl IntoIterator<Item = Choice>) -> Self {
        Self::new(id, StepKind::Decision { decision: choices.into_iter().collect() })
    }

    /// Computes an output from what is known.
    pub fn set(id: impl Into<String>, value: Value) -> Self {
        Self::new(id, StepKind::Set { set: value })
    }

    /// Does steps again until a condition holds.
    pub fn repeat(id: impl Into<String>, repeat: Repeat, body: impl Into<Branch>) -> Self {
        Self::new(id, StepKind::Repeat { repeat, body: body.into() })
    }

    /// Waits for a time. A text that is no duration is a template that gives one.
    pub fn wait(id: impl Into<String>, time: impl Into<Setting<HumanDuration>>) -> Self {
        Self::new(
            id,
            StepKind::Wait { wait: Wait { duration: Some(time.into()), ..Wait::default() } },
        )
    }

    /// Waits until a point in time. A text that is none is a template that gives one.
    pub fn wait_until(id: impl Into<String>, at: impl Into<Setting<Moment>>) -> Self {
        Self::new(id, StepKind::Wait { wait: Wait { until: Some(at.into()), ..Wait::default() } })
    }

    /// Waits until a maintenance window is open, and stays open for so long.
    pub fn wait_for_window(
        id: impl Into<String>,
        window: impl Into<String>,
        needs: impl Into<Option<HumanDuration>>,
    ) -> Self {
        let needs = needs.into().map(Setting::Value);
        let wait = Wait { window: Some(window.into()), needs, ..Wait::default() };
        Self::new(id, StepKind::Wait { wait })
    }

    /// Waits for a signal of this name; `schema` is the JSON Schema of what may be sent.
    pub fn signal(
        id: impl Into<String>,
        name: impl Into<String>,
        schema: impl Into<Option<Value>>,
    ) -> Self {
        let signal = Signal { name: name.into(), schema: schema.into() };
        Self::new(id, StepKind::Signal { signal })
    }

    /// Asks people.
    pub fn approval(id: impl Into<String>, approval: Approval) -> Self {
        Self::new(id, StepKind::Approval { approval })
    }

    /// Groups steps.
    pub fn group(id: impl Into<String>, body: impl Into<Branch>) -> Self {
        Self::new(id, StepKind::Group { body: body.into() })
    }
}

/// What any step may say of itself.
impl Step {
    /// The input of a task, a sub-workflow, or a map's sub-workflow; other kinds have none and stay
    /// as they are.
    #[must_use]
    pub fn with(mut self, input: Value) -> Self {
        match &mut self.kind {
            StepKind::Task { with, .. }
            | StepKind::Workflow { with, .. }
            | StepKind::Map { body: Body::Workflow { with, .. }, .. }
            | StepKind::Rollout { body: Body::Workflow { with, .. }, .. } => *with = input,
            StepKind::Map { body: Body::Steps(_), .. }
            | StepKind::Rollout { body: Body::Steps(_), .. }
            | StepKind::Parallel { .. }
            | StepKind::Decision { .. }
            | StepKind::Set { .. }
            | StepKind::Repeat { .. }
            | StepKind::Wait { .. }
            | StepKind::Signal { .. }
            | StepKind::Approval { .. }
            | StepKind::Group { .. } => {}
        }
        self
    }

    /// Which branches of a `parallel` have to complete; other kinds have none and stay as they are.
    #[must_use]
    pub fn wait_for(mut self, branches: WaitFor) -> Self {
        if let StepKind::Parallel { wait_for, .. } = &mut self.kind {
            *wait_for = branches;
        }
        self
    }

    /// What it does, for people.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Runs only if this holds.
    #[must_use]
    pub fn when(mut self, condition: impl Into<Condition>) -> Self {
        self.when = Some(condition.into());
        self
    }

    /// The steps of the same list that must be met first; an empty list: none.
    #[must_use]
    pub fn needs<S: Into<String>>(mut self, ids: impl IntoIterator<Item = S>) -> Self {
        self.needs = Some(ids.into_iter().map(Into::into).collect());
        self
    }

    /// The maintenance window in which it begins.
    #[must_use]
    pub fn window(mut self, window: impl Into<WindowUse>) -> Self {
        self.window = Some(window.into());
        self
    }

    /// When and how often it is tried again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// How long it may take: of a task each attempt, of any other step the whole.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.timeout = Some(timeout.into());
        self
    }

    /// What needs it may start although it failed.
    #[must_use]
    pub fn continue_on_error(mut self) -> Self {
        self.on_error = OnError::Continue;
        self
    }

    /// What is owed once it has started.
    #[must_use]
    pub fn cleanup(mut self, cleanup: Cleanup) -> Self {
        self.cleanup = Some(cleanup);
        self
    }

    /// What takes back what it completed, when its list or one around it fails.
    #[must_use]
    pub fn undo(mut self, undo: Undo) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Where the list continues after it: a later step's id, or [`Next::END`].
    #[must_use]
    pub fn next(mut self, id: impl Into<String>) -> Self {
        self.next = Some(Next(id.into()));
        self
    }
}

impl Map {
    /// Over a list, or a template that gives one. All at once, until one fails.
    pub fn over(over: impl Into<Value>) -> Self {
        Self {
            over: over.into(),
            binding: Self::default_name(),
            max_concurrency: None,
            on_error: OnError::Fail,
            max_failures: None,
        }
    }

    /// The name of the current element in expressions.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.binding = name.into();
        self
    }

    /// How many items are processed at once.
    #[must_use]
    pub fn max_concurrency(mut self, most: u32) -> Self {
        self.max_concurrency = Some(most);
        self
    }

    /// All items are processed, whatever becomes of the others.
    #[must_use]
    pub fn continue_on_error(mut self) -> Self {
        self.on_error = OnError::Continue;
        self
    }
}

impl Map {
    /// How many items may fail: the others are processed, and the map completes all the same.
    #[must_use]
    pub fn max_failures(mut self, most: impl Into<Amount>) -> Self {
        self.max_failures = Some(most.into());
        self.continue_on_error()
    }
}

impl Approval {
    /// Asks anybody, and waits for ever.
    pub fn ask(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            show: None,
            approvers: Vec::new(),
            timeout: None,
            on_timeout: OnTimeout::default(),
        }
    }

    /// What is decided about.
    #[must_use]
    pub fn show(mut self, value: Value) -> Self {
        self.show = Some(value);
        self
    }

    /// Who may answer.
    #[must_use]
    pub fn approvers<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.approvers = names.into_iter().map(Into::into).collect();
        self
    }

    /// How long an answer is waited for, and what it means that none came.
    #[must_use]
    pub fn timeout(mut self, time: impl Into<Setting<HumanDuration>>, then: OnTimeout) -> Self {
        self.timeout = Some(time.into());
        self.on_timeout = then;
        self
    }
}

impl Repeat {
    /// Until this holds, again at once. Needs [`Repeat::max_iterations`], or a time-out of the step.
    pub fn until(condition: impl Into<Condition>) -> Self {
        Self { until: condition.into(), delay: None, max_iterations: None }
    }

    /// The time between two iterations.
    #[must_use]
    pub fn delay(mut self, delay: impl Into<Setting<HumanDuration>>) -> Self {
        self.delay = Some(delay.into());
        self
    }

    /// How many iterations at most.
    #[must_use]
    pub fn max_iterations(mut self, most: impl Into<Setting<u32>>) -> Self {
        self.max_iterations = Some(most.into());
        self
    }
}

impl Body {
    /// A child run for each item.
    pub fn workflow(name: impl Into<String>, with: Value) -> Self {
        Self::Workflow { workflow: name.into(), with, version: None }
    }
}

impl<B: Into<Branch>> From<B> for Body {
    fn from(branch: B) -> Self {
        Self::Steps(branch.into())
    }
}

impl Branch {
    /// What the list gives; without it what its last step gives.
    #[must_use]
    pub fn output(mut self, output: Value) -> Self {
        self.output = Some(output);
        self
    }
}

impl From<Vec<Step>> for Branch {
    fn from(steps: Vec<Step>) -> Self {
        Self { steps, output: None }
    }
}

impl<const N: usize> From<[Step; N]> for Branch {
    fn from(steps: [Step; N]) -> Self {
        Self { steps: steps.into(), output: None }
    }
}

impl Choice {
    /// These steps, if the condition holds.
    pub fn when(condition: impl Into<Condition>, steps: impl IntoIterator<Item = Step>) -> Self {
        let then = Then::Steps { steps: steps.into_iter().collect() };
        Self::When { when: condition.into(), then }
    }

    /// On with a later step of the decision's list, if the condition holds.
    pub fn jump(condition: impl Into<Condition>, next: impl Into<String>) -> Self {
        Self::When { when: condition.into(), then: Then::Next { next: Next(next.into()) } }
    }

    /// These steps, if no other choice holds.
    pub fn otherwise(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::Otherwise { otherwise: Otherwise::Steps(steps.into_iter().collect()) }
    }

    /// On with a later step of the decision's list, if no other choice holds.
    pub fn otherwise_jump(next: impl Into<String>) -> Self {
        Self::Otherwise { otherwise: Otherwise::Jump { next: Next(next.into()) } }
    }
}

impl Retry {
    /// So many attempts in all, a second apart. A text is a template that gives their number; the
    /// delays may be templates likewise.
    pub fn attempts(max_attempts: impl Into<Setting<u32>>) -> Self {
        Self { max_attempts: max_attempts.into(), delay: Self::DEFAULT_DELAY, ..Self::NONE }
    }

    /// The same delay each time.
    #[must_use]
    pub fn constant(self, delay: impl Into<Setting<HumanDuration>>) -> Self {
        Self { backoff: Backoff::Constant, delay: delay.into(), ..self }
    }

    /// A delay that grows by itself with each attempt.
    #[must_use]
    pub fn linear(self, delay: impl Into<Setting<HumanDuration>>) -> Self {
        Self { backoff: Backoff::Linear, delay: delay.into(), ..self }
    }

    /// A delay that doubles with each attempt.
    #[must_use]
    pub fn exponential(self, delay: impl Into<Setting<HumanDuration>>) -> Self {
        Self { backoff: Backoff::Exponential, delay: delay.into(), ..self }
    }

    /// The longest delay.
    #[must_use]
    pub fn max_delay(self, longest: impl Into<Setting<HumanDuration>>) -> Self {
        Self { max_delay: Some(longest.into()), ..self }
    }

    /// The part of a delay that is random, 0 to 1.
    #[must_use]
    pub fn jitter(self, part: f64) -> Self {
        Self { jitter: part, ..self }
    }

    /// The error classes that are tried again.
    #[must_use]
    pub fn on(self, classes: impl IntoIterator<Item = ErrorClass>) -> Self {
        Self { on: Some(classes.into_iter().collect()), ..self }
    }
}

impl Cleanup {
    /// Owed however the step and its list end.
    pub fn always(uses: impl Into<String>, with: Value) -> Self {
        let policy = CleanupPolicy::Always;
        Self { policy, uses: uses.into(), with, retry: None, timeout: None }
    }

    /// When it is owed.
    #[must_use]
    pub fn policy(self, policy: CleanupPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Its own retries.
    #[must_use]
    pub fn retry(self, retry: Retry) -> Self {
        Self { retry: Some(retry), ..self }
    }

    /// Its own time-out.
    #[must_use]
    pub fn timeout(self, timeout: impl Into<Timeout>) -> Self {
        Self { timeout: Some(timeout.into()), ..self }
    }
}

impl From<Duration> for Timeout {
    fn from(duration: Duration) -> Self {
        Self::Simple(duration.into())
    }
}

impl From<&str> for Timeout {
    /// A duration, as in a file, or a template that gives one.
    fn from(text: &str) -> Self {
        Self::Simple(text.into())
    }
}

impl From<TimeoutParts> for Timeout {
    fn from(parts: TimeoutParts) -> Self {
        Self::Full(parts)
    }
}

impl From<bool> for Condition {
    fn from(value: bool) -> Self {
        Self::Literal(value)
    }
}

impl From<&str> for Condition {
    fn from(expression: &str) -> Self {
        Self::Expression(expression.to_owned())
    }
}

impl From<String> for Condition {
    fn from(expression: String) -> Self {
        Self::Expression(expression)
    }
}
