//! What all tests of the store share: small segments, known frames, and waiting for a completion.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use storage::disk::simulated::{MemoryDisk, Random};
use storage::{Completion, Fault, Frame, FrameKind, LogIndex, SegmentStore, Settings, Term, Threads};

/// Segments of 4 KiB, so that rolls are common.
pub fn settings() -> Settings {
    Settings { segment_bytes: 4096, mark_delay: Duration::ZERO, threads: Threads::Own }
}

/// The same, with the caller doing the writing: every run takes the same steps.
pub fn stepped() -> Settings {
    Settings { threads: Threads::Caller, ..settings() }
}

/// The frame that belongs at an index: its size and content follow from index and term.
pub fn frame(index: u64, term: u64) -> Frame {
    let mut random = Random::seeded(index * 1000 + term);
    let length = random.below(400);
    let payload: Vec<u8> = (0..length).map(|_| random.next_number().to_le_bytes()[0]).collect();
    Frame {
        index: LogIndex(index),
        term: Term(term),
        kind: FrameKind(u8::try_from(index % 3).unwrap()),
        payload: Bytes::from(payload),
    }
}

pub fn frames(indexes: Range<u64>, term: u64) -> Vec<Frame> {
    indexes.map(|index| frame(index, term)).collect()
}

/// Waits for one completion.
pub fn wait(submit: impl FnOnce(Completion)) -> Result<(), Fault> {
    let (sender, receiver) = mpsc::channel();
    submit(Box::new(move |outcome| sender.send(outcome).unwrap()));
    receiver.recv().expect("a completion is always called")
}

pub fn append(store: &SegmentStore, frames: Vec<Frame>) -> Result<(), Fault> {
    wait(|done| store.append(frames, done))
}

/// A store on this disk with so many frames, five at a time, a vote, a committed hint and a purge mark.
pub fn filled(disk: &MemoryDisk, folder: &Path, count: u64) -> SegmentStore {
    let (store, _) = SegmentStore::open(Arc::new(disk.clone()), folder, stepped()).unwrap();
    for start in (0..count).step_by(5) {
        store.append(frames(start..start + 5, 1), Box::new(|outcome| outcome.unwrap()));
        store.run_queued().unwrap();
    }
    store.save_vote(Bytes::from_static(b"vote"), Box::new(|outcome| outcome.unwrap()));
    store.save_committed(Bytes::from_static(b"hint"));
    store.save_purged(Term(1), LogIndex(3), Box::new(|outcome| outcome.unwrap()));
    store.run_queued().unwrap();
    store
}

/// Waits until the writer has sealed what it rolled away from: that comes before the next command.
pub fn settle(store: &SegmentStore) {
    wait(|done| store.save_vote(Bytes::from_static(b"settled"), done)).unwrap();
}
