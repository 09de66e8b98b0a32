//! Every bound of this crate, by name.
//! Invariant: no buffer, queue, loop or file of the store grows past a figure on this page.
//! Used by all rooms of the crate; reached by the tests beside each room.

use std::time::Duration;

/// Length of a segment file before it is sealed, unless the settings say otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;
/// Shortest segment the settings may ask for. Tests use it to make rolls common.
pub const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// Longest segment the settings may ask for: with one over-long frame on top, offsets still fit 32 bits.
pub const SEGMENT_BYTES_MAX: u64 = 2 << 30;
/// Longest payload of one frame.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 64 << 20;
/// Bytes that one flush gathers from the queue before it writes. One append may exceed it alone.
pub const FLUSH_BYTES_MAX: u64 = 8 << 20;
/// Commands that may wait for the writer. A caller that finds the queue full blocks until there is room.
pub const WRITER_QUEUE_MAX: usize = 4096;
/// Distance between two points of the sparse index: 8 bytes of memory for this many bytes of log.
pub const INDEX_STRIDE_BYTES: u64 = 64 << 10;
/// Sealed segments whose file stays open between reads.
pub const OPEN_SEGMENTS_MAX: usize = 128;
/// Checkpoints kept on disk: the newest, and one to fall back to.
pub const CHECKPOINTS_KEPT: usize = 2;
/// Longest value in a slot: header and value fit one 512-byte sector, so a slot is never half written.
pub const SLOT_VALUE_BYTES_MAX: usize = 480;
/// Sections of one checkpoint.
pub const CHECKPOINT_SECTIONS_MAX: u32 = 4096;
/// Longest section name.
pub const SECTION_NAME_BYTES_MAX: usize = 64;
/// Size of one write while a file is filled with zeros, and of one read while it is scanned.
pub const CHUNK_BYTES: usize = 1 << 20;
/// A write ends at a multiple of this, filled up with the zeros that are there anyway. No page of a new segment is in
/// memory before its first write: one that covered a part of a page would read the rest from the disk first.
pub const PAGE_BYTES: u64 = 4096;
/// Times a read starts over because a truncation moved the log under it.
pub const READ_ATTEMPTS_MAX: u32 = 8;
/// Quiet time after a flush before the durable mark is synced. Long enough that a client which waits for
/// each acknowledgement does not pay the extra sync.
pub const MARK_DELAY_DEFAULT: Duration = Duration::from_millis(20);
