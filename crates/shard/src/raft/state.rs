//! The state machine under the consensus library: applies committed batches, saves and restores checkpoints.
//! Invariants: a batch is applied once and in order; its answers leave after it was applied; a checkpoint
//! covers exactly the entries up to its position.
//! Called by the consensus library; read by `Shard::read`. Tests: `tests/conformance.rs`, `tests/restart.rs`.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use model::number::{LogIndex, Timestamp};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use storage::{Fault, SectionName};
use tokio::sync::Notify;

use super::log::Log;
use super::types::{Answers, BatchBytes, LogId, SnapshotMeta, StoredMembership, Types, term_of};
use super::written::{self, Covered};
use crate::limits::PATIENCE;
use crate::machine::{Section, StateMachine};
use crate::states::{StateAt, hash_of};
use crate::watch;

type Snapshot<M> = openraft::alias::SnapshotOf<Types, Checkpoint<M>>;

/// Where effects of applied batches go. Called in the order of the log, before the answers leave.
pub type EffectSink<E> = Box<dyn Fn(LogIndex, Vec<E>) + Send + Sync>;

/// The machine, and how far it is.
pub(crate) struct Applied<M> {
    pub(crate) machine: M,
    pub(crate) last: Option<LogId>,
    membership: StoredMembership,
    /// The segment of the newest batch.
    segment: u64,
}

/// The positions of the checkpoints on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoints {
    pub(crate) newest: Option<u64>,
    /// The one to fall back to; the log behind it is kept.
    pub(crate) before: Option<u64>,
}

/// The shared half of the state machine.
pub(crate) struct Core<M: StateMachine> {
    pub(crate) log: Log,
    pub(crate) applied: Mutex<Applied<M>>,
    sink: EffectSink<M::Effect>,
    current: Mutex<Option<SnapshotMeta>>,
    checkpoints: Mutex<Checkpoints>,
    /// When the machine wants a batch even if nobody submits one.
    pub(crate) deadline: watch::Sender<Option<Timestamp>>,
    /// Checkpoints that were tried, good or not.
    pub(crate) attempts: watch::Sender<u64>,
    /// A batch fell into another segment than the one before.
    pub(crate) rolled: Notify,
    /// The state where the log rolled last, until it becomes a checkpoint.
    ready: Mutex<Option<(Vec<Section>, Covered)>>,
}

/// The state machine. Clones are the same machine.
pub(crate) struct State<M: StateMachine> {
    core: Arc<Core<M>>,
}

impl<M: StateMachine> Clone for State<M> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<M: StateMachine> std::ops::Deref for State<M> {
    type Target = Core<M>;

    fn deref(&self) -> &Core<M> {
        &self.core
    }
}

impl<M: StateMachine> State<M> {
    /// Starts with what the newest checkpoint holds, or empty.
    pub(crate) fn open(log: Log, sink: EffectSink<M::Effect>) -> io::Result<Self> {
        let found = log.health.guard_disk(log.store.newest_checkpoint())?;
        let mut applied =
            Applied { machine: M::empty(), last: None, membership: StoredMembership::default(), segment: 0 };
        let mut current = None;
        let mut checkpoints = Checkpoints::default();
        if let Some(checkpoint) = found {
            let sections = sections_of(checkpoint);
            let (machine, covered) = log.health.guard(restore::<M>(&sections))?;
            if log.health.has_others() {
                let of_machine = sections.into_iter().filter(|(name, _)| name != written::SECTION).collect::<Vec<_>>();
                log.states.note(StateAt { index: covered.last.index, hash: hash_of(&of_machine) });
            }
            current = Some(meta_of(&covered));
            // Nothing says how old the other checkpoint is, so the purge mark stands in: it never passed it.
            checkpoints = Checkpoints { newest: Some(covered.last.index), before: log.purged() };
            // A log that goes on in the same segment has not rolled since: the checkpoint is the one of that roll.
            let segment = log.store.segment_of(storage::LogIndex(covered.last.index)).map_or(0, |segment| segment.0);
            applied = Applied { machine, last: Some(covered.last), membership: covered.membership, segment };
        }
        let deadline = watch::Sender::new(applied.machine.next_deadline());
        let core = Core {
            log,
            applied: Mutex::new(applied),
            sink,
            current: Mutex::new(current),
            checkpoints: Mutex::new(checkpoints),
            deadline,
            attempts: watch::Sender::new(0),
            rolled: Notify::new(),
            ready: Mutex::new(None),
        };
        Ok(Self { core: Arc::new(core) })
    }
}

fn sections_of(checkpoint: storage::Checkpoint) -> Vec<Section> {
    for fault in &checkpoint.damaged {
        tracing::error!(%fault, "a checkpoint is damaged, an older one is used");
    }
    checkpoint.sections.into_iter().map(|(name, bytes)| (name.as_str().to_owned(), bytes)).collect()
}

