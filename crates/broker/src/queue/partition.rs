//! The messages of one partition and every change of their state.
//!
//! Invariants: a slot's state says in which table the message stands: ready, blocked behind its key,
//! delayed (with its due time) or leased (with its lease); a timer stands for each due time, each lease with
//! an end and each expiry of a message that is not leased.
//! Rare facts (key, expiry, history) are kept beside the slots, so that plain messages cost nothing more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::message::{DeadLetter, DeadLetterReason};
use model::number::{Attempt, ByteSize, Epoch, Partition, Priority, Sequence, Span, Timestamp};
use model::queue::{DeliveryOrder, QueueCounts};
use mutant::Mutant;

use super::chunk::{Slot, Slots, State};
use super::history::Departure;
use super::key_order::KeyOrder;
use super::ready::Ready;
use super::{Picked, Way, next_attempt};
use crate::command::{LeaseEnd, Pick};
use crate::liveness::Liveness;
use crate::place::MessageRef;
use crate::record::KeyHash;

/// What few messages have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Facts {
    pub(super) key: Option<KeyHash>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) dead_letter: Option<Box<DeadLetter>>,
    pub(super) way: Option<Arc<Way>>,
}

/// Who has a message and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) epoch: Epoch,
    pub(super) end: LeaseEnd,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Available,
    LeaseEnd,
    Expiry,
}

/// The messages of one partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Messages {
    pub(super) next: u64,
    pub(super) slots: Slots,
    pub(super) ready: Ready,
    pub(super) blocked: BTreeSet<Sequence>,
    pub(super) delayed: BTreeMap<Sequence, Timestamp>,
    pub(super) leases: BTreeMap<Sequence, Lease>,
    pub(super) timers: BTreeSet<(Timestamp, Timer, Sequence)>,
    pub(super) facts: BTreeMap<Sequence, Facts>,
    pub(super) keys: KeyOrder,
    /// The highest attempt that was ever handed out.
    pub(super) attempts_max: u32,
    /// Where attempts begin: past all that were handed out before the partition began anew, so that a
    /// receipt of before does not fit a message that has its sequence again.
    pub(super) attempts_base: u32,
    pub(super) bytes: u64,
    /// Those of the messages that are ready or blocked.
    pub(super) bytes_waiting: u64,
}

impl Messages {
    pub(super) fn new(order: DeliveryOrder) -> Self {
        Self { keys: KeyOrder::new(order), ..Self::default() }
    }

    pub(super) fn counts(&self) -> QueueCounts {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        QueueCounts {
            ready: self.ready.count() + count(self.blocked.len()),
            delayed: count(self.delayed.len()),
            leased: count(self.leases.len()),
            bytes: ByteSize::new(self.bytes),
        }
    }

    /// Whether a message waits for a consumer.
    pub(super) fn is_ready(&self, sequence: Sequence) -> bool {
        self.slots.get(sequence).is_some_and(|slot| slot.state == State::Ready)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Sequence, &Slot)> {
        self.slots.from(Sequence::new(0))
    }

    /// Adds a message behind all others.
    pub(super) fn add(
        &mut self,
        sequence: Sequence,
        slot: Slot,
        facts: Facts,
        due: Option<Timestamp>,
        ledger: &mut Liveness,
    ) {
        assert!(sequence.get() >= self.next, "sequences rise");
        self.next = sequence.get() + 1;
        let slot = Slot { attempts: self.attempts_base, ..slot };
        ledger.retain(slot.stored());
        self.bytes += u64::from(slot.bytes);
        self.slots.push(sequence, slot);
        if let Some(expires_at) = facts.expires_at {
            self.timers.insert((expires_at, Timer::Expiry, sequence));
        }
        if facts != Facts::default() {
            self.facts.insert(sequence, facts);
        }
        match due {
            Some(due) => self.delay(sequence, due),
            None => self.make_available(sequence),
        }
    }

    fn slot_mut(&mut self, sequence: Sequence) -> &mut Slot {
        self.slots.get_mut(sequence).expect("tables name only messages that exist")
    }

