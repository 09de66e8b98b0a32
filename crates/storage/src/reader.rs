//! Reads frames back, on the thread of the caller.
//! Invariant: a frame is handed out only if its checksum and its index are right.
//! Called by `log` and, to find the place of a cut, by the writer. Tests: `tests/conformance.rs`.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::core::Core;
use crate::fault::Fault;
use crate::folder::OpenFile;
use crate::frame::{self, FRAME_HEADER_BYTES, Frame, FrameHeader, FrameKind};
use crate::limits::{CHUNK_BYTES, INDEX_STRIDE_BYTES, READ_ATTEMPTS_MAX};
use crate::little_endian::{buffer_size, file_size};
use crate::position::{ByteCount, LogIndex, Term};
use crate::segment::Segment;

/// Where a durable frame lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FramePlace {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) term: Term,
}

/// One frame met on a walk: its unverified header and its bytes, without a copy.
pub(crate) struct Step {
    pub(crate) offset: u64,
    pub(crate) header: FrameHeader,
    pub(crate) bytes: Bytes,
}

/// Visits the frames between two places, in chunks of at least `chunk` bytes. Lengths are believed only as
/// far as `end`; the index of each frame must follow the one before.
pub(crate) fn walk(
    file: &OpenFile,
    start: (LogIndex, u64),
    end: u64,
    chunk: u64,
    mut visit: impl FnMut(&Step) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let (mut index, mut offset) = start;
    let header_bytes = file_size(FRAME_HEADER_BYTES);
    let mut wanted = chunk.max(header_bytes);
    while offset < end {
        let buffer = Bytes::from(file.read(offset, wanted.min(end - offset))?);
        let mut at = 0;
        wanted = chunk.max(header_bytes);
        while at + FRAME_HEADER_BYTES <= buffer.len() {
            let header = FrameHeader::read(&buffer[at..]);
            let place = offset + file_size(at);
            let size = match header.frame_bytes() {
                Some(size) if header.index == index && size <= end - place => size,
                Some(_) | None => {
                    return Err(Fault::corrupt(&file.path, place, "the header of a frame is wrong"));
                }
            };
            let Some(bytes) =
                (at + buffer_size(size) <= buffer.len()).then(|| buffer.slice(at..at + buffer_size(size)))
            else {
                wanted = wanted.max(size);
                break;
            };
            let step = Step { offset: place, header, bytes };
            if visit(&step)?.is_break() {
                return Ok(());
            }
            at += buffer_size(size);
            index = index.next();
        }
        if at == 0 && buffer.len() < FRAME_HEADER_BYTES {
            return Err(Fault::corrupt(&file.path, offset, "a frame is cut short"));
        }
        offset += file_size(at);
    }
    Ok(())
}

/// What a read may return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    pub(crate) from: LogIndex,
    pub(crate) until: LogIndex,
    pub(crate) bytes_max: ByteCount,
}

impl Core {
    /// Durable frames from one place on; the first one even when it is larger than the limit.
    pub(crate) fn read_durable(&self, want: Want) -> Result<Vec<Frame>, Fault> {
        for _ in 1..READ_ATTEMPTS_MAX {
            let before = self.truncations.load(Ordering::SeqCst);
            let outcome = self.read_once(want);
            let was_still = before.is_multiple_of(2) && before == self.truncations.load(Ordering::SeqCst);
            if outcome.is_ok() || was_still {
                return outcome;
            }
        }
        // A truncation that never ends holds the shape; after it the log stands still.
        let _still = self.shape.lock().expect("no holder panics");
        self.read_once(want)
    }

