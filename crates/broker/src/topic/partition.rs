//! The history of one partition: which records it has and where they lie in the log.
//! Invariant: offsets ascend and are never given twice; every record in the index is retained once in the ledger.
//! Called by `Topic` and by subscriptions that read. Tests: `tests/topic_properties.rs`.

use std::ops::Range;

use model::number::{ByteSize, LogIndex, Offset, Partition, Timestamp};
use model::topic::{Cleanup, PartitionExtent, StartAt};

use super::Entry;
use super::compaction::{Compacted, Meaning};
use super::run::Runs;
use crate::liveness::Liveness;
use crate::place::{MessageRef, Stored};
use crate::record::Head;

/// The index, in the form that the topic's cleanup needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Index {
    /// Records come at the end and go from the front.
    Runs(Runs),
    /// Records go from anywhere.
    Compacted(Compacted),
}

impl Index {
    fn empty(cleanup: Cleanup) -> Self {
        match cleanup {
            Cleanup::Delete => Self::Runs(Runs::default()),
            Cleanup::Compact => Self::Compacted(Compacted::default()),
        }
    }
}

/// One partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    pub(super) index: Index,
    pub(super) end: Offset,
    pub(super) newest_at: Timestamp,
    pub(super) messages: u64,
    pub(super) bytes: ByteSize,
}

impl History {
    pub(super) fn new(cleanup: Cleanup) -> Self {
        Self {
            index: Index::empty(cleanup),
            end: Offset::new(0),
            newest_at: Timestamp::new(0),
            messages: 0,
            bytes: ByteSize::new(0),
        }
    }

    /// Adds a record. Its time is not before that of the record in front of it, so that times can be searched.
    pub(super) fn append(&mut self, stored: Stored, at: Timestamp, head: &Head, ledger: &mut Liveness) -> Offset {
        let offset = self.end;
        self.end = offset.next();
        self.newest_at = self.newest_at.max(at);
        let entry = Entry { offset, stored, published_at: self.newest_at };
        ledger.retain(stored);
        self.count_in(entry);
        match &mut self.index {
            Index::Runs(runs) => runs.push(entry),
            Index::Compacted(compacted) => {
                let key = head.key.expect("a record without a key was refused before it came here");
                let meaning = if head.empty { Meaning::Tombstone } else { Meaning::Value };
                let replaced = compacted.push(entry, key, meaning);
                self.give_up(replaced, ledger);
            }
        }
        offset
    }

    fn count_in(&mut self, entry: Entry) {
        self.messages += 1;
        self.bytes = self.bytes.plus(entry.stored.size());
    }

    /// Counts a record that has left the index.
    fn give_up(&mut self, entry: Option<Entry>, ledger: &mut Liveness) -> bool {
        let Some(entry) = entry else { return false };
        let left = self.bytes.get().checked_sub(u64::from(entry.stored.bytes));
        self.messages -= 1;
        self.bytes = ByteSize::new(left.expect("a record leaves with the size it came with"));
        ledger.release(entry.stored);
        true
    }

    /// Gives up the oldest record; false when there is none.
    pub(super) fn drop_first(&mut self, ledger: &mut Liveness) -> bool {
        let first = match &mut self.index {
            Index::Runs(runs) => runs.pop_first(),
            Index::Compacted(compacted) => compacted.pop_first(),
        };
        self.give_up(first, ledger)
    }

    /// Gives up a tombstone that is due; false when there is none.
    pub(super) fn drop_tombstone(&mut self, now: Timestamp, ledger: &mut Liveness) -> bool {
        let due = match &mut self.index {
            Index::Runs(_) => None,
            Index::Compacted(compacted) => compacted.pop_tombstone(now),
        };
        self.give_up(due, ledger)
    }

    /// When the next tombstone is due.
    pub(super) fn tombstone_due(&self) -> Option<Timestamp> {
        match &self.index {
            Index::Runs(_) => None,
            Index::Compacted(compacted) => compacted.tombstone_due(),
        }
    }

