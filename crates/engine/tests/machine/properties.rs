//! Any workflow, any outcomes, any crashes: the run ends, and the invariants hold on the way.

use proptest::prelude::*;
use rackwright_engine::RunStatus;

use crate::{driver::Driver, generate::workflow};

/// After this many events a run is left in peace: everything succeeds, so it has to end.
const STORMY: usize = 400;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn every_run_ends_and_keeps_the_invariants(
        flow in workflow(),
        choices in prop::collection::vec(any::<u32>(), 1..200),
    ) {
        let mut driver = Driver::new(&flow, choices);
        let mut steps = 0;
        while driver.step(steps > STORMY) {
            steps += 1;
            assert!(steps < 20_000, "the run does not end");
        }
        driver.finish();
    }

    #[test]
    fn a_fork_of_any_run_ends_and_keeps_the_invariants(
        flow in workflow(),
        choices in prop::collection::vec(any::<u32>(), 1..200),
    ) {
        let mut driver = Driver::new(&flow, choices);
        for _ in 0..3 {
            let mut steps = 0;
            while driver.step(steps > STORMY / 4) {
                steps += 1;
            }
            driver.finish();
            let Some(forked) = driver.fork() else { return Ok(()) };
            driver = forked;
        }
    }

    #[test]
    fn in_calm_weather_a_run_completes_unless_its_expressions_are_wrong(flow in workflow()) {
        let mut driver = Driver::new(&flow, vec![3]);
        while driver.step(true) {}
        driver.finish();
        let known = [
            "engine.resolved_failed",
            "engine.expression",
            "engine.setting",
            "engine.timeout",
            "engine.run_timeout",
            "engine.rollout_halted",
            "engine.repeat_exhausted",
            "engine.lock_order",
            "engine.lock_name",
            "engine.queue_timeout",
            "engine.rejected",
            "engine.no_window",
            "engine.window_too_short",
        ];
        let broken = driver.state.errors.iter().all(|it| known.contains(&it.error.code.as_str()));
        prop_assert!(broken, "{:?}", driver.state.errors);
        if driver.state.errors.is_empty() {
            prop_assert_eq!(driver.state.status, RunStatus::Completed);
        }
    }
}
