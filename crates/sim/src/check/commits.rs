//! A committed offset moves back only by a seek.
//! Invariant checked: a commit answers with the later of both offsets, and a description never shows less.
//! Called with each commit, and when the whole state is compared.

use broker::group::Group;
use model::number::{Offset, Partition};
use model::subscription::Commit;

use super::Property;
use crate::book::Notes;

/// A member committed; only the owner of a partition does.
pub fn by_owner(group: &Group, request: &Commit, notes: &mut Notes) {
    let Some(member) = &request.member else { return };
    for offset in &request.offsets {
        let owner = group.owner(offset.partition);
        notes.verdicts.demand(Property::Commits, owner == Some(member), || {
            format!("{member} committed partition {}, which belongs to {owner:?}", offset.partition)
        });
    }
}

/// An offset was committed.
pub fn committed(before: Offset, wanted: Offset, told: Offset, notes: &mut Notes) {
    let expected = before.max(wanted);
    notes.verdicts.demand(Property::Commits, told == expected, || {
        format!("{wanted} was committed after {before}, and it is {told}")
    });
}

/// What a description says; retention may have moved the start of the partition past it.
pub fn described(partition: Partition, expected: Offset, told: Offset, earliest: Offset, notes: &mut Notes) {
    let expected = expected.max(earliest);
    notes.verdicts.demand(Property::Commits, told == expected, || {
        format!("partition {partition} is committed up to {expected}, the description says {told}")
    });
}
