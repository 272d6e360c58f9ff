//! model → plan. Expects a workflow that passed the checks; what they would have caught is an
//! error here too, only told less well.

use std::collections::HashMap;

use serde_json::Value;
use thiserror::Error;

use super::{
    locks::LocksPlan,
    plan::{
        ApprovalPlan, ChildPlan, ChoicePlan, CleanupPlan, Jump, KindPlan, MapPlan, ParallelPlan,
        Plan, PlanStep, RepeatPlan, RolloutPlan, ScopeIx, ScopePlan, SignalPlan, StepPlan,
        TaskPlan, ThenPlan, WaitPlan,
    },
    setting::{
        APPROVAL_TIMEOUT, ATTEMPT_TIMEOUT, MAX_ITERATIONS, REPEAT_DELAY, RetryPlan, WAIT_FOR,
        WAIT_UNTIL,
    },
    window::WindowPlan,
};
use crate::{
    expr::{Predicate, Template},
    model::{
        Approval, Body, Branch, Choice, Cleanup, Condition, Defaults, Map, Next, OnError,
        Otherwise, Repeat, Retry, Rollout, Setting, Step, StepKind, Then, Timeout, Undo, Version,
        Wait, WindowUse, Workflow,
    },
    step::Effect,
};

/// Why a workflow has no plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("workflow `{workflow}`, {at}: {message}")]
pub struct PlanError {
    /// The workflow's name.
    pub workflow: String,
    /// The step's id, or the part of the workflow.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

/// Compiles a workflow. `effect_of` tells the effect of an executor, `None` if there is none of
/// that name.
pub fn compile(
    workflow: &Workflow,
    effect_of: &dyn Fn(&str) -> Option<Effect>,
) -> Result<Plan, PlanError> {
    let mut compiler =
        Compiler { workflow, effect_of, scopes: Vec::new(), steps: Vec::new(), at: String::new() };
    let window = workflow.window.as_ref().map(|it| compiler.window(it)).transpose()?;
    compiler.scope(None, &workflow.steps, workflow.output.as_ref())?;
    let finally = match workflow.finally.as_slice() {
        [] => None,
        steps => Some(compiler.scope(None, steps, None)?),
    };
    "locks".clone_into(&mut compiler.at);
    let locks = LocksPlan::of_workflow(workflow).map_err(|problem| compiler.error(problem))?;
    Ok(Plan {
        name: workflow.name.clone(),
        version: workflow.version(),
        timeout: workflow.timeout.map(|timeout| timeout.0),
        finally,
        window,
        scopes: compiler.scopes,
        steps: compiler.steps.into_iter().flatten().collect(),
        locks,
        priority: workflow.priority,
    })
}

struct Compiler<'a> {
    workflow: &'a Workflow,
    effect_of: &'a dyn Fn(&str) -> Option<Effect>,
    scopes: Vec<ScopePlan>,
    /// `None` only while the steps of a scope are being compiled.
    steps: Vec<Option<StepPlan>>,
    at: String,
}

type Compiled<T> = Result<T, PlanError>;

