//! Files of a store, the state in a checkpoint, and what lies in the frames of the log.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use broker::{Machine, codec, record};
use bytes::Bytes;
use model::number::Timestamp;
use storage::disk::simulated::{MemoryDisk, PowerCut};
use storage::disk::{Disk, OpenMode};
use storage::{ByteCount, Fault, Frame, FrameKind, LogIndex, SectionName, SegmentStore, Settings, Term, Threads};

use crate::bound::within;

const FOLDER: &str = "/shard";
/// Lengths that a header claims are refused by the disk beyond this.
const ROOM_BYTES: u64 = 1 << 20;

fn settings() -> Settings {
    Settings { segment_bytes: 4096, mark_delay: Duration::ZERO, threads: Threads::Caller }
}

fn open(disk: &MemoryDisk) -> Result<SegmentStore, Fault> {
    Ok(SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), settings())?.0)
}

/// A store that was closed in order: two sealed segments, an open one, two checkpoints.
pub(crate) fn whole_store() -> MemoryDisk {
    store_of(0..40)
}

/// As `whole_store`, with the same checkpoints over a log of two frames: they are read without reading much else.
fn short_store() -> MemoryDisk {
    store_of(19..21)
}

fn store_of(frames: Range<u64>) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let store = open(&disk).expect("an empty disk is opened");
    let frame = |index: u64| Frame {
        index: LogIndex(index),
        term: Term(1),
        kind: FrameKind(3),
        payload: Bytes::from(vec![7; usize::try_from(index * 37 % 400).expect("small")]),
    };
    for index in frames {
        store.append(vec![frame(index)], Box::new(|outcome| outcome.expect("the disk does not fail")));
    }
    store.save_vote(Bytes::from_static(b"vote"), Box::new(drop));
    store.save_purged(Term(1), LogIndex(3), Box::new(drop));
    store.run_queued().expect("the caller runs the queue");
    for index in [10, 20] {
        let sections = Machine::new().sections().into_iter();
        let sections = sections.map(|(name, bytes)| (SectionName::parse(name).expect("a known name"), bytes));
        store.write_checkpoint(Term(1), LogIndex(index), sections).expect("the disk does not fail");
    }
    store.close().expect("the disk does not fail");
    // All is synced; what has no name any more is forgotten, for each execution copies the disk.
    disk.after_power_cut(PowerCut::KeepAll)
}

thread_local! {
    static WHOLE: Stock = Stock::new(whole_store(), ".segment");
    static SHORT: Stock = Stock::new(short_store(), ".checkpoint");
}

/// A disk that each execution starts from a copy of, and the files of it that are fuzzed.
struct Stock {
    disk: MemoryDisk,
    paths: Vec<PathBuf>,
}

impl Stock {
    fn new(disk: MemoryDisk, end: &str) -> Stock {
        let paths = disk.paths().into_iter().filter(|path| path.to_string_lossy().ends_with(end)).collect();
        Stock { disk, paths }
    }
}

/// Opens the store with other bytes in one file, and reads all that there is.
fn open_with(disk: &MemoryDisk, path: &Path, content: &[u8]) {
    let disk = disk.after_kill();
    let file = disk.open(path, OpenMode::ReadWrite).expect("the file was listed");
    file.set_length(0).and_then(|()| file.write_at(0, content)).expect("there is room");
    disk.set_capacity(Some(ROOM_BYTES));
    within(content.len(), 24 << 20, 64, || {
        let Ok(store) = open(&disk) else { return };
        for segment in store.segments() {
            let until = segment.last.map_or(segment.first, LogIndex::next);
            let _ = store.read_range(segment.first, until, ByteCount(1 << 20));
        }
        let _ = store.scrub().count();
        if let Ok(Some(checkpoint)) = store.newest_checkpoint() {
            let named: Vec<_> =
                checkpoint.sections.into_iter().map(|(name, bytes)| (name.as_str().to_owned(), bytes)).collect();
            let _ = Machine::restore(&named);
        }
        let next = store.last().map_or(LogIndex(0), |(_, last)| LogIndex(last.0.saturating_add(1)));
        let frame = Frame { index: next, term: Term(9), kind: FrameKind(3), payload: Bytes::from_static(b"more") };
        store.append(vec![frame], Box::new(drop));
        let _ = store.run_queued();
    });
}

fn put_u32(bytes: &mut [u8], at: usize, number: u32) {
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&number.to_le_bytes());
    }
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    let place = bytes.get(at..at + 4).and_then(|place| place.try_into().ok());
    place.map_or(usize::MAX, |place| usize::try_from(u32::from_le_bytes(place)).expect("64 bits"))
}

/// Writes the checksum of a part of the bytes at a place, if both are there.
fn sign(bytes: &mut [u8], at: usize, from: usize, until: usize) {
    if let Some(checksum) = bytes.get(from..until).map(crc32c::crc32c) {
        put_u32(bytes, at, checksum);
    }
}

