//! Flips bits of every byte of every file, and checks that nothing is lost in silence: each flip is named with
//! its file, or nothing changed and it is reported all the same.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{append, filled, frame, frames, settings, stepped, wait};
use storage::disk::simulated::{MemoryDisk, PowerCut};
use storage::{ByteCount, Fault, Frame, FrameKind, LogIndex, SectionName, SegmentStore, Settings, Term};

const FOLDER: &str = "/shard";
const FRAMES: u64 = 45;

/// A store with three segments, a vote, a purge mark and two checkpoints.
fn fill(disk: &MemoryDisk) -> SegmentStore {
    let store = filled(disk, Path::new(FOLDER), FRAMES);
    for index in [10, 20] {
        let sections = [(SectionName::parse("state").unwrap(), Bytes::from(vec![9; 333]))];
        store.write_checkpoint(Term(1), LogIndex(index), sections.into_iter()).unwrap();
    }
    assert_eq!(store.segments().len(), 3);
    store
}

/// The file that a fault is about.
fn file_of(fault: &Fault) -> Option<&Path> {
    match fault {
        Fault::Corrupt { file, .. } => Some(file),
        Fault::Io { .. }
        | Fault::Full { .. }
        | Fault::Poisoned { .. }
        | Fault::Format { .. }
        | Fault::Locked { .. }
        | Fault::Misuse { .. }
        | Fault::Closed => None,
    }
}

/// Opens the damaged disk and says whether the damage of `path` was named. Panics when anything is lost.
fn is_named(disk: &MemoryDisk, path: &Path, flip: &str) -> bool {
    let before = disk.content(path);
    let opened = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), stepped());
    let (store, recovered) = match opened {
        Ok(opened) => opened,
        Err(fault) => {
            assert_eq!(disk.content(path), before, "{flip}: a damaged file is left as it is");
            assert_eq!(file_of(&fault), Some(path), "{flip}: {fault}");
            return true;
        }
    };
    assert_eq!(recovered.last, Some((Term(1), LogIndex(FRAMES - 1))), "{flip}");
    assert_eq!(recovered.vote.as_deref(), Some(&b"vote"[..]), "{flip}");
    assert_eq!(recovered.purged, Some((Term(1), LogIndex(3))), "{flip}");
    let mut named = recovered.notes.iter().any(|note| note.file == path);
    // Frames lie in segments alone.
    let is_segment = path.extension().is_some_and(|end| end == "segment");
    for index in 0..if is_segment { FRAMES } else { 0 } {
        match store.read(LogIndex(index)) {
            Ok(found) => assert_eq!(found, Some(frame(index, 1)), "{flip}"),
            Err(fault) => {
                assert_eq!(file_of(&fault), Some(path), "{flip}: {fault}");
                named = true;
            }
        }
    }
    let checkpoint = store.newest_checkpoint().unwrap().unwrap();
    assert_eq!(checkpoint.sections[0].1, vec![9; 333], "{flip}");
    assert_eq!(checkpoint.index == LogIndex(10), !checkpoint.damaged.is_empty(), "{flip}");
    named |= checkpoint.damaged.iter().any(|fault| file_of(fault) == Some(path));
    let mut faults = store.scrub().flat_map(|file| file.faults).collect::<Vec<_>>();
    faults.retain(|fault| file_of(fault) == Some(path));
    named || !faults.is_empty()
}

/// Flips one bit of each byte; which one changes from byte to byte.
fn flip_everything(disk: &MemoryDisk) {
    let mut flips = 0_u64;
    for path in disk.paths() {
        let content = disk.content(&path).unwrap();
        for offset in 0..u64::try_from(content.len()).unwrap() {
            let damaged = disk.after_kill();
            let bit = u32::try_from((offset * 5) % 8).unwrap();
            assert!(damaged.flip_bit(&path, offset, bit));
            let flip = format!("{} byte {offset} bit {bit}", path.display());
            assert!(is_named(&damaged, &path, &flip), "{flip} went unnoticed");
            flips += 1;
        }
    }
    assert!(flips > 30_000, "{flips}");
}

#[test]
fn no_flip_goes_unnoticed_after_a_clean_close() {
    let disk = MemoryDisk::new();
    fill(&disk).close().unwrap();
    flip_everything(&disk);
}

#[test]
fn no_flip_goes_unnoticed_after_a_kill_at_rest() {
    let disk = MemoryDisk::new();
    let store = fill(&disk);
    flip_everything(&disk.after_kill());
    drop(store);
}

#[test]
fn no_flip_goes_unnoticed_after_a_power_cut_at_rest() {
    let disk = MemoryDisk::new();
    let store = fill(&disk);
    let cut = disk.after_power_cut(PowerCut::LoseAll);
    let last = cut.paths().into_iter().rfind(|path| path.extension().is_some_and(|end| end == "segment")).unwrap();
    for offset in 0..4096 {
        let damaged = cut.after_kill();
        damaged.flip_bit(&last, offset, 3);
        assert!(is_named(&damaged, &last, &format!("byte {offset}")));
    }
    drop(store);
}

