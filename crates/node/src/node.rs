//! A node: its shard, its runtime and its tasks, opened and closed together.
//! Invariant: `close` answers what was taken, leaves a checkpoint, and closes the files.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use broker::Machine;
use broker::command::{Action, Command, Principal};
use broker::effect::Effect;
use model::caller::Secret;
use model::failure::{Failure, Fault};
use model::message::{MessageId, NewMessage};
use model::node::{NodeDescription, Readiness};
use model::number::{ByteSize, Timestamp};
use shard::Shard;
use storage::disk::{Disk, RealDisk};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::admission::Admission;
use crate::audit::{self, Audit};
use crate::authenticate::Authenticator;
use crate::delivery::Runtime;
use crate::effects::Effects;
use crate::limits::{DISK_CHECK_EVERY, DISK_RESERVE_BYTES};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::random::MessageIds;
use crate::standing::Standings;
use crate::thread::ShardThread;

/// How a node works.
pub struct Settings {
    /// Where its data is.
    pub folder: PathBuf,
    /// How its shard works.
    pub shard: shard::Settings,
    /// Free disk below which publishes are refused.
    pub disk_reserve: ByteSize,
}

impl Settings {
    /// The defaults, for a folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, shard: shard::Settings::default(), disk_reserve: ByteSize::new(DISK_RESERVE_BYTES) }
    }
}

/// What all parts of a node share.
pub(crate) struct Core {
    pub(crate) log: Log,
    pub(crate) runtime: Runtime,
    pub(crate) authenticator: Authenticator,
    pub(crate) admission: Admission,
    pub(crate) audit: Audit,
    pub(crate) metrics: Metrics,
    pub(crate) ids: MessageIds,
    pub(crate) standings: Standings,
    pub(crate) started_at: Timestamp,
}

/// A node. Clones are the same node.
#[derive(Clone)]
pub struct Node {
    core: Arc<Core>,
    readiness: watch::Receiver<Readiness>,
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
    /// Ends with the last handle to the node.
    _thread: Arc<ShardThread>,
}

impl Node {
    /// Opens the node in its folder on the disk of this machine.
    ///
    /// # Errors
    /// Those of `open`.
    pub async fn open_here(settings: Settings) -> Result<Self, Failure> {
        Self::open(Arc::new(RealDisk), settings).await
    }

    /// Opens the node in its folder, or makes it, and waits until it serves.
    ///
    /// # Errors
    /// When the files are damaged, of another version, or held by another process.
    pub async fn open(disk: Arc<dyn Disk>, settings: Settings) -> Result<Self, Failure> {
        let effects = Arc::new(Effects::default());
        let sink: shard::EffectSink<Effect> = {
            let effects = Arc::clone(&effects);
            Box::new(move |_, batch| effects.put(batch))
        };
        let thread = ShardThread::start()?;
        let folder = settings.folder.join("shard-0");
        let shard = thread.run(Shard::<Machine>::open(disk, folder, settings.shard, sink)).await??;
        shard.ready().await?;
        let log = Log::new(shard);
        let runtime = Runtime::new(log.clone(), Arc::clone(&effects));
        runtime.adopt_members()?;
        let (audit, entries) = Audit::new();
        let core = Arc::new(Core {
            standings: Standings::default(),
            started_at: log.now(),
            log,
            runtime,
            authenticator: Authenticator::new(),
            admission: Admission::new(settings.disk_reserve),
            audit,
            metrics: Metrics::new(),
            ids: MessageIds::new(),
        });
        core.watch_disk();
        core.prepare_audit().await?;
        let (ready, readiness) = watch::channel(core.readiness());
        let tasks = vec![
            tokio::spawn(perform_effects(Arc::clone(&core), effects)),
            tokio::spawn(write_audit(Arc::clone(&core), entries)),
            tokio::spawn(keep_watch(Arc::clone(&core), ready)),
        ];
        Ok(Self { core, readiness, tasks: Arc::new(Mutex::new(tasks)), _thread: Arc::new(thread) })
    }

