//! What must hold, one file a property.
//! Invariant: a check only looks; the first violations are kept with the place where they were seen.
//! Called by the observer after each batch and by the clients at each answer. Tests: the mutants.

pub mod attempts;
pub mod authentic;
pub mod commits;
pub mod dead_letters;
pub mod duplicates;
pub mod errors;
pub mod kept;
pub mod leases;
pub mod liveness;
pub mod multiset;
pub mod offsets;
pub mod order;
pub mod replay;
pub mod replicas;
pub mod room;
pub mod time;

use crate::limits::VIOLATIONS_KEPT;

/// A promise of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// What was confirmed is there.
    Kept,
    /// What is delivered was sent, unchanged.
    Authentic,
    /// Twice only where it is allowed.
    Duplicates,
    /// Order of a partition and of a key.
    Order,
    /// Offsets are dense, and each has one record for ever.
    Offsets,
    /// Committed offsets never run back.
    Commits,
    /// One holder a message; old receipts settle nothing.
    Leases,
    /// A queue holds what was published less what was settled.
    Multiset,
    /// Delays, lifetimes and leases end when they should.
    Time,
    /// Deliveries are counted, and the limit is exact.
    Attempts,
    /// A message is in the queue or with the dead letters.
    DeadLetters,
    /// Checkpoint and tail give what the whole log gives.
    Replay,
    /// Everything ends.
    Liveness,
    /// Errors are those that the situation calls for.
    Errors,
    /// Disk and memory come back.
    Room,
    /// One leads, it knows all that was confirmed, and all replicas have one log and one state.
    Replicas,
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which promise.
    pub property: Property,
    /// How.
    pub what: String,
}

/// The violations of a run.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// The first ones.
    pub violations: Vec<Violation>,
    /// Where the run is, for the reports.
    pub place: String,
}

impl Verdicts {
    /// Notes a broken promise.
    pub fn broken(&mut self, property: Property, what: impl Into<String>) {
        if self.violations.len() < VIOLATIONS_KEPT {
            let what = format!("{} [{}]", what.into(), self.place);
            self.violations.push(Violation { property, what });
        }
    }

    /// Notes a broken promise unless it holds.
    pub fn demand(&mut self, property: Property, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.broken(property, what());
        }
    }
}
