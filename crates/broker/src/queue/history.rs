//! Messages that leave a queue, and dead letters on their way back.

use std::collections::BTreeSet;
use std::sync::Arc;

use model::limits::DEATHS_MAX;
use model::message::{Availability, DeadLetter, DeadLetterReason, Death, MessagePlace};
use model::name::ExchangeName;
use model::number::{Attempt, Timestamp};
use model::queue::RedriveFilter;

use super::chunk::{Slot, State};
use super::partition::Facts;
use super::publish::Arrival;
use super::{Queue, Way};
use crate::liveness::Liveness;
use crate::place::Stored;
use crate::record::Head;

/// A message that a queue gave up. Its reference is released; whoever takes it retains it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    slot: Slot,
    facts: Facts,
    reason: DeadLetterReason,
}

impl Departure {
    pub(super) const fn new(slot: Slot, facts: Facts, reason: DeadLetterReason) -> Self {
        Self { slot, facts, reason }
    }

    /// Why it left.
    pub const fn reason(&self) -> DeadLetterReason {
        self.reason
    }

    /// Where its bytes lie.
    pub const fn stored(&self) -> Stored {
        self.slot.stored()
    }

    /// Where a dead letter came from.
    pub fn origin(&self) -> &str {
        self.facts.dead_letter.as_ref().map_or("", |letter| &letter.origin)
    }

    /// By which way it came to the queue, where that was remembered.
    pub fn way(&self) -> Option<&Arc<Way>> {
        self.facts.way.as_ref()
    }

    /// A message that a queue refused and that is a dead letter all the same.
    pub fn refused(arrival: &Arrival) -> Self {
        let facts = Facts { key: arrival.head.key, way: arrival.way.clone(), ..Facts::default() };
        Self { slot: super::publish::slot(arrival), facts, reason: DeadLetterReason::Overflow }
    }

    /// Its history as a dead letter of this queue, which it leaves now.
    pub fn letter(&self, origin: &str, now: Timestamp) -> DeadLetter {
        let before = self.facts.dead_letter.as_deref();
        DeadLetter {
            reason: self.reason,
            origin: origin.to_owned(),
            attempts: Attempt::new(self.slot.attempts),
            count: before.map_or(0, |letter| letter.count).saturating_add(1),
            at: now,
            deaths: self.deaths(origin, now),
            routed: None,
        }
    }

    /// Every different move, this one in front.
    fn deaths(&self, origin: &str, now: Timestamp) -> Vec<Death> {
        let before = self.facts.dead_letter.as_deref();
        let mut deaths = before.map_or_else(Vec::new, |letter| letter.deaths.clone());
        let same = deaths.iter().position(|death| death.reason == self.reason && death.origin == origin);
        let death = match same {
            Some(at) => {
                let known = deaths.remove(at);
                Death { count: known.count.saturating_add(1), ..known }
            }
            None => {
                let (exchange, routing_keys) = self.came_by();
                Death {
                    reason: self.reason,
                    origin: origin.to_owned(),
                    count: 1,
                    at: now,
                    exchange,
                    routing_keys,
                    ttl: None,
                }
            }
        };
        deaths.insert(0, death);
        deaths.truncate(DEATHS_MAX);
        deaths
    }

    /// What is known here of its way; otherwise its record knows.
    fn came_by(&self) -> (Option<ExchangeName>, Vec<String>) {
        if let Some(routed) = self.facts.dead_letter.as_deref().and_then(|letter| letter.routed.as_ref()) {
            return (Some(routed.exchange.clone()), vec![routed.routing_key.to_string()]);
        }
        let keys = |way: &Arc<Way>| way.keys.iter().map(ToString::to_string).collect();
        self.facts.way.as_ref().map_or((None, Vec::new()), |way| (Some(way.exchange.clone()), keys(way)))
    }

    /// The same message for where dead letters go. It does not expire there on its old account.
    pub fn into_dead_letter(self, letter: DeadLetter) -> Arrival {
        self.into_arrival(Some(letter))
    }

    /// The same message for the queue that it came from, or another: its deliveries count anew, its history
    /// stays.
    pub fn into_redriven(self) -> Arrival {
        let letter = self.facts.dead_letter.as_deref().cloned();
        self.into_arrival(letter)
    }

    fn into_arrival(self, dead_letter: Option<DeadLetter>) -> Arrival {
        let head = Head {
            bytes: self.slot.bytes,
            priority: self.slot.priority,
            availability: Availability::Now,
            ttl: None,
            key: self.facts.key,
            id: None,
            empty: false,
        };
        Arrival {
            stored: self.slot.stored(),
            head,
            published_at: self.slot.published_at,
            dead_letter: dead_letter.map(Box::new),
            way: self.facts.way,
        }
    }
}

impl Queue {
    /// Takes up to `max` waiting dead letters out that fit a filter and whose origin has a way back.
    pub fn take_dead_letters(
        &mut self,
        filter: &RedriveFilter,
        max: usize,
        has_way: impl Fn(&str) -> bool,
        ledger: &mut Liveness,
    ) -> Vec<Departure> {
        let fits = |letter: &DeadLetter| {
            filter.reason.is_none_or(|reason| reason == letter.reason)
                && filter.origin.as_ref().is_none_or(|origin| *origin == letter.origin)
                && has_way(&letter.origin)
        };
        let chosen: Vec<_> = if filter.places.is_empty() {
            let all = self.numbered().flat_map(|(partition, messages)| {
                messages.waiting().map(move |sequence| MessagePlace { partition, sequence })
            });
            all.filter(|place| self.letter(*place).is_some_and(fits)).take(max).collect()
        } else {
            // Looked up one by one, and once: a long list on a long queue must not hold up the log.
            let named: BTreeSet<_> = filter.places.iter().copied().collect();
            named.into_iter().filter(|place| self.letter(*place).is_some_and(fits)).take(max).collect()
        };
        let mut taken = Vec::with_capacity(chosen.len());
        for place in chosen {
            let messages = self.partition_mut(place.partition).expect("the letter was found in it");
            let (slot, facts) = messages.remove(place.sequence, ledger);
            let reason = facts.dead_letter.as_ref().expect("only dead letters were chosen").reason;
            taken.push(Departure::new(slot, facts, reason));
        }
        taken
    }

    /// The history of a dead letter that waits at a place.
    fn letter(&self, place: MessagePlace) -> Option<&DeadLetter> {
        let messages = self.partition(place.partition)?;
        let slot = messages.slots.get(place.sequence)?;
        let waits = matches!(slot.state, State::Ready | State::Blocked);
        messages.facts.get(&place.sequence).filter(|_| waits)?.dead_letter.as_deref()
    }
}
