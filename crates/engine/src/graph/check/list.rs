//! The edges of a list: ids, `needs`, cycles, `next`, and what can't be reached.

use std::collections::HashMap;

use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
    visit::{Dfs, Reversed},
};

use super::{Checker, scope::Frame, words::suggest};
use crate::model::{Choice, Condition, Next, Otherwise, Pointer, Problem, Step, StepKind, Then};

/// Which step of a list comes before which.
pub(super) struct Order {
    graph: DiGraph<(), ()>,
    /// No step has `needs`: each comes after all before it.
    pub plain: bool,
}

impl Order {
    pub(super) fn of(steps: &[Step]) -> Self {
        let mut graph = DiGraph::new();
        let nodes: Vec<_> = steps.iter().map(|_| graph.add_node(())).collect();
        let places: HashMap<_, _> =
            steps.iter().enumerate().map(|(at, step)| (step.id.as_str(), at)).collect();
        for (at, step) in steps.iter().enumerate() {
            match &step.needs {
                None => {
                    let before = at.checked_sub(1).map(|before| nodes[before]);
                    before.map(|before| graph.update_edge(before, nodes[at], ()));
                }
                Some(needs) => {
                    for place in needs.iter().filter_map(|id| places.get(id.as_str())) {
                        graph.update_edge(nodes[*place], nodes[at], ());
                    }
                }
            }
        }
        Self { graph, plain: steps.iter().all(|step| step.needs.is_none()) }
    }

    /// Whether the first has ended when the second starts.
    pub(super) fn is_before(&self, first: usize, second: usize) -> bool {
        if self.plain {
            return first < second;
        }
        let (first, second) = (NodeIndex::new(first), NodeIndex::new(second));
        if first == second {
            return false;
        }
        let mut search = Dfs::new(Reversed(&self.graph), second);
        while let Some(node) = search.next(Reversed(&self.graph)) {
            if node == first {
                return true;
            }
        }
        false
    }

    /// The circles, each as the places in the order of their edges.
    fn circles(&self) -> Vec<Vec<usize>> {
        let components = petgraph::algo::tarjan_scc(&self.graph);
        let mut circles: Vec<_> = components
            .into_iter()
            .filter(|component| component.len() > 1)
            .filter_map(|component| self.circle(&component))
            .collect();
        circles.sort();
        circles
    }

    /// A shortest circle through the first step of a strongly connected component.
    fn circle(&self, component: &[NodeIndex]) -> Option<Vec<usize>> {
        let start = *component.iter().min()?;
        let mut came_from: HashMap<NodeIndex, NodeIndex> = HashMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let mut next: Vec<_> =
                self.graph.neighbors_directed(node, Direction::Outgoing).collect();
            next.sort();
            for next in next {
                if next == start {
                    let mut circle = vec![node.index()];
                    let mut at = node;
                    while at != start {
                        at = *came_from.get(&at)?;
                        circle.push(at.index());
                    }
                    circle.reverse();
                    return Some(circle);
                }
                if component.contains(&next) && !came_from.contains_key(&next) {
                    came_from.insert(next, node);
                    queue.push_back(next);
                }
            }
        }
        None
    }
}