    /// Changes the form of the index when the topic's cleanup changes. Offsets stay.
    pub(super) fn convert(&mut self, cleanup: Cleanup) {
        match (&self.index, cleanup) {
            (Index::Runs(_), Cleanup::Delete) | (Index::Compacted(_), Cleanup::Compact) => {}
            (Index::Compacted(compacted), Cleanup::Delete) => {
                let mut runs = Runs::default();
                compacted.from(Offset::new(0)).for_each(|entry| runs.push(entry));
                self.index = Index::Runs(runs);
            }
            (Index::Runs(runs), Cleanup::Compact) => {
                let mut compacted = Compacted::default();
                runs.from(Offset::new(0)).for_each(|entry| compacted.push_unkeyed(entry));
                self.index = Index::Compacted(compacted);
            }
        }
    }

    /// Moves a reference after the record was written again; false when it is gone or lies elsewhere.
    pub(super) fn relocate(&mut self, offset: Offset, from: MessageRef, to: MessageRef, ledger: &mut Liveness) -> bool {
        let moved = match &mut self.index {
            Index::Runs(runs) => runs.relocate(offset, from, to),
            Index::Compacted(compacted) => compacted.relocate(offset, from, to),
        };
        let Some(bytes) = moved else { return false };
        ledger.retain(Stored { at: to, bytes });
        ledger.release(Stored { at: from, bytes });
        true
    }

    /// The records from this offset on, oldest first; holes are skipped.
    pub fn from(&self, offset: Offset) -> Box<dyn Iterator<Item = Entry> + '_> {
        match &self.index {
            Index::Runs(runs) => Box::new(runs.from(offset)),
            Index::Compacted(compacted) => Box::new(compacted.from(offset)),
        }
    }

    /// The oldest record.
    pub fn first(&self) -> Option<Entry> {
        match &self.index {
            Index::Runs(runs) => runs.first(),
            Index::Compacted(compacted) => compacted.first(),
        }
    }

    /// Up to so many records and bytes from this offset on; one record always fits.
    pub fn read(&self, from: Offset, messages_max: usize, bytes_max: ByteSize) -> Vec<Entry> {
        let mut bytes = ByteSize::new(0);
        self.from(from)
            .take(messages_max)
            .take_while(|entry| {
                let first = bytes == ByteSize::new(0);
                bytes = bytes.plus(entry.stored.size());
                first || bytes <= bytes_max
            })
            .collect()
    }

    /// The records whose bytes lie in this part of the log, oldest first.
    pub(super) fn references_in<'a>(&'a self, log: &'a Range<LogIndex>) -> Box<dyn Iterator<Item = Entry> + 'a> {
        match &self.index {
            Index::Runs(runs) => Box::new(runs.references_in(log)),
            Index::Compacted(compacted) => {
                Box::new(compacted.from(Offset::new(0)).filter(|entry| log.contains(&entry.stored.at.index)))
            }
        }
    }

    /// The oldest offset that can be read; the end when there is none.
    pub fn earliest(&self) -> Offset {
        self.first().map_or(self.end, |entry| entry.offset)
    }

    /// The offset that the next record gets.
    pub const fn end(&self) -> Offset {
        self.end
    }

    /// The offset that a place to start stands for.
    pub fn locate(&self, start: StartAt) -> Offset {
        match start {
            StartAt::Earliest => self.earliest(),
            StartAt::Latest => self.end,
            StartAt::Offset(offset) => self.clamp(offset),
            StartAt::Time(time) => {
                let found = match &self.index {
                    Index::Runs(runs) => runs.at_time(time),
                    Index::Compacted(compacted) => compacted.at_time(time),
                };
                found.unwrap_or(self.end)
            }
        }
    }

    /// The nearest offset between the oldest record and the end.
    pub fn clamp(&self, offset: Offset) -> Offset {
        offset.clamp(self.earliest(), self.end)
    }

    /// How many records lie at or after this offset.
    pub fn messages_from(&self, offset: Offset) -> u64 {
        if offset <= self.earliest() {
            return self.messages;
        }
        match &self.index {
            Index::Runs(runs) => runs.count_from(offset),
            Index::Compacted(compacted) => compacted.from(offset).map(|_| 1).sum(),
        }
    }

    /// What there is to read.
    pub fn extent(&self, partition: Partition) -> PartitionExtent {
        PartitionExtent {
            partition,
            earliest: self.earliest(),
            end: self.end,
            messages: self.messages,
            bytes: self.bytes,
        }
    }
}
