//! A node without threads: the store, the broker's machine over it, and the housekeeping of a shard step by step.
//! Invariant: its journal of the disk holds a note for everything that was submitted, confirmed or given up.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker::Machine;
use broker::codec;
use broker::command::{Action, Command, Principal, Relocation};
use bytes::Bytes;
use model::number::{LogIndex, Timestamp};
use storage::disk::simulated::MemoryDisk;
use storage::{Completion, Fault, Frame, FrameKind, SectionName, SegmentStore, Settings, Term, Threads};

use super::recover::recover;
use super::workload::Workload;

pub const FOLDER: &str = "/shard";
/// The kinds of frames that a shard writes.
const BLANK: FrameKind = FrameKind(1);
pub const BATCH: FrameKind = FrameKind(3);
const SPARSE_PERCENT: u64 = 50;

pub fn settings() -> Settings {
    Settings { segment_bytes: 4096, mark_delay: Duration::ZERO, threads: Threads::Caller }
}

/// One entry of the log as it was submitted.
#[derive(Clone, Debug)]
pub struct Entry {
    pub payload: Bytes,
    pub segment: u64,
}

/// Ends a run in which the disk was made to fail.
pub type Stop = Fault;

pub struct Node {
    disk: MemoryDisk,
    store: Option<SegmentStore>,
    pub machine: Machine,
    workload: Workload,
    /// By index.
    pub history: Vec<Entry>,
    now: u64,
    votes: u64,
    newest: Option<u64>,
    before: Option<u64>,
    purged: Option<u64>,
    pub relocated: usize,
    pub deleted: usize,
}

type Failure = Arc<Mutex<Option<Fault>>>;

fn noting(disk: &MemoryDisk, note: String, failure: &Failure) -> Completion {
    let (disk, failure) = (disk.clone(), Arc::clone(failure));
    Box::new(move |outcome| match outcome {
        Ok(()) => disk.note(note),
        Err(fault) => drop(failure.lock().unwrap().get_or_insert(fault)),
    })
}

fn checked(failure: &Failure) -> Result<(), Stop> {
    failure.lock().unwrap().take().map_or(Ok(()), Err)
}

impl Node {
    /// Starts on an empty disk and creates what the workload needs.
    pub fn boot(disk: &MemoryDisk, seed: u64) -> Result<Node, Stop> {
        let (store, _) = SegmentStore::open(Arc::new(disk.clone()), Path::new(FOLDER), settings())?;
        let mut node = Node {
            disk: disk.clone(),
            store: Some(store),
            machine: Machine::new(),
            workload: Workload::new(seed),
            history: Vec::new(),
            now: 1_000_000,
            votes: 0,
            newest: None,
            before: None,
            purged: None,
            relocated: 0,
            deleted: 0,
        };
        node.vote()?;
        let payload = Bytes::from_static(b"the log begins");
        node.append(vec![Frame { index: storage::LogIndex(0), term: Term(1), kind: BLANK, payload }])?;
        for action in Workload::beginning() {
            node.submit(vec![vec![action]])?;
        }
        Ok(node)
    }

    /// False after a restart that failed.
    pub fn is_up(&self) -> bool {
        self.store.is_some()
    }

    fn store(&self) -> &SegmentStore {
        self.store.as_ref().expect("a node that works has a store")
    }

    /// Does one step of the script: some batches, a vote, housekeeping, or a restart.
    pub fn step(&mut self, number: usize) -> Result<(), Stop> {
        match number % 40 {
            13 => self.vote()?,
            19 => self.housekeep()?,
            39 => self.restart(number)?,
            _ => {}
        }
        self.now += self.workload.pause();
        let batches = 1 + self.workload.choose(3);
        let batches = (0..batches).map(|_| {
            let commands = 1 + self.workload.choose(2);
            (0..commands).map(|_| self.workload.next(&self.machine, self.now)).collect()
        });
        let batches = batches.collect();
        self.submit(batches)
    }

    /// Appends batches, makes them durable together, and applies them.
    fn submit(&mut self, batches: Vec<Vec<Action>>) -> Result<(), Stop> {
        let first = self.history.len();
        let encoded: Vec<Bytes> = batches
            .into_iter()
            .map(|actions| {
                let commands: Vec<Command> =
                    actions.into_iter().map(|action| Command { principal: Principal::System, action }).collect();
                codec::encode(Timestamp::new(self.now), &commands)
            })
            .collect();
        let frame = |(index, payload): (usize, &Bytes)| Frame {
            index: storage::LogIndex(u64::try_from(index).unwrap()),
            term: Term(1),
            kind: BATCH,
            payload: payload.clone(),
        };
        let frames: Vec<Frame> = (first..).zip(&encoded).map(frame).collect();
        self.append(frames)?;
        for (index, payload) in (first..).zip(encoded) {
            let segment = LogIndex::new(self.history[index].segment);
            let batch = codec::decode(payload).expect("what was encoded is decoded");
            let index = LogIndex::new(u64::try_from(index).unwrap());
            self.machine.apply(index, segment, &batch, &mut Vec::new());
        }
        Ok(())
    }