impl<'w> Checker<'_, 'w> {
    /// Ids: well formed, once in a list, and not those of a list around it.
    pub(super) fn ids(&mut self, steps: &[Step], at: &Pointer, outer: Option<&Frame<'_, 'w>>) {
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (place, step) in steps.iter().enumerate() {
            let here = at.index(place).key("id");
            self.id(&step.id, &here);
            if let Some(earlier) = first.get(step.id.as_str()) {
                self.report(
                    Problem::new("duplicate-id", here, format!("the id `{}` is taken", step.id))
                        .label("used a second time")
                        .related(at.index(*earlier).key("id"), "first used here"),
                );
                continue;
            }
            first.insert(&step.id, place);
            let around = outer.into_iter().flat_map(Frame::chain).find_map(|frame| {
                let found = frame.steps.iter().position(|other| other.id == step.id)?;
                Some(frame.at.index(found).key("id"))
            });
            if let Some(around) = around {
                let message = format!("the id `{}` is used in a list around this one", step.id);
                self.report(
                    Problem::new("shadowed-id", here, message)
                        .label(format!("`steps.{}` would have two meanings", step.id))
                        .related(around, "used here")
                        .help("give one of the two another id"),
                );
            }
        }
    }

    fn id(&mut self, id: &str, at: &Pointer) {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let starts = id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if id == Next::END {
            let message = "`end` can't be an id: `next: end` ends a list";
            self.report(Problem::new("bad-name", at.clone(), message));
        } else if !starts || !id.chars().all(letter) {
            self.report(Problem::new("bad-name", at.clone(), format!("`{id}` is not an id")).help(
                "an id is letters, digits, `_` and `-`, and does not start with a digit or `-`",
            ));
        }
    }

    /// `needs`, cycles, `next` and reachability.
    pub(super) fn edges(&mut self, steps: &[Step], order: &Order, at: &Pointer) {
        for (place, step) in steps.iter().enumerate() {
            for (index, need) in step.needs.iter().flatten().enumerate() {
                self.need(steps, step, need, at.index(place).key("needs").index(index));
            }
        }
        let circles = order.circles();
        for circle in &circles {
            self.cycle(steps, circle, at);
        }
        self.jumps(steps, order, at);
        if order.plain {
            self.unreachable(steps, at);
        }
    }

    fn need(&mut self, steps: &[Step], step: &Step, need: &str, at: Pointer) {
        if need == step.id {
            let message = format!("`{need}` needs itself");
            self.report(Problem::new("self-need", at, message).help("take it out"));
            return;
        }
        let listed = step.needs.iter().flatten().filter(|other| *other == need).count();
        if !steps.iter().any(|step| step.id == need) {
            let others = steps.iter().map(|step| step.id.as_str()).filter(|id| *id != step.id);
            let mut problem =
                Problem::new("unknown-need", at, format!("no step of this list is named `{need}`"));
            problem.help.extend(suggest(need, "the list has", others));
            if self.index.has(need) {
                problem = problem
                    .help("`needs` names steps of the same list; a step inside of another one is reached through that one");
            }
            self.report(problem);
        } else if listed > 1 && at.as_str().ends_with("/0") {
            let message = format!("`{need}` is needed {listed} times");
            self.report(Problem::new("duplicate-need", at, message).help("once is enough"));
        }
    }

    fn cycle(&mut self, steps: &[Step], circle: &[usize], at: &Pointer) {
        let ids: Vec<_> = circle.iter().map(|place| steps[*place].id.as_str()).collect();
        let named = format!("{} → {}", ids.join(" → "), ids[0]);
        let place = circle.iter().copied().find(|place| steps[*place].needs.is_some());
        let place = place.unwrap_or(circle[0]);
        let mut problem = Problem::new(
            "cycle",
            at.index(place).key("needs"),
            format!("these steps wait for each other: {named}"),
        )
        .label("none of them can start")
        .help("take one of them out of the other's `needs`");
        if circle.iter().any(|place| steps[*place].needs.is_none()) {
            problem = problem.help("a step without `needs` waits for the step before it: write `needs: []` if it should not");
        }
        self.report(problem);
    }

    fn jumps(&mut self, steps: &[Step], order: &Order, at: &Pointer) {
        for (place, step) in steps.iter().enumerate() {
            for (next, key) in jumps_of(step, &at.index(place)) {
                if !order.plain {
                    let with_needs = steps.iter().position(|step| step.needs.is_some());
                    let mut problem = Problem::new(
                        "next-with-needs",
                        key,
                        "a list goes on by `next` or by `needs`, not by both",
                    )
                    .help("leave the order to the list and drop `needs`, or put `when` on the steps in place of `next`");
                    if let Some(place) = with_needs {
                        problem = problem.related(at.index(place).key("needs"), "`needs` here");
                    }
                    self.report(problem);
                    continue;
                }
                self.jump(steps, place, next, key);
            }
        }
    }

    fn jump(&mut self, steps: &[Step], place: usize, next: &Next, at: Pointer) {
        if next.0 == Next::END {
            return;
        }
        match steps.iter().position(|step| step.id == next.0) {
            Some(target) if target > place => {}
            Some(_) => {
                let message = format!("`{}` does not come later: a list only goes forward", next.0);
                let help = "the only way back is `repeat`: put the steps under \
                            `repeat: { until: CONDITION, max_iterations: 30 }`";
                self.report(Problem::new("backward-next", at, message).help(help));
            }
            None => {
                let later = steps[place + 1..].iter().map(|step| step.id.as_str());
                let known = later.chain([Next::END]);
                let message = format!("no step of this list is named `{}`", next.0);
                let mut problem = Problem::new("unknown-next", at, message);
                problem.help.extend(suggest(&next.0, "it can go on at", known));
                self.report(problem);
            }
        }
    }

    /// Steps that every way through the list passes by.
    fn unreachable(&mut self, steps: &[Step], at: &Pointer) {
        let mut reached = vec![false; steps.len()];
        let mut falls_here = true;
        let mut passed_by: Option<usize> = None;
        for (place, step) in steps.iter().enumerate() {
            if !falls_here && !reached[place] {
                let mut problem = Problem::new(
                    "unreachable-step",
                    at.index(place),
                    format!("nothing leads to `{}`", step.id),
                )
                .help("take it out, or let a `next` lead to it");
                if let Some(by) = passed_by {
                    problem = problem.related(at.index(by), "goes on elsewhere");
                }
                self.report(problem);
                // What follows is reached from here; one report for a stretch is enough.
            }
            for (next, _) in jumps_of(step, at) {
                let target = steps.iter().position(|step| step.id == next.0);
                if let Some(target) = target.filter(|target| *target > place) {
                    reached[target] = true;
                }
            }
            falls_here = falls_through(step);
            passed_by = (!falls_here).then_some(place);
        }
    }
}

