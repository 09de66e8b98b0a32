//! The same behaviour on the disk of this machine and on the simulated one.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use common::{append, frame, frames, settings, settle, stepped, wait};
use storage::disk::simulated::{Event, MemoryDisk};
use storage::disk::{Disk, OpenMode, RealDisk};
use storage::{ByteCount, Fault, LogIndex, SectionName, SegmentStore, Settings, Term};

/// Runs a case on both disks.
fn on_both(case: fn(Arc<dyn Disk>, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    case(Arc::new(RealDisk), &folder.path().join("shard/one"));
    case(Arc::new(MemoryDisk::new()), &PathBuf::from("/shard/one"));
}

#[test]
fn what_was_appended_is_read_before_and_after_a_restart() {
    on_both(|disk, folder| {
        let (store, recovered) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        assert_eq!((recovered.last, recovered.vote, recovered.first), (None, None, None));
        append(&store, frames(0..200, 1)).unwrap();
        wait(|done| store.save_vote(Bytes::from_static(b"vote"), done)).unwrap();
        store.save_committed(Bytes::from_static(b"hint"));
        assert_eq!(store.durable(), Some(LogIndex(199)));
        check_reads(&store, 200);
        store.close().unwrap();

        let (store, recovered) = SegmentStore::open(disk, folder, settings()).unwrap();
        assert!(recovered.was_closed);
        assert_eq!(recovered.last, Some((Term(1), LogIndex(199))));
        assert_eq!(recovered.first, Some(LogIndex(0)));
        assert_eq!(recovered.vote.as_deref(), Some(&b"vote"[..]));
        assert_eq!(recovered.committed.as_deref(), Some(&b"hint"[..]));
        assert_eq!(recovered.notes, []);
        check_reads(&store, 200);
        append(&store, frames(200..210, 2)).unwrap();
        assert_eq!(store.read(LogIndex(205)).unwrap(), Some(frame(205, 2)));
    });
}

fn check_reads(store: &SegmentStore, count: u64) {
    for index in 0..count {
        assert_eq!(store.read(LogIndex(index)).unwrap(), Some(frame(index, 1)), "{index}");
    }
    assert_eq!(store.read(LogIndex(count)).unwrap(), None);
    let mut all = Vec::new();
    while all.len() < usize::try_from(count).unwrap() {
        let from = LogIndex(u64::try_from(all.len()).unwrap());
        let more = store.read_range(from, LogIndex(count), ByteCount(5000)).unwrap();
        assert!(!more.is_empty());
        all.extend(more);
    }
    assert_eq!(all, frames(0..count, 1));
    let few = store.read_range(LogIndex(3), LogIndex(5), ByteCount(u64::MAX)).unwrap();
    assert_eq!(few, frames(3..5, 1));
    let one = store.read_range(LogIndex(3), LogIndex(50), ByteCount(1)).unwrap();
    assert_eq!(one, frames(3..4, 1));
}

#[test]
fn segments_roll_at_the_same_places_however_the_frames_arrive() {
    on_both(|disk, folder| {
        let (store, _) = SegmentStore::open(Arc::clone(&disk), &folder.join("a"), settings()).unwrap();
        append(&store, frames(0..100, 1)).unwrap();
        let (other, _) = SegmentStore::open(disk, &folder.join("b"), settings()).unwrap();
        for index in 0..100 {
            append(&other, frames(index..index + 1, 1)).unwrap();
        }
        assert!(store.segments().len() > 3);
        for index in 0..100 {
            let segment = store.segment_of(LogIndex(index));
            assert!(segment.is_some() && segment == other.segment_of(LogIndex(index)), "{index}");
        }
        assert_eq!(store.segment_of(LogIndex(100)), None);
    });
}

#[test]
fn sealed_segments_are_the_same_bytes_on_every_replica() {
    let one = MemoryDisk::new();
    let two = MemoryDisk::new();
    let folder = PathBuf::from("/shard");
    let (store, _) = SegmentStore::open(Arc::new(one.clone()), &folder, settings()).unwrap();
    append(&store, frames(0..150, 1)).unwrap();
    store.close().unwrap();
    let (store, _) = SegmentStore::open(Arc::new(two.clone()), &folder, settings()).unwrap();
    append(&store, frames(0..60, 1)).unwrap();
    // A conflict: this replica had frames of another leader, in segments of their own.
    append(&store, frames(60..130, 9)).unwrap();
    wait(|done| store.truncate_after(Some(LogIndex(59)), done)).unwrap();
    for index in 60..150 {
        append(&store, frames(index..index + 1, 1)).unwrap();
    }
    settle(&store);
    let sealed: Vec<_> = store.segments().iter().filter(|segment| segment.sealed).copied().collect();
    store.close().unwrap();
    assert!(sealed.len() > 3);
    for segment in sealed {
        let path = folder.join(format!("{:020}.segment", segment.first.0));
        assert!(one.content(&path).is_some());
        assert_eq!(one.content(&path), two.content(&path), "{}", path.display());
    }
}

#[test]
fn a_cut_hides_frames_at_once_and_for_good() {
    on_both(|disk, folder| {
        let (store, _) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        append(&store, frames(0..100, 1)).unwrap();
        for keep in [70, 20, 19] {
            wait(|done| store.truncate_after(Some(LogIndex(keep)), done)).unwrap();
            assert_eq!(store.last(), Some((Term(1), LogIndex(keep))));
            assert_eq!(store.durable(), Some(LogIndex(keep)));
            assert_eq!(store.read(LogIndex(keep + 1)).unwrap(), None);
            assert_eq!(store.read(LogIndex(keep)).unwrap(), Some(frame(keep, 1)));
        }
        append(&store, frames(20..80, 3)).unwrap();
        drop(store);
        let (store, recovered) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        assert_eq!(recovered.last, Some((Term(3), LogIndex(79))));
        assert_eq!(recovered.notes, []);
        assert_eq!(store.read(LogIndex(20)).unwrap(), Some(frame(20, 3)));
        wait(|done| store.truncate_after(None, done)).unwrap();
        assert_eq!((store.last(), store.durable(), store.segments().len()), (None, None, 0));
        append(&store, frames(5..6, 1)).unwrap();
        store.close().unwrap();
        let (_, recovered) = SegmentStore::open(disk, folder, settings()).unwrap();
        assert_eq!(recovered.last, Some((Term(1), LogIndex(5))));
    });
}

#[test]
fn deleted_segments_are_gone_and_only_sealed_ones_go() {
    on_both(|disk, folder| {
        let (store, _) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        append(&store, frames(0..100, 1)).unwrap();
        settle(&store);
        let segments = store.segments();
        let middle = segments[1];
        let freed = store.delete_segment(middle.first).unwrap();
        assert_eq!(freed, middle.bytes);
        assert_eq!(store.read(middle.first).unwrap(), None);
        assert_eq!(store.read(LogIndex(0)).unwrap(), Some(frame(0, 1)));
        let range = store.read_range(LogIndex(0), LogIndex(100), ByteCount(u64::MAX)).unwrap();
        assert_eq!(range, frames(0..middle.first.0, 1));
        let active = *segments.last().unwrap();
        assert!(matches!(store.delete_segment(active.first), Err(Fault::Misuse { .. })));
        store.close().unwrap();
        let (store, recovered) = SegmentStore::open(disk, folder, settings()).unwrap();
        assert_eq!(recovered.last, Some((Term(1), LogIndex(99))));
        assert_eq!(store.segments().len(), segments.len() - 1);
    });
}

#[test]
fn a_purge_beyond_the_log_lets_it_go_on_behind_the_mark() {
    on_both(|disk, folder| {
        let (store, _) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        append(&store, frames(0..10, 1)).unwrap();
        wait(|done| store.save_purged(Term(4), LogIndex(1000), done)).unwrap();
        assert_eq!(store.last(), Some((Term(4), LogIndex(1000))));
        append(&store, frames(1001..1010, 4)).unwrap();
        settle(&store);
        assert_eq!(store.read(LogIndex(1001)).unwrap(), Some(frame(1001, 4)));
        assert_eq!(store.segment_of(LogIndex(1001)), Some(LogIndex(1001)));
        assert_eq!(store.delete_segment(LogIndex(0)).map(|freed| freed.0 > 0), Ok(true));
        store.close().unwrap();
        let (_, recovered) = SegmentStore::open(disk, folder, settings()).unwrap();
        assert_eq!(recovered.purged, Some((Term(4), LogIndex(1000))));
        assert_eq!(recovered.last, Some((Term(4), LogIndex(1009))));
        assert_eq!(recovered.first, Some(LogIndex(1001)));
    });
}

#[test]
fn frames_must_follow_and_may_be_longer_than_a_segment() {
    on_both(|disk, folder| {
        let (store, _) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        append(&store, frames(0..3, 1)).unwrap();
        assert!(matches!(append(&store, frames(4..5, 1)), Err(Fault::Misuse { .. })));
        let mut long = frame(3, 1);
        long.payload = Bytes::from(vec![7; 300_000]);
        append(&store, vec![long.clone(), frame(4, 1)]).unwrap();
        assert_eq!(store.read(LogIndex(3)).unwrap(), Some(long.clone()));
        store.close().unwrap();
        let (store, _) = SegmentStore::open(disk, folder, settings()).unwrap();
        let read = store.read_range(LogIndex(3), LogIndex(5), ByteCount(1 << 20)).unwrap();
        assert_eq!(read, vec![long, frame(4, 1)]);
        assert!(store.scrub().all(|file| file.faults.is_empty()));
    });
}

#[test]
fn two_stores_never_share_a_folder() {
    on_both(|disk, folder| {
        let (store, _) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        let second = SegmentStore::open(Arc::clone(&disk), folder, settings());
        assert!(matches!(second.err(), Some(Fault::Locked { .. })));
        let other = store.clone();
        store.close().unwrap();
        assert_eq!(append(&other, frames(0..1, 1)), Err(Fault::Closed));
        assert_eq!(other.write_checkpoint(Term(1), LogIndex(1), std::iter::empty()), Err(Fault::Closed));
        assert_eq!(other.delete_segment(LogIndex(0)), Err(Fault::Closed));
        assert_eq!(other.trim(), Err(Fault::Closed));
        assert!(SegmentStore::open(disk, folder, settings()).is_ok());
    });
}

#[test]
fn checkpoints_come_back_and_the_last_two_stay() {
    on_both(|disk, folder| {
        let (store, _) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        assert_eq!(store.newest_checkpoint(), Ok(None));
        for index in [10, 20, 30] {
            let sections = [("queues", index), ("topics/1", index + 1)].map(|(name, fill)| {
                let payload = Bytes::from(vec![u8::try_from(fill).unwrap(); 1001]);
                (SectionName::parse(name).unwrap(), payload)
            });
            store.write_checkpoint(Term(2), LogIndex(index), sections.clone().into_iter()).unwrap();
            let newest = store.newest_checkpoint().unwrap().unwrap();
            assert_eq!((newest.term, newest.index), (Term(2), LogIndex(index)));
            assert_eq!(newest.sections, sections);
        }
        let usage = store.usage().unwrap();
        assert!(usage.checkpoints.0 > 4000 && usage.checkpoints.0 < 6000 && usage.free.0 > 0);
        store.close().unwrap();
        let (store, _) = SegmentStore::open(disk, folder, settings()).unwrap();
        assert_eq!(store.newest_checkpoint().unwrap().unwrap().index, LogIndex(30));
    });
}

#[test]
fn the_last_handle_may_go_inside_a_completion() {
    on_both(|disk, folder| {
        let (store, _) = SegmentStore::open(Arc::clone(&disk), folder, settings()).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let last = store.clone();
        let (held, go) = std::sync::mpsc::channel::<()>();
        store.append(
            frames(0..3, 1),
            Box::new(move |outcome| {
                go.recv().unwrap();
                drop(last);
                sender.send(outcome).unwrap();
            }),
        );
        drop(store);
        held.send(()).unwrap();
        assert_eq!(receiver.recv().unwrap(), Ok(()));
    });
}

#[test]
fn reads_beside_a_cut_see_the_old_frames_or_none_and_never_damage() {
    let disk = MemoryDisk::new();
    let (store, _) = SegmentStore::open(Arc::new(disk), Path::new("/shard"), settings()).unwrap();
    append(&store, frames(0..60, 1)).unwrap();
    std::thread::scope(|scope| {
        let reader = store.clone();
        let reading = scope.spawn(move || {
            for round in 0..4000_u64 {
                let index = 20 + round % 40;
                if let Some(found) = reader.read(LogIndex(index)).unwrap() {
                    assert_eq!(found, frame(index, found.term.0));
                }
            }
        });
        let mut term = 2;
        while !reading.is_finished() {
            wait(|done| store.truncate_after(Some(LogIndex(25)), done)).unwrap();
            append(&store, frames(26..60, term)).unwrap();
            term += 1;
        }
        reading.join().unwrap();
    });
}

#[test]
fn a_filled_file_is_zeros_up_to_its_length_and_takes_writes() {
    on_both(|disk, folder| {
        disk.create_folder(folder).unwrap();
        // The last is no multiple of a disk's blocks, and longer than one piece.
        for (number, length) in [512, 4096, 10_000, (1 << 20) + 8].into_iter().enumerate() {
            let file = disk.open(&folder.join(number.to_string()), OpenMode::CreateNew).unwrap();
            file.fill(length).unwrap();
            assert_eq!(file.length().unwrap(), length);
            file.write_at(5, b"odd").unwrap();
            let mut content = vec![1; usize::try_from(length).unwrap()];
            assert_eq!(file.read_at(0, &mut content).unwrap(), content.len());
            assert_eq!(&content[..8], b"\0\0\0\0\0odd");
            assert!(content[8..].iter().all(|byte| *byte == 0));
        }
    });
}

#[test]
fn a_write_of_frames_ends_with_a_page() {
    let disk = MemoryDisk::new();
    let settings = Settings { segment_bytes: 64 << 10, ..stepped() };
    let (store, _) = SegmentStore::open(Arc::new(disk.clone()), Path::new("/shard"), settings).unwrap();
    for index in 0..100 {
        store.append(vec![frame(index, 1)], Box::new(|outcome| outcome.unwrap()));
        store.run_queued().unwrap();
    }
    let journal = disk.journal();
    let writes = journal.iter().filter_map(|event| {
        let Event::Write { file, offset, bytes } = event else { return None };
        Some((*file, *offset, bytes.len()))
    });
    // The segment is the file that was filled in one piece; the others are smaller.
    let (segment, ..) = writes.clone().find(|(.., length)| *length == 64 << 10).unwrap();
    let ends: Vec<u64> = writes
        .filter(|(file, ..)| *file == segment)
        .map(|(_, at, length)| at + u64::try_from(length).unwrap())
        .collect();
    assert_eq!(ends.len(), 1 + 1 + 100, "the zeros, the header, the frames");
    assert!(ends.iter().all(|end| end % 4096 == 0), "{ends:?}");
}
