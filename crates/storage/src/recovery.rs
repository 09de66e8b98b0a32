//! Opens a folder: first boot, or what the last process left.
//! Invariant: what was completed is there, whole and in order; a torn tail is cut and noted; damage below the
//! durable mark is a fault that names the place and is never made shorter.
//! Called by `SegmentStore::open`. Tests: `tests/crash_points.rs`, `tests/bit_flips.rs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use mutant::Mutant;

use crate::core::SegmentMap;
use crate::cut::reopen_file;
use crate::disk::OpenMode;
use crate::fault::Fault;
use crate::folder::{
    FileRole, Folder, MARK_NAME, OpenFile, PURGE_NAME, STORE_NAME, VOTE_NAME, role_of, segment_name, temporary_name,
};
use crate::inbox::{LogEnd, Placement};
use crate::limits::CHUNK_BYTES;
use crate::little_endian::{file_size, put_u32, u32_at};
use crate::mark::{DurableEnd, DurableMark, Ending, decode_purge};
use crate::position::{ByteCount, LogIndex, Term};
use crate::scan::{Scan, scan_frames};
use crate::segment::{self, Segment};
use crate::slots::{Purpose, SlotFile, empty_slot_file};
use crate::writer::{Active, Slots, seal_file};

const STORE_MAGIC: &[u8; 8] = b"RECADOST";
const STORE_VERSION: u32 = 1;
const STORE_BYTES: usize = 64;
const SLOT_FILES: [(&str, Purpose); 3] =
    [(VOTE_NAME, Purpose::Vote), (PURGE_NAME, Purpose::Purge), (MARK_NAME, Purpose::Mark)];

/// Why bytes at the end of a file were cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailNoteKind {
    /// A write that was under way when the process or the power went.
    TornWrite,
    /// Bytes behind the end of a store that was closed in order: the disk changed them.
    StrayBytes,
    /// One copy of a small value was damaged or half written; the other was whole.
    RepairedSlot,
}

/// Something that recovery put right, for the log of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailNote {
    /// What it was.
    pub kind: TailNoteKind,
    /// The file.
    pub file: PathBuf,
    /// The first byte that was cleared.
    pub offset: u64,
    /// How many bytes, up to the last that was not zero.
    pub cut: ByteCount,
}

/// What an opened store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The vote saved last.
    pub vote: Option<Bytes>,
    /// The committed hint saved last, as far as it survived.
    pub committed: Option<Bytes>,
    /// The purge mark saved last.
    pub purged: Option<(Term, LogIndex)>,
    /// The last frame, or the purge mark when that is further.
    pub last: Option<(Term, LogIndex)>,
    /// The first frame on disk.
    pub first: Option<LogIndex>,
    /// What was put right.
    pub notes: Vec<TailNote>,
    /// The store was closed in order the last time.
    pub was_closed: bool,
}

/// The parts of a recovered store.
pub(crate) struct Found {
    pub(crate) recovered: Recovered,
    pub(crate) segments: SegmentMap,
    pub(crate) active: Option<Active>,
    pub(crate) slots: Slots,
    pub(crate) end: LogEnd,
}

/// Brings the folder, which is locked, into a state that can be written.
pub(crate) fn recover(folder: &Folder) -> Result<Found, Fault> {
    let names = folder.names()?;
    remove_temporary(folder, &names)?;
    // A killed process may have left names that are seen but not durable. What follows relies on them.
    folder.sync()?;
    let firsts = segment_firsts(&names);
    if names.iter().any(|name| name == STORE_NAME) {
        check_store(&folder.open(STORE_NAME, OpenMode::Read)?)?;
    } else {
        first_boot(folder, &names)?;
    }
    let mut notes = Vec::new();
    let [vote, purge, mark] = SLOT_FILES.map(|(name, purpose)| open_slots(folder, name, purpose, &mut notes));
    let mut slots = Slots { vote: vote?, purge: purge?, mark: mark? };
    let mark_file = folder.file(MARK_NAME);
    let Some(mark) = DurableMark::decode(slots.mark.latest()) else {
        return Err(Fault::corrupt(&mark_file, 0, "the durable mark has an unknown shape"));
    };
    if mark.ending == Ending::Open {
        slots.vote.write_again()?;
        slots.purge.write_again()?;
    }
    let purged = decode_purge(slots.purge.synced());
    let mut log = Log { folder, mark, purged, notes, segments: SegmentMap::new() };
    let active = log.open_segments(&firsts)?;
    log.check_mark(active.as_ref())?;
    let durable = active.as_ref().and_then(durable_end);
    let opened = DurableMark { end: durable, ending: Ending::Open };
    slots.mark.save(opened.encode())?;
    let end = log_end(active.as_ref(), purged);
    let recovered = Recovered {
        vote: some_value(slots.vote.synced()),
        committed: some_value(slots.vote.lazy()),
        purged,
        last: end.last,
        first: log.segments.keys().next().copied(),
        notes: log.notes,
        was_closed: mark.ending == Ending::Clean,
    };
    Ok(Found { recovered, segments: log.segments, active, slots, end })
}

