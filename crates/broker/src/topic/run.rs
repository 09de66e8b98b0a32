//! Runs: many records of a partition in a few bytes. Consecutive messages of one batch share a run.
//!
//! A run takes 40 bytes, and four more a record where sizes differ. Records come at the end and go from
//! the front; only a relocation splits a run.
//! Invariant: runs ascend by offset and by time; the column of sizes ascends with them.
//! Called by `partition`. Tests: `tests/topic_properties.rs` against a plain vector.

use std::collections::VecDeque;
use std::ops::Range;

use model::number::{LogIndex, Offset, Timestamp};

use super::Entry;
use crate::place::{MessageRef, Stored};

/// How large the records of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sizes {
    /// All of this size.
    Each(u32),
    /// One by one in the column of sizes, from this place, counted round 2^32 from the first size ever.
    Listed(u32),
}

/// Consecutive messages of one batch that are consecutive records of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) base: Offset,
    pub(super) index: LogIndex,
    pub(super) published_at: Timestamp,
    pub(super) position: u32,
    pub(super) count: u32,
    pub(super) sizes: Sizes,
}

impl Run {
    fn of(entry: Entry) -> Self {
        Self {
            base: entry.offset,
            index: entry.stored.at.index,
            published_at: entry.published_at,
            position: entry.stored.at.position,
            count: 1,
            sizes: Sizes::Each(entry.stored.bytes),
        }
    }

    /// The offset after its last record.
    pub(super) fn end(&self) -> Offset {
        plus(self.base, self.count)
    }

    fn continues_at(&self, offset: Offset, at: MessageRef, published_at: Timestamp) -> bool {
        self.end() == offset
            && self.index == at.index
            && self.position + self.count == at.position
            && self.published_at == published_at
    }

    /// The records from `skip` on, `count` of them, as a run.
    fn part(&self, skip: u32, count: u32) -> Self {
        let sizes = match self.sizes {
            Sizes::Each(bytes) => Sizes::Each(bytes),
            Sizes::Listed(start) => Sizes::Listed(start.wrapping_add(skip)),
        };
        Self { base: plus(self.base, skip), position: self.position + skip, count, sizes, ..*self }
    }

    /// This run and the next as one, where they fit.
    fn joined(&self, next: &Self) -> Option<Self> {
        let at = MessageRef { index: next.index, position: next.position };
        let sizes_fit = match (self.sizes, next.sizes) {
            (Sizes::Each(left), Sizes::Each(right)) => left == right,
            (Sizes::Listed(left), Sizes::Listed(right)) => left.wrapping_add(self.count) == right,
            (Sizes::Each(_), Sizes::Listed(_)) | (Sizes::Listed(_), Sizes::Each(_)) => false,
        };
        (sizes_fit && self.continues_at(next.base, at, next.published_at))
            .then_some(Self { count: self.count + next.count, ..*self })
    }
}

fn plus(offset: Offset, count: u32) -> Offset {
    Offset::new(offset.get() + u64::from(count))
}

/// The records of a partition that is not compacted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) runs: VecDeque<Run>,
    /// Sizes of the records whose run lists them, in the order of their offsets.
    pub(super) sizes: VecDeque<u32>,
    /// How many sizes have left the column, round 2^32.
    pub(super) sizes_gone: u32,
}

impl Runs {
    /// Adds a record behind all others.
    pub(super) fn push(&mut self, entry: Entry) {
        let next = self.sizes_gone.wrapping_add(narrow(self.sizes.len()));
        let Some(last) = self.runs.back_mut() else {
            self.runs.push_back(Run::of(entry));
            return;
        };
        if !last.continues_at(entry.offset, entry.stored.at, entry.published_at) {
            self.runs.push_back(Run::of(entry));
            return;
        }
        match last.sizes {
            Sizes::Each(bytes) if bytes == entry.stored.bytes => {}
            Sizes::Each(bytes) => {
                self.sizes.extend((0..last.count).map(|_| bytes));
                self.sizes.push_back(entry.stored.bytes);
                last.sizes = Sizes::Listed(next);
            }
            Sizes::Listed(_) => self.sizes.push_back(entry.stored.bytes),
        }
        last.count += 1;
    }

    /// The oldest record.
    pub(super) fn first(&self) -> Option<Entry> {
        self.runs.front().map(|run| self.entry(run, 0))
    }

