//! Obligations: what is owed after a run went well or wrong, in which order, and how it is told.
//! `sweep` disturbs such runs at every commit.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rackwright_engine::{
    Engine, RunId, RunRequest, RunStatus, Workflow,
    api::RunView,
    machine::{Inner, Phase, RunState, ScopeRef, StepRef, TaskRef},
    model::CleanupPolicy,
    store::{MemoryStore, Store},
};
use serde_json::{Value, json};

use crate::{
    cut::{Cut, CutStore},
    rack::{Rack, engine},
    support::workflow,
};

fn act(id: &str) -> Value {
    json!({ "id": id, "uses": "o.act", "with": { "of": id } })
}

/// A step with obligations: `c` a cleanup, `f` one that is owed on failure, `u` an undo.
fn owing(mut step: Value, obligations: &str) -> Value {
    for obligation in obligations.chars() {
        let call = json!({ "uses": "o.act" });
        match obligation {
            'c' => step["cleanup"] = call,
            'f' => step["cleanup"] = json!({ "policy": "on_failure", "uses": "o.act" }),
            'u' => step["undo"] = call,
            other => panic!("`{other}` is no obligation"),
        }
    }
    step
}

/// Nested scopes of all kinds, with cleanups and undos everywhere. The last step fails or not.
pub(crate) fn nested(last: &str) -> Workflow {
    let inner =
        json!({ "id": "inner", "steps": [owing(act("flash"), "cu"), owing(act("check"), "f")] });
    let map = json!({
        "id": "items",
        "map": { "over": [1, 2, 3], "as": "n", "max_concurrency": 2 },
        "steps": [owing(act("push"), "u"), owing(act("look"), "c")],
    });
    let broken = json!({
        "id": "may-break",
        "on_error": "continue",
        "steps": [owing(act("first"), "u"), { "id": "breaks", "uses": "o.fail" }],
    });
    let both = json!({ "id": "both", "parallel": {
        "left": { "steps": [owing(act("l"), "cu")] },
        "right": { "steps": [broken, owing(act("r"), "u")] },
    } });
    workflow(json!({
        "workflow": "nested",
        "steps": [
            owing(act("enter"), "c"),
            { "id": "group", "steps": [owing(act("prepare"), "u"), owing(inner, "cu")] },
            owing(map, "u"),
            both,
            owing(act("late"), "f"),
            { "id": "last", "uses": last },
        ],
        "finally": [
            { "id": "report", "steps": [owing(act("write"), "cu"), act("send")] },
            owing(act("off"), "u"),
        ],
    }))
}

/// A scope and those around it.
fn around(state: &RunState, scope: ScopeRef) -> impl Iterator<Item = ScopeRef> {
    std::iter::successors(Some(scope), |scope| {
        state.scope(*scope).owner.map(|owner| state.step(owner).scope)
    })
}

fn went_wrong(state: &RunState, scope: ScopeRef) -> bool {
    state.scope(scope).failed || state.scope(scope).cancelled
}

/// The changes that a run that ended like this has to have made, each once.
fn expected(view: &RunView) -> BTreeSet<String> {
    let (plan, state) = (view.plan(), view.state());
    let mut expected = BTreeSet::new();
    for step in (0..).map(StepRef).take(state.steps.len()) {
        let (me, told) = (state.step(step), state.plan_of(plan, step));
        assert!(me.main.phase.is_final(), "{}", state.path(plan, step));
        let completed = me.main.phase == Phase::Completed;
        assert!(completed || !state.in_finally(me.scope), "{}", state.path(plan, step));
        let acts = matches!(&told.kind, rackwright_engine::graph::KindPlan::Task(call) if call.uses == "o.act");
        if completed && acts {
            expected.insert(state.path(plan, step));
        }
        let begun = me.main.attempt > 0 || !matches!(me.inner, Inner::None);
        let well = completed && !went_wrong(state, me.scope);
        let clean = match told.cleanup.as_ref().map(|it| it.policy) {
            Some(CleanupPolicy::Always) => begun,
            Some(CleanupPolicy::OnFailure) => begun && !well,
            Some(CleanupPolicy::OnSuccess) => begun && well,
            Some(CleanupPolicy::Never) | None => false,
        };
        if clean {
            expected.insert(state.task_path(plan, TaskRef::cleanup(step)));
        }
        let lost = around(state, me.scope).any(|scope| went_wrong(state, scope));
        if told.undo.is_some() && completed && lost {
            expected.insert(state.task_path(plan, TaskRef::undo(step)));
        }
    }
    expected
}

/// The changes of a run that ended are those that it has to have made, and none was made twice.
pub(crate) fn check(view: &RunView, rack: &Rack, what: &str) {
    let changes = rack.changes();
    let once: BTreeSet<String> = changes.iter().cloned().collect();
    assert_eq!(once.len(), changes.len(), "{what}: something was done twice: {changes:#?}");
    assert_eq!(once, expected(view), "{what}: {changes:#?}");
    for undo in changes.iter().filter_map(|path| path.strip_suffix("/undo")) {
        let place = |path: &str| changes.iter().position(|it| it == path);
        // Containers change nothing themselves.
        let before = place(undo).is_none_or(|done| Some(done) < place(&format!("{undo}/undo")));
        assert!(before, "{what}: {undo} was taken back before it was done: {changes:#?}");
    }
}