fn some_value(value: &Bytes) -> Option<Bytes> {
    (!value.is_empty()).then(|| value.clone())
}

fn durable_end(active: &Active) -> Option<DurableEnd> {
    let (_, index) = active.state.last?;
    Some(DurableEnd { index, segment: active.segment.first, offset: active.state.end })
}

fn log_end(active: Option<&Active>, purged: Option<(Term, LogIndex)>) -> LogEnd {
    let stored = active.map_or_else(LogEnd::default, |active| LogEnd {
        last: active.state.last,
        placement: Some(Placement {
            segment: active.segment.first,
            capacity: active.segment.capacity,
            end: active.state.end,
        }),
    });
    match purged {
        Some((term, index)) if stored.last_index() < Some(index) => {
            LogEnd { last: Some((term, index)), placement: None }
        }
        Some(_) | None => stored,
    }
}

/// Half-made files of the last process hold nothing that was promised.
fn remove_temporary(folder: &Folder, names: &[String]) -> Result<(), Fault> {
    for name in names {
        if role_of(name) == FileRole::Temporary {
            folder.remove(name)?;
        }
    }
    Ok(())
}

fn segment_firsts(names: &[String]) -> Vec<LogIndex> {
    let mut firsts: Vec<LogIndex> = names
        .iter()
        .filter_map(|name| match role_of(name) {
            FileRole::Segment(first) => Some(first),
            FileRole::Checkpoint(..) | FileRole::Temporary | FileRole::Other => None,
        })
        .collect();
    firsts.sort_unstable();
    firsts
}

/// Makes the small files; the store file comes last and says that all are there.
fn first_boot(folder: &Folder, names: &[String]) -> Result<(), Fault> {
    let store = folder.file(STORE_NAME);
    let holds_log = names.iter().any(|name| matches!(role_of(name), FileRole::Segment(_) | FileRole::Checkpoint(..)));
    if holds_log {
        return Err(Fault::format(
            &store,
            "the store file is missing though the folder holds a log; restore it, or move the folder away",
        ));
    }
    for (name, purpose) in SLOT_FILES {
        if names.iter().any(|known| known == name) {
            let (slots, _) = SlotFile::open(folder, name, purpose)?;
            if !slots.synced().is_empty() || !slots.lazy().is_empty() {
                return Err(Fault::format(
                    &store,
                    "the store file is missing though the folder was in use; restore it, or move the folder away",
                ));
            }
        }
        folder.write_whole(name, &empty_slot_file(purpose))?;
    }
    folder.write_whole(STORE_NAME, &encode_store())
}

/// Copies the start of a file.
fn copy_bytes(from: &OpenFile, to: &OpenFile, end: u64) -> Result<(), Fault> {
    let mut at = 0;
    while at < end {
        let piece = from.read(at, (end - at).min(file_size(CHUNK_BYTES)))?;
        to.write(at, &piece)?;
        at += file_size(piece.len());
    }
    Ok(())
}

/// The bytes of the store file.
pub(crate) fn encode_store() -> Vec<u8> {
    let mut bytes = vec![0; STORE_BYTES];
    bytes[..8].copy_from_slice(STORE_MAGIC);
    put_u32(&mut bytes, 12, STORE_VERSION);
    let checksum = crc32c::crc32c(&bytes[12..]);
    put_u32(&mut bytes, 8, checksum);
    bytes
}

