//! What is damaged while a store works is put right: small files from memory, a sealed segment from another replica's bytes.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::{filled, frame, stepped};
use storage::disk::simulated::MemoryDisk;
use storage::{Fault, LogIndex, SectionName, SegmentStore, Term};

const FOLDER: &str = "/shard";
const FRAMES: u64 = 45;

fn fill(disk: &MemoryDisk) -> SegmentStore {
    filled(disk, Path::new(FOLDER), FRAMES)
}

fn path(name: &str) -> PathBuf {
    Path::new(FOLDER).join(name)
}

fn is_clean(store: &SegmentStore) -> bool {
    store.scrub().all(|file| file.faults.is_empty())
}

#[test]
fn every_byte_of_the_small_files_is_put_right_from_memory() {
    for name in ["store", "vote", "purge", "mark"] {
        let disk = MemoryDisk::new();
        let store = fill(&disk);
        assert_eq!(store.mend_small_files().unwrap(), []);
        let content = disk.content(&path(name)).unwrap();
        for offset in 0..content.len() {
            assert!(disk.flip_bit(&path(name), u64::try_from(offset).unwrap(), u32::try_from(offset % 8).unwrap()));
            let found = store.mend_small_files().unwrap();
            assert!(matches!(&found[..], [Fault::Corrupt { file, .. }, ..] if *file == path(name)), "{name} {offset}");
            assert!(is_clean(&store), "{name} {offset}");
        }
        let (_, again) = SegmentStore::open(Arc::new(disk.after_kill()), Path::new(FOLDER), stepped()).unwrap();
        assert_eq!(again.vote.as_deref(), Some(&b"vote"[..]));
        assert_eq!(again.committed.as_deref(), Some(&b"hint"[..]));
        assert_eq!((again.purged, again.last), (Some((Term(1), LogIndex(3))), Some((Term(1), LogIndex(FRAMES - 1)))));
    }
}

/// Brings the bytes of a file into the place of a damaged one.
fn bring(store: &SegmentStore, first: LogIndex, bytes: &[u8]) -> Result<(), Fault> {
    let mending = store.mend_segment(first)?;
    for (number, piece) in bytes.chunks(1000).enumerate() {
        mending.write(u64::try_from(number * 1000).unwrap(), piece)?;
    }
    mending.finish()
}

#[test]
fn a_sealed_segment_is_replaced_by_the_same_bytes_and_by_no_others() {
    let disk = MemoryDisk::new();
    let store = fill(&disk);
    let sealed = store.segments()[0];
    assert!(sealed.sealed);
    let file = store.segment_path(sealed.first);
    let whole = disk.content(&file).unwrap();
    assert!(disk.flip_bit(&file, 200, 1));
    assert!(!is_clean(&store) && store.read(LogIndex(0)).is_err() || store.read(LogIndex(1)).is_err());
    let damaged = disk.content(&file).unwrap();
    assert!(matches!(bring(&store, sealed.first, &damaged), Err(Fault::Corrupt { .. })), "damaged bytes are refused");
    assert!(bring(&store, sealed.first, &whole[..whole.len() - 8]).is_err(), "so is a part of them");
    let other = disk.content(&store.segment_path(store.segments()[1].first)).unwrap();
    assert!(bring(&store, sealed.first, &other).is_err(), "and another segment");
    assert!(!is_clean(&store));
    bring(&store, sealed.first, &whole).unwrap();
    assert!(is_clean(&store));
    for index in 0..FRAMES {
        assert_eq!(store.read(LogIndex(index)).unwrap(), Some(frame(index, 1)));
    }
    assert!(store.mend_segment(store.segments()[2].first).is_err(), "the segment that is written stays");
    assert!(disk.paths().iter().all(|path| !path.display().to_string().ends_with(".temporary")));
    let (again, _) = SegmentStore::open(Arc::new(disk.after_kill()), Path::new(FOLDER), stepped()).unwrap();
    assert!(is_clean(&again));
}

#[test]
fn only_a_damaged_checkpoint_is_removed() {
    let disk = MemoryDisk::new();
    let store = fill(&disk);
    for index in [10, 20] {
        let sections = [(SectionName::parse("state").unwrap(), Bytes::from(vec![9; 333]))];
        store.write_checkpoint(Term(1), LogIndex(index), sections.into_iter()).unwrap();
    }
    assert!(!store.remove_damaged_checkpoint(Term(1), LogIndex(20)).unwrap());
    let newest = disk.paths().into_iter().rfind(|path| path.display().to_string().ends_with(".checkpoint")).unwrap();
    assert!(disk.flip_bit(&newest, 100, 1));
    assert!(store.remove_damaged_checkpoint(Term(1), LogIndex(20)).unwrap());
    assert_eq!(store.newest_checkpoint().unwrap().unwrap().index, LogIndex(10));
    assert!(is_clean(&store));
}
