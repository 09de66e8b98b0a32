//! The sparse index of one segment: from a log index to a place near its frame.
//! Invariant: one point for each stride of file, so memory follows the bytes of the log, not its frames.
//! Called by segment, writer and recovery. It is stored in the seal of the segment.

use crate::limits::INDEX_STRIDE_BYTES;
use crate::little_endian::{file_size, put_u32, u32_at};
use crate::position::LogIndex;

/// Bytes of one point on disk.
pub(crate) const POINT_BYTES: usize = 8;

/// A frame whose place is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    /// Distance from the first index of the segment.
    distance: u32,
    offset: u32,
}

/// Known places in a segment, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SparseIndex {
    points: Vec<Point>,
}

impl SparseIndex {
    /// Takes note of a frame, if it lies a stride behind the last point.
    pub(crate) fn note(&mut self, first: LogIndex, index: LogIndex, offset: u64) {
        let is_due = match self.points.last() {
            None => true,
            Some(last) => offset - u64::from(last.offset) >= INDEX_STRIDE_BYTES,
        };
        if is_due {
            self.points.push(Point {
                distance: u32::try_from(index.0 - first.0).expect("a segment holds fewer than 2^32 frames"),
                offset: u32::try_from(offset).expect("a segment is shorter than 2^32 bytes"),
            });
        }
    }

    /// The nearest known frame at or before `index`.
    pub(crate) fn floor(&self, first: LogIndex, index: LogIndex) -> Option<(LogIndex, u64)> {
        let distance = index.0.checked_sub(first.0)?;
        let after = self.points.partition_point(|point| u64::from(point.distance) <= distance);
        let point = self.points.get(after.checked_sub(1)?)?;
        Some((LogIndex(first.0 + u64::from(point.distance)), u64::from(point.offset)))
    }

    /// Forgets the frames that start at or behind `offset`.
    pub(crate) fn cut(&mut self, offset: u64) {
        self.points.retain(|point| u64::from(point.offset) < offset);
    }

    /// Number of points.
    pub(crate) fn len(&self) -> usize {
        self.points.len()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for point in &self.points {
            let mut bytes = [0_u8; POINT_BYTES];
            put_u32(&mut bytes, 0, point.distance);
            put_u32(&mut bytes, 4, point.offset);
            out.extend_from_slice(&bytes);
        }
    }

    /// Reads points back; `None` when they are out of order.
    pub(crate) fn decode(bytes: &[u8]) -> Option<SparseIndex> {
        let mut points: Vec<Point> = Vec::with_capacity(bytes.len() / POINT_BYTES);
        for bytes in bytes.chunks_exact(POINT_BYTES) {
            let point = Point { distance: u32_at(bytes, 0), offset: u32_at(bytes, 4) };
            if let Some(last) = points.last()
                && (point.distance <= last.distance || point.offset <= last.offset)
            {
                return None;
            }
            points.push(point);
        }
        Some(SparseIndex { points })
    }

    /// Most points that a segment of this capacity can have.
    pub(crate) fn points_max(capacity: u64) -> u64 {
        capacity / INDEX_STRIDE_BYTES + 1
    }

    /// Bytes that the most points take on disk.
    pub(crate) fn bytes_max(capacity: u64) -> u64 {
        SparseIndex::points_max(capacity) * file_size(POINT_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_frames_cost_few_points() {
        let mut index = SparseIndex::default();
        let frame_bytes = 1064;
        for number in 0..1_000_000_u64 {
            index.note(LogIndex(0), LogIndex(number), 64 + number * frame_bytes);
        }
        assert!(index.len() * POINT_BYTES <= 1 << 20, "{} points", index.len());
        let (near, offset) = index.floor(LogIndex(0), LogIndex(999_999)).unwrap_or((LogIndex(0), 0));
        assert_eq!(offset, 64 + near.0 * frame_bytes);
        assert!((999_999 - near.0) * frame_bytes <= INDEX_STRIDE_BYTES + frame_bytes);
    }
}
