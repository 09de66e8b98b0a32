//! The whole state of a queue as bytes. Format: `docs/formats/state.md`, section `queues`.
//!
//! Kept: slots, and of each message what its state and its rare facts are. Made anew: the ready bits, the
//! timers, the order of keys, the sums; they follow from what is kept.
//! Invariant: a decoded queue behaves the same and encodes to the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::message::{DeadLetter, Death, MessagePlace};
use model::number::{LogIndex, Priority, Sequence, Timestamp};
use model::queue::DeliveryOrder;
use mutant::Mutant;

use super::chunk::{Slot, State};
use super::partition::{Facts, Lease, Messages, Timer};
use super::{Queue, Rules, Way};
use crate::codec::{Wire, fields, numbers};
use crate::command::LeaseEnd;
use crate::deduplication::Deduplication;
use crate::record::{IdHash, KeyHash};
use crate::wire::{Reader, WireError, Writer};

fields!(Rules { max_messages, max_bytes, overflow, message_ttl, delivery_limit, deduplication, order, partitions } since 2 {
    priority_max, keeps_way
});
fields!(DeadLetter { reason, origin, attempts, count, at } since 2 { deaths, routed });
fields!(Death { reason, origin, count, at, exchange, routing_keys, ttl });
fields!(Lease { epoch, end });
numbers!(State { 0 => Free, 1 => Ready, 2 => Blocked, 3 => Delayed, 4 => Leased });

impl Wire for KeyHash {
    fn write(&self, writer: &mut Writer) {
        writer.u64(self.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.u64().map(Self)
    }
}

impl Wire for IdHash {
    fn write(&self, writer: &mut Writer) {
        writer.raw(&self.0.to_le_bytes());
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let mut raw = [0; 16];
        raw.copy_from_slice(&reader.take(16)?);
        Ok(Self(u128::from_le_bytes(raw)))
    }
}

impl Wire for Facts {
    fn write(&self, writer: &mut Writer) {
        self.key.write(writer);
        self.expires_at.write(writer);
        self.dead_letter.as_deref().cloned().write(writer);
        self.way.as_deref().cloned().write(writer);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let (key, expires_at) = (Wire::read(reader)?, Wire::read(reader)?);
        let dead_letter = Option::<DeadLetter>::read(reader)?.map(Box::new);
        let way = if reader.version() < 2 { None } else { Option::<Way>::read(reader)?.map(Arc::new) };
        Ok(Self { key, expires_at, dead_letter, way })
    }
}

impl Wire for Slot {
    fn write(&self, writer: &mut Writer) {
        self.index.write(writer);
        self.published_at.write(writer);
        writer.u32(self.position);
        writer.u32(self.bytes);
        writer.u32(self.attempts);
        self.priority.write(writer);
        self.state.write(writer);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        Ok(Self {
            index: LogIndex::read(reader)?,
            published_at: Timestamp::read(reader)?,
            position: reader.u32()?,
            bytes: reader.u32()?,
            attempts: reader.u32()?,
            priority: Priority::read(reader)?,
            state: State::read(reader)?,
        })
    }
}

impl Queue {
    /// Writes the whole state.
    pub fn encode(&self, writer: &mut Writer) {
        self.rules.write(writer);
        writer.u32(self.turn_in);
        writer.u32(self.turn_out);
        let seen = self.seen.as_deref().filter(|_| !mutant::is_on(Mutant::WindowNotSaved));
        seen.cloned().write(writer);
        self.partitions.iter().for_each(|messages| messages.write(writer));
    }

    /// Reads what `encode` wrote.
    ///
    /// # Errors
    /// When the bytes are not a queue.
    pub fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        let rules = Rules::read(reader)?;
        if rules.partitions == 0 || rules.partitions > model::limits::PARTITIONS_MAX {
            return Err(reader.error("a queue with an impossible number of partitions"));
        }
        let (turn_in, turn_out) = (reader.u32()?, reader.u32()?);
        let seen = Option::<Deduplication<MessagePlace>>::read(reader)?.map(Box::new);
        let order = rules.order;
        let partitions = (0..rules.partitions).map(|_| Messages::read(reader, order)).collect::<Result<_, _>>()?;
        Ok(Self { rules: Box::new(rules), partitions, turn_in, turn_out, seen })
    }
}