/// Checks the store file.
pub(crate) fn check_store(file: &OpenFile) -> Result<(), Fault> {
    let length = file.length()?;
    let bytes = file.read(0, file_size(STORE_BYTES))?;
    let is_whole = &bytes[..8] == STORE_MAGIC && u32_at(&bytes, 8) == crc32c::crc32c(&bytes[12..]);
    if !is_whole || length != file_size(STORE_BYTES) {
        return Err(Fault::corrupt(&file.path, 0, "the store file does not match its checksum"));
    }
    if u32_at(&bytes, 12) != STORE_VERSION {
        return Err(Fault::format(&file.path, "a newer program wrote this store; run that program"));
    }
    Ok(())
}

fn open_slots(folder: &Folder, name: &str, purpose: Purpose, notes: &mut Vec<TailNote>) -> Result<SlotFile, Fault> {
    let (slots, damage) = SlotFile::open(folder, name, purpose)?;
    notes.extend(damage.iter().map(|damage| TailNote {
        kind: TailNoteKind::RepairedSlot,
        file: folder.file(name),
        offset: damage.offset,
        cut: ByteCount(0),
    }));
    Ok(slots)
}

/// A log while its segments are opened.
struct Log<'a> {
    folder: &'a Folder,
    mark: DurableMark,
    purged: Option<(Term, LogIndex)>,
    notes: Vec<TailNote>,
    segments: SegmentMap,
}