fn with_covered(mut sections: Vec<Section>, covered: Covered) -> (Vec<Section>, Covered) {
    sections.push((written::SECTION.to_owned(), written::write_covered(&covered)));
    (sections, covered)
}

fn meta_of(covered: &Covered) -> SnapshotMeta {
    SnapshotMeta { last_log_id: Some(covered.last), last_membership: covered.membership.clone() }
}

fn restore<M: StateMachine>(sections: &[Section]) -> Result<(M, Covered), String> {
    let own = sections.iter().find(|(name, _)| name == written::SECTION).map(|(_, bytes)| bytes.clone());
    let covered = written::read_covered(own.unwrap_or_default());
    let covered = covered.map_err(|error| format!("the checkpoint cannot be read: {error}"))?;
    let machine = M::restore(sections).map_err(|error| format!("the checkpoint cannot be read: {error}"))?;
    Ok((machine, covered))
}

impl<M: StateMachine> Core<M> {
    pub(crate) fn applied(&self) -> MutexGuard<'_, Applied<M>> {
        self.applied.lock().expect("the machine does not panic")
    }

    pub(crate) fn checkpoints(&self) -> Checkpoints {
        *self.checkpoints.lock().expect("no holder panics")
    }

    fn apply_batch(&self, id: LogId, bytes: Bytes) -> io::Result<Answers> {
        let health = &self.log.health;
        let batch = health.guard(M::decode(bytes).map_err(|error| format!("batch {id} cannot be read: {error}")))?;
        let segment = self.log.store.segment_of(storage::LogIndex(id.index));
        let segment = health.guard(segment.ok_or_else(|| format!("batch {id} lies in no segment")))?;
        let mut effects = Vec::new();
        let mut applied = self.applied();
        let index = LogIndex::new(id.index);
        let answers = applied.machine.apply(index, LogIndex::new(segment.0), &batch, &mut effects);
        applied.last = Some(id);
        let rolled = std::mem::replace(&mut applied.segment, segment.0) != segment.0;
        let due = applied.machine.next_deadline();
        if rolled && self.log.health.has_others() {
            // At this place on every replica. The same bytes become the next checkpoint.
            let sections = applied.machine.checkpoint();
            self.log.states.note(StateAt { index: id.index, hash: hash_of(&sections) });
            let covered = Covered { last: id, membership: applied.membership.clone() };
            *self.ready.lock().expect("no holder panics") = Some(with_covered(sections, covered));
        }
        drop(applied);
        self.deadline.send_if_modified(|deadline| std::mem::replace(deadline, due) != due);
        if rolled {
            self.rolled.notify_one();
        }
        if !effects.is_empty() {
            (self.sink)(index, effects);
        }
        Ok(Answers::of(answers))
    }

    fn current(&self) -> Option<SnapshotMeta> {
        self.current.lock().expect("no holder panics").clone()
    }

    /// False when the disk has no room: the older checkpoint stays, and so does the log behind it.
    fn save(&self, sections: Vec<Section>, covered: &Covered) -> io::Result<bool> {
        let (term, index) = (storage::Term(term_of(&covered.last)), storage::LogIndex(covered.last.index));
        let named = sections.into_iter().map(|(name, bytes)| Ok((SectionName::parse(&name)?, bytes)));
        let named: Result<Vec<_>, Fault> = named.collect();
        let named = self.log.health.guard_disk(named)?;
        match self.log.store.write_checkpoint(term, index, named.into_iter()) {
            Err(Fault::Full { file }) => {
                tracing::warn!(file = %file.display(), "no room for a checkpoint, the next round tries again");
                return Ok(false);
            }
            outcome => self.log.health.guard_disk(outcome)?,
        }
        *self.current.lock().expect("no holder panics") = Some(meta_of(covered));
        let mut checkpoints = self.checkpoints.lock().expect("no holder panics");
        if checkpoints.newest != Some(index.0) {
            *checkpoints = Checkpoints { newest: Some(index.0), before: checkpoints.newest };
        }
        Ok(true)
    }

    fn sections(&self) -> Option<(Vec<Section>, Covered)> {
        let ready = self.ready.lock().expect("no holder panics").take();
        let newest = self.current().and_then(|meta| meta.last_log_id);
        if let Some(ready) = ready.filter(|(_, covered)| newest < Some(covered.last)) {
            return Some(ready);
        }
        self.sections_of_now()
    }

    fn sections_of_now(&self) -> Option<(Vec<Section>, Covered)> {
        let applied = self.applied();
        let covered = Covered { last: applied.last?, membership: applied.membership.clone() };
        let sections = applied.machine.checkpoint();
        drop(applied);
        Some(with_covered(sections, covered))
    }

    /// Writes the newest checkpoint once more; nothing was applied behind it. False when there is no room, or there was.
    /// Blocks on the disk.
    pub(crate) fn rewrite_checkpoint(&self) -> io::Result<bool> {
        let Some((sections, covered)) = self.sections_of_now() else { return Ok(false) };
        if self.current() != Some(meta_of(&covered)) {
            return Ok(false);
        }
        self.save(sections, &covered)
    }

    /// Removes a checkpoint that is damaged. Blocks on the disk.
    pub(crate) fn remove_checkpoint(&self, term: storage::Term, index: storage::LogIndex) -> io::Result<()> {
        self.log.health.guard_disk(self.log.store.remove_damaged_checkpoint(term, index))?;
        let mut checkpoints = self.checkpoints.lock().expect("no holder panics");
        if checkpoints.before == Some(index.0) {
            // There is none to fall back to: the log is not given up until there is.
            checkpoints.before = None;
        }
        Ok(())
    }
}

