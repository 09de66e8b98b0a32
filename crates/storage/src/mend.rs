//! Puts right what is damaged on disk while the store works: small files from memory, a sealed segment from the bytes that
//! another replica has.
//! Invariant: a segment is replaced only by a file of which every frame fits its checksum and whose end is the one that was
//! known here, so that it is the same segment; until then the damaged file stays.
//! Called by the shard's scrubber and its mender. Tests: `tests/mending.rs`.

use std::sync::Arc;

use crate::copy::CopiedFile;
use crate::core::Core;
use crate::disk::OpenMode;
use crate::fault::Fault;
use crate::folder::{
    MARK_NAME, OpenFile, PURGE_NAME, STORE_NAME, VOTE_NAME, checkpoint_name, segment_name, temporary_name,
};
use crate::log::SegmentStore;
use crate::position::{ByteCount, LogIndex, Term};
use crate::recovery::{check_store, encode_store};
use crate::scrub::check_frames;
use crate::segment::{self, Segment};

/// A sealed segment on its way in, in place of a damaged one. Dropped before its end it leaves nothing behind.
pub struct Mending {
    core: Arc<Core>,
    segment: Arc<Segment>,
    file: OpenFile,
    is_done: bool,
}

impl SegmentStore {
    /// Checks the small files against what the store has in memory, and writes those again that are damaged. Gives what
    /// was wrong.
    pub fn mend_small_files(&self) -> Result<Vec<Fault>, Fault> {
        // Nothing is written to them meanwhile.
        let writer = self.writer().lock().expect("no holder panics");
        self.core.check_open()?;
        let mut found = Vec::new();
        let folder = &self.core.folder;
        let store = folder.open_known(STORE_NAME, OpenMode::Read).and_then(|file| check_store(&file));
        match store {
            Ok(()) => {}
            Err(fault @ Fault::Corrupt { .. }) => {
                self.core.poison_on_failure(folder.write_whole(STORE_NAME, &encode_store()))?;
                found.push(fault);
            }
            Err(fault) => return Err(fault),
        }
        let slots = writer.slots();
        for (name, file) in [(VOTE_NAME, &slots.vote), (PURGE_NAME, &slots.purge), (MARK_NAME, &slots.mark)] {
            let path = folder.file(name);
            let damage = self.core.poison_on_failure(file.mend(folder, name))?;
            found.extend(damage.iter().map(|damage| Fault::corrupt(&path, damage.offset, damage.what)));
        }
        Ok(found)
    }

    /// Whether all of a segment is what was written, as far as it is durable.
    pub fn check_segment(&self, first: LogIndex) -> Result<(), Fault> {
        let listed = self.core.segments.read().expect("no holder panics").get(&first).cloned();
        let segment = listed.ok_or(Fault::Misuse { what: "no segment starts at this index" })?;
        let (_, faults) = self.core.inspect_segment(&segment)?;
        faults.into_iter().next().map_or(Ok(()), Err)
    }

    /// A piece of a sealed segment and its length, for another replica; empty when there is none.
    pub fn piece_of_segment(&self, first: LogIndex, offset: u64) -> Result<(ByteCount, Vec<u8>), Fault> {
        let sealed = self.segments().into_iter().find(|segment| segment.first == first && segment.sealed);
        let Some(sealed) = sealed else { return Ok((ByteCount(0), Vec::new())) };
        let file = CopiedFile { name: segment_name(first), bytes: sealed.bytes, length: sealed.bytes };
        Ok((sealed.bytes, self.read_copied(&file, offset)?))
    }

    /// Begins to replace a sealed segment.
    pub fn mend_segment(&self, first: LogIndex) -> Result<Mending, Fault> {
        self.core.check_open()?;
        let listed = self.core.segments.read().expect("no holder panics").get(&first).cloned();
        let segment = listed.filter(|segment| segment.state().is_sealed);
        let segment = segment.ok_or(Fault::Misuse { what: "only sealed segments are replaced" })?;
        let name = temporary_name(&segment_name(first));
        if self.core.folder.names()?.contains(&name) {
            self.core.folder.remove(&name)?;
        }
        let file = self.core.folder.open(&name, OpenMode::CreateNew)?;
        Ok(Mending { core: Arc::clone(&self.core), segment, file, is_done: false })
    }

    /// Removes a checkpoint if it is damaged; the caller has written another one, which may have taken its turn already.
    pub fn remove_damaged_checkpoint(&self, term: Term, index: LogIndex) -> Result<bool, Fault> {
        let _one_at_a_time = self.core.checkpoints.lock().expect("no holder panics");
        self.core.check_open()?;
        if !crate::checkpoint::checkpoints(&self.core.folder)?.contains(&(index, term)) {
            return Ok(false);
        }
        match crate::checkpoint::read_file(&self.core.folder, term, index) {
            Err(Fault::Corrupt { .. }) => {}
            Ok(_) => return Ok(false),
            Err(fault) => return Err(fault),
        }
        let removed = self.core.folder.remove(&checkpoint_name(term, index));
        self.core.poison_on_failure(removed.and_then(|()| self.core.folder.sync()))?;
        Ok(true)
    }
}

impl Mending {
    /// How long the segment is; that of another replica is as long, or another one.
    #[must_use]
    pub fn length(&self) -> ByteCount {
        ByteCount(self.segment.state().length)
    }

    /// Takes a piece.
    pub fn write(&self, offset: u64, piece: &[u8]) -> Result<(), Fault> {
        if self.length().0 < offset.saturating_add(crate::little_endian::file_size(piece.len())) {
            return Err(Fault::Misuse { what: "a piece lies behind the end of the segment" });
        }
        self.file.write(offset, piece)
    }

    /// All pieces were taken: checks them, and puts them in the place of the damaged file.
    pub fn finish(mut self) -> Result<(), Fault> {
        let (first, known) = (self.segment.first, self.segment.state());
        let capacity = segment::read_header(&self.file, first)?;
        let length = self.file.length()?;
        if capacity != self.segment.capacity || length != known.length {
            return Err(Fault::corrupt(&self.file.path, 0, "what came is another segment"));
        }
        let sealed = segment::read_seal(&self.file, first, length)?;
        // Term and index of the end and all checksums: logs that have these in common have all before in common.
        if sealed.end != known.end || sealed.last != known.last {
            return Err(Fault::corrupt(&self.file.path, sealed.end, "what came is another segment"));
        }
        check_frames(&self.file, &self.segment, &sealed)?;
        self.file.sync()?;
        let _shape = self.core.shape.lock().expect("no holder panics");
        self.core.check_open()?;
        let is_listed = self.core.segments.read().expect("no holder panics").contains_key(&first);
        if !is_listed || !self.segment.state().is_sealed {
            return Err(Fault::Misuse { what: "the segment is gone" });
        }
        let name = segment_name(first);
        self.core.poison_on_failure(self.core.folder.publish(&temporary_name(&name), &name))?;
        self.segment.release_file();
        self.is_done = true;
        Ok(())
    }
}

impl Drop for Mending {
    fn drop(&mut self) {
        if !self.is_done {
            // What stays is removed by the next recovery.
            let _ = self.core.folder.remove(&temporary_name(&segment_name(self.segment.first)));
        }
    }
}
