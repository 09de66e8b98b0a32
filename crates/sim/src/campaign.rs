//! Many seeds, on several threads: counts, times, tells the first violations and what was never seen.
//! Invariant: the verdict does not depend on how many threads there are.
//! Called by the program. Tests: `tests/seeds.rs`.

use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::events::{Event, Tally};
use crate::limits::{ANSWERED_MIN, FAILURES_TOLD, FAULTS_MIN};
use crate::run::{Report, run};
use crate::schedule::{Nodes, Schedule};
use crate::trace::fold;

/// The sum of many runs.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Seeds that were run.
    pub seeds: u64,
    /// Operations that were answered.
    pub operations: u64,
    /// Those that were answered while faults came.
    pub answered: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Lives of shards.
    pub lives: u64,
    /// Batches that were applied.
    pub batches: u64,
    /// Fewest operations of a seed that were answered while faults came.
    pub answered_min: Option<u64>,
    /// Fewest faults of a seed.
    pub faults_min: Option<u64>,
    /// The traces in one number, whatever their order: equal when all are.
    pub traces: u64,
    /// Seeds that kept every promise with too few operations or faults to prove much.
    pub weak: Vec<u64>,
    /// Rare events.
    pub tally: Tally,
    /// The first seeds that broke a promise.
    pub failures: Vec<(u64, Report)>,
    /// How many seeds broke one.
    pub failed: u64,
}

impl Sum {
    /// Adds the run of a seed.
    pub fn add(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        self.operations += report.operations;
        self.answered += report.answered;
        self.faults += report.faults;
        self.lives += report.lives;
        self.batches += report.batches;
        let least = |old: Option<u64>, new: u64| Some(old.map_or(new, |old| old.min(new)));
        self.answered_min = least(self.answered_min, report.answered);
        self.faults_min = least(self.faults_min, report.faults);
        self.traces = self.traces.wrapping_add(fold(seed, &report.trace.to_le_bytes()));
        self.tally.add(&report.tally);
        if report.violations.is_empty() && (report.answered < ANSWERED_MIN || report.faults < FAULTS_MIN) {
            self.weak.push(seed);
            self.weak.truncate(FAILURES_TOLD);
        }
        if !report.violations.is_empty() {
            self.failed += 1;
            self.failures.push((seed, report));
            self.failures.sort_by_key(|(seed, _)| *seed);
            self.failures.truncate(FAILURES_TOLD);
        }
    }

    /// Events that were never seen.
    #[must_use]
    pub fn missing(&self, nodes: Nodes) -> Vec<Event> {
        let mut missing = self.tally.missing();
        missing.retain(|event| match nodes {
            Nodes::Exactly(1) => !event.is_among_nodes(),
            Nodes::Exactly(_) => event.is_among_nodes(),
            Nodes::Any => true,
        });
        missing
    }
}

/// Runs seeds from `first` on. `tell` hears of each failure as it comes.
pub fn campaign(first: u64, seeds: u64, jobs: u64, nodes: Nodes, tell: &(dyn Fn(u64, &Report) + Sync)) -> Sum {
    // Panics of the product are caught and told by their seed.
    panic::set_hook(Box::new(|_| {}));
    let next = AtomicU64::new(first);
    let is_enough = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if first + seeds <= seed || is_enough.load(Ordering::SeqCst) {
                        return;
                    }
                    let report = run(&Schedule::among(seed, nodes));
                    if !report.violations.is_empty() {
                        tell(seed, &report);
                    }
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.add(seed, report);
                    if u64::try_from(FAILURES_TOLD).is_ok_and(|most| most <= sum.failed) {
                        is_enough.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    drop(panic::take_hook());
    sum.into_inner().unwrap_or_else(PoisonError::into_inner)
}