/// The first byte says which file it is, and whether checksums are made to fit.
fn split(bytes: &[u8]) -> Option<(usize, bool, Vec<u8>)> {
    let (first, rest) = bytes.split_first()?;
    Some((usize::from(first >> 1), first & 1 == 1, rest.to_vec()))
}

/// A file of a segment, the youngest or an older one.
pub fn segment(bytes: &[u8]) {
    let Some((which, is_signed, mut content)) = split(bytes) else { return };
    if is_signed {
        sign_segment(&mut content);
    }
    WHOLE.with(|stock| open_with(&stock.disk, &stock.paths[which % stock.paths.len()], &content));
}

fn sign_segment(content: &mut [u8]) {
    sign(content, 8, 12, 64);
    let mut at = 64;
    while at + 32 <= content.len() {
        let size = u32_at(content, at + 4).saturating_add(32).checked_next_multiple_of(8).unwrap_or(usize::MAX);
        let Some(end) = at.checked_add(size).filter(|end| *end <= content.len()) else { break };
        sign(content, at, at + 4, end);
        at = end;
    }
    if let Some(trailer) = content.len().checked_sub(16) {
        let covered: Vec<u8> = [&content[trailer..trailer + 8], &content[trailer + 12..]].concat();
        put_u32(content, trailer + 8, crc32c::crc32c(&covered));
    }
}

/// A file of a checkpoint, with the state in it.
pub fn checkpoint(bytes: &[u8]) {
    let Some((which, is_signed, mut content)) = split(bytes) else { return };
    if is_signed {
        sign_checkpoint(&mut content);
    }
    SHORT.with(|stock| open_with(&stock.disk, &stock.paths[which % stock.paths.len()], &content));
}

fn sign_checkpoint(content: &mut [u8]) {
    sign(content, 8, 12, 64);
    let Some(trailer) = content.len().checked_sub(32).filter(|trailer| *trailer >= 64) else { return };
    let mut at = 64;
    while at + 96 <= trailer {
        let length = u32_at(content, at + 8);
        let payload = at + 96;
        let Some(end) = payload.checked_add(length).filter(|end| *end <= trailer) else { break };
        sign(content, at + 4, payload, end);
        sign(content, at, at + 4, at + 96);
        at = end.next_multiple_of(8);
    }
    sign(content, trailer + 24, 0, trailer);
    sign(content, trailer + 8, trailer + 12, trailer + 32);
}

/// The small files: vote, purge mark, durable mark, and the file that names the store.
pub fn slots(bytes: &[u8]) {
    let Some((which, is_signed, mut content)) = split(bytes) else { return };
    if is_signed {
        sign(&mut content, 8, 12, 512);
        for at in [512, 1024, 4096, 4608] {
            sign(&mut content, at, at + 4, at + 512);
        }
    }
    let name = ["vote", "purge", "mark", "store"][which % 4];
    WHOLE.with(|stock| open_with(&stock.disk, &Path::new(FOLDER).join(name), &content));
}

/// The state of the machine, section by section: a length of two bytes before each.
pub fn state(bytes: &[u8]) {
    let mut rest = Bytes::copy_from_slice(bytes);
    let sections: Vec<(String, Bytes)> = broker::machine::SECTIONS
        .iter()
        .map(|name| {
            let length = if rest.len() < 2 { 0 } else { usize::from(u16::from_le_bytes([rest[0], rest[1]])) };
            let mut section = rest.split_off(rest.len().min(2));
            rest = section.split_off(section.len().min(length));
            ((*name).to_owned(), section)
        })
        .collect();
    let restored = within(bytes.len(), 1 << 20, 256, || Machine::restore(&sections));
    let Ok(machine) = restored else { return };
    // What was read is written in one way only, and read back the same.
    let written: Vec<_> = machine.sections().into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    let again = Machine::restore(&written).expect("what the machine wrote is read");
    assert_eq!(again.state_hash(), machine.state_hash());
    let _ = (machine.next_deadline(), machine.live_bytes(), machine.segments().count());
}

/// A batch of commands.
pub fn batch(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    let Ok(batch) = within(bytes.len(), 64 << 10, 256, || codec::decode(shared)) else { return };
    let records = batch.records();
    let counted: u32 = batch.commands.iter().map(|command| command.action.record_count()).sum();
    assert_eq!(records.len(), usize::try_from(counted).expect("64 bits"));
    let written = codec::encode(batch.now, &batch.commands);
    assert_eq!(codec::decode(written).as_ref(), Ok(&batch));
}

/// A stored message.
pub fn record(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    within(bytes.len(), 64 << 10, 64, || {
        let head = record::Head::read(&shared);
        if let Ok(message) = record::decode(shared.clone(), Timestamp::new(1), None) {
            let head = head.expect("a message that is read has a head");
            assert_eq!(head.key.is_some(), message.key.is_some());
            assert_eq!(usize::try_from(head.bytes).expect("64 bits"), shared.len());
        }
    });
}

/// A vote, a committed hint, a membership, the shard's section of a checkpoint.
#[cfg(fuzzing)]
pub fn entry(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    within(bytes.len(), 64 << 10, 512, || shard::read_written(&shared));
}