/// Nothing has come to rest: the synced mark is far behind, and the lazy one tells the truth.
#[test]
fn a_flip_in_the_batch_acknowledged_last_is_damage_also_after_a_kill_under_load() {
    let disk = MemoryDisk::new();
    let busy = Settings { mark_delay: Duration::from_secs(3600), ..settings() };
    let (store, _) = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), busy).unwrap();
    append(&store, frames(0..5, 1)).unwrap();
    append(&store, frames(5..8, 1)).unwrap();
    let killed = disk.after_kill();
    let path = PathBuf::from(FOLDER).join(format!("{:020}.segment", 0));
    let content = killed.content(&path).unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap();
    for offset in 0..=u64::try_from(end).unwrap() {
        let damaged = killed.after_kill();
        damaged.flip_bit(&path, offset, 1);
        let opened = SegmentStore::open(Arc::new(damaged), Path::new(FOLDER), stepped());
        assert!(matches!(opened.err(), Some(Fault::Corrupt { file, .. }) if file == path), "byte {offset}");
    }
    drop(store);
}

#[test]
fn a_zeroed_or_shortened_log_is_damage() {
    let disk = MemoryDisk::new();
    let (store, _) = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), settings()).unwrap();
    append(&store, frames(0..5, 1)).unwrap();
    wait(|done| store.save_vote(Bytes::from_static(b"vote"), done)).unwrap();
    store.close().unwrap();
    let path = PathBuf::from(FOLDER).join(format!("{:020}.segment", 0));
    let content = disk.content(&path).unwrap();
    let last_byte = content.iter().rposition(|byte| *byte != 0).unwrap();
    for kept in [0, 64, 100, u64::try_from(last_byte).unwrap()] {
        let damaged = disk.after_kill();
        let file = storage::disk::Disk::open(&damaged, &path, storage::disk::OpenMode::ReadWrite).unwrap();
        file.set_length(kept).unwrap();
        let opened = SegmentStore::open(Arc::new(damaged.clone()), Path::new(FOLDER), stepped());
        assert_eq!(opened.as_ref().err().and_then(file_of), Some(path.as_path()), "{kept}");
        file.set_length(4096).unwrap();
        let opened = SegmentStore::open(Arc::new(damaged), Path::new(FOLDER), stepped());
        assert_eq!(opened.as_ref().err().and_then(file_of), Some(path.as_path()), "{kept}, zeros");
    }
    let damaged = disk.after_kill();
    storage::disk::Disk::remove(&damaged, &path).unwrap();
    let opened = SegmentStore::open(Arc::new(damaged), Path::new(FOLDER), stepped());
    assert_eq!(opened.as_ref().err().and_then(file_of), Some(path.as_path()));
}

/// A length that claims the frame behind it too, up to the end of a sealed segment: each header on the way is right.
#[test]
fn a_frame_that_swallows_the_last_one_is_named() {
    const FRAME_BYTES: u64 = 64;
    let disk = MemoryDisk::new();
    let (store, _) = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), stepped()).unwrap();
    let mut index = 0;
    while store.segments().len() < 2 {
        let payload = Bytes::from(vec![7; 32]);
        let frame = Frame { index: LogIndex(index), term: Term(1), kind: FrameKind(0), payload };
        store.append(vec![frame], Box::new(|outcome| outcome.unwrap()));
        store.run_queued().unwrap();
        index += 1;
    }
    store.close().unwrap();
    let disk = disk.after_kill();
    // The first frame of the second segment is the newest; the last of the first is the one before.
    let last = index - 2;
    let path = Path::new(FOLDER).join("00000000000000000000.segment");
    let length_at = 64 + (last - 1) * FRAME_BYTES + 4;
    assert!(disk.flip_bit(&path, length_at, 6), "32 becomes 96");
    let (store, _) = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), stepped()).unwrap();
    let fault = store.read(LogIndex(last)).unwrap_err();
    assert_eq!(file_of(&fault), Some(path.as_path()), "{fault}");
    let fault = store.read_range(LogIndex(last), LogIndex(last + 1), ByteCount(u64::MAX)).unwrap_err();
    assert_eq!(file_of(&fault), Some(path.as_path()), "{fault}");
    let (sender, receiver) = std::sync::mpsc::channel();
    store.truncate_after(Some(LogIndex(last)), Box::new(move |outcome| sender.send(outcome).unwrap()));
    // Closing reports the damage that stopped the store; what the cut itself was told is what counts.
    let _ = store.run_queued();
    let fault = receiver.recv().unwrap().unwrap_err();
    assert_eq!(file_of(&fault), Some(path.as_path()), "{fault}");
}
