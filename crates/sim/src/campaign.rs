//! Many seeds, on several threads: counts, times, tells the first violations and what was never seen.
//! Invariant: the verdict does not depend on how many threads there are.
//! Called by the program. Tests: `tests/seeds.rs`.

use std::panic;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::events::{Event, Tally};
use crate::limits::FAILURES_TOLD;
use crate::run::{Report, run};
use crate::schedule::Schedule;

/// The sum of many runs.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Seeds that were run.
    pub seeds: u64,
    /// Operations that were answered.
    pub operations: u64,
    /// Faults that came.
    pub faults: u64,
    /// Lives of shards.
    pub lives: u64,
    /// Batches that were applied.
    pub batches: u64,
    /// Fewest operations of a seed.
    pub operations_min: Option<u64>,
    /// Fewest faults of a seed.
    pub faults_min: Option<u64>,
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
        self.faults += report.faults;
        self.lives += report.lives;
        self.batches += report.batches;
        let least = |old: Option<u64>, new: u64| Some(old.map_or(new, |old| old.min(new)));
        self.operations_min = least(self.operations_min, report.operations);
        self.faults_min = least(self.faults_min, report.faults);
        self.tally.add(&report.tally);
        if !report.violations.is_empty() {
            self.failed += 1;
            self.failures.push((seed, report));
            self.failures.sort_by_key(|(seed, _)| *seed);
            self.failures.truncate(FAILURES_TOLD);
        }
    }

    /// Events that were never seen.
    #[must_use]
    pub fn missing(&self) -> Vec<Event> {
        self.tally.missing()
    }
}

/// Runs seeds from `first` on. `tell` hears of each failure as it comes.
pub fn campaign(first: u64, seeds: u64, jobs: u64, tell: &(dyn Fn(u64, &Report) + Sync)) -> Sum {
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
                    let report = run(&Schedule::of(seed));
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
