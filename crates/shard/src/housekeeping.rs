//! Keeps the log short: checkpoint, purge, then delete segments in which nothing is live, and write the live
//! messages of sparse segments again.
//! Invariants: a segment is deleted only if it is sealed, the machine does not know it any more, and both the
//! purge mark and the checkpoint before the newest are past it. So a damaged checkpoint costs no data.
//! Started by `Shard::open`. Tests: `tests/housekeeping.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use model::number::LogIndex;
use mutant::Mutant;
use tokio::sync::Mutex;

use crate::fetch::{Decoded, fetch_many};
use crate::limits::{
    DROPPED_SEGMENTS_MAX, GROUP_BYTES_MAX, HOUSEKEEPING_PERIOD, PATIENCE, RELOCATED_MESSAGES_MAX, RETRY_PAUSE,
    SPARSE_PERCENT,
};
use crate::machine::{SegmentUse, StateMachine, Survivor};
use crate::raft::member::Member;
use crate::raft::state::State;
use crate::submitter::Submitter;
use crate::watch;

/// The housekeeper of one shard.
pub(crate) struct Housekeeping<M: StateMachine> {
    pub(crate) member: Member<M>,
    pub(crate) state: State<M>,
    pub(crate) submitter: Submitter<M>,
    pub(crate) decoded: Arc<Decoded>,
    /// How large a segment is.
    pub(crate) segment_bytes: u64,
    /// How much log is kept for a replica that lags.
    pub(crate) lag_bytes: u64,
    /// Whether a copy of the store is lent.
    pub(crate) lent: Arc<AtomicBool>,
    /// How many ask for a copy of the store and wait for the round to end.
    pub(crate) asked: watch::Sender<u64>,
    /// One round at a time, and none while a copy of the store is lent.
    pub(crate) round: Arc<Mutex<()>>,
}

impl<M: StateMachine> Housekeeping<M> {
    /// Works until the shard stops.
    pub(crate) async fn run(self: Arc<Self>) {
        // A start is waited for: the checkpoint of a large state would hold up the entry that opens the epoch.
        tokio::select! {
            biased;
            _ = self.submitter.led() => {}
            () = tokio::time::sleep(HOUSEKEEPING_PERIOD) => {}
        }
        let mut applied_before = None;
        loop {
            tokio::select! {
                biased;
                () = self.state.rolled.notified() => self.round().await,
                () = tokio::time::sleep(HOUSEKEEPING_PERIOD) => {
                    let applied = self.state.applied().last.map(|id| id.index);
                    let is_idle = std::mem::replace(&mut applied_before, applied) == applied;
                    self.quiet_round(is_idle).await;
                }
                () = self.submitter.stopped() => return,
            }
        }
    }

    /// What is done when no segment was sealed for a while: an idle log gives back what it does not need.
    async fn quiet_round(&self, is_idle: bool) {
        if self.is_worthwhile() {
            // Segments go once two checkpoints have passed them; an idle log would make no second one.
            let _ = self.submitter.submit_own(M::tick()).await;
            self.round().await;
        } else if is_idle {
            let log = self.state.log.clone();
            let trimming = self.state.log.hands.run(move || log.health.guard_disk(log.store.trim()));
            // A fault is noted where it happened.
            drop(trimming.await);
        }
    }

    /// Whether a round without a new segment would free anything.
    fn is_worthwhile(&self) -> bool {
        let segments = self.state.applied().machine.segments();
        let (_, older) = segments.split_last().unzip();
        let sparse = self.segment_bytes * SPARSE_PERCENT / 100;
        older.is_some_and(|older: &[SegmentUse]| older.iter().any(|segment| segment.bytes.get() < sparse))
    }

    /// Does everything that can be done now.
    pub(crate) async fn round(&self) {
        let _one = self.round.lock().await;
        self.checkpoint().await;
        if self.submitter.is_leader() {
            self.relocate_sparse().await;
            self.drop_dead().await;
        }
        self.delete_forgotten().await;
    }

    /// Saves what is applied, and gives the log up that no checkpoint needs.
    pub(crate) async fn checkpoint(&self) {
        let applied = self.state.applied().last.map(|id| id.index);
        if applied <= self.state.checkpoints().newest {
            return;
        }
        let mut attempts = self.state.attempts.subscribe();
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        loop {
            self.member.checkpoint().await;
            tokio::select! {
                biased;
                _ = attempts.changed() => break,
                () = &mut patience => {
                    tracing::warn!("a checkpoint takes long");
                    break;
                }
                () = self.submitter.stopped() => return,
                // The library does nothing when it is asked before it has noticed that the one before is done.
                () = tokio::time::sleep(RETRY_PAUSE) => {}
            }
        }
        if let Some(before) = self.passed().map(|before| self.spared(before))
            && self.state.log.purged() < Some(before)
        {
            self.member.purge(before).await;
        }
    }

    /// Puts a whole checkpoint in the place of a damaged one. The consensus makes the new one, because it gives up no more
    /// of the log than its own checkpoint covers. False when there is no whole one yet.
    pub(crate) async fn replace_checkpoint(&self, term: storage::Term, index: storage::LogIndex) -> bool {
        let _one = self.round.lock().await;
        let state = self.state.clone();
        if self.state.checkpoints().newest == Some(index.0) {
            let applied = self.state.applied().last.map(|id| id.index);
            if applied == Some(index.0) {
                let rewriting = self.state.log.hands.run(move || state.rewrite_checkpoint()).await;
                return matches!(rewriting, Ok(Ok(true)));
            }
            self.checkpoint().await;
            if self.state.checkpoints().newest == Some(index.0) {
                return false;
            }
        }
        let removing = self.state.log.hands.run(move || state.remove_checkpoint(term, index)).await;
        matches!(removing, Ok(Ok(())))
    }

