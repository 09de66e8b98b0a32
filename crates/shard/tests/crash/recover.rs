//! Recovery as a shard does it: the store, the newest checkpoint, and the log behind it; then what must hold.
//! Invariant: the check knows nothing of the disk but what was submitted and confirmed before.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use broker::Machine;
use broker::codec;
use bytes::Bytes;
use model::number::LogIndex;
use storage::disk::simulated::{MemoryDisk, PowerCut};
use storage::{ByteCount, Fault, Recovered, SegmentStore};

use super::node::{BATCH, Entry, FOLDER, settings};

/// A node that came up again.
pub struct Restarted {
    pub store: SegmentStore,
    pub machine: Machine,
    pub found: Recovered,
    /// The last index of the log.
    pub last: Option<u64>,
}

/// What recovery did wrong, or refused with.
#[derive(Debug)]
pub struct Wrong {
    pub what: String,
    pub fault: Fault,
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(formatter)
    }
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Wrong {
        Wrong { what: format!("recovery refuses: {fault}"), fault }
    }
}

fn wrong(what: impl Into<String>) -> Wrong {
    Wrong { what: what.into(), fault: Fault::Closed }
}

/// Opens what is on a disk and brings the machine to the end of its log.
pub fn recover(disk: &MemoryDisk) -> Result<Restarted, Wrong> {
    let (store, found) = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), settings())?;
    let checkpoint = store.newest_checkpoint()?;
    let mut machine = Machine::new();
    let mut next = 0;
    if let Some(checkpoint) = checkpoint {
        let named: Vec<(String, Bytes)> =
            checkpoint.sections.into_iter().map(|(name, bytes)| (name.as_str().to_owned(), bytes)).collect();
        machine = Machine::restore(&named).map_err(|error| wrong(format!("the checkpoint is no state: {error}")))?;
        next = checkpoint.index.0 + 1;
    }
    let last = found.last.map(|(_, last)| last.0);
    let until = last.map_or(0, |last| last + 1);
    while next < until {
        let frames = store.read_range(storage::LogIndex(next), storage::LogIndex(until), ByteCount(1 << 20))?;
        if frames.is_empty() {
            return Err(wrong(format!("the log has a hole at {next}, behind the checkpoint")));
        }
        for frame in frames {
            next = frame.index.0 + 1;
            if frame.kind == BATCH {
                let segment = store.segment_of(frame.index).ok_or_else(|| wrong("a frame of no segment"))?;
                let batch = codec::decode(frame.payload);
                let batch = batch.map_err(|error| wrong(format!("frame {} is no batch: {error}", frame.index)))?;
                machine.apply(LogIndex::new(frame.index.0), LogIndex::new(segment.0), &batch, &mut Vec::new());
            }
        }
    }
    Ok(Restarted { store, machine, found, last })
}

/// What was promised, and what may have been written besides, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Promise {
    pub submitted: Option<u64>,
    pub confirmed: Option<u64>,
    pub votes: (u64, u64),
    pub purges: (u64, u64),
}

impl Promise {
    /// Follows a note of the journal.
    pub fn note(&mut self, note: &str) {
        let Some((word, number)) = note.split_once(' ') else { return };
        let number: u64 = number.parse().unwrap();
        match word {
            "submit" => self.submitted = Some(number),
            "confirm" => self.confirmed = Some(number),
            "submit-vote" => self.votes.1 = number,
            "confirm-vote" => self.votes.0 = number,
            "submit-purge" => self.purges.1 = number,
            "confirm-purge" => self.purges.0 = number,
            _ => {}
        }
    }
}

/// What was submitted, and the state after each entry when the log is replayed from its beginning.
pub struct Truth {
    history: Vec<Entry>,
    hashes: Vec<u128>,
}

