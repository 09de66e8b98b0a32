//! The log of a shard: the consensus library's view of the segment store.
//! Invariants: an entry is readable as soon as `append` returns; it is reported flushed only after its sync;
//! votes and entries go through the one writer of the store in the order in which they came; after the
//! first failure every write fails.
//! Called by the consensus library, by `fetch` and by housekeeping. Tests: `tests/conformance.rs`.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Instant;

use broker::wire::WireError;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use mutant::Mutant;
use openraft::storage::{IOFlushed, LogState, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend, RaftLogReader};
use storage::{ByteCount, Fault, Recovered, SegmentStore};
use tokio::sync::oneshot;

use super::types::{Entry, LogId, Types, Vote, log_id, term_of};
use super::written;
use crate::flush::FlushTimes;
use crate::hands::{Bell, Hands};
use crate::health::Health;
use crate::limits::{FLUSH_PAUSE, MENDS_PER_READ_MAX, READ_BYTES_MAX, WRITE_HERE_BYTES_MAX, WRITE_HERE_FLUSH_MAX};
use crate::mender::Mend;
use crate::states::States;
use crate::tail::Tail;
use crate::upkeep::Counts;

/// What the library asks for between writes.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// Where the log starts; a purge mark may be further.
    first: Option<u64>,
}

/// The shared half of the log.
pub(crate) struct Core {
    pub(crate) store: SegmentStore,
    pub(crate) tail: Tail<Entry>,
    pub(crate) flushes: Arc<FlushTimes>,
    pub(crate) health: Health,
    pub(crate) hands: Hands,
    bell: Bell,
    marks: Mutex<Marks>,
    /// One more than the newest index that is flushed here; 0 when there is none.
    durable_until: Arc<AtomicU64>,
    /// What was done to keep the bytes right.
    pub(crate) counts: Counts,
    /// The newest states, for a comparison with other replicas.
    pub(crate) states: States,
    /// Puts damaged segments right, where there are other replicas.
    pub(crate) mender: OnceLock<Weak<dyn Mend>>,
}

/// The log. Clones are the same log.
#[derive(Clone)]
pub(crate) struct Log {
    core: Arc<Core>,
}

impl std::ops::Deref for Log {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Log {
    /// Takes over what recovery found.
    ///
    /// # Errors
    /// When the vote or the hint is of an unknown version, or the vote is older than the log.
    pub(crate) fn new(
        store: SegmentStore,
        recovered: Recovered,
        tail_bytes: usize,
        health: Health,
        hands: Hands,
    ) -> Result<Self, String> {
        let position = |(term, index): (storage::Term, storage::LogIndex)| log_id(term.0, index.0);
        let purged = recovered.purged.map(position);
        let last = recovered.last.map(position).max(purged);
        let unknown = |error: WireError| error.to_string();
        let vote = recovered.vote.map(written::read_vote).transpose().map_err(unknown)?;
        if vote_term(vote.as_ref()) < last.as_ref().map(term_of) {
            let file = store.vote_path();
            return Err(format!(
                "{} holds a vote that is older than the log: a vote that was promised is lost; restore a backup",
                file.display()
            ));
        }
        // The hint is written without a sync and may be newer than the log that survived. A committed log has
        // one history, so what survived of it is committed as well.
        let committed = recovered.committed.map(written::read_committed).transpose().map_err(unknown)?.min(last);
        let first = recovered.first.map(|index| index.0);
        let marks = Marks { vote, committed, purged, last, first };
        let bell = Bell::hang(&hands, &store);
        let core = Core {
            store,
            tail: Tail::new(tail_bytes),
            flushes: Arc::default(),
            health,
            hands,
            bell,
            marks: Mutex::new(marks),
            durable_until: Arc::new(AtomicU64::new(last.map_or(0, |id| id.index + 1))),
            counts: Counts::default(),
            states: States::default(),
            mender: OnceLock::new(),
        };
        Ok(Self { core: Arc::new(core) })
    }

    /// Reads on a thread that may block. The bytes are bounded, but one entry is always read if it is there.
    async fn read(&self, from: u64, until: u64, bytes_max: u64) -> io::Result<Vec<Entry>> {
        if let Some(entries) = self.tail.range(from, until, bytes_max) {
            return Ok(entries);
        }
        let (from, until) = (storage::LogIndex(from), storage::LogIndex(until));
        let frames = self.read_mended(move |store| store.read_range(from, until, ByteCount(bytes_max))).await;
        frames?.into_iter().map(|frame| self.health.guard(written::entry_of(frame))).collect()
    }

    /// Reads on a thread that may block. Where it meets damage that another replica can put right, it reads once more.
    pub(crate) async fn read_mended<T: Send + 'static>(
        &self,
        read: impl Fn(&SegmentStore) -> Result<T, Fault> + Clone + Send + 'static,
    ) -> io::Result<T> {
        for _ in 0..MENDS_PER_READ_MAX {
            let (log, read) = (self.clone(), read.clone());
            let outcome = match self.hands.run(move || read(&log.store)).await {
                Ok(outcome) => outcome,
                Err(error) => return self.health.guard(Err(format!("a read of the log ended early: {error}"))),
            };
            match outcome {
                Err(fault) if fault.is_damage() && self.is_mended(&fault).await => {}
                outcome => return self.health.guard_disk(outcome),
            }
        }
        self.health.guard(Err("a read of the log meets damage again and again"))
    }

