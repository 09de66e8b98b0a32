//! A broker that is one node of a cluster: who it is, how it comes in, what it answers to the others, and how its doors
//! find the node that leads.
//! Invariants: a node opens its shard only under the number that its folder holds, and only with a store that it had or
//! copied; its doors serve wherever the leader is.
//! Called by `wire::engine`. Tests: `tests/cluster.rs`.

mod doors;
mod folder;
mod host;
mod join;
mod mend;
mod reach;
mod slot;
mod wire;

use std::sync::Arc;

use grpc::{Lifecycle, ReportedOrigins};
use model::Backend;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Settings;
use crate::exit::{Complaint, Exit};

pub(crate) use doors::Doors;
pub(crate) use folder::Folder;
pub(crate) use slot::Slot;

/// A running node of a cluster.
pub(crate) struct Cluster {
    /// What its doors ask.
    pub(crate) doors: Arc<Doors>,
    /// The node itself, which is replaced when it takes a copy.
    pub(crate) slot: Arc<Slot>,
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why this folder is none to start a broker without a cluster in.
pub(crate) fn refuse_alone(settings: &Settings) -> Result<(), Complaint> {
    if Folder::new(&settings.data).is_there() {
        let what = format!("{} belongs to a node of a cluster", settings.data.display());
        return Err(configuration(what, "give --peer-address HOST:PORT, or another folder with --data"));
    }
    Ok(())
}

fn configuration(what: impl Into<String>, hint: &'static str) -> Complaint {
    Complaint::here(Exit::Configuration, "cluster_invalid", what, hint)
}

pub(crate) fn unreachable(what: impl std::fmt::Display) -> Complaint {
    let hint = "look whether the other nodes run, and with recado cluster status";
    Complaint::here(Exit::Unavailable, "cluster_unreachable", what.to_string(), hint)
}

impl Cluster {
    /// Opens the node: forms a cluster, joins one, or goes on as the member that the folder says.
    pub(crate) async fn open(settings: &Settings, listener: TcpListener) -> Result<Self, Complaint> {
        let address = listener.local_addr().map_err(|error| unreachable(format!("the listener is gone: {error}")))?;
        if address.ip().is_unspecified() {
            let what = format!("--peer-address {address} tells the other nodes no address");
            return Err(configuration(what, "give the address at which this machine is reached"));
        }
        let folder = Folder::new(&settings.data);
        let member = join::member(&folder, settings, address).await?;
        let place = slot::Place { data: settings.data.clone(), scrubbing: settings.scrubbing };
        let slot = Slot::open(folder, member, place).await?;
        let (looking, reach) = watch::channel(reach::Reach::default());
        let doors = Arc::new(Doors::new(Arc::clone(&slot), reach));
        let (stopping, stopped) = watch::channel(false);
        let tasks = vec![
            tokio::spawn(serve(listener, Arc::clone(&slot), stopped.clone())?),
            tokio::spawn(join::stay(Arc::clone(&slot), address.to_string())),
            tokio::spawn(slot::keep_up(Arc::clone(&slot))),
            tokio::spawn(reach::look(Arc::clone(&slot), looking)),
        ];
        Ok(Self { doors, slot, stopping, tasks })
    }

    /// Hands the leadership over, if it is here and there is another node that may have it.
    pub(crate) async fn hand_over(&self) {
        let shard = self.slot.node().replica();
        let handing = tokio::time::timeout(HAND_OVER_WITHIN, shard.hand_over(None));
        if let Ok(Err(model::Failure::Unavailable(model::Unavailable::Unknown))) | Err(_) = handing.await {
            tracing::warn!("nobody took the leadership in time; the others elect a leader by themselves");
        }
    }

    /// Stops what runs beside the node.
    pub(crate) async fn stop(self) {
        self.stopping.send_replace(true);
        let mut tasks = self.tasks.into_iter();
        if let Some(serving) = tasks.next() {
            // It ends by itself, after a moment for calls under way.
            drop(serving.await);
        }
        tasks.for_each(|task| task.abort());
    }
}

/// How long a node that stops waits for another one to lead.
const HAND_OVER_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// The listener of the other nodes: their calls, and the doors' requests that they pass on.
fn serve(
    listener: TcpListener,
    slot: Arc<Slot>,
    mut stopped: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send, Complaint> {
    let (_, ready) = watch::channel(true);
    let lifecycle = Lifecycle { ready, draining: stopped.clone() };
    // Requests that were passed on once are not passed on again.
    let here: Arc<dyn Backend> = Arc::new(doors::Here(Arc::clone(&slot)));
    let settings = grpc::Settings { reported_origins: ReportedOrigins::FromEverybody };
    let routes = grpc::routes(here, settings, lifecycle).map_err(unreachable)?;
    let identity = slot.identity().map_err(unreachable)?;
    let tokens = peer::Tokens::new(slot.authority().clone());
    let ended = async move {
        // A sender that is gone stops it too.
        let _ = stopped.wait_for(|stopping| *stopping).await;
    };
    let ended = futures_util::FutureExt::shared(ended);
    Ok(async move {
        let host = Arc::new(host::Desk(slot));
        if let Err(error) = peer::serve(listener, identity, tokens, host, routes, ended).await {
            tracing::error!(%error, "the other nodes do not reach this one any more");
        }
    })
}
