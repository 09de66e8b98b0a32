//! Everything ends: operations, starts, and the drain once the faults are over.
//! Invariant checked: nothing takes longer than its bound in virtual time.
//! Called by the clients and by the run.

use std::time::Duration;

use super::Property;
use crate::book::Notes;

/// Something did not end in time.
pub fn hung(what: &str, patience: Duration, notes: &mut Notes) {
    notes.verdicts.broken(Property::Liveness, format!("{what} has not ended after {} s", patience.as_secs()));
}

/// Something is left when nothing should be.
pub fn left_over(what: &str, count: u64, notes: &mut Notes) {
    notes.verdicts.demand(Property::Liveness, count == 0, || format!("{count} {what} are left after the drain"));
}
