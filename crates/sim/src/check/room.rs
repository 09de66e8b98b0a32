//! Disk and memory come back: once everything is settled and deleted, hardly a segment is left.
//! Invariant checked: few segments, no live bytes, nothing in the indexes.
//! Called by the run after the drain.

use super::Property;
use crate::book::Notes;
use crate::limits::SEGMENTS_LEFT_MAX;

/// A publish was accepted although the room for settling and deleting is used up.
pub fn reserve_used(what: &str, notes: &mut Notes) {
    notes.verdicts.broken(Property::Room, format!("no segment fits on the disk, and this was accepted: {what}"));
}

/// What is left at the end.
pub fn returned(segments: u64, live_bytes: u64, notes: &mut Notes) {
    notes.verdicts.demand(Property::Room, segments <= SEGMENTS_LEFT_MAX, || {
        format!("{segments} segments are left of an empty shard")
    });
    notes.verdicts.demand(Property::Room, live_bytes == 0, || format!("{live_bytes} bytes are live in an empty shard"));
}
