//! A node: its shard, its runtime and its tasks, opened and closed together.
//! Invariants: `close` answers what was taken, leaves a checkpoint, and closes the files; what a leader remembers of its
//! consumers ends with its leadership.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
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

/// The folder of the shard, in that of the node.
pub const SHARD_FOLDER: &str = "shard-0";

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

/// What all parts of a node share, for one leadership.
pub(crate) struct Core {
    pub(crate) log: Log,
    pub(crate) runtime: Runtime,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) audit: Audit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) ids: Arc<MessageIds>,
    pub(crate) standings: Standings,
    pub(crate) started_at: Timestamp,
}

/// The parts of a node under the present leadership.
pub(crate) struct Reign {
    core: RwLock<Arc<Core>>,
    effects: Arc<Effects>,
}

impl Reign {
    pub(crate) fn core(&self) -> Arc<Core> {
        Arc::clone(&self.core.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets what the leader knew of its consumers: whoever waits is told, streams end.
    fn end(&self) {
        let old = self.core();
        self.effects.forget_all();
        let core = Core {
            log: old.log.clone(),
            runtime: Runtime::new(old.log.clone(), Arc::clone(&self.effects)),
            authenticator: Arc::clone(&old.authenticator),
            admission: Arc::clone(&old.admission),
            audit: old.audit.clone(),
            metrics: Arc::clone(&old.metrics),
            ids: Arc::clone(&old.ids),
            standings: Standings::default(),
            started_at: old.started_at,
        };
        *self.core.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(core);
        old.runtime.drain();
    }
}

/// A node. Clones are the same node.
#[derive(Clone)]
pub struct Node {
    reign: Arc<Reign>,
    leads: watch::Receiver<bool>,
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
        let node = Self::start(disk, settings).await?;
        node.core().take_office().await?;
        node.watch_over(true)
    }

    /// Opens a node of a cluster, which serves while it leads. The way to the others is in its settings.
    ///
    /// # Errors
    /// Those of `open`.
    pub async fn open_replica(disk: Arc<dyn Disk>, settings: Settings) -> Result<Self, Failure> {
        Self::start(disk, settings).await?.watch_over(false)
    }

    async fn start(disk: Arc<dyn Disk>, settings: Settings) -> Result<Opened, Failure> {
        let effects = Arc::new(Effects::default());
        let sink: shard::EffectSink<Effect> = {
            let effects = Arc::clone(&effects);
            Box::new(move |_, batch| effects.put(batch))
        };
        let thread = ShardThread::start()?;
        let folder = settings.folder.join(SHARD_FOLDER);
        let shard = thread.run(Shard::<Machine>::open(disk, folder, settings.shard, sink)).await??;
        let log = Log::new(shard);
        let (audit, entries) = Audit::new();
        let core = Core {
            standings: Standings::default(),
            started_at: log.now(),
            runtime: Runtime::new(log.clone(), Arc::clone(&effects)),
            log,
            authenticator: Arc::new(Authenticator::new()),
            admission: Arc::new(Admission::new(settings.disk_reserve)),
            audit,
            metrics: Arc::new(Metrics::new()),
            ids: Arc::new(MessageIds::new()),
        };
        core.watch_disk();
        Ok(Opened { reign: Arc::new(Reign { core: RwLock::new(Arc::new(core)), effects }), entries, thread })
    }

    pub(crate) fn core(&self) -> Arc<Core> {
        self.reign.core()
    }

    /// Whether the node leads and serves, and when that changes.
    pub fn leads(&self) -> watch::Receiver<bool> {
        self.leads.clone()
    }

    /// The shard, for the other nodes of a cluster.
    pub fn replica(&self) -> Shard<Machine> {
        self.core().log.shard().clone()
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
        self.core().log.read(|machine| machine.access().is_claimed())
    }

    /// Makes the token that claims a node without administrator, good for an hour.
    pub fn open_claim(&self) -> Secret {
        self.core().authenticator.claim.open(Instant::now())
    }

    /// Makes the first administrator, as the file that the operator named says.
    ///
    /// # Errors
    /// When there is one, or name or password are not valid.
    pub async fn create_first_administrator(&self, user: &str, password: Secret) -> Result<(), Failure> {
        self.core().create_first_administrator(user, password).await
    }

    /// The state of the node.
    pub fn describe(&self) -> NodeDescription {
        self.core().describe()
    }

    /// The counters of the node as Prometheus reads them.
    pub fn metrics(&self) -> String {
        let core = self.core();
        core.metrics.render(&core.describe(), core.audit.lost(), &core.log.shard().upkeep())
    }

    /// Takes nothing new; waiting receives and streams end.
    pub fn drain(&self) {
        let core = self.core();
        core.admission.drain();
        core.runtime.drain();
    }

    /// Drains, leaves a checkpoint and closes the files.
    ///
    /// # Errors
    /// The fault that stopped the shard, or that closing met.
    pub async fn close(&self) -> Result<(), Fault> {
        self.drain();
        let closed = self.core().log.shard().close().await;
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.iter().for_each(JoinHandle::abort);
        closed
    }
}

/// A node whose tasks are not started yet.
struct Opened {
    reign: Arc<Reign>,
    entries: mpsc::Receiver<String>,
    thread: ShardThread,
}

impl Opened {
    fn core(&self) -> Arc<Core> {
        self.reign.core()
    }

