//! Verifies what lies on disk, file by file, while the store works.
//! Invariant: every byte of a file is covered by a check; what is not used must be zero.
//! Called by the shard in quiet hours. Tests: `tests/bit_flips.rs`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use crate::checkpoint;
use crate::core::Core;
use crate::disk::OpenMode;
use crate::fault::Fault;
use crate::folder::{MARK_NAME, PURGE_NAME, STORE_NAME, VOTE_NAME, checkpoint_name, segment_name};
use crate::position::{ByteCount, LogIndex, Term};
use crate::recovery::check_store;
use crate::scan::scan_frames;
use crate::segment::{self, Segment, SegmentState};
use crate::slots::{self, Purpose};

/// The verdict on one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrubbed {
    /// The file.
    pub file: PathBuf,
    /// Bytes that were read.
    pub bytes: ByteCount,
    /// What is wrong with it; each names an offset.
    pub faults: Vec<Fault>,
    /// Which part of the store it is.
    pub part: Part,
}

/// What a file of a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// One of the small files, which are written in place.
    Small,
    /// The segment that starts here.
    Segment(LogIndex),
    /// The checkpoint of this place.
    Checkpoint(Term, LogIndex),
}

enum Target {
    Store,
    Slots(&'static str, Purpose),
    Segment(Arc<Segment>),
    Checkpoint(LogIndex, Term),
}

/// Goes through the files of a store, one with each step.
pub struct Scrub {
    core: Arc<Core>,
    targets: VecDeque<Target>,
    first_fault: Option<Fault>,
}

impl Scrub {
    pub(crate) fn new(core: Arc<Core>) -> Scrub {
        let small = [
            Target::Store,
            Target::Slots(VOTE_NAME, Purpose::Vote),
            Target::Slots(PURGE_NAME, Purpose::Purge),
            Target::Slots(MARK_NAME, Purpose::Mark),
        ];
        let mut all = Self::large(core);
        all.targets.extend(small);
        // They are the first ones.
        all.targets.rotate_right(4);
        all
    }

    /// Segments and checkpoints alone: the small files look damaged while they are written.
    pub(crate) fn large(core: Arc<Core>) -> Scrub {
        let mut targets: VecDeque<Target> = core.all_segments().into_iter().map(Target::Segment).collect();
        let mut first_fault = None;
        match checkpoint::checkpoints(&core.folder) {
            Ok(found) => targets.extend(found.into_iter().map(|(index, term)| Target::Checkpoint(index, term))),
            Err(fault) => first_fault = Some(fault),
        }
        Scrub { core, targets, first_fault }
    }
}

impl Iterator for Scrub {
    type Item = Scrubbed;

    fn next(&mut self) -> Option<Scrubbed> {
        if let Some(fault) = self.first_fault.take() {
            let (file, bytes) = (self.core.folder.path.clone(), ByteCount(0));
            return Some(Scrubbed { file, bytes, faults: vec![fault], part: Part::Small });
        }
        let target = self.targets.pop_front()?;
        let (name, part) = match &target {
            Target::Store => (STORE_NAME.to_owned(), Part::Small),
            Target::Slots(name, _) => ((*name).to_owned(), Part::Small),
            Target::Segment(segment) => (segment_name(segment.first), Part::Segment(segment.first)),
            Target::Checkpoint(index, term) => (checkpoint_name(*term, *index), Part::Checkpoint(*term, *index)),
        };
        let (bytes, faults) = match self.core.inspect(&target) {
            Ok((bytes, faults)) => (bytes, faults),
            Err(fault) => (0, vec![fault]),
        };
        Some(Scrubbed { file: self.core.folder.file(&name), bytes: ByteCount(bytes), faults, part })
    }
}

impl Core {
    fn inspect(&self, target: &Target) -> Result<(u64, Vec<Fault>), Fault> {
        match target {
            Target::Store => {
                let file = self.folder.open_known(STORE_NAME, OpenMode::Read)?;
                check_store(&file)?;
                Ok((file.length()?, Vec::new()))
            }
            Target::Slots(name, purpose) => {
                let path = self.folder.file(name);
                let damage = slots::inspect(&self.folder, name, *purpose)?;
                let faults = damage.iter().map(|damage| Fault::corrupt(&path, damage.offset, damage.what));
                Ok((slots::SLOT_FILE_BYTES, faults.collect()))
            }
            Target::Segment(segment) => self.inspect_segment(segment),
            Target::Checkpoint(index, term) => self.inspect_checkpoint(*term, *index),
        }
    }

    fn inspect_checkpoint(&self, term: Term, index: LogIndex) -> Result<(u64, Vec<Fault>), Fault> {
        let _still = self.checkpoints.lock().expect("no holder panics");
        if !checkpoint::checkpoints(&self.folder)?.contains(&(index, term)) {
            return Ok((0, Vec::new()));
        }
        let sections = checkpoint::read_file(&self.folder, term, index)?;
        let bytes = sections.iter().map(|(_, payload)| crate::little_endian::file_size(payload.len()));
        Ok((bytes.sum(), Vec::new()))
    }

    /// A sealed segment is checked to its last byte; the open one as far as it is durable.
    pub(crate) fn inspect_segment(&self, segment: &Arc<Segment>) -> Result<(u64, Vec<Fault>), Fault> {
        // A cut or a seal beside it may look like damage: that is looked at again while segments stand still, which would
        // hold up the writer each time.
        if let Ok(seen) = self.inspect_listed(segment) {
            return Ok(seen);
        }
        let _still = self.shape.lock().expect("no holder panics");
        self.inspect_listed(segment)
    }

    fn inspect_listed(&self, segment: &Arc<Segment>) -> Result<(u64, Vec<Fault>), Fault> {
        let is_listed = self.segments.read().expect("no holder panics").contains_key(&segment.first);
        if !is_listed {
            return Ok((0, Vec::new()));
        }
        let file = self.segment_file(segment)?;
        let capacity = segment::read_header(&file, segment.first)?;
        let known = segment.state();
        if known.is_sealed {
            let length = file.length()?;
            if length != known.length || capacity != segment.capacity {
                return Err(Fault::corrupt(
                    &file.path,
                    length,
                    "the segment has another length than when it was opened",
                ));
            }
            let sealed = segment::read_seal(&file, segment.first, length)?;
            check_frames(&file, segment, &sealed)?;
            return Ok((length, Vec::new()));
        }
        check_frames(&file, segment, &known)?;
        Ok((known.end, Vec::new()))
    }
}

/// The frames on disk are those that the state speaks of.
pub(crate) fn check_frames(
    file: &crate::folder::OpenFile,
    segment: &Segment,
    known: &SegmentState,
) -> Result<(), Fault> {
    let scan = scan_frames(file, segment.first, known.end)?;
    if scan.state.end != known.end || scan.state.last != known.last {
        return Err(Fault::corrupt(&file.path, scan.state.end, scan.stop));
    }
    if scan.state.index != known.index {
        return Err(Fault::corrupt(&file.path, known.end, "the index in the seal of a segment is wrong"));
    }
    Ok(())
}