impl Truth {
    pub fn of(history: Vec<Entry>) -> Truth {
        let mut machine = Machine::new();
        let mut hashes = vec![0];
        for (index, entry) in (1..).zip(&history[1..]) {
            let batch = codec::decode(entry.payload.clone()).expect("a batch was submitted");
            machine.apply(LogIndex::new(index), LogIndex::new(entry.segment), &batch, &mut Vec::new());
            hashes.push(machine.state_hash());
        }
        Truth { history, hashes }
    }

    /// The state at the end.
    pub fn end(&self) -> Option<u128> {
        self.hashes.last().copied()
    }
}

/// Recovers a disk, twice, and compares what comes up with what was promised. Says how far the log reached.
pub fn check(disk: &MemoryDisk, promise: &Promise, truth: &Truth) -> Result<Option<u64>, Wrong> {
    let restarted = recover(disk)?;
    compare(&restarted, promise, truth)?;
    // What recovery told is durable: it survives a power cut that loses all the rest.
    let Restarted { store, last, found, .. } = restarted;
    drop(store);
    let again = recover(&disk.after_power_cut(PowerCut::LoseAll))?;
    compare(&again, promise, truth)?;
    if again.last != last || again.found.vote != found.vote || !again.found.notes.is_empty() {
        return Err(wrong(format!("a second recovery ends at {:?}, the first at {last:?}", again.last)));
    }
    Ok(last)
}

fn compare(restarted: &Restarted, promise: &Promise, truth: &Truth) -> Result<(), Wrong> {
    let Restarted { store, machine, found, last } = restarted;
    if *last < promise.confirmed {
        return Err(wrong(format!("confirmed up to {:?}, found up to {last:?}", promise.confirmed)));
    }
    if *last > promise.submitted {
        return Err(wrong(format!("submitted up to {:?}, found up to {last:?}", promise.submitted)));
    }
    let vote = found.vote.as_ref().map_or(0, |vote| u64::from_le_bytes(vote[..].try_into().unwrap()));
    if vote < promise.votes.0 || vote > promise.votes.1 {
        return Err(wrong(format!("vote {vote} is not among {:?}", promise.votes)));
    }
    let purged = found.purged.map_or(0, |(_, index)| index.0);
    if purged < promise.purges.0 || purged > promise.purges.1 {
        return Err(wrong(format!("purged to {purged}, not one of {:?}", promise.purges)));
    }
    let present = compare_log(store, *last, truth)?;
    let expected = last.map_or(0, |last| truth.hashes[usize::try_from(last).unwrap()]);
    if last.is_some_and(|last| last > 0) && machine.state_hash() != expected {
        return Err(wrong(format!("the state at {last:?} is not that of a replay from the beginning")));
    }
    let live = machine.survivors(LogIndex::new(0), LogIndex::new(u64::MAX), usize::MAX);
    match live.iter().find(|survivor| !present.contains(&survivor.stored.at.index.get())) {
        Some(lost) => Err(wrong(format!("the bytes of a live message are gone: {lost:?}"))),
        None => Ok(()),
    }
}

/// Reads the whole log; gives the indexes that are there.
fn compare_log(store: &SegmentStore, last: Option<u64>, truth: &Truth) -> Result<BTreeSet<u64>, Wrong> {
    let mut present = BTreeSet::new();
    for segment in store.segments() {
        let Some(end) = segment.last else { continue };
        let mut from = segment.first;
        while from <= end {
            let frames = store.read_range(from, end.next(), ByteCount(1 << 20))?;
            if frames.is_empty() {
                return Err(wrong(format!("frame {from} of a segment cannot be read")));
            }
            for frame in frames {
                let submitted = truth.history.get(usize::try_from(frame.index.0).unwrap());
                if submitted.map(|entry| &entry.payload) != Some(&frame.payload) || Some(frame.index.0) > last {
                    return Err(wrong(format!("frame {} is not what was submitted", frame.index)));
                }
                present.insert(frame.index.0);
                from = frame.index.next();
            }
        }
    }
    Ok(present)
}
