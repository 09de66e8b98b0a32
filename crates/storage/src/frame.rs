//! One frame of the log: a payload that nobody here looks into, with its checksum, term and index.
//! Invariant: a frame is accepted only whole; its checksum covers header, payload and padding.
//! Called by the writer, the reader, recovery and scrub. Drawn in `docs/formats/segment.md`.

use bytes::Bytes;
use mutant::Mutant;

use crate::limits::FRAME_PAYLOAD_BYTES_MAX;
use crate::little_endian::{aligned, file_size, put_u32, put_u64, u32_at, u64_at};
use crate::position::{LogIndex, Term};

/// Bytes before the payload.
pub(crate) const FRAME_HEADER_BYTES: usize = 32;
/// Version of the frame header.
pub(crate) const FRAME_VERSION: u8 = 1;

/// What a payload is, in the words of the caller. The store only keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameKind(pub u8);

impl FrameKind {
    /// Reserved by the store: closes a segment.
    pub(crate) const SEAL: FrameKind = FrameKind(u8::MAX);
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its place in the log.
    pub index: LogIndex,
    /// Term of the leader that made it.
    pub term: Term,
    /// What the payload is; 255 is reserved.
    pub kind: FrameKind,
    /// Opaque bytes.
    pub payload: Bytes,
}

/// The header of a frame, read but not yet verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) checksum: u32,
    pub(crate) payload_bytes: u32,
    pub(crate) version: u8,
    pub(crate) kind: FrameKind,
    pub(crate) term: Term,
    pub(crate) index: LogIndex,
}

impl FrameHeader {
    /// Reads the fields; `bytes` holds at least a header.
    pub(crate) fn read(bytes: &[u8]) -> FrameHeader {
        FrameHeader {
            checksum: u32_at(bytes, 0),
            payload_bytes: u32_at(bytes, 4),
            version: bytes[8],
            kind: FrameKind(bytes[9]),
            term: Term(u64_at(bytes, 16)),
            index: LogIndex(u64_at(bytes, 24)),
        }
    }

    /// Bytes of the whole frame on disk, when its length can be true.
    pub(crate) fn frame_bytes(&self) -> Option<u64> {
        let payload = usize::try_from(self.payload_bytes).ok()?;
        (payload <= FRAME_PAYLOAD_BYTES_MAX).then(|| frame_bytes(payload))
    }
}

/// Bytes that a payload takes on disk.
pub(crate) fn frame_bytes(payload_bytes: usize) -> u64 {
    aligned(file_size(FRAME_HEADER_BYTES + payload_bytes))
}

/// Where the part of a frame begins that its checksum covers: right behind the checksum.
fn covered_from() -> usize {
    if mutant::is_on(Mutant::ChecksumWithoutLength) { 8 } else { 4 }
}

/// Appends the disk form of a frame to `out`.
pub(crate) fn encode(term: Term, index: LogIndex, kind: FrameKind, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let length = u32::try_from(payload.len()).expect("payloads are bounded by FRAME_PAYLOAD_BYTES_MAX");
    let mut header = [0_u8; FRAME_HEADER_BYTES];
    put_u32(&mut header, 4, length);
    header[8] = FRAME_VERSION;
    header[9] = kind.0;
    put_u64(&mut header, 16, term.0);
    put_u64(&mut header, 24, index.0);
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    out.resize(start + (out.len() - start).next_multiple_of(8), 0);
    let checksum = crc32c::crc32c(&out[start + covered_from()..]);
    put_u32(out, start, checksum);
}

/// Checks a whole frame: `bytes` is exactly what its header says. The error says what is wrong.
pub(crate) fn verify(bytes: &[u8], expected: LogIndex) -> Result<FrameHeader, &'static str> {
    let header = FrameHeader::read(bytes);
    if crc32c::crc32c(&bytes[covered_from()..]) != header.checksum {
        return Err("the checksum of a frame does not match");
    }
    if header.version != FRAME_VERSION {
        return Err("a frame has a version that this program does not read");
    }
    if header.index != expected {
        return Err("a frame has another index than its place says");
    }
    Ok(header)
}

/// The frame in `bytes`, which were verified, sharing their memory.
pub(crate) fn share(bytes: &Bytes, header: &FrameHeader) -> Frame {
    let payload_bytes = usize::try_from(header.payload_bytes).expect("the frame was read, so its length fits");
    Frame {
        index: header.index,
        term: header.term,
        kind: header.kind,
        payload: bytes.slice(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + payload_bytes),
    }
}