    fn read_once(&self, want: Want) -> Result<Vec<Frame>, Fault> {
        let mut frames = Vec::new();
        let mut from = want.from;
        let mut budget = want.bytes_max.0;
        while from < want.until {
            let Some(segment) = self.segment_at(from) else {
                break;
            };
            let before = frames.len();
            let piece = Want { from, until: want.until, bytes_max: ByteCount(budget) };
            let taken = self.read_segment(&segment, piece, &mut frames)?;
            budget = budget.saturating_sub(taken);
            from = LogIndex(from.0 + file_size(frames.len() - before));
            if frames.len() == before || budget == 0 || !self.starts_segment(from) {
                break;
            }
        }
        Ok(frames)
    }

    fn starts_segment(&self, index: LogIndex) -> bool {
        let segments = self.segments.read().expect("no holder panics");
        segments.contains_key(&index)
    }

    /// Takes frames of one segment and says how many bytes they have.
    fn read_segment(&self, segment: &Arc<Segment>, want: Want, frames: &mut Vec<Frame>) -> Result<u64, Fault> {
        let (Some((start, end)), Some(file)) = (segment.locate(want.from), self.file_if_present(segment)?) else {
            return Ok(0);
        };
        let mut taken = 0;
        let chunk = want.bytes_max.0.saturating_add(INDEX_STRIDE_BYTES).min(file_size(CHUNK_BYTES));
        let is_first_read = frames.is_empty();
        let mut is_met = false;
        walk(&file, start, end, chunk, |step| {
            if step.header.index < want.from {
                return Ok(ControlFlow::Continue(()));
            }
            is_met = true;
            let size = file_size(step.bytes.len());
            let is_beyond = step.header.index >= want.until || want.bytes_max.0 < taken + size;
            let is_owed = is_first_read && taken == 0 && step.header.index < want.until;
            if is_beyond && !is_owed {
                return Ok(ControlFlow::Break(()));
            }
            let header = frame::verify(&step.bytes, step.header.index)
                .map_err(|what| Fault::corrupt(&file.path, step.offset, what))?;
            if header.kind == FrameKind::SEAL {
                return Err(Fault::corrupt(&file.path, step.offset, "a seal lies among the frames"));
            }
            frames.push(frame::share(&step.bytes, &header));
            taken += size;
            Ok(ControlFlow::Continue(()))
        })?;
        if !is_met {
            return Err(swallowed(&file, end));
        }
        Ok(if taken == 0 { want.bytes_max.0 } else { taken })
    }

    /// The file of a segment, unless it was deleted a moment ago.
    fn file_if_present(&self, segment: &Arc<Segment>) -> Result<Option<OpenFile>, Fault> {
        match self.segment_file(segment) {
            Ok(file) => Ok(Some(file)),
            Err(Fault::Io { kind: io::ErrorKind::NotFound, .. }) if !self.starts_segment(segment.first) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Finds the place of a durable frame; `None` when it is not there.
    pub(crate) fn place_of(&self, index: LogIndex) -> Result<Option<(Arc<Segment>, FramePlace)>, Fault> {
        let Some(segment) = self.segment_at(index) else {
            return Ok(None);
        };
        let (Some((start, end)), Some(file)) = (segment.locate(index), self.file_if_present(&segment)?) else {
            return Ok(None);
        };
        let mut place = None;
        walk(&file, start, end, INDEX_STRIDE_BYTES, |step| {
            if step.header.index < index {
                return Ok(ControlFlow::Continue(()));
            }
            frame::verify(&step.bytes, index).map_err(|what| Fault::corrupt(&file.path, step.offset, what))?;
            place = Some(FramePlace {
                start: step.offset,
                end: step.offset + file_size(step.bytes.len()),
                term: step.header.term,
            });
            Ok(ControlFlow::Break(()))
        })?;
        let place = place.ok_or_else(|| swallowed(&file, end))?;
        Ok(Some((segment, place)))
    }
}

/// The segment has the frame, and the walk came to its end without meeting it: a frame before it claims its bytes. Those
/// that are passed over are not verified, for a read would have to read all that lies before.
fn swallowed(file: &OpenFile, end: u64) -> Fault {
    Fault::corrupt(&file.path, end, "a frame claims those behind it, up to here")
}
