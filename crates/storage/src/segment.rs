//! One segment file: a header, frames on an eight-byte grid, then zeros; once sealed, its index and its end.
//! Invariant: the bytes of a sealed segment follow from its frames and the segment size alone, so they are
//! the same on every replica.
//! Called by the writer, the reader, recovery and scrub. Drawn in `docs/formats/segment.md`.

use std::sync::{Mutex, RwLock};

use crate::disk::OpenMode;
use crate::fault::Fault;
use crate::folder::{Folder, OpenFile, segment_name};
use crate::frame::{self, FRAME_HEADER_BYTES, FrameHeader, FrameKind};
use crate::index::{POINT_BYTES, SparseIndex};
use crate::limits::SEGMENT_BYTES_MAX;
use crate::little_endian::{aligned, buffer_size, file_size, put_u32, put_u64, u32_at, u64_at};
use crate::position::{LogIndex, Term};

const MAGIC: &[u8; 8] = b"RECADOSG";
const VERSION: u32 = 1;
/// Bytes before the first frame.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 64;
const TRAILER_MAGIC: u32 = 0x4C41_4553;
/// Bytes at the very end of a sealed segment.
pub(crate) const TRAILER_BYTES: u64 = 16;
const SEAL_PAYLOAD_HEADER_BYTES: usize = 8;

/// Bytes that a segment keeps free for its seal.
pub(crate) fn seal_reserve(capacity: u64) -> u64 {
    let fixed = file_size(FRAME_HEADER_BYTES + SEAL_PAYLOAD_HEADER_BYTES) + TRAILER_BYTES;
    fixed + SparseIndex::bytes_max(capacity)
}

/// Length of the file for a segment whose first frame has this size.
pub(crate) fn capacity_for(segment_bytes: u64, first_frame_bytes: u64) -> u64 {
    let frames = SEGMENT_HEADER_BYTES + first_frame_bytes;
    let roomy = frames + SEGMENT_HEADER_BYTES + first_frame_bytes / 1024;
    let long = aligned(roomy + seal_reserve(roomy));
    if fits(segment_bytes, SEGMENT_HEADER_BYTES, first_frame_bytes) { segment_bytes } else { long }
}

/// Whether a frame may still go into a segment: its seal must leave the file shorter than its capacity.
pub(crate) fn fits(capacity: u64, end: u64, frame_bytes: u64) -> bool {
    end + frame_bytes + seal_reserve(capacity) < capacity
}

/// The header of a segment file.
pub(crate) fn encode_header(first: LogIndex, capacity: u64) -> Vec<u8> {
    let mut bytes = vec![0; buffer_size(SEGMENT_HEADER_BYTES)];
    bytes[..8].copy_from_slice(MAGIC);
    put_u32(&mut bytes, 12, VERSION);
    put_u64(&mut bytes, 16, first.0);
    put_u64(&mut bytes, 24, capacity);
    let checksum = crc32c::crc32c(&bytes[12..]);
    put_u32(&mut bytes, 8, checksum);
    bytes
}

/// Checks the header of a segment file and gives its capacity.
pub(crate) fn read_header(file: &OpenFile, first: LogIndex) -> Result<u64, Fault> {
    let bytes = file.read(0, SEGMENT_HEADER_BYTES)?;
    if &bytes[..8] != MAGIC || u32_at(&bytes, 8) != crc32c::crc32c(&bytes[12..]) {
        return Err(Fault::corrupt(&file.path, 0, "the header of a segment does not match its checksum"));
    }
    if u32_at(&bytes, 12) != VERSION {
        return Err(Fault::format(&file.path, "a newer program wrote this segment; run that program"));
    }
    if u64_at(&bytes, 16) != first.0 {
        return Err(Fault::corrupt(&file.path, 16, "the segment has another first index than its name"));
    }
    let capacity = u64_at(&bytes, 24);
    // The file is extended to it when it is opened again.
    if SEGMENT_BYTES_MAX < capacity {
        return Err(Fault::corrupt(&file.path, 24, "the segment claims to be longer than any segment is"));
    }
    Ok(capacity)
}

/// What is known about the frames of a segment.
#[derive(Clone, Debug)]
pub(crate) struct SegmentState {
    /// The last durable frame.
    pub(crate) last: Option<(Term, LogIndex)>,
    /// The place behind it.
    pub(crate) end: u64,
    /// Length of the file.
    pub(crate) length: u64,
    pub(crate) is_sealed: bool,
    pub(crate) index: SparseIndex,
}

impl SegmentState {
    pub(crate) fn empty(capacity: u64) -> SegmentState {
        SegmentState {
            last: None,
            end: SEGMENT_HEADER_BYTES,
            length: capacity,
            is_sealed: false,
            index: SparseIndex::default(),
        }
    }

    /// The bytes that close a segment, from `end` on.
    pub(crate) fn encode_seal(&self, first: LogIndex) -> Vec<u8> {
        let (term, last) = self.last.expect("only segments with frames are sealed");
        let count = last.0 - first.0 + 1;
        let mut payload = vec![0; SEAL_PAYLOAD_HEADER_BYTES];
        put_u32(&mut payload, 0, u32::try_from(count).expect("a segment holds fewer than 2^32 frames"));
        put_u32(&mut payload, 4, u32::try_from(self.index.len()).expect("points are fewer than frames"));
        self.index.encode(&mut payload);
        let mut bytes = Vec::new();
        frame::encode(term, last, FrameKind::SEAL, &payload, &mut bytes);
        let mut trailer = vec![0; buffer_size(TRAILER_BYTES)];
        put_u64(&mut trailer, 0, self.end);
        put_u32(&mut trailer, 12, TRAILER_MAGIC);
        let mut covered = trailer[..8].to_vec();
        covered.extend_from_slice(&trailer[12..]);
        put_u32(&mut trailer, 8, crc32c::crc32c(&covered));
        bytes.extend_from_slice(&trailer);
        bytes
    }
}

