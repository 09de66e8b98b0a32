//! The records of a compacted partition: the newest of each key.
//!
//! An older record goes as soon as a newer one of its key arrives, and leaves a hole in the offsets. A
//! record with an empty body deletes its key and goes itself after `TOMBSTONE_MS`, so that readers who were
//! away for a while still learn of the deletion. Records from before compaction was switched on have no
//! known key: only retention takes them.
//! Invariant: `newest` names a record in `kept` with that key for every key that has one.
//! Called by `partition`. Scripts: `tests/scripts/topic_compaction.txt`.

use std::collections::{BTreeMap, VecDeque};

use model::number::{LogIndex, Offset, Span, Timestamp};

use super::Entry;
use crate::limits::TOMBSTONE_MS;
use crate::place::{MessageRef, Stored};
use crate::record::KeyHash;

/// A record that is kept, without its offset. Flat, because there is one for every key of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) index: LogIndex,
    pub(super) published_at: Timestamp,
    pub(super) position: u32,
    pub(super) bytes: u32,
    pub(super) key: Option<KeyHash>,
}

impl Kept {
    fn of(entry: Entry, key: Option<KeyHash>) -> Self {
        let Stored { at, bytes } = entry.stored;
        Self { index: at.index, published_at: entry.published_at, position: at.position, bytes, key }
    }

    fn at(&self) -> MessageRef {
        MessageRef { index: self.index, position: self.position }
    }

    fn entry(&self, offset: Offset) -> Entry {
        let stored = Stored { at: self.at(), bytes: self.bytes };
        Entry { offset, stored, published_at: self.published_at }
    }
}

/// What a record means for its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Its newest value.
    Value,
    /// The key is deleted.
    Tombstone,
}

/// The records of a compacted partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Compacted {
    pub(super) kept: BTreeMap<Offset, Kept>,
    pub(super) newest: BTreeMap<KeyHash, Offset>,
    /// Tombstones in the order of their times; one that was overtaken is still listed.
    pub(super) tombstones: VecDeque<(Timestamp, Offset)>,
}

impl Compacted {
    /// Adds a record behind all others and takes out the one that it replaces.
    pub(super) fn push(&mut self, entry: Entry, key: KeyHash, meaning: Meaning) -> Option<Entry> {
        self.kept.insert(entry.offset, Kept::of(entry, Some(key)));
        let replaced = self.newest.insert(key, entry.offset);
        if meaning == Meaning::Tombstone {
            self.tombstones.push_back((entry.published_at, entry.offset));
        }
        let replaced = replaced?;
        self.kept.remove(&replaced).map(|kept| kept.entry(replaced))
    }

    /// Adds a record whose key is not known.
    pub(super) fn push_unkeyed(&mut self, entry: Entry) {
        self.kept.insert(entry.offset, Kept::of(entry, None));
    }

    /// The oldest record.
    pub(super) fn first(&self) -> Option<Entry> {
        self.kept.first_key_value().map(|(offset, kept)| kept.entry(*offset))
    }

    /// Takes the oldest record out.
    pub(super) fn pop_first(&mut self) -> Option<Entry> {
        let first = *self.kept.first_key_value()?.0;
        self.remove(first)
    }

    /// Takes out the oldest tombstone that is due.
    pub(super) fn pop_tombstone(&mut self, now: Timestamp) -> Option<Entry> {
        while self.tombstone_due().is_some_and(|due| due <= now) {
            let (_, offset) = self.tombstones.pop_front()?;
            if let Some(entry) = self.remove(offset) {
                return Some(entry);
            }
        }
        None
    }

    /// When the next tombstone goes.
    pub(super) fn tombstone_due(&self) -> Option<Timestamp> {
        self.tombstones.front().map(|(published_at, _)| published_at.after(Span::new(TOMBSTONE_MS)))
    }

    fn remove(&mut self, offset: Offset) -> Option<Entry> {
        let kept = self.kept.remove(&offset)?;
        if let Some(key) = kept.key
            && self.newest.get(&key) == Some(&offset)
        {
            self.newest.remove(&key);
        }
        Some(kept.entry(offset))
    }

    /// The records from this offset on.
    pub(super) fn from(&self, offset: Offset) -> impl Iterator<Item = Entry> {
        self.kept.range(offset..).map(|(offset, kept)| kept.entry(*offset))
    }

    /// The first record accepted at or after this time: halves the range of offsets, since times ascend.
    pub(super) fn at_time(&self, time: Timestamp) -> Option<Offset> {
        let (mut low, last) = (self.kept.first_key_value()?.0.get(), self.kept.last_key_value()?.0.get());
        let mut high = last + 1;
        while low < high {
            let middle = low + (high - low) / 2;
            let found = self.kept.range(Offset::new(middle)..).next();
            match found {
                Some((offset, kept)) if kept.published_at < time => low = offset.get() + 1,
                Some(_) | None => high = middle,
            }
        }
        self.kept.range(Offset::new(low)..).next().map(|(offset, _)| *offset)
    }

    /// Notes that a record lies elsewhere now; `None` when it is gone or does not lie at `from`.
    pub(super) fn relocate(&mut self, offset: Offset, from: MessageRef, to: MessageRef) -> Option<u32> {
        let kept = self.kept.get_mut(&offset).filter(|kept| kept.at() == from)?;
        kept.index = to.index;
        kept.position = to.position;
        Some(kept.bytes)
    }
}
