//! Which bytes of which segment are still needed. A segment goes when nothing in it is.
//!
//! Every index entry that refers to a message retains it once and releases it once.
//! Invariant: the live bytes of a segment are the sum of the sizes of the entries that refer into it.
//! Called by everything that adds or removes a reference; read by the shard's housekeeping.

use std::collections::BTreeMap;

use model::number::{ByteSize, LogIndex};

use crate::codec::{Wire, fields};
use crate::place::{MessageRef, Stored};
use crate::wire::{Reader, WireError, Writer};

/// What is needed of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// References into it.
    pub references: u64,
    /// Bytes of those messages; a message that two indexes refer to counts twice.
    pub bytes: ByteSize,
}

fields!(Live { references, bytes });

/// The ledger of live bytes by segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// By the first log index of each segment that the machine has applied from.
    segments: BTreeMap<LogIndex, Live>,
}

impl Liveness {
    /// Notes that a segment starting at this index exists. Idempotent.
    pub fn open_segment(&mut self, first: LogIndex) {
        self.segments.entry(first).or_default();
    }

    /// Counts a reference to a message.
    pub fn retain(&mut self, stored: Stored) {
        let live = self.entry(stored.at);
        live.references += 1;
        live.bytes = ByteSize::new(live.bytes.get() + u64::from(stored.bytes));
    }

    /// Gives a reference back.
    pub fn release(&mut self, stored: Stored) {
        let live = self.entry(stored.at);
        live.references = live.references.checked_sub(1).expect("released as often as retained");
        let left = live.bytes.get().checked_sub(u64::from(stored.bytes));
        live.bytes = ByteSize::new(left.expect("released with the size it was retained with"));
    }

    fn entry(&mut self, at: MessageRef) -> &mut Live {
        let segment = self.segments.range_mut(..=at.index).next_back();
        segment.map(|(_, live)| live).expect("the segment of an applied message was opened before it was applied")
    }

    /// What is needed of each segment, oldest first.
    pub fn segments(&self) -> impl Iterator<Item = (LogIndex, Live)> {
        self.segments.iter().map(|(first, live)| (*first, *live))
    }

    /// Forgets a segment whose file is gone.
    pub fn close_segment(&mut self, first: LogIndex) {
        let live = self.segments.remove(&first);
        assert!(live.is_none_or(|live| live.references == 0), "a segment with live messages was closed");
    }
}

impl Wire for Liveness {
    fn write(&self, writer: &mut Writer) {
        self.segments().collect::<Vec<_>>().write(writer);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let segments: Vec<(LogIndex, Live)> = Wire::read(reader)?;
        Ok(Self { segments: segments.into_iter().collect() })
    }
}
