//! The durable mark and the purge mark, as values of a slot.
//! Invariant: the durable mark never claims more than was synced; a truncation lowers it first.
//! Called by the writer and recovery. Drawn in `docs/formats/slots.md`.

use bytes::Bytes;

use crate::little_endian::{put_u64, u64_at};
use crate::position::{LogIndex, Term};

const MARK_BYTES: usize = 32;
const PURGE_BYTES: usize = 16;

/// Whether the store was closed when the mark was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Open,
    Clean,
}

/// The last durable frame, and the place right behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurableEnd {
    pub(crate) index: LogIndex,
    pub(crate) segment: LogIndex,
    pub(crate) offset: u64,
}

/// How far the log was known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurableMark {
    pub(crate) end: Option<DurableEnd>,
    pub(crate) ending: Ending,
}

impl DurableMark {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = vec![0; MARK_BYTES];
        bytes[0] = u8::from(self.end.is_some());
        bytes[1] = u8::from(self.ending == Ending::Clean);
        if let Some(end) = self.end {
            put_u64(&mut bytes, 8, end.index.0);
            put_u64(&mut bytes, 16, end.segment.0);
            put_u64(&mut bytes, 24, end.offset);
        }
        Bytes::from(bytes)
    }

    /// Reads a mark; `None` when the value has another shape. An empty value is a new store.
    pub(crate) fn decode(bytes: &[u8]) -> Option<DurableMark> {
        if bytes.is_empty() {
            return Some(DurableMark { end: None, ending: Ending::Open });
        }
        if bytes.len() != MARK_BYTES {
            return None;
        }
        let end = (bytes[0] == 1).then(|| DurableEnd {
            index: LogIndex(u64_at(bytes, 8)),
            segment: LogIndex(u64_at(bytes, 16)),
            offset: u64_at(bytes, 24),
        });
        let ending = if bytes[1] == 1 { Ending::Clean } else { Ending::Open };
        Some(DurableMark { end, ending })
    }
}

pub(crate) fn encode_purge(term: Term, index: LogIndex) -> Bytes {
    let mut bytes = vec![0; PURGE_BYTES];
    put_u64(&mut bytes, 0, term.0);
    put_u64(&mut bytes, 8, index.0);
    Bytes::from(bytes)
}

/// Reads a purge mark; an empty value is none at all.
pub(crate) fn decode_purge(bytes: &[u8]) -> Option<(Term, LogIndex)> {
    (bytes.len() == PURGE_BYTES).then(|| (Term(u64_at(bytes, 0)), LogIndex(u64_at(bytes, 8))))
}
