//! A checker for small models: every reachable state, by breadth.
//!
//! Written here rather than taken from stateright: that crate's `eventually` properties are
//! evaluated along paths that end, so a cycle (and this model is full of them: leases come and go
//! for ever) hides a run that never gets anywhere. What is wanted is "from every state that can be
//! reached, the end can still be reached", which needs the whole graph, and little else.

use std::collections::HashMap;

/// What is checked.
pub(crate) trait Model {
    /// A state in 64 bits, the same number for states that are the same but for names.
    fn initial(&self) -> u64;
    /// What can happen in a state. `Err`: a property that this breaks.
    fn next(&self, state: u64, out: &mut Vec<(&'static str, Result<u64, &'static str>)>);
    /// Whether all is done.
    fn is_end(&self, state: u64) -> bool;
    /// A state for people.
    fn show(&self, state: u64) -> String;
}

/// What a whole search found.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    pub(crate) deepest: usize,
    pub(crate) ends: usize,
    /// A broken property with one of the shortest ways to it, or a state that can't reach the end.
    pub(crate) broken: Option<(String, Vec<String>)>,
}

/// Looks at every state that can be reached, or stops at the first that breaks a property.
pub(crate) fn explore(model: &impl Model) -> Explored {
    let mut search = Search::default();
    search.add(model.initial(), 0, "the beginning");
    let (mut at, mut transitions, mut level_end, mut deepest) = (0, 0, 1, 0);
    let mut out = Vec::new();
    while at < search.states.len() {
        if at == level_end {
            level_end = search.states.len();
            deepest += 1;
        }
        let state = search.states[at];
        out.clear();
        model.next(state, &mut out);
        let from = number(at);
        for (name, next) in out.drain(..) {
            transitions += 1;
            match next {
                Ok(next) => search.add(next, from, name),
                Err(property) => {
                    let mut way = search.way(model, from);
                    way.push(format!("{name}: {property}"));
                    let broken = Some((property.to_owned(), way));
                    let states = search.states.len();
                    return Explored { states, transitions, deepest, ends: 0, broken };
                }
            }
        }
        at += 1;
    }
    let ends = search.states.iter().filter(|state| model.is_end(**state)).count();
    let broken = search
        .dead_end(model)
        .map(|state| ("the end can't be reached any more".to_owned(), search.way(model, state)));
    Explored { states: search.states.len(), transitions, deepest, ends, broken }
}

#[derive(Default)]
struct Search {
    numbers: HashMap<u64, u32>,
    states: Vec<u64>,
    /// From which state, and by what, each was found first.
    found: Vec<(u32, &'static str)>,
    /// All transitions, from and to.
    edges: Vec<(u32, u32)>,
}

impl Search {
    fn add(&mut self, state: u64, from: u32, by: &'static str) {
        let fresh = number(self.states.len());
        let to = *self.numbers.entry(state).or_insert(fresh);
        if to == fresh {
            self.states.push(state);
            self.found.push((from, by));
        }
        if from != to {
            self.edges.push((from, to));
        }
    }

    /// How a state was found, step by step.
    fn way(&self, model: &impl Model, mut state: u32) -> Vec<String> {
        let mut way = Vec::new();
        loop {
            let (from, by) = self.found[state as usize];
            way.push(format!("{by}: {}", model.show(self.states[state as usize])));
            if state == 0 {
                way.reverse();
                return way;
            }
            state = from;
        }
    }

    /// A state from which no end can be reached, if there is one.
    fn dead_end(&self, model: &impl Model) -> Option<u32> {
        let count = self.states.len();
        // The transitions backwards, as one list with the place where each state's begin.
        let mut begins = vec![0u32; count + 1];
        for (_, to) in &self.edges {
            begins[*to as usize + 1] += 1;
        }
        for place in 0..count {
            begins[place + 1] += begins[place];
        }
        let (mut next, mut before) = (begins.clone(), vec![0u32; self.edges.len()]);
        for (from, to) in &self.edges {
            let place = &mut next[*to as usize];
            before[*place as usize] = *from;
            *place += 1;
        }
        let mut reaches: Vec<bool> = self.states.iter().map(|it| model.is_end(*it)).collect();
        let mut open: Vec<usize> = (0..count).filter(|place| reaches[*place]).collect();
        while let Some(place) = open.pop() {
            for from in &before[begins[place] as usize..begins[place + 1] as usize] {
                if !reaches[*from as usize] {
                    reaches[*from as usize] = true;
                    open.push(*from as usize);
                }
            }
        }
        reaches.iter().position(|reaches| !reaches).map(number)
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
