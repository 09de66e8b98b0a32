//! Deliberate faults, one after the other: a simulator that does not notice one proves nothing about it.
//! Invariant: each fault is on for the thread of its run alone.
//! Called by the program in builds with the feature `mutants`.

use std::collections::BTreeSet;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use mutant::Mutant;

use crate::check::Property;
use crate::limits::MUTANT_CATCHES;
use crate::run::run;
use crate::schedule::{Nodes, Schedule};

/// What became of a fault.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The fault.
    pub mutant: Mutant,
    /// Seeds that were run.
    pub seeds: u64,
    /// Seeds in which it was noticed.
    pub caught: u64,
    /// Seeds until it was noticed first.
    pub first: Option<u64>,
    /// Promises that broke.
    pub properties: BTreeSet<Property>,
    /// What was said first.
    pub what: String,
}

/// How many nodes it takes to notice a fault.
#[must_use]
pub const fn nodes_for(mutant: Mutant) -> Nodes {
    let takes_several = matches!(
        mutant,
        Mutant::AckBeforeMajority | Mutant::CommitOnReceived | Mutant::VoteAnsweredEarly | Mutant::IncarnationIgnored
    );
    Nodes::Exactly(if takes_several { 3 } else { 1 })
}

/// Looks for one fault in up to so many seeds; stops after a few catches.
#[must_use]
pub fn hunt(mutant: Mutant, first: u64, seeds: u64, nodes: Nodes) -> Hunt {
    let _on = mutant::switch_on(mutant);
    let mut hunt = Hunt { mutant, seeds: 0, caught: 0, first: None, properties: BTreeSet::new(), what: String::new() };
    for seed in first..first + seeds {
        hunt.seeds += 1;
        let report = run(&Schedule::among(seed, nodes));
        let Some(violation) = report.violations.first() else { continue };
        hunt.caught += 1;
        hunt.properties.extend(report.violations.iter().map(|violation| violation.property));
        if hunt.first.is_none() {
            hunt.first = Some(hunt.seeds);
            hunt.what.clone_from(&violation.what);
        }
        if hunt.caught == MUTANT_CATCHES {
            break;
        }
    }
    hunt
}

/// Looks for faults, several at once. `tell` hears of each when it is done.
pub fn hunt_all(
    mutants: &[Mutant],
    (first, seeds): (u64, u64),
    jobs: u64,
    nodes: Option<Nodes>,
    tell: &(dyn Fn(&Hunt) + Sync),
) -> Vec<Hunt> {
    panic::set_hook(Box::new(|_| {}));
    let next = AtomicUsize::new(0);
    let hunts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let hunt = hunt(*mutant, first, seeds, nodes.unwrap_or(nodes_for(*mutant)));
                    tell(&hunt);
                    hunts.lock().unwrap_or_else(PoisonError::into_inner).push(hunt);
                }
            });
        }
    });
    drop(panic::take_hook());
    hunts.into_inner().unwrap_or_else(PoisonError::into_inner)
}
