//! What stands behind the doors: a broker in this process, or the way to brokers elsewhere.
//! Invariant: doors see a `Backend`, a source of metrics and two facts; nothing else of what is behind.
//! Opened by `wire` alone.

use std::sync::Arc;
use std::time::Duration;

use model::caller::{Credentials, Secret};
use model::node::Readiness;
use model::queue::Durability;
use model::{Backend, Failure};
use node::Node;
use tokio::net::TcpListener;
use tokio::sync::watch;
use web::MetricsSource;

use crate::cluster::{self, Cluster, Doors, Slot};
use crate::config::Settings;
use crate::context;
use crate::exit::{Complaint, Exit};

use super::waiting::Waiting;

/// How often a gateway looks whether a broker answers.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);

/// How often a node of a cluster looks whether it serves.
const READINESS_EVERY: Duration = Duration::from_millis(500);

/// How long the only node of a cluster may take to lead.
const LEAD_WITHIN: Duration = Duration::from_secs(60);

/// The first administrator, when a file gives its password.
const ADMINISTRATOR: &str = "admin";

/// What is behind the doors.
pub(crate) struct Engine {
    /// The one door to it.
    pub(crate) backend: Arc<dyn Backend>,
    /// Its metrics and readiness.
    pub(crate) metrics: Arc<dyn MetricsSource>,
    /// True while it can do its work.
    pub(crate) ready: watch::Receiver<bool>,
    /// The one-time token of a broker without administrator.
    pub(crate) claim: Option<Secret>,
    /// How a confirmed write is durable, where it is known.
    pub(crate) durability: Option<Durability>,
    behind: Behind,
}

/// Where the broker is.
enum Behind {
    /// In this process.
    Here(Node),
    /// In this process, as one node of several.
    Among(Cluster),
    /// Elsewhere; what waits for it here ends with this process.
    Elsewhere(Arc<Waiting>),
}

impl Engine {
    /// Opens the broker of this process, from the newest checkpoint and the log after it.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, Complaint> {
        cluster::refuse_alone(settings)?;
        let node = Node::open_here(node_settings(settings)).await?;
        let claim = Self::first_administrator(&node, settings).await?;
        let (told, ready) = watch::channel(true);
        tokio::spawn(tell_readiness(node.readiness(), told));
        Ok(Self {
            backend: Arc::new(node.clone()),
            metrics: Arc::new(Counters(node.clone())),
            ready,
            claim,
            durability: Some(node.describe().durability),
            behind: Behind::Here(node),
        })
    }

    /// Opens the broker of this process as a node of a cluster.
    pub(crate) async fn in_cluster(settings: &Settings, listener: TcpListener) -> Result<Self, Complaint> {
        let cluster = Cluster::open(settings, listener).await?;
        let node = cluster.slot.node();
        let mut claim = None;
        let group = node.replica().group();
        if group.members.iter().all(|member| member.node == group.own) {
            // The first node leads in a moment; there is nobody to wait for.
            let led = tokio::time::timeout(LEAD_WITHIN, node.replica().ready()).await;
            led.map_err(|_| cluster::unreachable("the only node of the cluster does not lead"))??;
            let mut leads = node.leads();
            // A sender that is gone is a shard that stopped, and says so below.
            let _ = leads.wait_for(|leads| *leads).await;
            claim = Self::first_administrator(&node, settings).await?;
        }
        let (told, ready) = watch::channel(false);
        tokio::spawn(tell_readiness_of(Arc::clone(&cluster.slot), told));
        let backend: Arc<dyn Backend> = Arc::<Doors>::clone(&cluster.doors);
        let metrics = Arc::new(ClusterCounters(Arc::clone(&cluster.slot)));
        let durability = Some(node.describe().durability);
        Ok(Self { backend, metrics, ready, claim, durability, behind: Behind::Among(cluster) })
    }

    /// Makes the administrator whose password the operator gave; without one the broker waits to be claimed.
    async fn first_administrator(node: &Node, settings: &Settings) -> Result<Option<Secret>, Complaint> {
        if node.is_claimed()? {
            return Ok(None);
        }
        let Some(file) = &settings.admin_password_file else { return Ok(Some(node.open_claim())) };
        let text = std::fs::read_to_string(file).map_err(|error| {
            let what = format!("{}: {error}", file.display());
            Complaint::here(Exit::Configuration, "config_invalid", what, "name a file whose first line is the password")
        })?;
        let password = Secret::new(text.lines().next().unwrap_or_default());
        node.create_first_administrator(ADMINISTRATOR, password).await?;
        Ok(None)
    }

    /// Prepares the way to brokers elsewhere.
    pub(crate) fn remote(settings: &Settings) -> Result<Self, Complaint> {
        if settings.brokers.is_empty() {
            let hint = "give --brokers http://HOST:PORT, or more than one separated by commas";
            return Err(Complaint::here(Exit::Configuration, "config_invalid", "a gateway needs brokers", hint));
        }
        let remote = context::remote(&settings.brokers, settings.authority.as_deref())?;
        let waiting = Arc::new(Waiting::new(Arc::new(remote)));
        let backend: Arc<dyn Backend> = Arc::<Waiting>::clone(&waiting);
        let (reached, ready) = watch::channel(false);
        tokio::spawn(probe(Arc::clone(&backend), reached));
        let metrics = Arc::new(Reach(ready.clone()));
        Ok(Self { backend, metrics, ready, claim: None, durability: None, behind: Behind::Elsewhere(waiting) })
    }

    /// Lets what waits end: receives answer, streams end, nothing new comes in.
    pub(crate) fn drain(&self) {
        match &self.behind {
            Behind::Here(node) => node.drain(),
            Behind::Among(cluster) => cluster.slot.node().drain(),
            Behind::Elsewhere(waiting) => waiting.drain(),
        }
    }

    /// Lets another node of the cluster lead, where there is one.
    pub(crate) async fn hand_over(&self) {
        if let Behind::Among(cluster) = &self.behind {
            cluster.hand_over().await;
        }
    }

    /// Ends it: a broker writes a checkpoint and closes its files.
    pub(crate) async fn close(self) -> Result<(), Complaint> {
        let node = match self.behind {
            Behind::Here(node) => node,
            Behind::Among(cluster) => {
                let node = cluster.slot.node();
                cluster.stop().await;
                node
            }
            Behind::Elsewhere(_) => return Ok(()),
        };
        node.close().await.map_err(|fault| Failure::from(fault).into())
    }
}

