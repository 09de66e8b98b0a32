//! A shard: one replicated ordered log and the state machine over it, behind one handle.
//! Invariants: a submission is answered with success only after its batch is durable and applied; after a
//! fault nothing is answered with success.
//! Opened by the node. Tests: `tests/`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use broker::place::MessageRef;
use bytes::Bytes;
use model::failure::{Failure, Fault, Unavailable};
use model::number::{ByteSize, Epoch, LogIndex, Timestamp};
use storage::SegmentStore;
use storage::disk::Disk;
use tokio::sync::Mutex;

use crate::clock::{Clock, SystemClock};
use crate::comparing::compare_when_noted;
use crate::fetch::{Decoded, fetch_many};
use crate::hands::Hands;
use crate::health::{Damage, Health};
use crate::housekeeping::Housekeeping;
use crate::inbox::Inbox;
use crate::limits::{DECODED_BYTES_DEFAULT, LAG_BYTES_MAX, TAIL_BYTES_DEFAULT};
use crate::loan::Arrival;
use crate::machine::StateMachine;
use crate::mender::{Mend, Mender};
use crate::peers::Peers;
use crate::process;
use crate::raft::log::Log;
use crate::raft::member::Member;
use crate::raft::state::{EffectSink, State};
use crate::room::Room;
use crate::scrubbing::{Scrubber, Scrubbing};
use crate::sequencer::Sequencer;
use crate::submitter::Submitter;
use crate::timer;
use crate::upkeep::Upkeep;
use crate::watch;

/// How a shard works. The parts that differ between production and simulation are values here.
pub struct Settings {
    /// This node, for ever; a number is never given to another node.
    pub node: u64,
    /// The settings of the files.
    pub storage: storage::Settings,
    /// Who does what blocks; overrules the threads of `storage`.
    pub hands: Hands,
    /// The clock that stamps batches.
    pub clock: Arc<dyn Clock>,
    /// Bytes of recent batches kept in memory.
    pub tail_bytes: usize,
    /// Bytes of older batches kept in memory after they were read.
    pub decoded_bytes: usize,
    /// The way to replicas on other nodes; without one the shard is alone for ever.
    pub peers: Option<Arc<dyn Peers>>,
    /// Bytes of log that are kept for a replica that lags; behind more than these it takes a copy.
    pub lag_bytes: u64,
    /// Told when the shard stops, or does not open, and whether because bytes on its disk are not what was written.
    pub damage: Damage,
    /// How what lies on disk is read again; `None`: not at all.
    pub scrubbing: Option<Scrubbing>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: 1,
            storage: storage::Settings::default(),
            hands: Hands::default(),
            clock: Arc::new(SystemClock),
            tail_bytes: TAIL_BYTES_DEFAULT,
            decoded_bytes: DECODED_BYTES_DEFAULT,
            peers: None,
            lag_bytes: LAG_BYTES_MAX,
            damage: Damage::default(),
            scrubbing: None,
        }
    }
}

/// The state of a shard at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The leadership that is open here.
    pub epoch: Option<Epoch>,
    /// The newest entry that is applied.
    pub applied: LogIndex,
    /// The newest entry that is flushed here.
    pub durable: LogIndex,
    /// What the newest checkpoint covers.
    pub checkpoint: LogIndex,
    /// Segment files.
    pub segments: u64,
    /// Bytes of log on disk.
    pub log_bytes: ByteSize,
    /// Appends that were flushed since the start; several may have shared one flush.
    pub flushes: u64,
    /// Median time of a flush in microseconds, over the recent ones.
    pub flush_micros_p50: u64,
    /// 99th percentile of the same.
    pub flush_micros_p99: u64,
    /// Bytes free on the disk; `None` when it does not say.
    pub disk_free: Option<ByteSize>,
}

/// A handle to a shard. Clones are the same shard.
pub struct Shard<M: StateMachine> {
    pub(crate) core: Arc<Core<M>>,
}

