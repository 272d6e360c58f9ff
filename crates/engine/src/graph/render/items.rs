//! Kinds that go through a list.

use super::{
    picture::{Part, Picture, Shape, headline},
    text,
};
use crate::model::{Body, Map, Rollout, Step};

impl Picture {
    pub(super) fn map(
        &mut self,
        step: &Step,
        map: &Map,
        body: &Body,
        group: Option<usize>,
    ) -> Part {
        let over = text::template(&map.over);
        let mut what = format!("for each {} in {over}", map.binding);
        if let Some(most) = map.max_concurrency {
            what = format!("{what}, {most} at a time");
        }
        if let Some(most) = map.max_failures {
            what = format!("{what}, {most} may fail");
        }
        self.body(step, &what, body, group)
    }

    pub(super) fn rollout(
        &mut self,
        step: &Step,
        rollout: &Rollout,
        (body, gate): (&Body, Option<&[Step]>),
        group: Option<usize>,
    ) -> Part {
        let over = text::template(&rollout.over);
        let mut what = format!("for each {} in {over}", rollout.binding);
        if let Some(canary) = rollout.canary {
            what = format!("{what}, first {canary}");
        }
        if let Some(wave) = rollout.wave {
            what = format!("{what}, in waves of {wave}");
        }
        if let Some(most) = rollout.max_unavailable {
            what = format!("{what}, {most} at a time");
        }
        if let Some(soak) = rollout.soak {
            what = format!("{what}, {soak} behind each wave");
        }
        if let Some(most) = rollout.max_failures {
            what = format!("{what}, {most} may fail");
        }
        let mut whole = self.body(step, &what, body, group);
        if let Some(steps) = gate {
            let inner = self.group(format!("{} · gate behind each wave", step.id), group, true);
            let part = self.list(steps, Some(inner));
            self.connect(&whole.exits, &part.entries);
            whole.exits = part.exits;
        }
        whole
    }

    fn body(&mut self, step: &Step, what: &str, body: &Body, group: Option<usize>) -> Part {
        match body {
            Body::Steps(branch) => {
                let title = format!("{} · {what}", headline(step));
                let inner = self.group(title, group, true);
                self.list(&branch.steps, Some(inner))
            }
            Body::Workflow { workflow, .. } => {
                let details = vec![format!("workflow {workflow}"), what.to_owned()];
                Part::of(self.leaf(Shape::Children, step, details, group))
            }
        }
    }
}