    /// Less than `before` where a replica elsewhere still needs what lies before it, unless that has become too much.
    fn spared(&self, before: u64) -> u64 {
        let Some(needed) = self.member.had_by_all().filter(|needed| *needed < before) else { return before };
        let segments = self.state.log.store.segments();
        let between = segments
            .iter()
            .filter(|segment| segment.last.is_some_and(|last| needed < last.0) && segment.first.0 <= before);
        if between.map(|segment| segment.bytes.0).sum::<u64>() <= self.lag_bytes { needed } else { before }
    }

    /// The place of the log that a restart starts from, even when the newest checkpoint is damaged.
    fn passed(&self) -> Option<u64> {
        let checkpoints = self.state.checkpoints();
        if mutant::is_on(Mutant::LogCutAtNewestCheckpoint) { checkpoints.newest } else { checkpoints.before }
    }

    /// Sealed segments that neither a restart nor the consensus needs, with their length.
    fn released(&self) -> Vec<(LogIndex, Option<LogIndex>, u64)> {
        let limit = self.passed().min(self.state.log.purged());
        let Some(limit) = limit else { return Vec::new() };
        let segments = self.state.log.store.segments();
        let sealed = segments.iter().filter(|segment| segment.sealed);
        let past = sealed.filter(|segment| segment.last.is_some_and(|last| last.0 <= limit));
        past.map(|segment| {
            (LogIndex::new(segment.first.0), segment.last.map(|last| LogIndex::new(last.0)), segment.bytes.0)
        })
        .collect()
    }

    /// Lets the machine forget segments without live messages.
    async fn drop_dead(&self) {
        let released = self.released();
        let known = self.state.applied().machine.segments();
        let dead = known.iter().filter(|known| known.references == 0);
        let dead = dead.filter(|known| released.iter().any(|(first, ..)| *first == known.first));
        let dead: Vec<_> = dead.map(|known| known.first).take(DROPPED_SEGMENTS_MAX).collect();
        if !dead.is_empty() {
            // When it fails, the next round or leader does it.
            let _ = self.is_decided(M::drop_segments(dead)).await;
        }
    }

    /// Deletes the files of segments that the machine does not know.
    async fn delete_forgotten(&self) {
        let known = self.state.applied().machine.segments();
        let mut gone = self.released();
        gone.retain(|(first, ..)| !known.iter().any(|known| known.first == *first));
        let state = self.state.clone();
        let deleting = self.state.log.hands.run(move || {
            for (first, ..) in gone {
                if let Err(fault) = state.log.store.delete_segment(storage::LogIndex(first.get())) {
                    state.log.health.fail_on_disk(&fault);
                    return;
                }
            }
        });
        if let Err(error) = deleting.await {
            self.state.log.health.fail(error);
        }
    }

    /// Writes the live messages of the oldest sparse segment again.
    async fn relocate_sparse(&self) {
        let released = self.released();
        let known = self.state.applied().machine.segments();
        let sparse = released.iter().find_map(|(first, last, length)| {
            let live = known.iter().find(|known| known.first == *first)?;
            let is_sparse = live.references > 0 && live.bytes.get() * 100 < length * SPARSE_PERCENT;
            is_sparse.then_some((*first, last.map_or(*first, LogIndex::next)))
        });
        let Some((from, until)) = sparse else { return };
        loop {
            let survivors = self.state.applied().machine.survivors(from, until, RELOCATED_MESSAGES_MAX);
            if survivors.is_empty() || !self.relocate(survivors).await {
                return;
            }
        }
    }

    /// False when nothing was moved.
    async fn relocate(&self, survivors: Vec<Survivor<M::Token>>) -> bool {
        let places: Vec<_> = survivors.iter().map(|survivor| survivor.at).collect();
        let Ok(messages) = fetch_many::<M>(&self.state.log, &self.decoded, &places, || 0).await else { return false };
        let mut bytes = 0;
        let mut moved = Vec::new();
        for (survivor, message) in survivors.into_iter().zip(messages) {
            let Some(message) = message else { continue };
            bytes += message.len();
            if GROUP_BYTES_MAX / 2 < bytes && !moved.is_empty() {
                break;
            }
            moved.push((survivor, message));
        }
        !moved.is_empty() && self.is_decided(M::relocate(moved)).await
    }

    /// Submits a command of the round, and waits for its answer; false when the shard stops or does not lead. Not while a
    /// copy of the store is asked for: without whoever asks there may be no majority, and nothing would be decided.
    async fn is_decided(&self, command: M::Command) -> bool {
        let mut asked = self.asked.subscribe();
        let is_asked_for = async {
            while *asked.borrow_and_update() == 0 {
                if asked.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            biased;
            decided = self.submitter.submit_own(command) => decided.is_ok(),
            () = is_asked_for => false,
        }
    }

    /// Gives the spare space back and leaves a checkpoint, so that the next start is quick.
    pub(crate) async fn finish(&self) {
        // Whoever borrowed the store may keep it for long; the next start reads a little more of the log instead.
        if self.lent.load(Ordering::Acquire) {
            return;
        }
        let waited = tokio::time::timeout(PATIENCE + Duration::from_secs(1), self.round()).await;
        if waited.is_err() {
            tracing::warn!("housekeeping did not end in time");
        }
    }
}
