//! Reads files that version 1 of the formats wrote, and writes the same bytes again.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::{frame, frames, stepped};
use storage::disk::simulated::MemoryDisk;
use storage::disk::{Disk, OpenMode};
use storage::limits::SEGMENT_BYTES_MAX;
use storage::{Fault, LogIndex, SectionName, SegmentStore, Term};

const FOLDER: &str = "/shard";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1")
}

/// Makes the store that the fixtures hold.
fn write_store() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (store, _) = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), stepped()).unwrap();
    store.append(frames(0..25, 3), Box::new(|outcome| outcome.unwrap()));
    store.save_vote(Bytes::from_static(b"a vote"), Box::new(|outcome| outcome.unwrap()));
    store.save_committed(Bytes::from_static(b"a hint"));
    store.save_purged(Term(2), LogIndex(4), Box::new(|outcome| outcome.unwrap()));
    store.run_queued().unwrap();
    let sections = [("catalog", 77), ("queues/1", 500)]
        .map(|(name, size)| (SectionName::parse(name).unwrap(), Bytes::from(vec![5; size])));
    store.write_checkpoint(Term(3), LogIndex(20), sections.into_iter()).unwrap();
    store.close().unwrap();
    disk
}

fn load_fixtures() -> MemoryDisk {
    let disk = MemoryDisk::new();
    for entry in fs::read_dir(fixtures()).unwrap() {
        let entry = entry.unwrap();
        let file = disk.open(&Path::new(FOLDER).join(entry.file_name()), OpenMode::CreateNew).unwrap();
        file.write_at(0, &fs::read(entry.path()).unwrap()).unwrap();
    }
    disk
}

#[test]
fn files_of_version_1_are_read() {
    let disk = load_fixtures();
    let (store, recovered) = SegmentStore::open(Arc::new(disk), Path::new(FOLDER), stepped()).unwrap();
    assert!(recovered.was_closed);
    assert_eq!(recovered.notes, []);
    assert_eq!(recovered.last, Some((Term(3), LogIndex(24))));
    assert_eq!(recovered.purged, Some((Term(2), LogIndex(4))));
    assert_eq!(recovered.vote.as_deref(), Some(&b"a vote"[..]));
    assert_eq!(recovered.committed.as_deref(), Some(&b"a hint"[..]));
    for index in 0..25 {
        assert_eq!(store.read(LogIndex(index)).unwrap(), Some(frame(index, 3)));
    }
    let checkpoint = store.newest_checkpoint().unwrap().unwrap();
    assert_eq!((checkpoint.term, checkpoint.index), (Term(3), LogIndex(20)));
    let sizes = checkpoint.sections.iter().map(|(name, payload)| (name.as_str(), payload.len()));
    assert_eq!(sizes.collect::<Vec<_>>(), [("catalog", 77), ("queues/1", 500)]);
    assert!(store.scrub().all(|file| file.faults.is_empty()));
}

/// With `RECADO_WRITE_FIXTURES` set the files are written anew: only for a new version, in a new folder.
#[test]
fn the_same_store_is_still_written_with_the_same_bytes() {
    let disk = write_store();
    if std::env::var_os("RECADO_WRITE_FIXTURES").is_some() {
        fs::create_dir_all(fixtures()).unwrap();
        for path in disk.paths() {
            fs::write(fixtures().join(path.file_name().unwrap()), disk.content(&path).unwrap()).unwrap();
        }
    }
    let known = load_fixtures();
    assert_eq!(disk.paths(), known.paths());
    for path in disk.paths() {
        assert!(disk.content(&path) == known.content(&path), "{} is written differently now", path.display());
    }
}

/// A reader of today meets a file of tomorrow: it says so, and does not call it damaged.
#[test]
fn a_newer_version_is_refused_and_not_called_damage() {
    for path in load_fixtures().paths() {
        let disk = load_fixtures();
        let mut content = disk.content(&path).unwrap();
        content[12] = 2;
        let header = if path.extension().is_none() && !path.ends_with("store") { 512 } else { 64 };
        let checksum = crc32c::crc32c(&content[12..header]);
        content[8..12].copy_from_slice(&checksum.to_le_bytes());
        disk.open(&path, OpenMode::ReadWrite).unwrap().write_at(0, &content).unwrap();
        let fault = match SegmentStore::open(Arc::new(disk), Path::new(FOLDER), stepped()) {
            Ok((store, _)) => store.newest_checkpoint().unwrap_err(),
            Err(fault) => fault,
        };
        assert!(matches!(&fault, Fault::Format { file, .. } if *file == path), "{fault}");
    }
}

/// A checksum that fits does not make a length true: the disk is not filled with zeros because of it.
#[test]
fn a_segment_that_claims_more_than_any_segment_has_is_refused_untouched() {
    let disk = load_fixtures();
    disk.set_capacity(Some(1 << 20));
    let segments: Vec<PathBuf> =
        disk.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    // The youngest segment is made as long as its header says, also when it was sealed.
    let [sealed, youngest] = &segments[..] else { panic!("two segments: {segments:?}") };
    disk.remove(youngest).unwrap();
    let mut content = disk.content(sealed).unwrap();
    content[24..32].copy_from_slice(&(SEGMENT_BYTES_MAX + 8).to_le_bytes());
    let checksum = crc32c::crc32c(&content[12..64]);
    content[8..12].copy_from_slice(&checksum.to_le_bytes());
    disk.open(sealed, OpenMode::ReadWrite).unwrap().write_at(0, &content).unwrap();
    let fault = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), stepped()).err().unwrap();
    assert!(matches!(&fault, Fault::Corrupt { file, offset: 24, .. } if file == sealed), "{fault}");
    assert!(disk.content(sealed).unwrap() == content);
}
