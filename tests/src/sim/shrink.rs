//! Makes a failing scene smaller: what can be left out without its failing less is left out.

use super::{Backend, Failure, Scene, play};

/// How often a scene is played again at most.
const PLAYS: usize = 300;

/// The failure of a smaller scene that fails as well.
pub fn shrink(failure: Box<Failure>, backend: &Backend) -> Box<Failure> {
    let mut best = failure;
    let mut plays = 0;
    loop {
        let mut smaller = false;
        for candidate in candidates(&best.scene) {
            if plays == PLAYS {
                return best;
            }
            plays += 1;
            if let Err(failure) = play(&candidate, backend) {
                best = failure;
                smaller = true;
                break;
            }
        }
        if !smaller {
            return best;
        }
    }
}

/// Scenes with one thing less.
fn candidates(scene: &Scene) -> Vec<Scene> {
    let mut all = Vec::new();
    for n in 0..scene.deeds.len() {
        let mut smaller = scene.clone();
        smaller.deeds.remove(n);
        all.push(smaller);
    }
    if scene.nodes > 1 {
        all.push(Scene { nodes: scene.nodes - 1, ..scene.clone() });
    }
    for n in 0..scene.faults.0.len() {
        all.push(Scene { faults: scene.faults.without(n), ..scene.clone() });
    }
    for n in 0..scene.workflow.steps.len() {
        let mut smaller = scene.clone();
        let gone = smaller.workflow.steps.remove(n);
        // Steps that name it would not compile.
        let text = String::from_utf8_lossy(&smaller.workflow.canonical()).into_owned();
        if !smaller.workflow.steps.is_empty() && !text.contains(&format!("\"{}\"", gone.id)) {
            all.push(smaller);
        }
    }
    all
}
