//! The messages of a partition by sequence: 32 bytes each, in chunks that go when their last message goes,
//! so that one old message holds one chunk and no more.
//!
//! Invariant: a chunk that exists has at least one used slot; `used` counts the slots that are not free.

use std::collections::BTreeMap;

use model::number::{LogIndex, Priority, Sequence, Timestamp};

use crate::place::{MessageRef, Stored};

/// Slots of a full chunk.
pub(super) const CHUNK_SLOTS: u64 = 512;

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

/// Consecutive messages.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    pub(super) first: u64,
    pub(super) used: u32,
    pub(super) slots: Vec<Slot>,
}

/// All messages of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Slots {
    pub(super) chunks: BTreeMap<u64, Chunk>,
}

impl Slots {
    /// Adds a message behind all others; sequences in between stay free.
    pub(super) fn push(&mut self, sequence: Sequence, slot: Slot) {
        let chunk = self.chunks.entry(sequence.get() / CHUNK_SLOTS).or_insert_with(|| Chunk {
            first: sequence.get(),
            used: 0,
            slots: Vec::new(),
        });
        let at = place(sequence.get() - chunk.first);
        assert!(at >= chunk.slots.len(), "sequences rise");
        chunk.slots.resize(at, Slot::FREE);
        chunk.slots.push(slot);
        chunk.used += 1;
    }

    pub(super) fn get(&self, sequence: Sequence) -> Option<&Slot> {
        let chunk = self.chunks.get(&(sequence.get() / CHUNK_SLOTS))?;
        let slot = chunk.slots.get(place(sequence.get().checked_sub(chunk.first)?))?;
        Some(slot).filter(|slot| slot.state != State::Free)
    }

    pub(super) fn get_mut(&mut self, sequence: Sequence) -> Option<&mut Slot> {
        let chunk = self.chunks.get_mut(&(sequence.get() / CHUNK_SLOTS))?;
        let slot = chunk.slots.get_mut(place(sequence.get().checked_sub(chunk.first)?))?;
        Some(slot).filter(|slot| slot.state != State::Free)
    }

    /// Takes a message out.
    pub(super) fn remove(&mut self, sequence: Sequence) -> Option<Slot> {
        let slot = std::mem::replace(self.get_mut(sequence)?, Slot::FREE);
        let number = sequence.get() / CHUNK_SLOTS;
        let chunk = self.chunks.get_mut(&number).expect("the slot was found in it");
        chunk.used -= 1;
        if chunk.used == 0 {
            self.chunks.remove(&number);
        }
        Some(slot)
    }

    /// All messages in order of sequence, from one on.
    pub(super) fn from(&self, start: Sequence) -> impl Iterator<Item = (Sequence, &Slot)> {
        let chunks = self.chunks.range(start.get() / CHUNK_SLOTS..).map(|(_, chunk)| chunk);
        chunks.flat_map(move |chunk| {
            let skip = place(start.get().saturating_sub(chunk.first));
            let numbered = (chunk.first..).map(Sequence::new).zip(&chunk.slots).skip(skip);
            numbered.filter(|(_, slot)| slot.state != State::Free)
        })
    }
}

/// A place within a chunk.
fn place(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset within a chunk is small")
}