impl Messages {
    fn write(&self, writer: &mut Writer) {
        writer.u64(self.next);
        writer.u32(self.attempts_max);
        writer.u32(self.attempts_base);
        writer.count(self.slots.count());
        for (sequence, slot) in self.all() {
            sequence.write(writer);
            slot.write(writer);
        }
        write_map(writer, &self.delayed);
        write_map(writer, &self.leases);
        write_map(writer, &self.facts);
        let active: BTreeMap<_, _> = self.keys.lines.iter().map(|(key, line)| (*key, line.active)).collect();
        write_map(writer, &active);
    }

    fn read(reader: &mut Reader, order: DeliveryOrder) -> Result<Self, WireError> {
        let next = reader.u64()?;
        let (attempts_max, attempts_base) = (reader.u32()?, reader.u32()?);
        let mut messages = Self { next, attempts_max, attempts_base, ..Self::new(order) };
        let slots = reader.list(38, |reader| Ok((Sequence::read(reader)?, Slot::read(reader)?)))?;
        messages.delayed = read_map(reader)?;
        messages.leases = read_map(reader)?;
        messages.facts = read_map(reader)?;
        let active: BTreeMap<KeyHash, Sequence> = read_map(reader)?;
        let mut last = None;
        for (sequence, slot) in slots {
            let rises = last.is_none_or(|last| sequence > last) && sequence.get() < messages.next;
            if !rises || slot.state == State::Free || slot.attempts < attempts_base {
                return Err(reader.error("a queue with impossible sequences"));
            }
            last = Some(sequence);
            if slot.state == State::Delayed && mutant::is_on(Mutant::DelayedNotRestored) {
                messages.delayed.remove(&sequence);
                continue;
            }
            messages.restore(sequence, slot).map_err(|what| reader.error(what))?;
        }
        // Active messages enter first, so that each key's line has the head that it had.
        for (key, sequence) in active {
            messages.keys.enter(key, sequence);
        }
        let blocked: Vec<_> = messages.blocked.iter().copied().collect();
        for sequence in blocked {
            let key = messages.facts.get(&sequence).and_then(|facts| facts.key);
            let key = key.ok_or_else(|| reader.error("a blocked message without a key"))?;
            if messages.keys.enter(key, sequence) {
                messages.blocked.remove(&sequence);
                messages.make_ready(sequence);
            }
        }
        Ok(messages)
    }

    /// Puts a message back under the state that its slot names.
    fn restore(&mut self, sequence: Sequence, slot: Slot) -> Result<(), &'static str> {
        self.bytes += u64::from(slot.bytes);
        self.slots.push(sequence, slot);
        if matches!(slot.state, State::Ready | State::Blocked) {
            self.bytes_waiting += u64::from(slot.bytes);
        }
        let expires_at = self.facts.get(&sequence).and_then(|facts| facts.expires_at);
        if let Some(expires_at) = expires_at.filter(|_| slot.state != State::Leased) {
            self.timers.insert((expires_at, Timer::Expiry, sequence));
        }
        match slot.state {
            State::Ready => self.ready.insert(slot.priority, sequence),
            State::Blocked => {
                self.blocked.insert(sequence);
            }
            State::Delayed => {
                let due = self.delayed.get(&sequence).ok_or("a delayed message without its time")?;
                self.timers.insert((*due, Timer::Available, sequence));
            }
            State::Leased => {
                let lease = self.leases.get(&sequence).ok_or("a leased message without its lease")?;
                if let LeaseEnd::At(end) = lease.end {
                    self.timers.insert((end, Timer::LeaseEnd, sequence));
                }
            }
            State::Free => return Err("a free slot among messages"),
        }
        Ok(())
    }
}

fn write_map<K: Wire, V: Wire>(writer: &mut Writer, map: &BTreeMap<K, V>) {
    writer.count(map.len());
    for (key, value) in map {
        key.write(writer);
        value.write(writer);
    }
}

fn read_map<K: Wire + Ord, V: Wire>(reader: &mut Reader) -> Result<BTreeMap<K, V>, WireError> {
    Ok(reader.list(2, |reader| Ok((K::read(reader)?, V::read(reader)?)))?.into_iter().collect())
}
