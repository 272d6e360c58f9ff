//! The executors of the simulation: what they do depends on the seed, the step and the attempt,
//! never on when or where they do it.

use std::time::Duration;

use rackwright_engine::{
    Effect, ErrorClass, Registry, StepContext,
    testing::{Device, Link, Look, Play, Scripted},
};
use serde_json::json;

use super::chance::Chance;

/// The names and effects that the generator's workflows use.
pub(super) const EXECUTORS: [(&str, Effect); 3] =
    [("x.read", Effect::Read), ("x.idem", Effect::Idempotent), ("x.verify", Effect::Verify)];

/// The executors of a node.
pub(super) fn executors(seed: u64, device: &Device, link: &Link) -> Registry {
    let mut registry = Registry::new();
    for (name, effect) in EXECUTORS {
        let looked_at = device.clone();
        let actor = Scripted::new(name, effect, device)
            .directed(move |ctx| direct(seed, effect, ctx))
            .looks(move |ctx| look(seed, &looked_at, ctx))
            .on(link);
        if let Err(error) = registry.register(actor) {
            panic!("the actors have different names: {error}");
        }
    }
    registry
}

fn direct(seed: u64, effect: Effect, ctx: &StepContext) -> Play {
    let mut chance = Chance::of(seed, ("play", ctx.path(), ctx.attempt()));
    let changes = effect != Effect::Read;
    let mut play = end(&mut chance, effect);
    if chance.percent(20) {
        play = play.report("working", Some(50));
    }
    if chance.percent(25) {
        play = play.save(json!({ "attempt": ctx.attempt() }));
    }
    if chance.percent(30) {
        play = play.wait(chance.time(Duration::from_secs(20)));
    }
    // A failure after the change, or before it.
    if changes && (play.end.is_ok() || chance.percent(50)) {
        play = match chance.below(4) {
            0 => play.start_job(chance.time(Duration::from_mins(3))),
            1 => play.write().save(json!("written")),
            _ => play.write(),
        };
    }
    if chance.percent(20) {
        play = play.wait(chance.time(Duration::from_secs(15)));
    }
    if chance.percent(3) {
        play = play.panic();
    }
    // For ever, where that has an end.
    if ctx.deadline().is_some() && chance.percent(4) {
        play = play.hang();
    }
    play
}

fn end(chance: &mut Chance, effect: Effect) -> Play {
    let class = match chance.below(100) {
        0..12 => ErrorClass::Transient,
        12..15 => ErrorClass::Conflict,
        15..18 => ErrorClass::Permanent,
        18..21 => ErrorClass::Timeout,
        21..24 if effect == Effect::Verify => ErrorClass::UnknownOutcome,
        _ => return Play::ok(json!({ "n": chance.below(10) })),
    };
    Play::fail(class)
}

fn look(seed: u64, device: &Device, ctx: &StepContext) -> Look {
    let looks = device.record(ctx.run_id(), ctx.path()).looks;
    let mut chance = Chance::of(seed, ("look", ctx.path(), ctx.attempt(), looks));
    match chance.below(100) {
        0..8 => Look::Unknown,
        8..20 => Look::Blind,
        _ => Look::Truth,
    }
}
