//! The messages of a partition by sequence: 32 bytes each, in chunks of up to 512 neighbours.
//!
//! A chunk goes when its last message goes, and shrinks when most of them are gone, so that old messages
//! hold memory for themselves and not for the thousands that came and went around them.
//! Invariant: a chunk that exists has at least one used slot; `used` counts the slots that are not free; a
//! slot stands in `slots` at the rank of its place in `kept`.

use std::collections::BTreeMap;

use model::number::{LogIndex, Priority, Sequence, Timestamp};

use super::bits::{Bits, PLACES, locate};
#[cfg(test)]
use super::memory::{allocated, of_tree};
use crate::place::{MessageRef, Stored};

/// A chunk of which no more than one in so many slots is used is made smaller.
const SPARE_FACTOR: usize = 4;

/// Where a message is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No message: settled, or never there.
    Free,
    /// Waits for a consumer.
    Ready,
    /// Waits for an earlier message of its key.
    Blocked,
    /// Waits for its time.
    Delayed,
    /// Is with a consumer.
    Leased,
}

/// What every message costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) index: LogIndex,
    pub(super) published_at: Timestamp,
    pub(super) position: u32,
    pub(super) bytes: u32,
    pub(super) attempts: u32,
    pub(super) priority: Priority,
    pub(super) state: State,
}

const _: () = assert!(size_of::<Slot>() == 32, "a ready message is promised to cost 32 bytes");

impl Slot {
    const FREE: Self = Self {
        index: LogIndex::new(0),
        published_at: Timestamp::new(0),
        position: 0,
        bytes: 0,
        attempts: 0,
        priority: Priority::DEFAULT,
        state: State::Free,
    };

    pub(super) const fn stored(&self) -> Stored {
        Stored { at: MessageRef { index: self.index, position: self.position }, bytes: self.bytes }
    }
}

/// Neighbouring messages.
#[derive(Clone, Debug, Default)]
struct Chunk {
    /// The places that have a slot, be it free.
    kept: Bits,
    used: usize,
    slots: Vec<Slot>,
}

impl Chunk {
    fn iter(&self) -> impl Iterator<Item = (u64, &Slot)> {
        self.kept.iter().zip(&self.slots).filter(|(_, slot)| slot.state != State::Free)
    }

    /// Lets go of the free slots once they are most.
    fn shrink(&mut self) {
        if self.used * SPARE_FACTOR > self.slots.len() {
            return;
        }
        let mut kept = Bits::default();
        let mut slots = Vec::with_capacity(self.used);
        for (place, slot) in self.iter() {
            kept.insert(locate(place).1);
            slots.push(*slot);
        }
        (self.kept, self.slots) = (kept, slots);
    }
}

/// All messages of a partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    /// Boxed, because a tree makes room for eleven values at once and most queues have one chunk.
    chunks: BTreeMap<u64, Box<Chunk>>,
}

impl PartialEq for Slots {
    /// Equal messages; how much the chunks have shrunk is nobody's business.
    fn eq(&self, other: &Self) -> bool {
        self.from(Sequence::new(0)).eq(other.from(Sequence::new(0)))
    }
}

impl Slots {
    /// Adds a message behind all others; sequences in between stay free.
    pub(super) fn push(&mut self, sequence: Sequence, slot: Slot) {
        let (number, place) = locate(sequence.get());
        let chunk = self.chunks.entry(number).or_default();
        let is_new = chunk.kept.insert(place);
        assert!(is_new && chunk.kept.rank(place) == Some(chunk.slots.len()), "sequences rise");
        chunk.slots.push(slot);
        chunk.used += 1;
    }

    pub(super) fn get(&self, sequence: Sequence) -> Option<&Slot> {
        let (number, place) = locate(sequence.get());
        let chunk = self.chunks.get(&number)?;
        Some(&chunk.slots[chunk.kept.rank(place)?]).filter(|slot| slot.state != State::Free)
    }

    pub(super) fn get_mut(&mut self, sequence: Sequence) -> Option<&mut Slot> {
        let (number, place) = locate(sequence.get());
        let chunk = self.chunks.get_mut(&number)?;
        Some(&mut chunk.slots[chunk.kept.rank(place)?]).filter(|slot| slot.state != State::Free)
    }

    /// Takes a message out.
    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Slot> {
        let (number, place) = locate(sequence.get());
        let chunk = self.chunks.get_mut(&number)?;
        let slot = &mut chunk.slots[chunk.kept.rank(place)?];
        let slot = Some(std::mem::replace(slot, Slot::FREE)).filter(|slot| slot.state != State::Free)?;
        chunk.used -= 1;
        if chunk.used == 0 {
            self.chunks.remove(&number);
        } else {
            chunk.shrink();
        }
        Some(slot)
    }

    /// How many messages there are.
    pub(super) fn count(&self) -> usize {
        self.chunks.values().map(|chunk| chunk.used).sum()
    }

    /// All messages in order of sequence, from one on.
    pub(super) fn from(&self, start: Sequence) -> impl Iterator<Item = (Sequence, &Slot)> {
        let chunks = self.chunks.range(start.get() / PLACES..);
        let all = chunks.flat_map(|(number, chunk)| {
            chunk.iter().map(move |(place, slot)| (Sequence::new(number * PLACES + place), slot))
        });
        all.skip_while(move |(sequence, _)| *sequence < start)
    }

    /// What the chunks cost, in bytes, as far as the allocator is asked.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        let of_chunk =
            |chunk: &Chunk| allocated(size_of::<Chunk>()) + allocated(chunk.slots.capacity() * size_of::<Slot>());
        let chunks: usize = self.chunks.values().map(|chunk| of_chunk(chunk)).sum();
        chunks + of_tree::<u64, Box<Chunk>>(self.chunks.len())
    }
}