    pub(crate) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core)
    }

    /// Whether the node can do its work, and when that changes.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.readiness.clone()
    }

    /// Whether the node has an administrator.
    ///
    /// # Errors
    /// When the shard has stopped.
    pub fn is_claimed(&self) -> Result<bool, Failure> {
        self.core.log.read(|machine| machine.access().is_claimed())
    }

    /// Makes the token that claims a node without administrator, good for an hour.
    pub fn open_claim(&self) -> Secret {
        self.core.authenticator.claim.open(Instant::now())
    }

    /// Makes the first administrator, as the file that the operator named says.
    ///
    /// # Errors
    /// When there is one, or name or password are not valid.
    pub async fn create_first_administrator(&self, user: &str, password: Secret) -> Result<(), Failure> {
        self.core.create_first_administrator(user, password).await
    }

    /// The state of the node.
    pub fn describe(&self) -> NodeDescription {
        self.core.describe()
    }

    /// The counters of the node as Prometheus reads them.
    pub fn metrics(&self) -> String {
        self.core.metrics.render(&self.core.describe(), self.core.audit.lost())
    }

    /// Takes nothing new; waiting receives and streams end.
    pub fn drain(&self) {
        self.core.admission.drain();
        self.core.runtime.drain();
    }

    /// Drains, leaves a checkpoint and closes the files.
    ///
    /// # Errors
    /// The fault that stopped the shard, or that closing met.
    pub async fn close(&self) -> Result<(), Fault> {
        self.drain();
        let closed = self.core.log.shard().close().await;
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.iter().for_each(JoinHandle::abort);
        closed
    }
}

impl Core {
    fn watch_disk(&self) {
        if let Some(free) = self.log.shard().status().disk_free
            && self.admission.observe(free)
        {
            match self.admission.is_nearly_full() {
                true => tracing::warn!(free_bytes = free.get(), "the disk is nearly full, publishes are refused"),
                false => tracing::info!(free_bytes = free.get(), "the disk has room again, publishes are taken"),
            }
        }
    }

    /// Makes the topic of the audit log at the first start.
    async fn prepare_audit(&self) -> Result<(), Failure> {
        let request = model::topic::CreateTopic { topic: audit::topic(), settings: audit::topic_settings() };
        self.respond(Principal::System, Action::CreateTopic(request)).await?;
        Ok(())
    }
}

async fn perform_effects(core: Arc<Core>, effects: Arc<Effects>) {
    loop {
        let taken = effects.take().await;
        core.runtime.perform(taken);
    }
}

/// Writes audit entries as they come, many at once.
async fn write_audit(core: Arc<Core>, mut entries: mpsc::Receiver<String>) {
    let mut lines = Vec::with_capacity(audit::ENTRIES_AT_ONCE);
    while entries.recv_many(&mut lines, audit::ENTRIES_AT_ONCE).await > 0 {
        let record = |line: String| {
            let id: MessageId = core.ids.next();
            let message =
                NewMessage { content_type: Some("application/json".to_owned()), ..NewMessage::new(line.into_bytes()) };
            (None, broker::record::encode(&message, &id, "$system"))
        };
        let records = lines.drain(..).map(record).collect();
        let action = Action::PublishTopic { topic: audit::topic(), records };
        if let Err(failure) = core.log.submit(Command { principal: Principal::System, action }).await {
            tracing::warn!(%failure, "audit entries were not written");
        }
    }
}

/// Looks at the disk and at silent members, and tells when the readiness changes.
async fn keep_watch(core: Arc<Core>, ready: watch::Sender<Readiness>) {
    let mut every = tokio::time::interval(DISK_CHECK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = stopped(&core) => {}
        }
        core.watch_disk();
        core.runtime.end_sessions();
        let now = core.readiness();
        ready.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
        if core.log.shard().fault().is_some() {
            core.runtime.drain();
            return;
        }
    }
}

/// Waits until a fault has stopped the shard.
async fn stopped(core: &Core) {
    if core.log.shard().stopped().await.is_none() {
        std::future::pending::<()>().await;
    }
}
