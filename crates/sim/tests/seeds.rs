//! A few seeds, the same seed twice, and the schedules that broke a promise once.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use sim::run::{Report, run};
use sim::schedule::Schedule;

/// Shorter than a campaign's, as this build is slow.
const OPERATIONS: u64 = 300;

fn short(seed: u64) -> Schedule {
    Schedule { operations: OPERATIONS, ..Schedule::of(seed) }
}

fn assert_kept(name: &str, report: &Report) {
    assert!(report.violations.is_empty(), "{name}: {:#?}\n{}", report.violations, report.story.join("\n"));
}

#[test]
fn seeds_break_no_promise() {
    for seed in 0..3 {
        let report = run(&short(seed));
        assert_kept(&format!("seed {seed}"), &report);
        assert!(report.operations > 50 && report.batches > 10, "seed {seed}: {}", report.operations);
    }
}

#[test]
fn seeds_of_several_nodes_break_no_promise() {
    for (seed, nodes) in [(0, 3), (1, 5)] {
        let report = run(&Schedule { nodes, ..short(seed) });
        assert_kept(&format!("seed {seed} of {nodes} nodes"), &report);
        assert!(report.operations > 50 && report.batches > 10, "seed {seed}: {}", report.operations);
    }
}

#[test]
fn a_seed_does_the_same_again() {
    for (seed, nodes) in [(100, 1), (101, 3)] {
        let schedule = Schedule { nodes, ..short(seed) };
        let (first, again) = (run(&schedule), run(&schedule));
        assert_eq!((first.trace, first.operations), (again.trace, again.operations), "seed {seed}");
        assert_eq!(first.story, again.story, "seed {seed}");
    }
}

#[test]
fn schedules_that_broke_a_promise_once_break_none() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(!names.is_empty());
    for name in names {
        let schedule = Schedule::parse(&fs::read_to_string(&name).unwrap()).unwrap();
        assert_kept(&name.display().to_string(), &run(&schedule));
    }
}