    async fn is_mended(&self, fault: &Fault) -> bool {
        let Fault::Corrupt { file, .. } = fault else { return false };
        let Some(mender) = self.mender.get().and_then(Weak::upgrade) else { return false };
        let segments = self.store.segments();
        let damaged = segments.iter().find(|segment| self.store.segment_path(segment.first) == *file);
        let Some(damaged) = damaged else { return false };
        tracing::warn!(%fault, "a read met damage");
        match mender.mend(damaged.first.0).await {
            Ok(()) => true,
            Err(why) => {
                tracing::warn!(%why, "a damaged segment cannot be mended in its place");
                false
            }
        }
    }

    /// The part of a range that is neither purged nor beyond the end.
    fn clip(&self, range: &impl RangeBounds<u64>) -> (u64, u64) {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let until = match range.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(until) => *until,
            Bound::Unbounded => u64::MAX,
        };
        let marks = self.marks();
        let first = marks.purged.map_or(0, |id| id.index + 1).max(marks.first.unwrap_or_default());
        let end = marks.last.map_or(0, |id| id.index + 1);
        (from.max(first), until.min(end))
    }
}

impl Core {
    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().expect("no holder panics")
    }

    /// The newest index that is flushed here.
    pub(crate) fn durable(&self) -> u64 {
        self.durable_until.load(Ordering::Acquire).saturating_sub(1)
    }

    /// Waits until what the log holds up to this index is flushed here. Who waits sets a bound.
    pub(crate) async fn flushed(&self, index: u64) {
        while !self.has_flushed(index) {
            tokio::time::sleep(FLUSH_PAUSE).await;
        }
    }

    fn has_flushed(&self, index: u64) -> bool {
        let given_up = self.marks().purged.map_or(0, |id| id.index);
        index.min(self.end()) <= self.durable().max(given_up)
    }

    /// The newest index, flushed or not. Nothing is sent to other replicas before it counts here.
    pub(crate) fn end(&self) -> u64 {
        self.marks().last.map_or(0, |id| id.index)
    }

    /// The term in which a node leads, as the vote says.
    pub(crate) fn reign_of(&self, node: u64) -> Option<u64> {
        let vote = self.marks().vote?;
        (vote.committed && vote.leader_id.voted_for == node).then_some(vote.leader_id.term)
    }

    /// Up to where the consensus needs no entries any more.
    pub(crate) fn purged(&self) -> Option<u64> {
        self.marks().purged.map(|id| id.index)
    }

    /// The purge mark and the vote, as a copy of this log has them.
    pub(crate) fn promises(&self) -> (Option<(u64, u64)>, Option<Bytes>) {
        let marks = self.marks();
        let purged = marks.purged.map(|id| (term_of(&id), id.index));
        (purged, marks.vote.as_ref().map(written::write_vote))
    }

    /// The bytes of the batch at an index, if it is in memory.
    pub(crate) fn tail_batch(&self, index: u64) -> Option<Bytes> {
        match self.tail.get(index)?.payload {
            EntryPayload::Normal(batch) => Some(batch.0),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        }
    }

    /// Whether a segment is sealed and all of it applied, so that it is the same on every replica.
    pub(crate) fn is_settled(&self, first: u64, applied: Option<u64>) -> bool {
        let segments = self.store.segments();
        let settled = segments.iter().find(|segment| segment.first.0 == first && segment.sealed);
        settled.and_then(|segment| segment.last).is_some_and(|last| Some(last.0) <= applied)
    }

    /// The bytes of the batches `from <= index < until`, as long as they fit `bytes_max`, the first one always; without
    /// those that are gone. Blocks on the disk.
    pub(crate) fn read_batches(&self, from: u64, until: u64, bytes_max: u64) -> Result<Vec<(u64, Bytes)>, Fault> {
        let (from, until) = (storage::LogIndex(from), storage::LogIndex(until));
        let frames = self.store.read_range(from, until, ByteCount(bytes_max))?;
        Ok(frames.into_iter().filter_map(|frame| Some((frame.index.0, written::batch_of(frame)?))).collect())
    }

    /// Whether the shard's own thread should write: a small batch on a quick disk is durable before another thread
    /// would have woken. On a slow disk the thread must stay free, so that consensus and answers go on meanwhile.
    fn is_written_here(&self, bytes: usize) -> bool {
        self.hands.have_threads() && bytes <= WRITE_HERE_BYTES_MAX && self.flushes.recent() <= WRITE_HERE_FLUSH_MAX
    }

    /// Waits until an entry is the newest one that is held here, flushed or not. For a deliberate fault.
    pub(crate) async fn received(&self, last: Option<LogId>) {
        while self.marks().last != last {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// Waits until the writer has done what `submit` handed to it.
    async fn written(&self, submit: impl FnOnce(storage::Completion)) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        // A receiver that is gone is a caller that was cancelled: nobody is left to be told.
        submit(Box::new(move |outcome| drop(sender.send(outcome))));
        self.bell.ring();
        let outcome = receiver.await.unwrap_or(Err(Fault::Closed));
        self.health.guard_disk(outcome)
    }
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (mut from, until) = self.clip(&range);
        let mut entries = Vec::new();
        while from < until {
            let piece = self.read(from, until, READ_BYTES_MAX).await?;
            let Some(last) = piece.last() else { break };
            from = last.log_id.index + 1;
            entries.extend(piece);
        }
        Ok(entries)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        let (from, until) = self.clip(&(start..end));
        if from < until { self.read(from, until, READ_BYTES_MAX).await } else { Ok(Vec::new()) }
    }

    /// Reads piece by piece: after a restart the range is everything behind the checkpoint.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (from, until) = self.clip(&range);
        let walk = Walk { log: self.clone(), from, until, ready: Vec::new().into_iter() };
        Box::pin(stream::unfold(walk, Walk::next))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.marks().vote)
    }
}