    /// Starts the tasks.
    fn watch_over(self, leads: bool) -> Result<Node, Failure> {
        let Self { reign, entries, thread } = self;
        let (ready, readiness) = watch::channel(reign.core().readiness());
        let (led, leads) = watch::channel(leads);
        let tasks = vec![
            tokio::spawn(perform_effects(Arc::clone(&reign))),
            tokio::spawn(write_audit(Arc::clone(&reign), entries)),
            tokio::spawn(keep_watch(Arc::clone(&reign), ready)),
            tokio::spawn(follow_leadership(Arc::clone(&reign), led)),
        ];
        let tasks = Arc::new(Mutex::new(tasks));
        Ok(Node { reign, leads, readiness, tasks, _thread: Arc::new(thread) })
    }
}

impl Core {
    /// Begins to serve as the leader.
    async fn take_office(&self) -> Result<(), Failure> {
        self.log.shard().ready().await?;
        self.runtime.adopt_members()?;
        self.prepare_audit().await
    }

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

async fn perform_effects(reign: Arc<Reign>) {
    loop {
        let taken = reign.effects.take().await;
        reign.core().runtime.perform(taken);
    }
}

/// Takes office with each leadership, and leaves it with its end.
async fn follow_leadership(reign: Arc<Reign>, leads: watch::Sender<bool>) {
    let shard = reign.core().log.shard().clone();
    let mut epoch = if *leads.borrow() { shard.epoch() } else { None };
    loop {
        let Some(next) = shard.reign_after(epoch).await else { return };
        if leads.send_replace(false) {
            reign.end();
        }
        epoch = next;
        if epoch.is_none() {
            continue;
        }
        match reign.core().take_office().await {
            // Meanwhile it may have been lost again: then the next round ends it.
            Ok(()) => drop(leads.send_replace(true)),
            Err(failure) => {
                tracing::warn!(%failure, "this node was elected and cannot serve");
                reign.end();
            }
        }
    }
}

/// Writes audit entries as they come, many at once.
async fn write_audit(reign: Arc<Reign>, mut entries: mpsc::Receiver<String>) {
    let mut lines = Vec::with_capacity(audit::ENTRIES_AT_ONCE);
    while entries.recv_many(&mut lines, audit::ENTRIES_AT_ONCE).await > 0 {
        let core = reign.core();
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
async fn keep_watch(reign: Arc<Reign>, ready: watch::Sender<Readiness>) {
    let mut every = tokio::time::interval(DISK_CHECK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let core = reign.core();
        tokio::select! {
            _ = every.tick() => {}
            () = stopped(&core) => {}
        }
        let core = reign.core();
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