pub(crate) async fn end(engine: &Engine, run: RunId, what: &str) -> (RunStatus, RunView) {
    let outcome = tokio::time::timeout(Duration::from_secs(20), engine.run(run).wait()).await;
    let Ok(outcome) = outcome else {
        panic!("{what}: the run does not end: {:#?}", engine.view(run).await.unwrap().tree());
    };
    (outcome.unwrap().status, engine.view(run).await.unwrap())
}

pub(crate) async fn undisturbed(flow: &Workflow) -> (RunStatus, Vec<String>) {
    let rack = Rack::default();
    let engine = engine(Arc::new(MemoryStore::new()), &rack).await;
    engine.deploy(flow.clone()).await.unwrap();
    let run = engine.start(RunRequest::new(&flow.name)).await.unwrap();
    let (status, view) = end(&engine, run.id(), "undisturbed").await;
    check(&view, &rack, "undisturbed");
    (status, rack.changes())
}

#[tokio::test]
async fn undos_and_cleanups_are_one_stack() {
    let flow = workflow(json!({
        "workflow": "w",
        "steps": [
            owing(act("enter"), "cu"),
            { "id": "group", "steps": [owing(act("a"), "cu"), owing(act("b"), "u")],
              "undo": { "uses": "o.act" }, "cleanup": { "uses": "o.act" } },
            owing(act("flash"), "cu"),
            { "id": "last", "uses": "o.fail", "undo": { "uses": "o.act" }, "cleanup": { "uses": "o.act" } },
        ],
    }));
    let (status, changes) = undisturbed(&flow).await;
    assert_eq!(status, RunStatus::Failed);
    let done = ["enter", "group/a", "group/b", "group/a/cleanup", "flash"];
    let owed = [
        "last/cleanup",
        "flash/undo",
        "flash/cleanup",
        "group/undo",
        "group/b/undo",
        "group/a/undo",
        "group/cleanup",
        "enter/undo",
        "enter/cleanup",
    ];
    assert_eq!(changes, [&done[..], &owed].concat());
}

#[tokio::test]
async fn what_goes_on_after_a_failure_is_not_taken_back() {
    let flow = |last: &str| {
        workflow(json!({
            "workflow": "w",
            "steps": [
                owing(act("a"), "u"),
                { "id": "items", "on_error": "continue",
                  "map": { "over": [1, 2], "max_concurrency": 1, "on_error": "continue" },
                  "steps": [
                      owing(act("b"), "u"),
                      { "id": "odd", "when": "item == 1", "uses": "o.fail" },
                  ] },
                { "id": "last", "uses": last },
            ],
        }))
    };
    let (status, changes) = undisturbed(&flow("o.act")).await;
    assert_eq!(status, RunStatus::Completed);
    assert_eq!(changes, ["a", "items[0]/b", "items[0]/b/undo", "items[1]/b", "last"]);
    let (status, changes) = undisturbed(&flow("o.fail")).await;
    assert_eq!(status, RunStatus::Failed);
    assert_eq!(changes[4..], ["items[1]/b/undo", "a/undo"]);
}

#[tokio::test]
async fn an_output_that_can_not_be_computed_takes_back_what_was_done() {
    let flow = workflow(json!({
        "workflow": "w",
        "steps": [
            { "id": "g", "steps": [owing(act("a"), "fu")], "output": "{{ steps.a.output.missing.too }}" },
        ],
    }));
    let (status, changes) = undisturbed(&flow).await;
    assert_eq!(status, RunStatus::Failed);
    assert_eq!(changes, ["g/a", "g/a/undo", "g/a/cleanup"]);
}

#[tokio::test]
async fn a_run_tells_what_it_owes() {
    let flow = workflow(json!({
        "workflow": "w",
        "steps": [
            owing(act("enter"), "c"),
            { "id": "group", "steps": [owing(act("flash"), "fu")] },
            { "id": "last", "uses": "o.fail" },
        ],
        "finally": [act("tell"), { "id": "when-well", "when": "run.status == 'completed'", "uses": "o.act" }],
    }));
    let owed = |view: &RunView| {
        let all = view.obligations();
        all.iter().map(|it| format!("{} {}", it.path, it.state.as_str())).collect::<Vec<_>>()
    };
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (rack, cut) = (Rack::default(), Cut::new(4, true));
    let engine = engine(Arc::new(CutStore(Arc::clone(&store), cut.clone())), &rack).await;
    engine.deploy(flow).await.unwrap();
    let run = engine.start(RunRequest::new("w")).await.unwrap();
    let id = run.id();
    cut.reached.notified().await;
    let view = engine.view(id).await.unwrap();
    let last = StepRef(2);
    assert_eq!(view.state().step(last).main.phase, Phase::Running);
    let to_come = ["finally/tell owed", "finally/when-well owed"];
    let now = ["group/flash/undo if it fails", "enter/cleanup owed"];
    assert_eq!(owed(&view), [&now[..], &to_come].concat());
    cut.go.notify_one();
    run.wait().await.unwrap();
    let view = engine.view(id).await.unwrap();
    let met = ["enter/cleanup met", "group/flash/undo met"];
    let done = ["finally/tell met", "finally/when-well met"];
    assert_eq!(owed(&view), [&met[..], &done].concat());
}