/// A checkpoint that can be read when it is needed.
pub(crate) struct Checkpoint<M: StateMachine> {
    source: State<M>,
}

impl<M: StateMachine> Checkpoint<M> {
    /// Its sections. Blocks on the disk.
    fn load(&self) -> io::Result<Vec<Section>> {
        let log = &self.source.log;
        let found = log.health.guard_disk(log.store.newest_checkpoint())?;
        let found = found.ok_or_else(|| "the checkpoint is gone".to_owned());
        Ok(sections_of(log.health.guard(found)?))
    }
}

impl<M: StateMachine> State<M> {
    /// Saves a checkpoint once all that it covers is flushed here. A follower applies what the others have committed, maybe
    /// before its own flush of it; a checkpoint that outlived these entries would hide that their messages are missing.
    /// False when there was no room, or no flush for long.
    async fn save_when_flushed(&self, sections: Vec<Section>, covered: &Covered) -> io::Result<bool> {
        if tokio::time::timeout(PATIENCE, self.log.flushed(covered.last.index)).await.is_err() {
            tracing::warn!("no flush for a checkpoint, the next round tries again");
            return Ok(false);
        }
        let (state, covered) = (self.clone(), covered.clone());
        let saving = self.log.hands.run(move || state.save(sections, &covered));
        saving.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

impl<M: StateMachine> RaftSnapshotBuilder<Types> for State<M> {
    type SnapshotData = Checkpoint<M>;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot<M>> {
        let state = self.clone();
        let taken = self.log.hands.run(move || state.sections()).await.map_err(io::Error::other)?;
        let meta = match taken {
            // Asked for twice.
            Some((_, covered)) if self.current() == Some(meta_of(&covered)) => meta_of(&covered),
            Some((sections, covered)) => {
                let is_saved = self.save_when_flushed(sections, &covered).await?;
                if is_saved { meta_of(&covered) } else { self.current().unwrap_or_default() }
            }
            None => SnapshotMeta::default(),
        };
        self.attempts.send_if_modified(|attempts| {
            *attempts += 1;
            true
        });
        Ok(Snapshot { meta, snapshot: Checkpoint { source: self.clone() } })
    }
}

impl<M: StateMachine> RaftStateMachine<Types> for State<M> {
    type SnapshotData = Checkpoint<M>;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let applied = self.applied();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        while let Some(entry) = entries.next().await {
            let (entry, responder) = entry?;
            let answers = match entry.payload {
                EntryPayload::Normal(BatchBytes(bytes)) => self.apply_batch(entry.log_id, bytes)?,
                EntryPayload::Blank => {
                    self.applied().last = Some(entry.log_id);
                    Answers::NONE
                }
                EntryPayload::Membership(membership) => {
                    let mut applied = self.applied();
                    applied.last = Some(entry.log_id);
                    applied.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Answers::NONE
                }
            };
            if let Some(responder) = responder {
                responder.send(answers);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Checkpoint<M>) -> io::Result<()> {
        let state = self.clone();
        let wanted = meta.last_log_id;
        let installed = self.log.hands.run(move || {
            let sections = snapshot.load()?;
            let health = &state.log.health;
            let (machine, covered) = health.guard(restore::<M>(&sections))?;
            if Some(covered.last) != wanted {
                return health.guard(Err(format!("the checkpoint covers {}, not what was announced", covered.last)));
            }
            if !state.save(sections, &covered)? {
                return health.guard(Err("no room on the disk for the state that the leader sent"));
            }
            let due = machine.next_deadline();
            let membership = covered.membership;
            *state.applied() = Applied { machine, last: Some(covered.last), membership, segment: 0 };
            state.deadline.send(due);
            Ok(())
        });
        installed.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot<M>>> {
        Ok(self.current().map(|meta| Snapshot { meta, snapshot: Checkpoint { source: self.clone() } }))
    }
}