impl<M: StateMachine> Clone for Shard<M> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

pub(crate) struct Core<M: StateMachine> {
    pub(crate) member: Member<M>,
    pub(crate) state: State<M>,
    pub(crate) submitter: Submitter<M>,
    decoded: Arc<Decoded>,
    pub(crate) housekeeping: Arc<Housekeeping<M>>,
    /// One node gets a number at a time.
    pub(crate) numbering: Mutex<()>,
    /// Kept for the log, which knows it while the shard is there.
    _mender: Option<Arc<Mender<M>>>,
    room: Arc<Room>,
}

impl<M: StateMachine> Shard<M> {
    /// Recovers the shard in a folder, or makes it, and starts to work on the runtime of the caller. It
    /// answers `Starting` until `ready`. Effects of what is applied go to `sink`, in the order of the log.
    ///
    /// # Errors
    /// When the files are damaged, of another version, or held by another process.
    pub async fn open(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        settings: Settings,
        sink: EffectSink<M::Effect>,
    ) -> Result<Self, Fault> {
        let health = Health::new(settings.damage.clone(), settings.peers.is_some());
        let room =
            Room { disk: Arc::clone(&disk), folder: folder.clone(), segment_bytes: settings.storage.segment_bytes };
        let hands = settings.hands.clone();
        let storage_settings = storage::Settings { threads: hands.threads(), ..settings.storage };
        let tail_bytes = settings.tail_bytes;
        let recovering = {
            let (health, own) = (health.clone(), hands.clone());
            let has_peers = settings.peers.is_some();
            hands.run(move || {
                if has_peers {
                    Arrival::settle(&disk, &folder).map_err(|fault| health.fail(fault.what))?;
                }
                let opened = SegmentStore::open(disk, &folder, storage_settings);
                let (store, recovered) = opened.map_err(|fault| health.fail_on_disk(&fault))?;
                let log =
                    Log::new(store, recovered, tail_bytes, health.clone(), own).map_err(|error| health.fail(error))?;
                State::<M>::open(log, sink).map_err(|error| health.fail(error))
            })
        };
        let state = recovering.await.map_err(|error| health.fail(error))??;
        let member = Member::start(settings.node, settings.peers.clone(), state.log.clone(), state.clone()).await?;
        Ok(Self::spawn(member, state, &settings, Arc::new(room)))
    }

    /// Starts the tasks of a shard that has recovered.
    fn spawn(member: Member<M>, state: State<M>, settings: &Settings, room: Arc<Room>) -> Self {
        let inbox = Arc::new(Inbox::new());
        let (epoch, seen) = watch::channel(None);
        let submitter = Submitter::new(Arc::clone(&inbox), seen);
        let decoded = Arc::new(Decoded::new(settings.decoded_bytes));
        let last = state.applied().machine.now();
        let sequencer = Sequencer {
            member: member.clone(),
            state: state.clone(),
            inbox,
            clock: Arc::clone(&settings.clock),
            room: Arc::clone(&room),
            epoch,
            last,
        };
        let housekeeping = Arc::new(Housekeeping {
            member: member.clone(),
            state: state.clone(),
            submitter: submitter.clone(),
            decoded: Arc::clone(&decoded),
            segment_bytes: settings.storage.segment_bytes,
            lag_bytes: settings.lag_bytes,
            lent: Arc::default(),
            asked: watch::Sender::new(0),
            round: Arc::new(Mutex::new(())),
        });
        process::spawn(sequencer.run());
        process::spawn(timer::tick_when_due(
            submitter.clone(),
            Arc::clone(&settings.clock),
            state.deadline.subscribe(),
        ));
        process::spawn(Arc::clone(&housekeeping).run());
        let mender = settings.peers.as_ref().map(|_| Arc::new(Mender::new(member.clone(), state.clone())));
        if let Some(mender) = &mender {
            let mend: Arc<dyn Mend> = Arc::<Mender<M>>::clone(mender);
            // It is set once, here.
            drop(state.log.mender.set(Arc::downgrade(&mend)));
            process::spawn(compare_when_noted(member.clone(), state.clone(), submitter.clone()));
            let (member, submitter) = (member.clone(), submitter.clone());
            process::spawn(async move { member.complete_changes(submitter.stopped()).await });
        }
        if let Some(scrubbing) = settings.scrubbing {
            let (state, submitter, mender) = (state.clone(), submitter.clone(), mender.clone());
            let housekeeping = Arc::clone(&housekeeping);
            process::spawn(Scrubber { state, submitter, housekeeping, mender, settings: scrubbing }.run());
        }
        let core =
            Core { member, state, submitter, decoded, housekeeping, numbering: Mutex::new(()), _mender: mender, room };
        Self { core: Arc::new(core) }
    }

