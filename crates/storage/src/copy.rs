//! What a copy of a store consists of, up to one place of its log: for a replica that is new or far behind.
//! Invariant: a copy holds every frame that a segment still has up to its end, at the same place in the same file, so
//! that the copy rolls where the original does.
//! Called by the shard, which keeps segments from being deleted meanwhile. Tests: `tests/copies.rs`.

use crate::checkpoint;
use crate::disk::OpenMode;
use crate::fault::Fault;
use crate::folder::{checkpoint_name, segment_name};
use crate::limits::CHUNK_BYTES;
use crate::little_endian::{buffer_size, file_size};
use crate::log::SegmentStore;
use crate::position::{ByteCount, LogIndex};

/// One file of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedFile {
    /// Its name in the folder of the store.
    pub name: String,
    /// How many of its bytes belong to the copy.
    pub bytes: ByteCount,
    /// How long it is in the copy; what lies behind `bytes` is zero.
    pub length: ByteCount,
}

impl SegmentStore {
    /// The files of a copy whose log ends with the frame `until`, which must be durable: the newest checkpoint, if
    /// there is one, and the segments.
    pub fn files_until(&self, until: LogIndex) -> Result<Vec<CopiedFile>, Fault> {
        let Some((last, place)) = self.core.place_of(until)? else {
            return Err(Fault::Misuse { what: "a copy ends with a frame that is durable here" });
        };
        let mut files = Vec::new();
        if let Some((index, term)) = checkpoint::checkpoints(&self.core.folder)?.pop() {
            if until < index {
                return Err(Fault::Misuse { what: "a copy ends behind the newest checkpoint" });
            }
            let name = checkpoint_name(term, index);
            let length = ByteCount(self.core.folder.open(&name, OpenMode::Read)?.length()?);
            files.push(CopiedFile { name, bytes: length, length });
        }
        for segment in self.core.all_segments().iter().filter(|segment| segment.first < last.first) {
            let length = ByteCount(segment.state().length);
            files.push(CopiedFile { name: segment_name(segment.first), bytes: length, length });
        }
        let (bytes, length) = (ByteCount(place.end), ByteCount(last.capacity));
        files.push(CopiedFile { name: segment_name(last.first), bytes, length });
        Ok(files)
    }

    /// A piece of a file of a copy; empty behind its end.
    pub fn read_copied(&self, file: &CopiedFile, offset: u64) -> Result<Vec<u8>, Fault> {
        let bytes = file.bytes.0.saturating_sub(offset).min(file_size(CHUNK_BYTES));
        let mut buffer = vec![0; buffer_size(bytes)];
        self.core.folder.open(&file.name, OpenMode::Read)?.read_into(offset, &mut buffer)?;
        Ok(buffer)
    }
}
