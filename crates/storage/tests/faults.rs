//! Failing syncs and writes, no room, and what a flush costs.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use common::{append, frame, frames, settings, settle, stepped, wait};
use storage::disk::simulated::{Event, MemoryDisk, PowerCut};
use storage::{Fault, LogIndex, Operation, SectionName, SegmentStore, Settings, Term};

const FOLDER: &str = "/shard";

fn open(disk: &MemoryDisk, settings: Settings) -> SegmentStore {
    SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), settings).unwrap().0
}

type Outcomes = Arc<Mutex<Vec<(&'static str, u64, Result<(), Fault>)>>>;

/// Appends, votes and a cut; gives the outcome of each.
fn exercise(store: &SegmentStore) -> Vec<(&'static str, u64, Result<(), Fault>)> {
    let outcomes: Outcomes = Arc::default();
    let noting = |kind, number| -> storage::Completion {
        let outcomes = Arc::clone(&outcomes);
        Box::new(move |outcome| outcomes.lock().unwrap().push((kind, number, outcome)))
    };
    for round in 0..8 {
        store.append(frames(round * 5..round * 5 + 5, 1), noting("append", round * 5 + 5));
        store.save_vote(Bytes::copy_from_slice(&[1, u8::try_from(round).unwrap()]), noting("vote", round));
        store.run_queued().unwrap();
    }
    store.save_purged(Term(1), LogIndex(2), noting("purge", 2));
    store.truncate_after(Some(LogIndex(37)), noting("cut", 38));
    store.append(frames(38..45, 2), noting("append", 45));
    store.run_queued().unwrap();
    Arc::try_unwrap(outcomes).unwrap().into_inner().unwrap()
}

fn fails_for_ever_after_the_nth(operation: Operation) {
    let clean = MemoryDisk::new();
    let store = open(&clean, stepped());
    let before = clean.calls(operation);
    assert!(exercise(&store).iter().all(|(_, _, outcome)| outcome.is_ok()));
    let calls = clean.calls(operation) - before;
    drop(store);
    assert!(calls > 4, "{calls}");
    for nth in 1..=calls {
        let disk = MemoryDisk::new();
        let store = open(&disk, stepped());
        disk.fail(operation, nth, ErrorKind::Other);
        let outcomes = exercise(&store);
        let first = store.poisoned().unwrap_or_else(|| panic!("{operation:?} {nth} was swallowed"));
        assert!(matches!(&first, Fault::Io { operation: failed, .. } if *failed == operation), "{first}");
        let steps = disk.journal().len();
        assert!(matches!(append(&store, frames(45..46, 2)), Err(Fault::Poisoned { .. })));
        assert!(matches!(wait(|done| store.save_vote(Bytes::from_static(b"x"), done)), Err(Fault::Poisoned { .. })));
        assert_eq!(disk.journal().len(), steps, "nothing is written after a failure");
        let failed = outcomes.iter().position(|(_, _, outcome)| outcome.is_err()).unwrap_or(outcomes.len());
        for (kind, number, outcome) in &outcomes[failed..] {
            assert!(outcome.is_err(), "{operation:?} {nth}: {kind} {number} was confirmed after a failure");
        }
        assert!(store.close().is_err());
        check_confirmed(&disk, &outcomes, &format!("{operation:?} {nth}"));
    }
}

/// Whatever was confirmed is there after the power went, too.
fn check_confirmed(disk: &MemoryDisk, outcomes: &[(&str, u64, Result<(), Fault>)], name: &str) {
    let cut = disk.after_power_cut(PowerCut::LoseAll);
    let (store, recovered) = SegmentStore::open(Arc::new(cut), Path::new(FOLDER), stepped()).unwrap();
    let confirmed = |wanted: &str| {
        let mut numbers = outcomes.iter().filter(|(kind, _, outcome)| *kind == wanted && outcome.is_ok());
        numbers.next_back().map(|(_, number, _)| *number)
    };
    let count = confirmed("append").unwrap_or(0);
    let is_cut = outcomes.iter().any(|(kind, _, outcome)| *kind == "cut" && outcome.is_ok());
    for index in 0..count.min(if is_cut { 38 } else { 37 }) {
        assert_eq!(store.read(LogIndex(index)).unwrap(), Some(frame(index, 1)), "{name}: {index}");
    }
    let vote = confirmed("vote").map(|round| u8::try_from(round).unwrap());
    let found = recovered.vote.map(|vote| vote[1]);
    assert!(vote <= found, "{name}: {vote:?} was confirmed, {found:?} was found");
}

#[test]
fn a_failed_sync_stops_the_store_for_ever() {
    fails_for_ever_after_the_nth(Operation::Sync);
}

#[test]
fn a_failed_write_stops_the_store_for_ever() {
    fails_for_ever_after_the_nth(Operation::Write);
}

#[test]
fn a_failed_rename_or_folder_sync_stops_the_store_for_ever() {
    let disk = MemoryDisk::new();
    let store = open(&disk, stepped());
    for operation in [Operation::Rename, Operation::SyncFolder] {
        let disk = MemoryDisk::new();
        let store = open(&disk, stepped());
        disk.fail(operation, 1, ErrorKind::Other);
        exercise(&store);
        assert!(matches!(store.poisoned(), Some(Fault::Io { operation: failed, .. }) if failed == operation));
        check_confirmed(&disk, &[], "names");
    }
    drop(store);
}

#[test]
fn a_failed_read_is_reported_and_stops_nothing() {
    let disk = MemoryDisk::new();
    let store = open(&disk, stepped());
    exercise(&store);
    disk.fail(Operation::Read, 1, ErrorKind::Other);
    assert!(matches!(store.read(LogIndex(3)), Err(Fault::Io { operation: Operation::Read, .. })));
    assert_eq!(store.read(LogIndex(3)).unwrap(), Some(frame(3, 1)));
    assert_eq!(store.poisoned(), None);
}

#[test]
fn a_full_disk_refuses_appends_whole_and_works_again_when_there_is_room() {
    let disk = MemoryDisk::new();
    let store = open(&disk, stepped());
    let full_at = {
        disk.set_capacity(Some(60_000));
        let mut next = 0;
        loop {
            let (sender, receiver) = mpsc::channel();
            let sent = sender.clone();
            store.append(frames(next..next + 7, 1), Box::new(move |outcome| sent.send(outcome).unwrap()));
            // Submitted behind one that finds no room, it must fail as well.
            store.append(frames(next + 7..next + 8, 1), Box::new(move |outcome| sender.send(outcome).unwrap()));
            store.run_queued().unwrap();
            match (receiver.recv().unwrap(), receiver.recv().unwrap()) {
                (Ok(()), Ok(())) => next += 8,
                (Ok(()), Err(Fault::Full { .. })) => break next + 7,
                (Err(Fault::Full { .. }), Err(Fault::Full { .. })) => break next,
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(full_at > 50);
    assert_eq!(store.poisoned(), None);
    assert_eq!(store.last(), Some((Term(1), LogIndex(full_at - 1))));
    assert_eq!(store.durable(), Some(LogIndex(full_at - 1)));
    assert_eq!(store.read(LogIndex(full_at)).unwrap(), None);
    let sections = [(SectionName::parse("state").unwrap(), Bytes::from(vec![1; 50_000]))];
    let refused = store.write_checkpoint(Term(1), LogIndex(5), sections.into_iter());
    assert!(matches!(refused, Err(Fault::Full { .. })));
    store.save_vote(Bytes::from_static(b"still votes"), Box::new(|outcome| outcome.unwrap()));
    store.run_queued().unwrap();
    let first = store.segments()[0].first;
    store.delete_segment(first).unwrap();
    store.delete_segment(store.segments()[0].first).unwrap();
    store.append(frames(full_at..full_at + 7, 1), Box::new(|outcome| outcome.unwrap()));
    store.run_queued().unwrap();
    store.close().unwrap();
    let (store, recovered) = SegmentStore::open(Arc::new(disk), Path::new(FOLDER), stepped()).unwrap();
    assert_eq!(recovered.last, Some((Term(1), LogIndex(full_at + 6))));
    assert!(store.scrub().all(|file| file.faults.is_empty()));
}

#[test]
fn appends_that_wait_share_one_sync() {
    let disk = MemoryDisk::new();
    let large = Settings { segment_bytes: 1 << 20, mark_delay: Duration::from_secs(3600), ..settings() };
    let store = open(&disk, large);
    append(&store, frames(0..1, 1)).unwrap();
    let (sender, receiver) = mpsc::channel();
    disk.hold_syncs();
    for index in 1..=64 {
        let sender = sender.clone();
        store.append(frames(index..index + 1, 1), Box::new(move |outcome| sender.send((index, outcome)).unwrap()));
        if index == 1 {
            // The writer is in the sync of the first one; the rest queues behind it.
            disk.await_held_sync();
        }
    }
    assert_eq!(store.durable(), Some(LogIndex(0)));
    assert_eq!(store.read(LogIndex(64)).unwrap(), Some(frame(64, 1)), "queued frames can be read");
    assert!(receiver.try_recv().is_err(), "nothing is confirmed before its sync");
    let syncs = disk.calls(Operation::Sync);
    let writes = disk.calls(Operation::Write);
    disk.release_syncs();
    for index in 1..=64 {
        assert_eq!(receiver.recv().unwrap(), (index, Ok(())));
    }
    assert_eq!(disk.calls(Operation::Sync) - syncs, 2, "the held sync, and one for the other 63");
    assert_eq!(disk.calls(Operation::Write) - writes, 3, "two lazy marks and one write of 63 frames");
}

#[test]
fn an_idle_store_holds_one_segment() {
    let disk = MemoryDisk::new();
    let store = open(&disk, settings());
    append(&store, frames(0..3, 1)).unwrap();
    store.trim().unwrap();
    let spares = |disk: &MemoryDisk| {
        let paths = disk.paths().into_iter();
        paths.filter(|path| path.extension().is_some_and(|end| end == "temporary")).count()
    };
    assert_eq!(spares(&disk), 0);
    assert_eq!(store.segments().len(), 1);
    append(&store, frames(3..60, 1)).unwrap();
    settle(&store);
    store.close().unwrap();
    assert_eq!(spares(&disk), 0);
}

#[test]
fn a_failed_sync_loses_its_bytes_and_the_next_one_claims_success() {
    let disk = MemoryDisk::new();
    let file = storage::disk::Disk::open(&disk, Path::new("/a"), storage::disk::OpenMode::CreateNew).unwrap();
    storage::disk::Disk::sync_folder(&disk, Path::new("/")).unwrap();
    file.write_at(0, b"lost").unwrap();
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    assert!(file.sync().is_err());
    assert!(file.sync().is_ok());
    assert_eq!(disk.content(Path::new("/a")).unwrap(), b"lost");
    let cut = disk.after_power_cut(PowerCut::KeepAll);
    assert_eq!(cut.content(Path::new("/a")).unwrap(), b"");
    assert!(disk.journal().iter().any(|event| matches!(event, Event::SyncFailed { .. })));
}

/// A flush that failed leaves bytes that reads show and the disk does not hold. A process that starts again without
/// losing power sees them, goes on from them, and must not lose them when the power goes after all.
#[test]
fn what_a_start_finds_after_a_failed_sync_outlives_the_next_power_cut() {
    for nth in 1.. {
        let disk = MemoryDisk::new();
        let store = open(&disk, stepped());
        disk.fail(Operation::Sync, nth, ErrorKind::Other);
        exercise(&store);
        if store.poisoned().is_none() {
            assert!(nth > 20, "{nth}");
            return;
        }
        drop(store);
        let disk = disk.after_kill();
        let (store, found) = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), stepped()).unwrap();
        let (term, last) = found.last.map_or((1, 0), |(term, last)| (term.0, last.0 + 1));
        let (sender, receiver) = mpsc::channel();
        store.append(frames(last..last + 2, term), Box::new(move |outcome| sender.send(outcome).unwrap()));
        store.run_queued().unwrap();
        receiver.recv().unwrap().unwrap();
        drop(store);
        for cut in [PowerCut::LoseAll, PowerCut::Torn { seed: nth }] {
            let disk = disk.after_power_cut(cut);
            let (store, again) = SegmentStore::open(Arc::new(disk), Path::new(FOLDER), stepped()).unwrap();
            assert_eq!(again.last.map(|(_, last)| last.0), Some(last + 1), "{nth} {cut:?}");
            assert_eq!((&again.vote, again.purged), (&found.vote, found.purged), "{nth} {cut:?}");
            for index in found.first.map_or(0, |first| first.0)..last + 2 {
                assert!(store.read(LogIndex(index)).unwrap().is_some(), "{nth} {cut:?}: {index}");
            }
        }
    }
}