    fn delay(&mut self, sequence: Sequence, due: Timestamp) {
        self.slot_mut(sequence).state = State::Delayed;
        self.delayed.insert(sequence, due);
        self.timers.insert((due, Timer::Available, sequence));
    }

    /// Ready, or blocked behind an earlier message of its key.
    fn make_available(&mut self, sequence: Sequence) {
        let key = self.facts.get(&sequence).and_then(|facts| facts.key);
        let active = key.is_none_or(|key| self.keys.enter(key, sequence));
        self.bytes_waiting += u64::from(self.slot_mut(sequence).bytes);
        if active {
            self.make_ready(sequence);
        } else {
            self.slot_mut(sequence).state = State::Blocked;
            self.blocked.insert(sequence);
        }
    }

    pub(super) fn make_ready(&mut self, sequence: Sequence) {
        let slot = self.slot_mut(sequence);
        slot.state = State::Ready;
        let priority = slot.priority;
        self.ready.insert(priority, sequence);
    }

    /// Takes a message out of the table of its state. It must be put into another or removed.
    fn leave_state(&mut self, sequence: Sequence) {
        let slot = *self.slots.get(sequence).expect("tables name only messages that exist");
        if matches!(slot.state, State::Ready | State::Blocked) {
            self.bytes_waiting -= u64::from(slot.bytes);
        }
        match slot.state {
            State::Ready => self.ready.remove(slot.priority, sequence),
            State::Blocked => {
                self.blocked.remove(&sequence);
            }
            State::Delayed => {
                let due = self.delayed.remove(&sequence).expect("a delayed message has its due time");
                self.timers.remove(&(due, Timer::Available, sequence));
            }
            State::Leased => {
                let lease = self.leases.remove(&sequence).expect("a leased message has its lease");
                if let LeaseEnd::At(end) = lease.end {
                    self.timers.remove(&(end, Timer::LeaseEnd, sequence));
                }
            }
            State::Free => unreachable!("a free slot is no message"),
        }
    }

    /// Hands a message out, if this is its next delivery.
    pub(super) fn lease(
        &mut self,
        now: Timestamp,
        epoch: Epoch,
        end: LeaseEnd,
        sequence: Sequence,
        attempt: Attempt,
    ) -> Option<()> {
        let slot = self.slots.get(sequence)?;
        if slot.state != State::Ready || next_attempt(slot.attempts) != attempt {
            return None;
        }
        self.leave_state(sequence);
        let slot = self.slot_mut(sequence);
        slot.state = State::Leased;
        // Counted when it is handed out, not when it comes back: a consumer that crashes gives nothing
        // back, and its poison message would circle for ever.
        slot.attempts = attempt.get();
        self.attempts_max = self.attempts_max.max(attempt.get());
        if let LeaseEnd::At(at) = end {
            self.timers.insert((at.max(now), Timer::LeaseEnd, sequence));
        }
        let end = match end {
            LeaseEnd::At(at) => LeaseEnd::At(at.max(now)),
            LeaseEnd::WithConnection => end,
        };
        self.leases.insert(sequence, Lease { epoch, end });
        // A message does not expire in a consumer's hands.
        if let Some(expires_at) = self.facts.get(&sequence).and_then(|facts| facts.expires_at) {
            self.timers.remove(&(expires_at, Timer::Expiry, sequence));
        }
        if mutant::is_on(Mutant::KeyFreedAtLease) {
            self.free_key(sequence, self.facts.get(&sequence).and_then(|facts| facts.key));
        }
        Some(())
    }

    /// Whether this is the present delivery of a message.
    pub(super) fn holds_lease(&self, sequence: Sequence, epoch: Epoch, attempt: Attempt) -> bool {
        let leased = self
            .leases
            .get(&sequence)
            .is_some_and(|lease| lease.epoch == epoch || mutant::is_on(Mutant::SettleIgnoresEpoch));
        let is_present = |slot: &Slot| slot.attempts == attempt.get() || mutant::is_on(Mutant::SettleIgnoresAttempt);
        leased && self.slots.get(sequence).is_some_and(is_present)
    }

