//! Offsets of a partition rise by one, and each stands for one record for ever.
//! Invariant checked: what is read at an offset is what was put there; what retention may not take is there.
//! Called with each record, each read, and when the whole state is compared.

use std::collections::BTreeMap;

use broker::outcome::Placed;
use broker::record::Head;
use model::number::{Offset, Partition};

use super::Property;
use crate::book::Notes;
use crate::book::topic::{History, Topic};
use crate::events::Event;

/// A record got its offset.
pub fn placed(topic: &Topic, named: Option<Partition>, head: &Head, placed: &Placed, number: u64, notes: &mut Notes) {
    let history = topic.partitions.get(&placed.partition);
    let verdicts = &mut notes.verdicts;
    if placed.duplicate {
        let known = history.and_then(|history| history.numbers.get(&Offset::new(placed.place)));
        verdicts.demand(Property::Duplicates, known == Some(&number), || {
            format!("record {number} is no duplicate of offset {}, which has {known:?}", placed.place)
        });
        return;
    }
    let next = history.map_or(0, |history| history.next);
    verdicts.demand(Property::Offsets, placed.place == next, || {
        format!("offset {} of partition {} follows {next}", placed.place, placed.partition)
    });
    let keyed = head.key.map(|key| Partition::new(key.partition(topic.settings.partitions)));
    if let Some(own) = named.or(keyed) {
        verdicts.demand(Property::Order, placed.partition == own, || {
            format!("a record of partition {own} came to {}", placed.partition)
        });
    }
}

/// A record was read.
pub fn read(history: &History, offset: Offset, number: u64, notes: &mut Notes) {
    let known = history.numbers.get(&offset);
    notes.verdicts.demand(Property::Offsets, known == Some(&number), || {
        format!("offset {offset} has message {number}, it had {known:?}")
    });
}

/// Everything that a partition holds.
pub fn whole(history: &mut History, seen: &BTreeMap<Offset, u64>, notes: &mut Notes) {
    for (offset, number) in seen {
        read(history, *offset, *number, notes);
        notes
            .verdicts
            .demand(Property::Offsets, history.records.contains_key(offset), || format!("offset {offset} came back"));
    }
    let missing: Vec<_> = history.records.keys().filter(|offset| !seen.contains_key(offset)).copied().collect();
    for offset in missing {
        if history.records.remove(&offset).is_some_and(|kept| kept.may_go) {
            notes.tally.note(Event::Trimmed);
        } else {
            notes.verdicts.broken(Property::Kept, format!("offset {offset} is gone, and no rule lets it go"));
        }
    }
}