    /// Takes the oldest record out.
    pub(super) fn pop_first(&mut self) -> Option<Entry> {
        let entry = self.first()?;
        let run = self.runs.front_mut()?;
        if matches!(run.sizes, Sizes::Listed(_)) {
            self.sizes.pop_front();
            self.sizes_gone = self.sizes_gone.wrapping_add(1);
        }
        if run.count == 1 {
            self.runs.pop_front();
        } else {
            *run = run.part(1, run.count - 1);
        }
        Some(entry)
    }

    /// The records from this offset on.
    pub(super) fn from(&self, offset: Offset) -> impl Iterator<Item = Entry> {
        self.runs.range(self.place_of(offset)..).flat_map(move |run| {
            let skip = offset.get().saturating_sub(run.base.get());
            let skip = u32::try_from(skip).expect("the run ends after the offset, and a run counts in u32");
            (skip..run.count).map(move |nth| self.entry(run, nth))
        })
    }

    /// How many records lie at or after this offset.
    pub(super) fn count_from(&self, offset: Offset) -> u64 {
        let runs = self.runs.range(self.place_of(offset)..);
        runs.map(|run| run.end().get() - run.base.get().max(offset.get())).sum()
    }

    /// The records whose bytes lie in this part of the log.
    pub(super) fn references_in<'a>(&'a self, log: &'a Range<LogIndex>) -> impl Iterator<Item = Entry> + 'a {
        let inside = self.runs.iter().filter(|run| log.contains(&run.index));
        inside.flat_map(move |run| (0..run.count).map(move |nth| self.entry(run, nth)))
    }

    /// The first record accepted at or after this time.
    pub(super) fn at_time(&self, time: Timestamp) -> Option<Offset> {
        let place = self.runs.partition_point(|run| run.published_at < time);
        self.runs.get(place).map(|run| run.base)
    }

    /// Notes that a record lies elsewhere now; `None` when it is gone or does not lie at `from`.
    pub(super) fn relocate(&mut self, offset: Offset, from: MessageRef, to: MessageRef) -> Option<u32> {
        let place = self.place_of(offset);
        let run = *self.runs.get(place)?;
        let skip = u32::try_from(offset.get().checked_sub(run.base.get())?).ok()?;
        let old = self.entry(&run, skip);
        if old.stored.at != from {
            return None;
        }
        let moved = Run { index: to.index, position: to.position, ..run.part(skip, 1) };
        let pieces = [run.part(0, skip), moved, run.part(skip + 1, run.count - skip - 1)];
        self.runs.remove(place);
        let mut end = place;
        for piece in pieces.into_iter().filter(|piece| piece.count > 0) {
            self.runs.insert(end, piece);
            end += 1;
        }
        self.join(place.saturating_sub(1), end);
        Some(old.stored.bytes)
    }

    /// Joins what fits together from the run at `first` to the one at `last`.
    fn join(&mut self, first: usize, last: usize) {
        for left in (first..last).rev() {
            let (Some(run), Some(next)) = (self.runs.get(left), self.runs.get(left + 1)) else { continue };
            if let Some(joined) = run.joined(next) {
                self.runs[left] = joined;
                self.runs.remove(left + 1);
            }
        }
    }

    /// The place of the first run that ends after this offset.
    fn place_of(&self, offset: Offset) -> usize {
        self.runs.partition_point(|run| run.end() <= offset)
    }

    fn entry(&self, run: &Run, nth: u32) -> Entry {
        let bytes = match run.sizes {
            Sizes::Each(bytes) => bytes,
            Sizes::Listed(start) => {
                let place = start.wrapping_add(nth).wrapping_sub(self.sizes_gone);
                let place = usize::try_from(place).expect("a size in the column has a usize as its place");
                self.sizes[place]
            }
        };
        let at = MessageRef { index: run.index, position: run.position + nth };
        Entry { offset: plus(run.base, nth), stored: Stored { at, bytes }, published_at: run.published_at }
    }
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length).expect("the column of one partition holds fewer than 2^32 sizes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_costs_at_most_forty_bytes_of_index() {
        assert!(size_of::<Run>() <= 40);
    }

    #[test]
    fn a_batch_is_one_run_whatever_its_sizes() {
        let mut runs = Runs::default();
        for nth in 0..100_u32 {
            let at = MessageRef { index: LogIndex::new(7), position: nth };
            let stored = Stored { at, bytes: 10 + nth / 50 };
            let published_at = Timestamp::new(1);
            runs.push(Entry { offset: Offset::new(u64::from(nth)), stored, published_at });
        }
        assert_eq!((runs.runs.len(), runs.sizes.len()), (1, 100));
    }
}