    pub(super) fn extend(&mut self, sequence: Sequence, until: Timestamp) {
        let lease = self.leases.get_mut(&sequence).expect("the lease was looked up before");
        if let LeaseEnd::At(end) = lease.end {
            lease.end = LeaseEnd::At(until);
            self.timers.remove(&(end, Timer::LeaseEnd, sequence));
            self.timers.insert((until, Timer::LeaseEnd, sequence));
        }
    }

    pub(super) fn connection_leases_before(&self, epoch: Epoch) -> Vec<Sequence> {
        let bound =
            self.leases.iter().filter(|(_, lease)| lease.end == LeaseEnd::WithConnection && lease.epoch < epoch);
        bound.map(|(sequence, _)| *sequence).collect()
    }

    /// Ends a lease: the message goes back to its place, at once or later, unless it was delivered often
    /// enough. Its key stays taken while it waits, so that the order of the key holds.
    pub(super) fn give_back(
        &mut self,
        now: Timestamp,
        sequence: Sequence,
        delay: Span,
        delivery_limit: u32,
        ledger: &mut Liveness,
        departed: &mut Vec<Departure>,
    ) {
        let attempts = self.slots.get(sequence).map_or(0, |slot| self.deliveries(slot));
        if attempts >= delivery_limit {
            self.give_up(sequence, DeadLetterReason::DeliveryLimit, ledger, departed);
            return;
        }
        self.leave_state(sequence);
        if mutant::is_on(Mutant::RedeliveryNotCounted) {
            self.slot_mut(sequence).attempts -= 1;
        }
        if let Some(expires_at) = self.facts.get(&sequence).and_then(|facts| facts.expires_at) {
            self.timers.insert((expires_at, Timer::Expiry, sequence));
        }
        if delay == Span::new(0) {
            self.make_available(sequence);
        } else {
            self.delay(sequence, now.after(delay));
        }
    }

    /// Takes a message out that goes elsewhere or nowhere.
    pub(super) fn give_up(
        &mut self,
        sequence: Sequence,
        reason: DeadLetterReason,
        ledger: &mut Liveness,
        departed: &mut Vec<Departure>,
    ) {
        let (slot, facts) = self.remove(sequence, ledger);
        departed.push(Departure::new(slot, facts, reason));
    }

    /// Takes a message out, whatever its state; the next of its key becomes ready.
    pub(super) fn remove(&mut self, sequence: Sequence, ledger: &mut Liveness) -> (Slot, Facts) {
        self.leave_state(sequence);
        let slot = self.slots.remove(sequence).expect("a message is removed once");
        let slot = Slot { attempts: self.deliveries(&slot), ..slot };
        ledger.release(slot.stored());
        self.bytes -= u64::from(slot.bytes);
        let facts = self.facts.remove(&sequence).unwrap_or_default();
        if let Some(expires_at) = facts.expires_at {
            self.timers.remove(&(expires_at, Timer::Expiry, sequence));
        }
        self.free_key(sequence, facts.key);
        (slot, facts)
    }

    /// Lets the next message of a key be delivered.
    fn free_key(&mut self, sequence: Sequence, key: Option<KeyHash>) {
        if let Some(next) = key.and_then(|key| self.keys.leave(key, sequence)) {
            self.blocked.remove(&next);
            self.make_ready(next);
        }
    }