/// Reads the seal of a segment whose file was cut behind it.
pub(crate) fn read_seal(file: &OpenFile, first: LogIndex, length: u64) -> Result<SegmentState, Fault> {
    let trailer_at = length.saturating_sub(TRAILER_BYTES).max(SEGMENT_HEADER_BYTES);
    let damaged = |at, what| Err(Fault::corrupt(&file.path, at, what));
    let trailer = file.read(trailer_at, TRAILER_BYTES)?;
    let mut covered = trailer[..8].to_vec();
    covered.extend_from_slice(&trailer[12..]);
    if u32_at(&trailer, 12) != TRAILER_MAGIC || u32_at(&trailer, 8) != crc32c::crc32c(&covered) {
        return damaged(trailer_at, "the end of a sealed segment does not match its checksum");
    }
    let end = u64_at(&trailer, 0);
    if end < SEGMENT_HEADER_BYTES || end >= trailer_at {
        return damaged(trailer_at, "the end of a sealed segment points outside of it");
    }
    let bytes = file.read(end, trailer_at - end)?;
    if bytes.len() < FRAME_HEADER_BYTES + SEAL_PAYLOAD_HEADER_BYTES {
        return damaged(end, "the seal of a segment is cut short");
    }
    let claimed = FrameHeader::read(&bytes);
    if claimed.frame_bytes() != Some(file_size(bytes.len())) || claimed.kind != FrameKind::SEAL {
        return damaged(end, "the seal of a segment has a wrong length");
    }
    let header = match frame::verify(&bytes, claimed.index) {
        Ok(header) => header,
        Err(what) => return damaged(end, what),
    };
    let count = u64::from(u32_at(&bytes, FRAME_HEADER_BYTES));
    let points = usize::try_from(u32_at(&bytes, FRAME_HEADER_BYTES + 4)).unwrap_or(usize::MAX);
    let points_at = FRAME_HEADER_BYTES + SEAL_PAYLOAD_HEADER_BYTES;
    let index = points
        .checked_mul(POINT_BYTES)
        .and_then(|size| bytes.get(points_at..points_at + size))
        .and_then(SparseIndex::decode);
    match index {
        Some(index) if first.0.checked_add(count) == header.index.0.checked_add(1) => {
            Ok(SegmentState { last: Some((header.term, header.index)), end, length, is_sealed: true, index })
        }
        Some(_) | None => damaged(end, "the index in the seal of a segment is wrong"),
    }
}

/// A segment in memory.
pub(crate) struct Segment {
    pub(crate) first: LogIndex,
    pub(crate) capacity: u64,
    pub(crate) state: RwLock<SegmentState>,
    handle: Mutex<Option<OpenFile>>,
}

impl Segment {
    pub(crate) fn new(first: LogIndex, capacity: u64, state: SegmentState, file: Option<OpenFile>) -> Segment {
        Segment { first, capacity, state: RwLock::new(state), handle: Mutex::new(file) }
    }

    pub(crate) fn state(&self) -> SegmentState {
        self.state.read().expect("no holder panics").clone()
    }

    pub(crate) fn set_state(&self, state: SegmentState) {
        *self.state.write().expect("no holder panics") = state;
    }

    /// A known frame at or before a durable one, and the end of what is durable.
    pub(crate) fn locate(&self, index: LogIndex) -> Option<((LogIndex, u64), u64)> {
        let state = self.state.read().expect("no holder panics");
        let (_, last) = state.last?;
        let start = state.index.floor(self.first, index)?;
        (index <= last).then_some((start, state.end))
    }

    /// The open file, and whether it had to be opened for this call.
    pub(crate) fn file(&self, folder: &Folder) -> Result<(OpenFile, bool), Fault> {
        let mut handle = self.handle.lock().expect("no holder panics");
        if let Some(file) = handle.as_ref() {
            return Ok((file.clone(), false));
        }
        let file = folder.open(&segment_name(self.first), OpenMode::ReadWrite)?;
        *handle = Some(file.clone());
        Ok((file, true))
    }

    /// Lets the file go; readers that hold it keep it.
    pub(crate) fn release_file(&self) {
        *self.handle.lock().expect("no holder panics") = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{FRAME_PAYLOAD_BYTES_MAX, SEGMENT_BYTES_MIN};

    #[test]
    fn every_first_frame_fits_the_capacity_made_for_it() {
        let longest = frame::frame_bytes(FRAME_PAYLOAD_BYTES_MAX);
        let mut size = 32;
        while size <= longest {
            for near in [size, size + 8, (size - 8).max(32)] {
                let capacity = capacity_for(SEGMENT_BYTES_MIN, near);
                assert!(fits(capacity, SEGMENT_HEADER_BYTES, near), "{near} in {capacity}");
                assert!(capacity <= SEGMENT_BYTES_MAX);
                assert_eq!(capacity % 8, 0);
            }
            size *= 2;
        }
    }
}
