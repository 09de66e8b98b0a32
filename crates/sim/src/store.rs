//! The store alone, with what a shard of one voter never asks of it: cuts of the log, votes one after the other, and
//! a bit flipped anywhere, or in the length of a frame, where the rest of the frame still fits its checksum.
//! Invariant: what was confirmed is found again, nothing comes back that was cut off, damage is refused or harmless.
//! Called by `run` before the shard's lives. Mutants: those of the store that need a second voter to do harm.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use storage::disk::simulated::{MemoryDisk, PowerCut};
use storage::{ByteCount, Completion, Frame, FrameKind, LogIndex, SegmentStore, Settings, Term, Threads};

use crate::book::Notes;
use crate::chance::{Chance, Purpose};
use crate::check::Property;
use crate::disk::CutDisk;
use crate::limits::{STORE_FLIPS, STORE_LIVES, STORE_STEPS};

const FOLDER: &str = "store";
/// Bytes from the length of a frame to its index (`docs/formats/segment.md`).
const INDEX_BEHIND_LENGTH: u64 = 20;

/// What the store was asked, and what it confirmed.
#[derive(Clone, Debug, Default)]
struct Expected {
    /// Frames that were submitted and not cut off, by index.
    log: Vec<Frame>,
    /// So many of them were confirmed.
    confirmed: usize,
    /// Frames that were cut off; a cut that was not confirmed may not have happened.
    before_cut: Option<Vec<Frame>>,
    votes: Vec<u64>,
    vote_confirmed: Option<usize>,
}

type Shared = Arc<Mutex<Expected>>;

fn on(expected: &Shared, change: impl FnOnce(&mut Expected) + Send + 'static) -> Completion {
    let expected = Arc::clone(expected);
    Box::new(move |outcome| {
        if outcome.is_ok() {
            change(&mut expected.lock().unwrap_or_else(PoisonError::into_inner));
        }
    })
}