    /// Does what is due; says whether something became ready.
    pub(super) fn advance(
        &mut self,
        now: Timestamp,
        delivery_limit: u32,
        budget: &mut usize,
        ledger: &mut Liveness,
        departed: &mut Vec<Departure>,
    ) -> bool {
        let mut woke = false;
        while *budget > 0 {
            let Some(&(at, timer, sequence)) = self.timers.first() else { break };
            if at > now {
                break;
            }
            *budget -= 1;
            match timer {
                Timer::Available => {
                    self.leave_state(sequence);
                    self.make_available(sequence);
                    woke = true;
                }
                Timer::LeaseEnd => {
                    self.give_back(now, sequence, Span::new(0), delivery_limit, ledger, departed);
                    woke = true;
                }
                Timer::Expiry => {
                    let blocked = self.blocked.len();
                    self.give_up(sequence, DeadLetterReason::Expired, ledger, departed);
                    // The next of its key may have become ready.
                    woke |= self.blocked.len() < blocked;
                }
            }
        }
        woke
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _, _)| *at)
    }

    /// Deletes a message that is not leased.
    pub(super) fn cancel(&mut self, sequence: Sequence, ledger: &mut Liveness) -> Option<()> {
        self.slots.get(sequence).filter(|slot| slot.state != State::Leased)?;
        self.remove(sequence, ledger);
        Some(())
    }

    pub(super) fn purge(&mut self, ledger: &mut Liveness) -> u64 {
        let free: Vec<_> =
            self.all().filter(|(_, slot)| slot.state != State::Leased).map(|(sequence, _)| sequence).collect();
        free.iter().for_each(|sequence| {
            self.remove(*sequence, ledger);
        });
        u64::try_from(free.len()).unwrap_or(u64::MAX)
    }

    pub(super) fn clear(&mut self, ledger: &mut Liveness) {
        self.all().for_each(|(_, slot)| ledger.release(slot.stored()));
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        let Self { next, attempts_max, attempts_base, .. } = *self;
        *self = Self { next, attempts_max, attempts_base, keys, ..Self::default() };
    }

    /// Gives up everything and lets sequences begin anew.
    pub(super) fn restart(&mut self, ledger: &mut Liveness) {
        self.clear(ledger);
        self.next = 0;
        self.attempts_base = self.attempts_max;
    }

    /// How often a message was handed out.
    pub(super) fn deliveries(&self, slot: &Slot) -> u32 {
        slot.attempts - self.attempts_base
    }

    pub(super) fn relocate(
        &mut self,
        sequence: Sequence,
        from: MessageRef,
        to: MessageRef,
        ledger: &mut Liveness,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(sequence).filter(|slot| slot.stored().at == from) else { return false };
        if mutant::is_on(Mutant::RelocationDropsUnsettled) && matches!(slot.state, State::Leased | State::Delayed) {
            self.remove(sequence, ledger);
            return true;
        }
        ledger.release(slot.stored());
        slot.index = to.index;
        slot.position = to.position;
        ledger.retain(slot.stored());
        true
    }

    /// The ready messages in order of delivery that are not `held`, with their priority.
    pub(super) fn deliverable(
        &self,
        partition: Partition,
        held: &BTreeSet<(Partition, Sequence)>,
    ) -> impl Iterator<Item = (Priority, Picked)> {
        self.ready.iter_besides(partition, held).map(move |sequence| {
            let slot = self.slots.get(sequence).expect("tables name only messages that exist");
            let facts = self.facts.get(&sequence);
            let picked = Picked {
                pick: Pick { partition, sequence, attempt: next_attempt(slot.attempts) },
                attempt: next_attempt(self.deliveries(slot)),
                stored: slot.stored(),
                published_at: slot.published_at,
                expires_at: facts.and_then(|facts| facts.expires_at),
                dead_letter: facts.and_then(|facts| facts.dead_letter.as_deref().cloned()),
                offset: None,
            };
            (slot.priority, picked)
        })
    }

    /// All that wait for a consumer: those ready in order of delivery, then those behind their keys.
    pub(super) fn waiting(&self) -> impl Iterator<Item = Sequence> {
        self.ready.iter().chain(self.blocked.iter().copied())
    }

    /// The first message of all that are ready or blocked.
    pub(super) fn oldest_waiting(&self) -> Option<Sequence> {
        self.ready.oldest().into_iter().chain(self.blocked.first().copied()).min()
    }
}