impl Log<'_> {
    /// Opens all segments, youngest first: only the youngest may end in a torn write.
    fn open_segments(&mut self, firsts: &[LogIndex]) -> Result<Option<Active>, Fault> {
        let mut active = None;
        let mut younger = None;
        for first in firsts.iter().rev() {
            match younger {
                None => active = self.open_youngest(*first)?,
                Some(next) => self.open_older(*first, next)?,
            }
            if active.is_some() {
                younger = Some(*first);
            }
        }
        Ok(active)
    }

    /// The segment that takes the next frame. One without frames is removed, so that where the log rolls
    /// depends on frames that exist.
    fn open_youngest(&mut self, first: LogIndex) -> Result<Option<Active>, Fault> {
        let name = segment_name(first);
        let mut file = self.folder.open(&name, OpenMode::ReadWrite)?;
        let capacity = segment::read_header(&file, first)?;
        let length = file.length()?;
        let state = if length < capacity {
            let sealed = segment::read_seal(&file, first, length)?;
            let end = sealed.end;
            reopen_file(&file, capacity, sealed, end)?
        } else {
            let scan = scan_frames(&file, first, length)?;
            self.check_length(&file, capacity, length)?;
            self.clear_tail(&file, first, &scan, length)?;
            // What a killed process wrote but did not sync becomes durable before anyone hears of it.
            file.sync()?;
            if !self.is_known_durable(first, scan.state.end) {
                file = self.write_again(&file, &name, scan.state.end, capacity)?;
            }
            scan.state
        };
        if state.last.is_none() {
            self.folder.remove(&name)?;
            self.folder.sync()?;
            return Ok(None);
        }
        let segment = Arc::new(Segment::new(first, capacity, state.clone(), Some(file.clone())));
        self.segments.insert(first, Arc::clone(&segment));
        Ok(Some(Active { segment, file, state }))
    }

    /// Whether the mark vouches for a segment up to this place.
    fn is_known_durable(&self, first: LogIndex, end: u64) -> bool {
        self.mark.end.is_some_and(|durable| durable.segment == first && end <= durable.offset)
    }

    /// Makes the same segment once more in a file of its own. A flush that failed may have left bytes that reads
    /// still show and the disk does not hold, and the next flush would not write them. They are not written in
    /// place, because the frames among them that were confirmed must not be torn.
    fn write_again(&self, file: &OpenFile, name: &str, end: u64, capacity: u64) -> Result<OpenFile, Fault> {
        let temporary = temporary_name(name);
        match self.copy(file, &temporary, end, capacity) {
            Ok(copy) => {
                self.folder.publish(&temporary, name)?;
                Ok(copy.renamed(self.folder.file(name)))
            }
            Err(fault) if fault.no_room() => {
                // Without room for a copy the place itself is left; a full disk must not keep the log closed.
                let _ = self.folder.remove(&temporary);
                copy_bytes(file, file, end)?;
                file.sync()?;
                Ok(file.clone())
            }
            Err(fault) => Err(fault),
        }
    }

    fn copy(&self, file: &OpenFile, temporary: &str, end: u64, capacity: u64) -> Result<OpenFile, Fault> {
        let copy = self.folder.open(temporary, OpenMode::CreateNew)?;
        copy_bytes(file, &copy, end)?;
        copy.write_zeros(end, capacity)?;
        copy.sync()?;
        Ok(copy)
    }

    /// Clears what lies behind the last whole frame, unless it was durable.
    fn clear_tail(&mut self, file: &OpenFile, first: LogIndex, scan: &Scan, length: u64) -> Result<(), Fault> {
        let expected = match scan.state.last {
            Some((_, last)) => last.next(),
            None => first,
        };
        let durable = self.mark.end.map(|end| end.index);
        if Some(expected) <= durable && !mutant::is_on(Mutant::TruncateAtBadChecksum) {
            return Err(Fault::corrupt(&file.path, scan.state.end, scan.stop));
        }
        let Some(last_stray) = scan.last_nonzero else {
            return Ok(());
        };
        self.notes.push(TailNote {
            kind: match self.mark.ending {
                Ending::Clean => TailNoteKind::StrayBytes,
                Ending::Open => TailNoteKind::TornWrite,
            },
            file: file.path.to_path_buf(),
            offset: scan.state.end,
            cut: ByteCount(last_stray + 1 - scan.state.end),
        });
        file.write_zeros(scan.state.end, (last_stray + 1).min(length))?;
        Ok(())
    }

    fn check_length(&self, file: &OpenFile, capacity: u64, length: u64) -> Result<(), Fault> {
        if capacity < length {
            return Err(Fault::corrupt(&file.path, capacity, "the segment is longer than its header says"));
        }
        Ok(())
    }

    /// A segment with a younger one behind it. All of it was synced before that one got its first frame.
    fn open_older(&mut self, first: LogIndex, next: LogIndex) -> Result<(), Fault> {
        let file = self.folder.open(&segment_name(first), OpenMode::ReadWrite)?;
        let capacity = segment::read_header(&file, first)?;
        let length = file.length()?;
        let state = if length < capacity {
            segment::read_seal(&file, first, length)?
        } else {
            self.check_length(&file, capacity, length)?;
            let scan = scan_frames(&file, first, length)?;
            self.check_unsealed(&file, next, &scan)?;
            seal_file(&file, first, scan.state)?
        };
        let last = state.last.map(|(_, last)| last);
        if Some(next) <= last {
            return Err(Fault::corrupt(&file.path, state.end, "two segments hold the same index"));
        }
        let segment = Segment::new(first, capacity, state, None);
        self.segments.insert(first, Arc::new(segment));
        Ok(())
    }

    /// The process went between the first frame of the next segment and the seal of this one.
    fn check_unsealed(&self, file: &OpenFile, next: LogIndex, scan: &Scan) -> Result<(), Fault> {
        let follows = scan.state.last.map(|(_, last)| last.next()) == Some(next);
        // After a purge beyond the log the next segment starts further on, and nothing here counts any more.
        let is_purged = self.purged.is_some_and(|(_, purged)| next <= purged.next());
        if scan.state.last.is_some() && (follows || is_purged) {
            return Ok(());
        }
        Err(Fault::corrupt(&file.path, scan.state.end, scan.stop))
    }

    /// The log reaches at least as far as it was known to be durable.
    fn check_mark(&self, active: Option<&Active>) -> Result<(), Fault> {
        let Some(end) = self.mark.end else {
            return Ok(());
        };
        let last = active.and_then(|active| active.state.last).map(|(_, last)| last);
        if Some(end.index) <= last || mutant::is_on(Mutant::TruncateAtBadChecksum) {
            return Ok(());
        }
        let file: &Path = &self.folder.file(&segment_name(end.segment));
        Err(Fault::corrupt(file, end.offset, "the log ends before its durable mark"))
    }
}