fn look(expected: &Shared) -> Expected {
    expected.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn settings() -> Settings {
    Settings {
        segment_bytes: storage::limits::SEGMENT_BYTES_MIN,
        mark_delay: std::time::Duration::ZERO,
        threads: Threads::Caller,
    }
}

/// Puts a store through some lives.
pub fn exercise(seed: u64, notes: &mut Notes) {
    let mut chance = Chance::of(seed, Purpose::Store, 0);
    let expected = Shared::default();
    let mut disk = MemoryDisk::new();
    for life in 0..STORE_LIVES {
        notes.verdicts.place = format!("store, life {life}");
        let cut = CutDisk::new(disk.clone());
        cut.cut_before(chance.between(20, 200));
        let opened = SegmentStore::open(Arc::new(cut.clone()), Path::new(FOLDER), settings());
        if let Ok((store, recovered)) = opened {
            compare(&store, &recovered, &expected, notes);
            for _ in 0..STORE_STEPS {
                step(&store, &expected, &mut chance);
                if cut.is_cut() {
                    break;
                }
            }
        } else if !cut.is_cut() {
            let why = opened.err().map(|fault| fault.to_string()).unwrap_or_default();
            notes.verdicts.broken(Property::Kept, format!("a store does not open: {why}"));
        }
        if !notes.verdicts.violations.is_empty() {
            return;
        }
        cut.cut();
        disk = cut.under().after_power_cut(match chance.below(4) {
            0 => PowerCut::LoseAll,
            1 => PowerCut::KeepAll,
            2 => PowerCut::KeepContents,
            _ => PowerCut::Torn { seed: chance.number() },
        });
    }
    flip(&disk, &expected, &mut chance, notes);
}

fn step(store: &SegmentStore, expected: &Shared, chance: &mut Chance) {
    let (length, next_vote) = {
        let known = look(expected);
        (known.log.len(), known.votes.len())
    };
    match chance.below(8) {
        0 => {
            let vote = chance.number();
            expected.lock().unwrap_or_else(PoisonError::into_inner).votes.push(vote);
            let confirmed = on(expected, move |known| known.vote_confirmed = Some(next_vote));
            store.save_vote(Bytes::copy_from_slice(&vote.to_le_bytes()), confirmed);
        }
        1 if length > 2 => cut(store, expected, chance, length),
        _ => append(store, expected, chance, length),
    }
    if !chance.one_in(3) {
        // A power cut inside shows as a failed completion, which confirms nothing.
        let _ = store.run_queued();
    }
}

fn append(store: &SegmentStore, expected: &Shared, chance: &mut Chance, length: usize) {
    let term = chance.number() >> 40;
    let frames: Vec<Frame> = (0..chance.between(1, 4))
        .map(|ahead| Frame {
            index: LogIndex(u64::try_from(length).unwrap_or_default() + ahead),
            term: Term(term),
            kind: FrameKind(0),
            payload: Bytes::from(vec![u8::try_from(term % 251).unwrap_or_default(); sized(chance)]),
        })
        .collect();
    let until = length + frames.len();
    expected.lock().unwrap_or_else(PoisonError::into_inner).log.extend(frames.iter().cloned());
    store.append(frames, on(expected, move |known| known.confirmed = until));
}

fn sized(chance: &mut Chance) -> usize {
    usize::try_from(chance.below(500)).unwrap_or_default()
}

/// Cuts the end off, as after a conflict. What is queued is done before.
fn cut(store: &SegmentStore, expected: &Shared, chance: &mut Chance, length: usize) {
    let _ = store.run_queued();
    let back = usize::try_from(chance.between(1, 12)).unwrap_or(1).min(length - 1);
    let keep = length - back;
    {
        let mut known = expected.lock().unwrap_or_else(PoisonError::into_inner);
        known.before_cut = Some(known.log.clone());
        known.log.truncate(keep);
        known.confirmed = known.confirmed.min(keep);
    }
    let last = LogIndex(u64::try_from(keep - 1).unwrap_or_default());
    store.truncate_after(Some(last), on(expected, |known| known.before_cut = None));
    let _ = store.run_queued();
}

/// What a start finds, against what was confirmed; from here on that is what is expected.
fn compare(store: &SegmentStore, recovered: &storage::Recovered, expected: &Shared, notes: &mut Notes) {
    let mut known = expected.lock().unwrap_or_else(PoisonError::into_inner);
    let vote = recovered.vote.as_ref().and_then(|vote| vote.as_ref().try_into().ok()).map(u64::from_le_bytes);
    let found = vote.and_then(|vote| known.votes.iter().position(|other| *other == vote));
    notes.verdicts.demand(Property::Kept, known.vote_confirmed <= found, || {
        format!("vote {:?} was confirmed, {found:?} is there", known.vote_confirmed)
    });
    let until = LogIndex(recovered.last.map_or(0, |(_, last)| last.0 + 1));
    let frames = match store.read_range(LogIndex(0), until, ByteCount(u64::MAX)) {
        Ok(frames) => frames,
        Err(fault) => return notes.verdicts.broken(Property::Kept, format!("a store cannot be read: {fault}")),
    };
    let fits = |log: &[Frame]| frames.len() <= log.len() && frames.iter().zip(log).all(|(a, b)| a == b);
    let is_uncut = known.before_cut.as_deref().is_some_and(fits);
    notes.verdicts.demand(Property::Kept, fits(&known.log) || is_uncut, || {
        format!("{} frames are there, and they are not those that were submitted", frames.len())
    });
    notes.verdicts.demand(Property::Kept, known.confirmed <= frames.len(), || {
        format!("{} frames were confirmed, {} are there", known.confirmed, frames.len())
    });
    known.vote_confirmed = found;
    known.confirmed = frames.len();
    known.log = frames;
    known.before_cut = None;
}

/// Where the low byte of the length of a frame lies in a file, if the frame does. The place of the field is that of the
/// format page: the index is the last field before the payload.
fn length_of(frame: &Frame, content: &[u8]) -> Option<u64> {
    let tail = [&frame.index.0.to_le_bytes()[..], &frame.payload].concat();
    let at = content.windows(tail.len()).position(|bytes| bytes == tail)?;
    u64::try_from(at).ok()?.checked_sub(INDEX_BEHIND_LENGTH)
}

/// Flips single bits: each is refused, or costs nothing that was confirmed.
fn flip(disk: &MemoryDisk, expected: &Shared, chance: &mut Chance, notes: &mut Notes) {
    let opened = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), settings());
    let Ok((store, recovered)) = opened else { return };
    compare(&store, &recovered, expected, notes);
    if store.close().is_err() {
        return;
    }
    let log = look(expected).log;
    let disk = disk.after_kill();
    let segments: Vec<PathBuf> = disk.paths().into_iter().filter(|path| path.extension().is_some()).collect();
    if segments.is_empty() {
        return;
    }
    for _ in 0..STORE_FLIPS {
        let path = chance.among(&segments).clone();
        let content = disk.content(&path).unwrap_or_default();
        let mut at = chance.below(u64::try_from(content.len()).unwrap_or_default().max(1));
        if chance.one_in(3)
            && !log.is_empty()
            && let Some(length) = length_of(chance.among(&log), &content)
        {
            at = length;
        }
        let copy = disk.after_kill();
        copy.flip_bit(&path, at, u32::try_from(chance.below(8)).unwrap_or_default());
        let Ok((store, _)) = SegmentStore::open(Arc::new(copy), Path::new(FOLDER), settings()) else { continue };
        for frame in &log {
            let read = store.read(frame.index);
            let is_right = read.as_ref().map_or(true, |found| found.as_ref() == Some(frame));
            notes.verdicts.demand(Property::Kept, is_right, || {
                format!("a flipped bit at {at} of {} makes frame {} another", path.display(), frame.index)
            });
        }
    }
}
