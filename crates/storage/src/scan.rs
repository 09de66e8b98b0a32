//! Reads all frames of a segment file and says where and why they end.
//! Invariant: the scan believes no byte that a checksum does not cover.
//! Called by recovery and scrub.

use std::ops::ControlFlow;

use crate::fault::Fault;
use crate::folder::OpenFile;
use crate::frame::{self, FRAME_HEADER_BYTES, FrameKind};
use crate::limits::CHUNK_BYTES;
use crate::little_endian::{buffer_size, file_size, first_nonzero};
use crate::position::LogIndex;
use crate::reader::walk;
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentState};

/// The whole frames at the start of a segment, and what follows them.
pub(crate) struct Scan {
    pub(crate) state: SegmentState,
    /// Why the frames end where they do.
    pub(crate) stop: &'static str,
    /// The last byte behind the frames that is not zero.
    pub(crate) last_nonzero: Option<u64>,
}

/// Scans a file of an open segment.
pub(crate) fn scan_frames(file: &OpenFile, first: LogIndex, length: u64) -> Result<Scan, Fault> {
    let mut state = SegmentState::empty(length);
    let mut stop = "a durable frame is missing";
    let start = (first, SEGMENT_HEADER_BYTES);
    let walked =
        walk(file, start, length, file_size(CHUNK_BYTES), |step| match frame::verify(&step.bytes, step.header.index) {
            Ok(header) if header.kind != FrameKind::SEAL => {
                state.index.note(first, header.index, step.offset);
                state.last = Some((header.term, header.index));
                state.end = step.offset + file_size(step.bytes.len());
                Ok(ControlFlow::Continue(()))
            }
            Ok(_) => {
                stop = "a seal lies where a frame is due";
                Ok(ControlFlow::Break(()))
            }
            Err(what) => {
                stop = what;
                Ok(ControlFlow::Break(()))
            }
        });
    match walked {
        Ok(()) => {}
        Err(Fault::Corrupt { what, .. }) => stop = what,
        Err(fault) => return Err(fault),
    }
    let (first_nonzero, last_nonzero) = nonzero_between(file, state.end, length)?;
    let header_end = state.end + file_size(FRAME_HEADER_BYTES);
    let stop_is_zero = first_nonzero.is_none_or(|at| header_end <= at);
    Ok(Scan { state, stop: if stop_is_zero { "a durable frame is missing" } else { stop }, last_nonzero })
}

/// The first and the last byte of a range that are not zero.
pub(crate) fn nonzero_between(file: &OpenFile, start: u64, end: u64) -> Result<(Option<u64>, Option<u64>), Fault> {
    let mut first = None;
    let mut last = None;
    let mut at = start;
    let mut buffer = vec![0; CHUNK_BYTES.min(buffer_size(end.saturating_sub(start)))];
    while at < end {
        let size = buffer_size(end - at).min(buffer.len());
        let piece = &mut buffer[..size];
        file.read_into(at, piece)?;
        if let Some(found) = first_nonzero(piece) {
            first = first.or(Some(at + file_size(found)));
            last = piece.iter().rposition(|byte| *byte != 0).map(|found| at + file_size(found));
        }
        at += file_size(piece.len());
    }
    Ok((first, last))
}