    /// Waits until this replica leads and has applied everything before its leadership.
    ///
    /// # Errors
    /// When the shard stops before, or the file of a segment is missing in which messages are live.
    pub async fn ready(&self) -> Result<Epoch, Failure> {
        let led = self.core.submitter.led().await;
        let epoch = led.ok_or_else(|| self.failure())?;
        self.check_segments()?;
        Ok(epoch)
    }

    /// Every segment in which a message is live has its file. The log cannot know, for old segments go in the order in
    /// which they die; the machine does.
    fn check_segments(&self) -> Result<(), Failure> {
        let state = &self.core.state;
        let needed = || {
            let known = state.applied().machine.segments().into_iter();
            known.filter(|known| known.references > 0).map(|known| known.first).collect::<BTreeSet<LogIndex>>()
        };
        let before = needed();
        let there = state.log.store.segments();
        // Housekeeping may have deleted one meanwhile, but only after the machine forgot it.
        let after = needed();
        let is_there = |first: &LogIndex| there.iter().any(|segment| segment.first.0 == first.get());
        let Some(missing) = before.intersection(&after).find(|first| !is_there(first)) else { return Ok(()) };
        let file = state.log.store.segment_path(storage::LogIndex(missing.get()));
        let what = format!("{} is missing, and messages in it are live; restore it from a backup", file.display());
        let fault = state.log.health.fail_by_damage(what);
        Err(state.log.health.failure().unwrap_or_else(|| fault.into()))
    }

    fn failure(&self) -> Failure {
        let refusal = || self.core.submitter.inbox().refusal().unwrap_or_else(|| Unavailable::NoLeader.into());
        self.core.state.log.health.failure().unwrap_or_else(refusal)
    }

    /// Does one command. The answer comes once it is durable and applied.
    ///
    /// # Errors
    /// Nothing was changed, unless it is `Unavailable::Unknown` or a fault.
    pub async fn submit(&self, command: M::Command) -> Result<M::Answer, Failure> {
        let answers = self.core.submitter.submit(vec![command]).await?;
        Ok(answers.into_iter().next().expect("the machine gives one answer a command"))
    }

