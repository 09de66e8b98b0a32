//! Order: places rise by one, a key keeps its partition, and what is picked first was first.
//! Invariant checked: picks of a partition are the first messages that wait, by priority and place.
//! Called with each accepted message and each pick. Mutants: order of a hash, a key's line ignored.

use std::collections::BTreeSet;

use broker::outcome::Placed;
use broker::queue::Picked;
use broker::record::Head;
use model::message::MessagePlace;
use model::number::{Partition, Sequence};
use model::queue::DeliveryOrder;

use super::Property;
use crate::book::Notes;
use crate::book::line::{Life, Line};
use crate::events::Event;

/// A message got its place.
pub fn placed(partitions: u32, head: &Head, placed: &Placed, notes: &mut Notes) {
    if let Some(key) = head.key {
        let own = key.partition(partitions);
        notes.verdicts.demand(Property::Order, placed.partition.get() == own, || {
            format!("a key of partition {own} came to {}", placed.partition)
        });
    }
}

/// A place is behind all that were given.
pub fn rises(place: MessagePlace, next: u64, notes: &mut Notes) {
    notes.verdicts.demand(Property::Order, next <= place.sequence.get(), || {
        format!("place {} of partition {} was given again, the next is {next}", place.sequence, place.partition)
    });
}

/// Places were passed over: each needs a message that was moved here and left unseen.
pub fn gaps(queue: &str, gaps: &BTreeSet<MessagePlace>, unseen: usize, notes: &mut Notes) {
    notes.verdicts.demand(Property::Order, gaps.len() <= unseen, || {
        let places: Vec<_> =
            gaps.iter().map(|gap| format!("{} of partition {}", gap.sequence, gap.partition)).collect();
        format!("nobody got the places {} of {queue}, {unseen} messages left unseen", places.join(", "))
    });
}

/// Messages were chosen for a consumer.
pub fn picked(line: &Line, held: &BTreeSet<(Partition, Sequence)>, picks: &[Picked], notes: &mut Notes) {
    let partitions: BTreeSet<_> = picks.iter().map(|picked| picked.pick.partition).collect();
    if line.order == DeliveryOrder::PerKey {
        return keys_in_order(line, picks, notes);
    }
    for partition in partitions {
        let is_free =
            |place: &MessagePlace| place.partition == partition && !held.contains(&(place.partition, place.sequence));
        let mut waiting: Vec<_> = line
            .kept
            .iter()
            .filter(|(place, kept)| kept.life == Life::Waiting && is_free(place))
            .map(|(place, kept)| (std::cmp::Reverse(kept.priority), place.sequence))
            .collect();
        waiting.sort_unstable();
        let chosen = picks.iter().filter(|picked| picked.pick.partition == partition);
        for (picked, (priority, expected)) in chosen.zip(waiting.iter().copied()) {
            notes.verdicts.demand(Property::Order, picked.pick.sequence == expected, || {
                format!("{expected} of partition {partition} comes before {}", picked.pick.sequence)
            });
            if priority.0.get() > 0 {
                notes.tally.note(Event::PriorityFirst);
            }
        }
    }
}

/// Of each key the first one, where nothing of it was away.
fn keys_in_order(line: &Line, picks: &[Picked], notes: &mut Notes) {
    for picked in picks {
        let place = MessagePlace { partition: picked.pick.partition, sequence: picked.pick.sequence };
        let Some(kept) = line.kept.get(&place) else { continue };
        let Some(key) = kept.key else { continue };
        let of_key = || line.kept.iter().filter(|(_, other)| other.key == Some(key));
        notes.verdicts.demand(Property::Order, !line.key_is_taken(place), || {
            format!("{place:?} was picked while another of its key is with a consumer")
        });
        if of_key().any(|(_, other)| other.was_away) {
            continue;
        }
        let first = of_key().map(|(place, _)| *place).min();
        notes.verdicts.demand(Property::Order, first == Some(place), || {
            format!("{place:?} was picked before {first:?} of its key")
        });
        if of_key().count() > 1 {
            notes.tally.note(Event::KeyBlocked);
        }
    }
}