/// The term of a vote. None was cast before the very first term, in which only the first members are written.
///
/// A leader writes nothing before its vote is on disk, and a follower takes nothing before it: so a log of a later term
/// than the vote is a vote that got lost. A replica without it could promise the same term to somebody else.
fn vote_term(vote: Option<&Vote>) -> Option<u64> {
    Some(vote.map_or(0, |vote| vote.leader_id.term))
}

/// A walk over entries, a piece in memory at a time.
struct Walk {
    log: Log,
    from: u64,
    until: u64,
    ready: std::vec::IntoIter<Entry>,
}

impl Walk {
    async fn next(mut self) -> Option<(io::Result<Entry>, Self)> {
        if self.ready.len() == 0 && self.from < self.until {
            match self.log.read(self.from, self.until, READ_BYTES_MAX).await {
                Ok(piece) => self.ready = piece.into_iter(),
                Err(error) => {
                    self.until = self.from;
                    return Some((Err(error), self));
                }
            }
        }
        let entry = self.ready.next()?;
        self.from = entry.log_id.index + 1;
        Some((Ok(entry), self))
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let marks = *self.marks();
        Ok(LogState { last_purged_log_id: marks.purged, last_log_id: marks.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        if mutant::is_on(Mutant::VoteAnsweredEarly) {
            self.store.save_vote(written::write_vote(vote), Box::new(drop));
            self.bell.ring();
        } else {
            self.written(|done| self.store.save_vote(written::write_vote(vote), done)).await?;
        }
        self.marks().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(id) = &committed {
            self.store.save_committed(written::write_committed(id));
            self.bell.ring();
        }
        self.marks().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(self.marks().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let (Some(first), Some(last)) = (entries.first(), entries.last().map(|entry| entry.log_id)) else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        let frames: Vec<storage::Frame> = entries.iter().map(written::frame_of).collect();
        let bytes = frames.iter().map(|frame| frame.payload.len()).sum();
        // Not the store itself: its last handle must not be dropped by its own writer.
        let (flushes, durable_until) = (Arc::clone(&self.flushes), Arc::clone(&self.durable_until));
        let health = self.health.clone();
        let submitted_at = Instant::now();
        let flushed = move |outcome: Result<(), Fault>| {
            if outcome.is_ok() {
                flushes.note(submitted_at.elapsed());
                durable_until.fetch_max(last.index + 1, Ordering::AcqRel);
            }
            callback.io_completed(health.guard_disk(outcome));
        };
        self.tail.push(&entries);
        {
            let mut marks = self.marks();
            marks.first.get_or_insert(first.log_id.index);
            marks.last = Some(last);
        }
        if mutant::is_on(Mutant::AckAtAppend) {
            flushed(Ok(()));
            self.store.append(frames, Box::new(drop));
        } else if self.is_written_here(bytes) {
            self.store.append_here(frames, Box::new(flushed));
        } else {
            self.store.append(frames, Box::new(flushed));
        }
        self.bell.ring();
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        if self.marks().last <= last {
            return Ok(());
        }
        let keep = last.map(|id| storage::LogIndex(id.index));
        let next = last.map_or(0, |id| id.index + 1);
        self.tail.cut(next);
        self.written(|done| self.store.truncate_after(keep, done)).await?;
        self.durable_until.fetch_min(next, Ordering::AcqRel);
        let mut marks = self.marks();
        marks.first = marks.first.filter(|first| *first < next);
        marks.last = last.max(marks.purged);
        Ok(())
    }

    async fn purge(&mut self, id: LogId) -> io::Result<()> {
        let position = (storage::Term(term_of(&id)), storage::LogIndex(id.index));
        self.written(|done| self.store.save_purged(position.0, position.1, done)).await?;
        let mut marks = self.marks();
        marks.purged = marks.purged.max(Some(id));
        marks.last = marks.last.max(Some(id));
        Ok(())
    }
}
