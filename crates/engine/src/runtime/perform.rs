//! Carrying out the commands of a committed turn.

use std::{sync::Arc, time::Duration};

use super::{
    attempt::{self, Purpose},
    message::{Message, Start},
    plans::PlanUnavailable,
    shard::Shard,
    telemetry::{self, StepSpan},
};
use crate::{
    machine::{Call, Command, Created, Input, LockHolding, ParentLink, StepRef},
    model::{RunId, RunStatus, StepError, Version, check_payload},
};

impl Shard {
    pub(super) fn perform(&mut self, id: RunId, command: Command) {
        match command {
            // A worker makes it: it went into the queue with the commit.
            Command::Run(call) | Command::Observe(call) | Command::Revoke(call, _)
                if call.pool.is_some() => {}
            Command::Run(call) => self.call(id, call, Purpose::Run),
            Command::Observe(call) => self.call(id, call, Purpose::Observe),
            Command::Revoke(call, held) => self.call(id, call, Purpose::Revoke(held)),
            Command::Stop { task } => {
                if let Some(run) = self.runs.get(&id) {
                    run.stop(task);
                }
            }
            Command::Recall => {
                if let Some(run) = self.runs.get(&id) {
                    run.recall();
                }
            }
            Command::StartChild { step, run, workflow, version, input, held, again } => {
                self.start_child(id, step, (run, workflow, version, input, held), again);
            }
            Command::LookForChild { step, run } => self.look_for_child(id, step, run),
            Command::Ended { status } => {
                if let Some(run) = self.runs.get(&id) {
                    telemetry::run_ended(&run.state.created.workflow, status);
                }
            }
            // Told with the commit; see `ActiveRun::messages`.
            Command::StopChild { .. } | Command::TellChild { .. } => {}
        }
    }

    fn call(&mut self, id: RunId, call: Call, purpose: Purpose) {
        if self.draining {
            // The next owner finds it interrupted before it began.
            return;
        }
        let Some(run) = self.runs.get_mut(&id) else { return };
        let owner = (Arc::clone(&run.owned), run.identity.life);
        let task = call.task;
        let step = run.steps.entry(task).or_insert_with(|| StepSpan::new(&run.span, &call));
        let attempt = attempt::spawn(&self.shared, id, owner, (call, purpose), &step.span);
        run.attempts.insert(task, attempt);
    }

    fn start_child(
        &mut self,
        parent: RunId,
        step: StepRef,
        (run, workflow, version, input, held): (
            RunId,
            String,
            Version,
            serde_json::Value,
            Vec<LockHolding>,
        ),
        again: bool,
    ) {
        let Some(active) = self.runs.get(&parent) else { return };
        let created = Created {
            run,
            workflow,
            version,
            input: Arc::new(input),
            parent: Some(ParentLink { run: parent, step }),
            root: active.state.created.root,
            held,
            priority: active.state.created.priority,
            requires: active.state.created.requires.clone(),
            labels: std::collections::BTreeMap::new(),
            forked_from: None,
        };
        let created = self.child_of(parent, created);
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let identity = shared.identity();
            if again && is_there(&shared, run).await {
                return;
            }
            let deployed = loop {
                match shared.plans.get(version, &*shared.store, &shared.registry).await {
                    Ok(deployed) => break deployed,
                    // The store is away for a moment: that is no failure of the child.
                    Err(PlanUnavailable::Store(error)) if error.is_transient() => {
                        if !shared.is_current(identity) {
                            return;
                        }
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    Err(error) => {
                        return refuse(&shared, &created, unusable(&created, error.to_string()));
                    }
                }
            };
            match deployed.check_input((*created.input).clone()) {
                Ok(input) => {
                    let what = || format!("the input of workflow `{}`", created.workflow);
                    let max = shared.config.max_payload;
                    if let Err(error) = check_payload(what, &input, max) {
                        return refuse(&shared, &created, error.into());
                    }
                    let mut requires = created.requires.clone();
                    requires.extend(deployed.workflow.node.clone());
                    let created = Created { input: Arc::new(input), requires, ..created };
                    let start =
                        Start { created, deployed, idempotency_key: None, reply: None, wait: None };
                    shared.tell(run, Message::Start(Box::new(start)));
                }
                Err(problems) => {
                    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                    refuse(&shared, &created, unusable(&created, problems.join("; ")));
                }
            }
        });
    }
}

impl Shard {
    fn look_for_child(&self, parent: RunId, step: StepRef, run: RunId) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            if !is_there(&shared, run).await {
                let (status, output) = (RunStatus::Cancelled, serde_json::Value::Null);
                let input = Input::ChildEnded { step, run, status, output, errors: Vec::new() };
                shared.tell(parent, Message::Input { run: parent, input, ack: None, from: None });
            }
        });
    }
}

/// Whether a child is there that was asked for before. One that rests or has ended must not be
/// begun again: on the same node its first row would be the same, and taken for the old one.
async fn is_there(shared: &super::shared::Shared, run: RunId) -> bool {
    let identity = shared.identity();
    loop {
        match shared.store.run(run).await {
            Ok(found) => return found.is_some(),
            // Whoever takes the parent over asks again.
            Err(_) if !shared.is_current(identity) => return true,
            Err(error) => {
                tracing::warn!(%run, %error, "could not look for a child; trying again");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn unusable(created: &Created, message: String) -> StepError {
    StepError::permanent("engine.child_input", message)
        .hint(format!("`rackwright validate` checks what `with` hands to `{}`", created.workflow))
}

/// A child that can't be started ends as failed before it exists.
fn refuse(shared: &super::shared::Shared, created: &Created, error: StepError) {
    let Some(parent) = created.parent else { return };
    let input = Input::ChildEnded {
        step: parent.step,
        run: created.run,
        status: RunStatus::Failed,
        output: serde_json::Value::Null,
        errors: vec![crate::machine::RunError { path: "input".to_owned(), attempt: 0, error }],
    };
    shared.tell(parent.run, Message::Input { run: parent.run, input, ack: None, from: None });
}
