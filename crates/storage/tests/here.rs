//! Appends that their caller writes: in the right order beside those of the writer's thread, and durable on return.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use bytes::Bytes;
use common::{frame, frames, settings, wait};
use storage::disk::RealDisk;
use storage::disk::simulated::MemoryDisk;
use storage::{LogIndex, Operation, SegmentStore, Term};

/// Frames that each of the threads appends.
const EACH: u64 = 200;

#[test]
fn an_idle_store_writes_on_the_thread_of_the_caller_before_it_returns() {
    let (store, _) = SegmentStore::open(Arc::new(MemoryDisk::new()), Path::new("/shard"), settings()).unwrap();
    let here = thread::current().id();
    for index in 0..100 {
        // The writer's thread may be at its mark; when it is back at rest the caller writes.
        common::settle(&store);
        let (sender, receiver) = mpsc::channel();
        store.append_here(
            frames(index..index + 1, 1),
            Box::new(move |outcome| sender.send((outcome, thread::current().id())).unwrap()),
        );
        let (outcome, wrote) = receiver.recv().unwrap();
        outcome.unwrap();
        assert_eq!(store.durable(), Some(LogIndex(index)));
        if wrote == here {
            return;
        }
    }
    panic!("the caller never wrote");
}

#[test]
fn appends_of_both_kinds_from_many_threads_keep_their_order_and_survive() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = SegmentStore::open(Arc::new(RealDisk), folder.path(), settings()).unwrap();
    let next = Arc::new(Mutex::new(0_u64));
    let (sender, receiver) = mpsc::channel();
    let threads: Vec<_> = (0..4_u64)
        .map(|number| {
            let (store, next, sender) = (store.clone(), Arc::clone(&next), sender.clone());
            thread::spawn(move || {
                for round in 0..EACH {
                    let sender = sender.clone();
                    let mut next = next.lock().unwrap();
                    let index = *next;
                    *next += 1;
                    let done: storage::Completion = Box::new(move |outcome| sender.send((index, outcome)).unwrap());
                    if (number + round).is_multiple_of(3) {
                        store.append(frames(index..index + 1, 1), done);
                    } else {
                        store.append_here(frames(index..index + 1, 1), done);
                    }
                    if round.is_multiple_of(50) {
                        store.save_committed(Bytes::from_static(b"hint"));
                        wait(|done| store.save_vote(Bytes::from_static(b"vote"), done)).unwrap();
                    }
                }
            })
        })
        .collect();
    drop(sender);
    for thread in threads {
        thread.join().unwrap();
    }
    let answered: Vec<u64> = receiver
        .into_iter()
        .map(|(index, outcome)| {
            outcome.unwrap();
            index
        })
        .collect();
    let all: Vec<u64> = (0..4 * EACH).collect();
    assert_eq!(answered, all, "answers come in the order of the log");
    store.close().unwrap();
    let (store, recovered) = SegmentStore::open(Arc::new(RealDisk), folder.path(), settings()).unwrap();
    assert_eq!(recovered.last, Some((Term(1), LogIndex(4 * EACH - 1))));
    assert_eq!(recovered.committed.as_deref(), Some(&b"hint"[..]));
    assert!((0..4 * EACH).all(|index| store.read(LogIndex(index)).unwrap() == Some(frame(index, 1))));
}

#[test]
fn after_a_failed_flush_the_caller_gets_the_fault_and_so_does_everybody_later() {
    let disk = MemoryDisk::new();
    let (store, _) = SegmentStore::open(Arc::new(disk.clone()), Path::new("/shard"), settings()).unwrap();
    wait(|done| store.append_here(frames(0..1, 1), done)).unwrap();
    disk.fail(Operation::Sync, 1, ErrorKind::Other);
    wait(|done| store.append_here(frames(1..2, 1), done)).unwrap_err();
    wait(|done| store.append_here(frames(2..3, 1), done)).unwrap_err();
    wait(|done| store.append(frames(2..3, 1), done)).unwrap_err();
    assert!(store.poisoned().is_some());
}