/// Whether the list may go on at the next step.
fn falls_through(step: &Step) -> bool {
    let conditional = !matches!(step.when, None | Some(Condition::Literal(true)));
    if conditional {
        return true;
    }
    match &step.kind {
        StepKind::Decision { decision } => {
            let always = |choice: &Choice| match choice {
                Choice::When { when, .. } => *when == Condition::Literal(true),
                Choice::Otherwise { .. } => true,
            };
            let branches = decision.iter().any(|choice| match choice {
                Choice::When { then: Then::Steps { .. }, .. }
                | Choice::Otherwise { otherwise: Otherwise::Steps(_) } => true,
                Choice::When { then: Then::Next { .. }, .. }
                | Choice::Otherwise { otherwise: Otherwise::Jump { .. } } => false,
            });
            // A choice that jumps has the last word; the rest goes where the step's `next` says.
            (branches || !decision.iter().any(always)) && step.next.is_none()
        }
        StepKind::Task { .. }
        | StepKind::Map { .. }
        | StepKind::Rollout { .. }
        | StepKind::Workflow { .. }
        | StepKind::Parallel { .. }
        | StepKind::Set { .. }
        | StepKind::Repeat { .. }
        | StepKind::Wait { .. }
        | StepKind::Signal { .. }
        | StepKind::Approval { .. }
        | StepKind::Group { .. } => step.next.is_none(),
    }
}

/// The jumps that a step may make in its list, with their places.
fn jumps_of<'s>(step: &'s Step, at: &Pointer) -> Vec<(&'s Next, Pointer)> {
    let mut jumps: Vec<_> = step.next.iter().map(|next| (next, at.key("next"))).collect();
    if let StepKind::Decision { decision } = &step.kind {
        for (index, choice) in decision.iter().enumerate() {
            let here = at.key("decision").index(index);
            match choice {
                Choice::When { then: Then::Next { next }, .. } => {
                    jumps.push((next, here.key("next")));
                }
                Choice::Otherwise { otherwise: Otherwise::Jump { next } } => {
                    jumps.push((next, here.key("otherwise").key("next")));
                }
                Choice::When { then: Then::Steps { .. }, .. }
                | Choice::Otherwise { otherwise: Otherwise::Steps(_) } => {}
            }
        }
    }
    jumps
}