    fn append(&mut self, frames: Vec<Frame>) -> Result<(), Stop> {
        let failure = Failure::default();
        for frame in frames {
            self.disk.note(format!("submit {}", frame.index));
            let note = format!("confirm {}", frame.index);
            let (index, payload) = (frame.index, frame.payload.clone());
            self.store().append(vec![frame], noting(&self.disk, note, &failure));
            let segment = self.store().segment_of(index).map_or(0, |segment| segment.0);
            self.history.push(Entry { payload, segment });
        }
        self.store().run_queued()?;
        checked(&failure)
    }

    /// Saves the next vote.
    pub fn vote(&mut self) -> Result<(), Stop> {
        self.votes += 1;
        let failure = Failure::default();
        self.disk.note(format!("submit-vote {}", self.votes));
        let note = format!("confirm-vote {}", self.votes);
        let value = Bytes::copy_from_slice(&self.votes.to_le_bytes());
        self.store().save_vote(value, noting(&self.disk, note, &failure));
        self.store().save_committed(Bytes::from(vec![7; 40]));
        self.store().run_queued()?;
        checked(&failure)
    }

    /// What a shard's housekeeping does in a round.
    fn housekeep(&mut self) -> Result<(), Stop> {
        let applied = u64::try_from(self.history.len()).unwrap() - 1;
        let sections: Vec<_> = self.machine.sections().into_iter().collect();
        let sections = sections.into_iter().map(|(name, bytes)| (SectionName::parse(name).unwrap(), bytes));
        self.store().write_checkpoint(Term(1), storage::LogIndex(applied), sections)?;
        self.disk.note(format!("checkpoint {applied}"));
        self.before = self.newest.replace(applied);
        if let Some(before) = self.before {
            let failure = Failure::default();
            self.disk.note(format!("submit-purge {before}"));
            let note = format!("confirm-purge {before}");
            self.store().save_purged(Term(1), storage::LogIndex(before), noting(&self.disk, note, &failure));
            self.store().run_queued()?;
            checked(&failure)?;
            self.purged = Some(before);
        }
        self.relocate()?;
        self.drop_dead()?;
        self.delete_forgotten()
    }

    fn released(&self) -> Vec<storage::SegmentSummary> {
        let Some(limit) = self.before.min(self.purged) else { return Vec::new() };
        let segments = self.store().segments().into_iter();
        segments.filter(|segment| segment.sealed && segment.last.is_some_and(|last| last.0 <= limit)).collect()
    }

    fn relocate(&mut self) -> Result<(), Stop> {
        let released = self.released();
        let sparse = released.iter().find(|segment| {
            self.machine.segments().any(|(first, live)| {
                first.get() == segment.first.0
                    && live.references > 0
                    && live.bytes.get() * 100 < segment.bytes.0 * SPARSE_PERCENT
            })
        });
        let Some(segment) = sparse.copied() else { return Ok(()) };
        let until = segment.last.map_or(segment.first, storage::LogIndex::next);
        loop {
            let survivors = self.machine.survivors(LogIndex::new(segment.first.0), LogIndex::new(until.0), 8);
            if survivors.is_empty() {
                return Ok(());
            }
            self.relocated += survivors.len();
            let moved = survivors.into_iter().map(|survivor| {
                let at = survivor.stored.at;
                let payload = self.history[usize::try_from(at.index.get()).unwrap()].payload.clone();
                let records = codec::decode(payload).unwrap().records();
                Relocation {
                    holder: survivor.holder,
                    from: at,
                    published_at: survivor.published_at,
                    record: records[usize::try_from(at.position).unwrap()].clone(),
                }
            });
            let action = Action::Relocate(moved.collect());
            self.submit(vec![vec![action]])?;
        }
    }

    fn drop_dead(&mut self) -> Result<(), Stop> {
        let released = self.released();
        let dead = self.machine.segments().filter(|(first, live)| {
            live.references == 0 && released.iter().any(|segment| segment.first.0 == first.get())
        });
        let first: Vec<_> = dead.map(|(first, _)| first).collect();
        if first.is_empty() { Ok(()) } else { self.submit(vec![vec![Action::DropSegments { first }]]) }
    }

    fn delete_forgotten(&mut self) -> Result<(), Stop> {
        let known: Vec<_> = self.machine.segments().map(|(first, _)| first.get()).collect();
        for segment in self.released() {
            if !known.contains(&segment.first.0) {
                self.store().delete_segment(segment.first)?;
                self.deleted += 1;
            }
        }
        Ok(())
    }

    /// Fails when something failed that nobody waited for, such as the durable mark of a quiet moment: the store says so
    /// to whoever comes next.
    pub fn heard(&self) -> Result<(), Stop> {
        self.store().poisoned().map_or(Ok(()), Err)
    }

    /// Ends the process, in order or not, and starts it again on what is on disk.
    fn restart(&mut self, number: usize) -> Result<(), Stop> {
        self.heard()?;
        let store = self.store.take().expect("a node that works has a store");
        if number % 80 == 39 {
            store.close()?;
        } else {
            drop(store);
        }
        let recovered = recover(&self.disk).map_err(|wrong| wrong.fault)?;
        self.store = Some(recovered.store);
        self.machine = recovered.machine;
        self.submit(vec![vec![Action::OpenEpoch]])
    }
}