fn node_settings(settings: &Settings) -> node::Settings {
    let mut node = node::Settings::new(settings.data.clone());
    node.shard.scrubbing = settings.scrubbing;
    node
}

/// Passes on whether the broker can do its work.
async fn tell_readiness(mut readiness: watch::Receiver<Readiness>, told: watch::Sender<bool>) {
    loop {
        let works = matches!(*readiness.borrow_and_update(), Readiness::Ready | Readiness::DiskNearlyFull);
        told.send_replace(works);
        if readiness.changed().await.is_err() {
            return;
        }
    }
}

/// The counters of a broker in this process.
struct Counters(Node);

impl MetricsSource for Counters {
    fn render(&self) -> String {
        self.0.metrics()
    }

    fn readiness(&self) -> Readiness {
        self.0.describe().readiness
    }
}

/// Passes on whether the node of a cluster serves, also after it was closed and opened again.
async fn tell_readiness_of(slot: Arc<Slot>, told: watch::Sender<bool>) {
    while !told.is_closed() {
        let readiness = slot.node().describe().readiness;
        told.send_replace(matches!(readiness, Readiness::Ready | Readiness::DiskNearlyFull));
        tokio::time::sleep(READINESS_EVERY).await;
    }
}

/// The counters of a node of a cluster.
struct ClusterCounters(Arc<Slot>);

impl MetricsSource for ClusterCounters {
    fn render(&self) -> String {
        let repairs = self.0.repairs();
        format!(
            "{}# HELP recado_cluster_repairs_total Damaged stores that were replaced by a copy of the leader's.\n\
             # TYPE recado_cluster_repairs_total counter\n\
             recado_cluster_repairs_total {repairs}\n",
            self.0.node().metrics()
        )
    }

    fn readiness(&self) -> Readiness {
        self.0.node().describe().readiness
    }
}

/// Looks again and again whether a broker answers. A refusal of these credentials is an answer.
async fn probe(backend: Arc<dyn Backend>, reached: watch::Sender<bool>) {
    loop {
        let credentials = Credentials::Token(Secret::new("readiness"));
        let answer = backend.authenticate(credentials, context::origin()).await;
        let answers = matches!(answer, Ok(_) | Err(Failure::Refused(_)));
        reached.send_if_modified(|known| std::mem::replace(known, answers) != answers);
        if reached.is_closed() {
            return;
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

/// The readiness of a gateway: whether a broker answers.
struct Reach(watch::Receiver<bool>);

impl MetricsSource for Reach {
    fn render(&self) -> String {
        let up = u8::from(*self.0.borrow());
        format!(
            "# HELP recado_gateway_broker_reachable Whether a broker answers this gateway.\n\
             # TYPE recado_gateway_broker_reachable gauge\n\
             recado_gateway_broker_reachable {up}\n"
        )
    }

    fn readiness(&self) -> Readiness {
        if *self.0.borrow() { Readiness::Ready } else { Readiness::Starting }
    }
}
