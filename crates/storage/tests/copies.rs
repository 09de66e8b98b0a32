//! A copy of a store has its frames at the same places, and takes the place of another one whole or not at all.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use common::{append, frames, settings, wait};
use storage::disk::Disk;
use storage::disk::simulated::{MemoryDisk, PowerCut};
use storage::{ByteCount, Frame, Incoming, LogIndex, SectionName, SegmentStore, Term, settle_incoming};

const FROM: &str = "/from";
const TO: &str = "/to";
const OLD_VOTE: &[u8] = b"old";
const NEW_VOTE: &[u8] = b"new";

fn open(disk: &MemoryDisk, folder: &str) -> (SegmentStore, storage::Recovered) {
    SegmentStore::open(Arc::new(disk.clone()), Path::new(folder), settings()).unwrap()
}

fn all(store: &SegmentStore) -> Vec<Frame> {
    let mut found = Vec::new();
    let mut from = LogIndex(0);
    loop {
        let piece = store.read_range(from, LogIndex(u64::MAX), ByteCount(1 << 16)).unwrap();
        let Some(last) = piece.last() else { return found };
        from = last.index.next();
        found.extend(piece);
    }
}

/// A store of several segments with a checkpoint.
fn original(disk: &MemoryDisk) -> SegmentStore {
    let (store, _) = open(disk, FROM);
    for start in (0..60).step_by(4) {
        append(&store, frames(start..start + 4, 1)).unwrap();
    }
    let section = (SectionName::parse("a").unwrap(), Bytes::from_static(b"state"));
    store.write_checkpoint(Term(1), LogIndex(30), [section].into_iter()).unwrap();
    assert!(store.segments().len() > 2);
    store
}

fn copy(store: &SegmentStore, disk: &MemoryDisk, until: u64) {
    let vote = Bytes::from_static(NEW_VOTE);
    let purged = Some((Term(1), LogIndex(9)));
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut incoming = Incoming::begin(disk, Path::new(TO), settings(), vote, purged).unwrap();
    for file in store.files_until(LogIndex(until)).unwrap() {
        let mut offset = 0;
        while offset < file.bytes.0 {
            let piece = store.read_copied(&file, offset).unwrap();
            incoming.write(&file, offset, &piece).unwrap();
            offset += u64::try_from(piece.len()).unwrap();
        }
        incoming.finish_file(&file).unwrap();
    }
    incoming.finish().unwrap();
}

#[test]
fn a_copy_goes_on_where_the_original_does() {
    let disk = MemoryDisk::new();
    let store = original(&disk);
    copy(&store, &disk, 50);
    let (copied, recovered) = open(&disk, TO);
    assert_eq!(all(&copied), frames(0..51, 1));
    assert_eq!((recovered.vote.as_deref(), recovered.purged), (Some(NEW_VOTE), Some((Term(1), LogIndex(9)))));
    assert_eq!(copied.newest_checkpoint().unwrap().unwrap().index, LogIndex(30));
    append(&copied, frames(51..60, 1)).unwrap();
    append(&store, frames(60..90, 2)).unwrap();
    append(&copied, frames(60..90, 2)).unwrap();
    let places = |store: &SegmentStore| -> Vec<_> { store.segments().iter().map(|segment| segment.first).collect() };
    assert_eq!(places(&copied), places(&store), "both roll at the same places");
    assert_eq!(all(&copied), all(&store));
}

#[test]
fn a_copy_replaces_a_store_whole_or_not_at_all_wherever_the_power_goes() {
    let disk = MemoryDisk::new();
    let store = original(&disk);
    let (old, _) = open(&disk, TO);
    wait(|done| old.save_vote(Bytes::from_static(OLD_VOTE), done)).unwrap();
    append(&old, frames(0..20, 7)).unwrap();
    old.close().unwrap();
    let before = disk.journal().len();
    copy(&store, &disk, 50);
    let journal = disk.journal();
    let mut seen = [0, 0];
    for until in before..=journal.len() {
        let replayed = MemoryDisk::replayed(&journal[..until]);
        for cut in [replayed.after_kill(), replayed.after_power_cut(PowerCut::LoseAll)] {
            let target: Arc<dyn Disk> = Arc::new(cut.clone());
            settle_incoming(&target, Path::new(TO)).unwrap();
            let (found, recovered) = open(&cut, TO);
            let is_new = recovered.vote.as_deref() == Some(NEW_VOTE);
            let expected = if is_new { frames(0..51, 1) } else { frames(0..20, 7) };
            assert_eq!(all(&found), expected, "after step {until}");
            seen[usize::from(is_new)] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 10), "{seen:?}");
}