impl Compiler<'_> {
    fn error(&self, message: impl Into<String>) -> PlanError {
        PlanError {
            workflow: self.workflow.name.clone(),
            at: self.at.clone(),
            message: message.into(),
        }
    }

    fn scope(
        &mut self,
        label: Option<&str>,
        list: &[Step],
        output: Option<&Value>,
    ) -> Compiled<ScopeIx> {
        let ix = ScopeIx(to_u32(self.scopes.len()));
        let first = to_u32(self.steps.len());
        self.steps.extend(std::iter::repeat_with(|| None).take(list.len()));
        let output = output.map(|output| self.template(output)).transpose()?;
        let by_id: HashMap<_, _> =
            list.iter().enumerate().map(|(place, step)| (step.id.clone(), to_u32(place))).collect();
        let edges = self.edges(list, &by_id)?;
        self.scopes.push(ScopePlan {
            label: label.map(str::to_owned),
            first: PlanStep(first),
            len: to_u32(list.len()),
            output,
            by_id,
        });
        for (place, (step, needed_by)) in list.iter().zip(edges.needed_by).enumerate() {
            self.at.clone_from(&step.id);
            let plan = self.step(ix, step, edges.needs[place], needed_by)?;
            self.steps[first as usize + place] = Some(plan);
        }
        Ok(ix)
    }

    fn edges(&self, list: &[Step], by_id: &HashMap<String, u32>) -> Compiled<Edges> {
        let mut edges =
            Edges { needs: vec![0; list.len()], needed_by: vec![Vec::new(); list.len()] };
        for (place, step) in list.iter().enumerate() {
            let needed: Vec<u32> = match &step.needs {
                Some(ids) => ids
                    .iter()
                    .map(|id| {
                        by_id.get(id).copied().ok_or_else(|| {
                            self.error(format!(
                                "`{}` needs `{id}`, which is not in its list",
                                step.id
                            ))
                        })
                    })
                    .collect::<Compiled<_>>()?,
                None => place.checked_sub(1).map(to_u32).into_iter().collect(),
            };
            edges.needs[place] = to_u32(needed.len());
            for before in needed {
                edges.needed_by[before as usize].push(to_u32(place));
            }
        }
        Ok(edges)
    }

    fn step(
        &mut self,
        scope: ScopeIx,
        step: &Step,
        needs: u32,
        needed_by: Vec<u32>,
    ) -> Compiled<StepPlan> {
        let when = step.when.as_ref().map(|when| self.predicate(when)).transpose()?;
        // A step that waits for a window begins with it, and is done.
        let awaited =
            if let StepKind::Wait { wait } = &step.kind { wait.window_use() } else { None };
        let window = step.window.as_ref().or(awaited.as_ref());
        let window = window.map(|it| self.window(it)).transpose()?;
        let cleanup = step.cleanup.as_ref().map(|cleanup| self.cleanup(cleanup)).transpose()?;
        let cleanup = cleanup.map(|mut plan| {
            plan.task.pool.clone_from(&step.pool);
            plan
        });
        let undo = step.undo.as_ref().map(|undo| self.undo(undo)).transpose()?;
        let undo = undo.map(|plan| TaskPlan { pool: step.pool.clone(), ..plan });
        let next = step.next.as_ref().map(|next| self.jump(scope, next)).transpose()?;
        let is_task = matches!(step.kind, StepKind::Task { .. });
        let total_timeout = match &step.timeout {
            Some(Timeout::Simple(Setting::Value(total))) if !is_task => Some(total.0),
            Some(Timeout::Simple(Setting::Template(_))) if !is_task => {
                return Err(self.error("the time-out of a whole step can't be a template"));
            }
            Some(Timeout::Simple(_)) | None => None,
            Some(Timeout::Full(parts)) => parts.total.map(|total| total.0),
        };
        let timeout = step.timeout.as_ref().or(self.workflow.defaults.timeout.as_ref());
        let queue = timeout.and_then(Timeout::queue).map(|wait| wait.0);
        let locks = LocksPlan::compile(&step.locks, &step.limits, queue);
        let locks = locks.map_err(|problem| self.error(problem))?.map(Box::new);
        Ok(StepPlan {
            id: step.id.clone(),
            when,
            window,
            needs,
            needed_by,
            kind: self.kind(scope, step)?,
            locks,
            total_timeout,
            on_error: step.on_error,
            cleanup,
            undo,
            next,
        })
    }

    fn window(&self, window: &WindowUse) -> Compiled<WindowPlan> {
        WindowPlan::compile(window).map_err(|message| self.error(message))
    }

    fn kind(&mut self, scope: ScopeIx, step: &Step) -> Compiled<KindPlan> {
        Ok(match &step.kind {
            StepKind::Task { uses, with } => {
                let defaults = &self.workflow.defaults;
                let retry = step.retry.as_ref().or(defaults.retry.as_ref());
                let timeout = step.timeout.as_ref().or(defaults.timeout.as_ref());
                let task = self.task(uses, with, retry, timeout)?;
                KindPlan::Task(TaskPlan { pool: step.pool.clone(), ..task })
            }
            StepKind::Map { map, body } => KindPlan::Map(self.map(map, body)?),
            StepKind::Rollout { rollout, body, gate } => {
                KindPlan::Rollout(Box::new(self.rollout(rollout, body, gate.as_deref())?))
            }
            StepKind::Workflow { workflow, with, version } => {
                KindPlan::Child(self.child(workflow, with, *version)?)
            }
            StepKind::Parallel { parallel, wait_for } => KindPlan::Parallel(ParallelPlan {
                branches: parallel
                    .iter()
                    .map(|(name, branch)| self.branch(Some(name), branch))
                    .collect::<Compiled<_>>()?,
                enough: wait_for.enough(),
            }),
            StepKind::Decision { decision } => KindPlan::Decision(
                decision
                    .iter()
                    .map(|choice| self.choice(scope, choice))
                    .collect::<Compiled<_>>()?,
            ),
            StepKind::Set { set } => KindPlan::Set(self.template(set)?),
            StepKind::Repeat { repeat, body } => {
                KindPlan::Repeat(Box::new(self.repeat(repeat, body)?))
            }
            StepKind::Wait { wait } => KindPlan::Wait(self.wait(wait)?),
            StepKind::Signal { signal } => KindPlan::Signal(SignalPlan {
                name: signal.name.clone(),
                schema: signal.schema.clone(),
            }),
            StepKind::Approval { approval } => {
                KindPlan::Approval(Box::new(self.approval(approval)?))
            }
            StepKind::Group { body } => KindPlan::Group(self.branch(None, body)?),
        })
    }

    fn branch(&mut self, label: Option<&str>, branch: &Branch) -> Compiled<ScopeIx> {
        self.scope(label, &branch.steps, branch.output.as_ref())
    }

    fn map(&mut self, map: &Map, body: &Body) -> Compiled<MapPlan> {
        let over = self.template(&map.over)?;
        let body = match body {
            Body::Steps(branch) => self.branch(None, branch)?,
            // An item that is a child run is a scope of one step, so that the machine knows only
            // one shape of item.
            Body::Workflow { workflow, with, version } => self.scope(
                None,
                &[Step::new(
                    workflow.clone(),
                    StepKind::Workflow {
                        workflow: workflow.clone(),
                        with: with.clone(),
                        version: *version,
                    },
                )],
                None,
            )?,
        };
        Ok(MapPlan {
            over,
            binding: map.binding.clone(),
            index_binding: format!("{}_index", map.binding),
            max_concurrency: map.max_concurrency.unwrap_or(u32::MAX).max(1),
            on_error: map.on_error,
            max_failures: map.max_failures,
            body,
        })
    }

    fn rollout(
        &mut self,
        rollout: &Rollout,
        body: &Body,
        gate: Option<&[Step]>,
    ) -> Compiled<RolloutPlan> {
        let map = Map {
            over: rollout.over.clone(),
            binding: rollout.binding.clone(),
            max_concurrency: None,
            on_error: OnError::Continue,
            max_failures: rollout.max_failures,
        };
        Ok(RolloutPlan {
            items: self.map(&map, body)?,
            canary: rollout.canary,
            wave: rollout.wave,
            max_unavailable: rollout.max_unavailable,
            soak: rollout.soak.map(|soak| soak.0).filter(|soak| !soak.is_zero()),
            gate: gate.map(|steps| self.scope(None, steps, None)).transpose()?,
            on_halt: rollout.on_halt,
        })
    }

    fn repeat(&mut self, repeat: &Repeat, body: &Branch) -> Compiled<RepeatPlan> {
        let wrong = |this: &Self, message: String| this.error(message);
        let most = repeat.max_iterations.as_ref();
        let most = most.map(|it| MAX_ITERATIONS.compile(it)).transpose();
        let delay = repeat.delay.as_ref().map(|it| REPEAT_DELAY.compile(it)).transpose();
        let inside = self.steps.len();
        let body = self.branch(None, body)?;
        Ok(RepeatPlan {
            until: self.predicate(&repeat.until)?,
            delay: delay.map_err(|message| wrong(self, message))?,
            max_iterations: most.map_err(|message| wrong(self, message))?,
            body,
            // What is taken back one day is taken back with what was given.
            forgets: self.steps[inside..].iter().flatten().all(|step| step.undo.is_none()),
        })
    }

    fn approval(&self, approval: &Approval) -> Compiled<ApprovalPlan> {
        let timeout = approval.timeout.as_ref().map(|it| APPROVAL_TIMEOUT.compile(it));
        Ok(ApprovalPlan {
            message: self.template(&Value::from(approval.message.as_str()))?,
            show: approval.show.as_ref().map(|show| self.template(show)).transpose()?,
            approvers: self.template(&Value::from(approval.approvers.clone()))?,
            timeout: timeout.transpose().map_err(|message| self.error(message))?,
            on_timeout: approval.on_timeout,
        })
    }

    fn wait(&self, wait: &Wait) -> Compiled<WaitPlan> {
        let compiled = match (&wait.duration, &wait.until, &wait.window) {
            (Some(time), None, None) => WAIT_FOR.compile(time).map(WaitPlan::For),
            (None, Some(until), None) => WAIT_UNTIL.compile(until).map(WaitPlan::Until),
            (None, None, Some(_)) => Ok(WaitPlan::Window),
            (None, None, None)
            | (Some(_), Some(_), _)
            | (Some(_), _, Some(_))
            | (_, Some(_), Some(_)) => {
                return Err(self.error("a `wait` needs one of `for`, `until` and `window`"));
            }
        };
        compiled.map_err(|message| self.error(message))
    }

    fn child(&self, workflow: &str, with: &Value, version: Option<Version>) -> Compiled<ChildPlan> {
        let version = version.ok_or_else(|| {
            self.error(format!("the sub-workflow `{workflow}` is not pinned to a version"))
        })?;
        Ok(ChildPlan { workflow: workflow.to_owned(), version, with: self.template(with)? })
    }

    fn choice(&mut self, scope: ScopeIx, choice: &Choice) -> Compiled<ChoicePlan> {
        let (when, then) = match choice {
            Choice::When { when, then: Then::Steps { steps } } => {
                (Some(self.predicate(when)?), ThenPlan::Scope(self.scope(None, steps, None)?))
            }
            Choice::When { when, then: Then::Next { next } } => {
                (Some(self.predicate(when)?), ThenPlan::Jump(self.jump(scope, next)?))
            }
            Choice::Otherwise { otherwise: Otherwise::Steps(steps) } => {
                (None, ThenPlan::Scope(self.scope(None, steps, None)?))
            }
            Choice::Otherwise { otherwise: Otherwise::Jump { next } } => {
                (None, ThenPlan::Jump(self.jump(scope, next)?))
            }
        };
        Ok(ChoicePlan { when, then })
    }

    fn jump(&self, scope: ScopeIx, next: &Next) -> Compiled<Jump> {
        if next.0 == Next::END {
            return Ok(Jump::End);
        }
        let place = self.scopes[scope.0 as usize].by_id.get(&next.0);
        place
            .map(|place| Jump::To(*place))
            .ok_or_else(|| self.error(format!("`next: {}` names no step of the same list", next.0)))
    }

    fn cleanup(&self, cleanup: &Cleanup) -> Compiled<CleanupPlan> {
        let Defaults { timeout, retry } = &self.workflow.defaults;
        let retry = cleanup.retry.as_ref().or(retry.as_ref());
        let timeout = cleanup.timeout.as_ref().or(timeout.as_ref());
        let task = self.task(&cleanup.uses, &cleanup.with, retry, timeout)?;
        Ok(CleanupPlan { policy: cleanup.policy, task })
    }

    fn undo(&self, undo: &Undo) -> Compiled<TaskPlan> {
        let Defaults { timeout, retry } = &self.workflow.defaults;
        let retry = undo.retry.as_ref().or(retry.as_ref());
        let timeout = undo.timeout.as_ref().or(timeout.as_ref());
        self.task(&undo.uses, &undo.with, retry, timeout)
    }

    fn task(
        &self,
        uses: &str,
        with: &Value,
        retry: Option<&Retry>,
        timeout: Option<&Timeout>,
    ) -> Compiled<TaskPlan> {
        let effect = (self.effect_of)(uses)
            .ok_or_else(|| self.error(format!("there is no executor `{uses}`")))?;
        let wrong = |message: String| self.error(message);
        let attempt = timeout.and_then(Timeout::attempt);
        Ok(TaskPlan {
            uses: uses.to_owned(),
            with: self.template(with)?,
            effect,
            retry: retry.map(RetryPlan::compile).transpose().map_err(wrong)?,
            attempt_timeout: attempt
                .map(|it| ATTEMPT_TIMEOUT.compile(it))
                .transpose()
                .map_err(wrong)?,
            heartbeat: timeout.and_then(Timeout::heartbeat).map(|silence| silence.0),
            pool: None,
        })
    }

    fn template(&self, value: &Value) -> Compiled<Template> {
        Template::compile(value).map_err(|problems| {
            let texts: Vec<_> = problems.iter().map(|problem| problem.message.clone()).collect();
            self.error(texts.join("; "))
        })
    }

    fn predicate(&self, condition: &Condition) -> Compiled<Predicate> {
        Predicate::compile(condition).map_err(|problems| {
            let texts: Vec<_> = problems.iter().map(|problem| problem.message.clone()).collect();
            self.error(texts.join("; "))
        })
    }
}

struct Edges {
    needs: Vec<u32>,
    needed_by: Vec<Vec<u32>>,
}

fn to_u32(n: usize) -> u32 {
    // The loader refuses files of more than a mebibyte, so counts stay far below this.
    u32::try_from(n).unwrap_or(u32::MAX)
}