    /// Does several commands, in their order and in one batch: all are durable, or none.
    ///
    /// # Errors
    /// Those of `submit`; `Busy` when they are more than a batch holds, `MemoryFull` when they are too large.
    pub async fn submit_many(&self, commands: Vec<M::Command>) -> Result<Vec<M::Answer>, Failure> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        self.core.submitter.submit(commands).await
    }

    /// Looks at the machine. Holds up the log for as long as `look` takes, so it must be short.
    ///
    /// # Errors
    /// When this replica does not lead, or the shard has stopped.
    pub fn with_machine<R>(&self, look: impl FnOnce(&M) -> R) -> Result<R, Failure> {
        if self.fault().is_some() || !self.core.submitter.is_leader() {
            return Err(self.failure());
        }
        Ok(look(&self.core.state.applied().machine))
    }

    /// The message at a place; `None` when it is gone.
    ///
    /// # Errors
    /// A fault when the disk cannot be read.
    pub async fn fetch(&self, at: MessageRef) -> Result<Option<Bytes>, Failure> {
        let messages = self.fetch_many(&[at]).await?;
        Ok(messages.into_iter().next().flatten())
    }

    /// The messages at these places, in their order; `None` for those that are gone.
    ///
    /// # Errors
    /// A fault when the disk cannot be read.
    pub async fn fetch_many(&self, places: &[MessageRef]) -> Result<Vec<Option<Bytes>>, Failure> {
        let health = &self.core.state.log.health;
        if let Some(failure) = health.failure() {
            return Err(failure);
        }
        let state = &self.core.state;
        let applied_until = || state.applied().last.map_or(0, |id| id.index + 1);
        let fetched = fetch_many::<M>(&state.log, &self.core.decoded, places, applied_until).await;
        fetched.map_err(|fault| health.failure().unwrap_or_else(|| fault.into()))
    }

    /// The leadership that is open here.
    pub fn epoch(&self) -> Option<Epoch> {
        self.core.submitter.epoch()
    }

    /// The time of the newest batch.
    pub fn now(&self) -> Timestamp {
        self.core.state.applied().machine.now()
    }

    /// Why the shard has stopped, if a fault stopped it.
    pub fn fault(&self) -> Option<Fault> {
        self.core.state.log.health.fault()
    }

    /// Waits until the shard has stopped, by `close` or by a fault.
    pub async fn stopped(&self) -> Option<Fault> {
        self.core.submitter.stopped().await;
        self.fault()
    }

    /// What was done to keep the stored bytes right.
    pub fn upkeep(&self) -> Upkeep {
        self.core.state.log.counts.read()
    }

    /// The state of the shard. Asks the disk for its free space, briefly.
    pub fn status(&self) -> Status {
        let state = &self.core.state;
        let flushes = state.log.flushes.summary();
        let segments = state.log.store.segments();
        let usage = segments.iter().map(|segment| segment.bytes.0).sum();
        let applied = state.applied().last.map_or(0, |id| id.index);
        Status {
            epoch: self.epoch(),
            applied: LogIndex::new(applied),
            durable: LogIndex::new(state.log.durable()),
            checkpoint: LogIndex::new(state.checkpoints().newest.unwrap_or_default()),
            segments: u64::try_from(segments.len()).unwrap_or(u64::MAX),
            log_bytes: ByteSize::new(usage),
            flushes: flushes.appends,
            flush_micros_p50: flushes.micros_p50,
            flush_micros_p99: flushes.micros_p99,
            disk_free: self.core.room.free_bytes().map(ByteSize::new),
        }
    }

    /// Takes nothing new, answers what was taken, and leaves a checkpoint.
    pub async fn drain(&self) {
        self.core.submitter.inbox().drain();
        // A command of our own comes behind all that was let in, and is answered behind it.
        let _ = self.core.submitter.submit_own(M::tick()).await;
        // After a fault nothing more is kept: what lies on disk is what the next start begins with.
        if self.fault().is_none() {
            self.core.housekeeping.finish().await;
        }
    }

    /// Does what housekeeping does by itself from time to time, now.
    pub async fn tidy(&self) {
        self.core.housekeeping.round().await;
    }

    /// Drains, stops, and closes the files.
    ///
    /// # Errors
    /// The fault that stopped the shard, or that closing met.
    pub async fn close(&self) -> Result<(), Fault> {
        self.drain().await;
        self.core.submitter.inbox().shut(Unavailable::Draining.into());
        self.core.member.stop().await;
        let log = self.core.state.log.clone();
        let closing = self.core.state.log.hands.run(move || {
            let outcome = log.store.clone().close();
            outcome.map_err(|fault| log.health.fail_on_disk(&fault))
        });
        closing.await.unwrap_or_else(|error| Err(self.core.state.log.health.fail(error)))
    }
}
