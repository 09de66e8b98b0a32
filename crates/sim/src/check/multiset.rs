//! A queue holds what was published less what was settled, expired, moved or deleted: no more and no less.
//! Invariant checked: message by message, the queue and the reference hold the same.
//! Called when the whole state is compared, and with each answer that counts messages.

use std::collections::BTreeMap;

use broker::command::Action;
use broker::queue::PeekedPlace;
use model::message::{MessagePlace, MessageState};
use model::name::QueueRef;
use model::queue::{Overflow, QueueSettings};
use model::refusal::Refusal;

use super::{Property, attempts, dead_letters, time};
use crate::book::line::{Kept, Life, Line};
use crate::book::{Book, Notes};
use crate::events::Event;

/// Everything that a queue holds, with the message at each place.
pub fn whole(name: &str, line: &Line, seen: &BTreeMap<MessagePlace, (Option<u64>, PeekedPlace)>, notes: &mut Notes) {
    for (place, kept) in &line.kept {
        let Some((number, peeked)) = seen.get(place) else {
            let what = format!("message {} at {place:?} of {name} is gone ({:?})", kept.number, kept.life);
            notes.verdicts.broken(Property::Kept, what);
            continue;
        };
        notes.verdicts.demand(Property::Authentic, *number == Some(kept.number), || {
            format!("{place:?} of {name} holds message {number:?}, not {}", kept.number)
        });
        state(name, kept, peeked, notes);
        attempts::counted(kept, peeked, notes);
        time::ends(kept, peeked, notes);
        dead_letters::history(kept, peeked, notes);
    }
    for (place, (number, _)) in seen {
        notes.verdicts.demand(Property::Multiset, line.kept.contains_key(place), || {
            format!("message {number:?} is at {place:?} of {name}, and should not be")
        });
    }
}

fn state(name: &str, kept: &Kept, peeked: &PeekedPlace, notes: &mut Notes) {
    let expected = match kept.life {
        Life::Waiting => MessageState::Ready,
        Life::Delayed(_) => MessageState::Delayed,
        Life::Leased { .. } => MessageState::Leased,
    };
    notes.verdicts.demand(Property::Leases, peeked.state == expected, || {
        format!("message {} of {name} is {:?}, not {expected:?}", kept.number, peeked.state)
    });
}

/// What a shared subscription would hand out.
pub fn window(line: &Line, seen: &BTreeMap<MessagePlace, u64>, notes: &mut Notes) {
    for (place, kept) in line.kept.iter().filter(|(_, kept)| kept.life == Life::Waiting) {
        let number = seen.get(place);
        let property = if number.is_some() { Property::Authentic } else { Property::Kept };
        notes.verdicts.demand(property, number == Some(&kept.number), || {
            format!("a subscription has {number:?} at {place:?}, not message {}", kept.number)
        });
    }
    for (place, number) in seen {
        let is_free = line.kept.get(place).is_some_and(|kept| kept.life == Life::Waiting);
        notes.verdicts.demand(Property::Multiset, is_free, || {
            format!("a subscription hands out message {number} at {place:?}, and should not")
        });
    }
}

/// A purge told how much it deleted.
pub fn purged(expected: u64, told: u64, notes: &mut Notes) {
    notes.verdicts.demand(Property::Multiset, expected == told, || {
        format!("a purge deleted {expected} messages and says {told}")
    });
}

/// A redrive told how much it moved.
pub fn redriven(expected: usize, told: u64, notes: &mut Notes) {
    notes.verdicts.demand(Property::DeadLetters, u64::try_from(expected) == Ok(told), || {
        format!("a redrive moved {expected} messages and says {told}")
    });
}

/// A cancel told whether it deleted.
pub fn cancelled(place: MessagePlace, expected: bool, told: bool, notes: &mut Notes) {
    notes.verdicts.demand(Property::Multiset, expected == told, || {
        format!("the cancel of {place:?} says {told}, not {expected}")
    });
}

/// A queue with bounds took something in.
pub fn within_bounds(settings: &QueueSettings, held: (u64, u64), notes: &mut Notes) {
    let fits = settings.max_messages.is_none_or(|max| held.0 <= max)
        && settings.max_bytes.is_none_or(|max| held.1 <= max.get());
    // Dead letters and redriven messages come in whatever the bounds say; what drops its oldest may be left
    // with what cannot be dropped.
    let is_exempt = settings.overflow == Overflow::DropOldest;
    notes.verdicts.demand(Property::Room, fits || is_exempt, || {
        format!("a queue bounded by {:?} took {} messages", settings.max_messages, held.0)
    });
}

/// A queue refused for its bounds.
pub fn refused(book: &Book, action: &Action, refusal: &Refusal, notes: &mut Notes) {
    let (Action::Publish { queue: QueueRef { name, .. }, records }, Refusal::QueueFull { .. }) = (action, refusal)
    else {
        return;
    };
    notes.tally.note(Event::QueueFull);
    let Some(queue) = book.queue_ids.get(name).and_then(|id| book.queues.get(id)) else { return };
    let (messages, bytes) = queue.line.held_now();
    let coming = u64::try_from(records.len()).unwrap_or(u64::MAX);
    let coming_bytes: u64 = records.iter().map(|record| u64::try_from(record.len()).unwrap_or(u64::MAX)).sum();
    let is_full = queue.settings.max_messages.is_some_and(|max| max < messages + coming)
        || queue.settings.max_bytes.is_some_and(|max| max.get() < bytes + coming_bytes);
    notes.verdicts.demand(Property::Errors, is_full, || {
        format!("{name} is full with {messages} messages, it may hold {:?}", queue.settings.max_messages)
    });
}
