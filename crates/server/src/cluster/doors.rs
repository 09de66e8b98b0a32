//! The backend of a node of a cluster: its own node while that leads, else the one that does.
//! Invariants: a leader that may have been replaced answers no read; a request is passed on at most once; whoever is passed on shows its own credentials to the leader, which
//! proves them again; a publish is never sent a second time, so that a producer's order holds.
//! Called by the doors. Tests: `tests/cluster.rs`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use grpc::{RemoteBackend, RemoteSettings};
use model::backend::{Backend, Consume, Deliveries, Reply};
use model::caller::{Caller, Credentials, Origin};
use model::failure::{Failure, Unavailable};
use model::operation::{Access, Request, Response};
use peer::Identity;
use tokio::sync::watch;

use super::reach::Reach;
use super::slot::Slot;

/// How long a request that changes nothing, or does not care for order, waits for a leader.
const LEADER_WITHIN: Duration = Duration::from_secs(8);
/// Pause between two looks for one.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// How long a leader that has a successor may still take to answer what it was passed.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

/// The node of this process alone: for requests that another node passed on.
pub(super) struct Here(pub(super) Arc<Slot>);

fn nobody<T: Send + 'static>() -> Reply<T> {
    Box::pin(std::future::ready(Err(Unavailable::NoLeader.into())))
}

/// What a request needs of the leader.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Its memory: it must not be old.
    Memory,
    /// The log alone, which takes nothing from a leader that was replaced.
    Log,
}

impl Need {
    fn of(request: &Request) -> Self {
        if request.kind().access() == Access::Publish { Self::Log } else { Self::Memory }
    }
}

/// The node of this process, if it leads.
fn leading(slot: &Slot, need: Need) -> Option<node::Node> {
    let node = slot.node();
    let leads = *node.leads().borrow() && (need == Need::Log || node.replica().is_heard());
    leads.then_some(node)
}

impl Backend for Here {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        leading(&self.0, Need::Memory).map_or_else(nobody, |node| node.authenticate(credentials, origin))
    }

    fn submit(&self, caller: &Caller, request: Request) -> Reply<Response> {
        leading(&self.0, Need::of(&request)).map_or_else(nobody, |node| node.submit(caller, request))
    }

    fn consume(&self, caller: &Caller, request: Consume) -> Reply<Box<dyn Deliveries>> {
        leading(&self.0, Need::Memory).map_or_else(nobody, |node| node.consume(caller, request))
    }
}

/// The leader elsewhere that requests go to at present.
struct Elsewhere {
    node: u64,
    address: String,
    backend: Arc<RemoteBackend>,
}

/// Where a request goes.
enum Route {
    Here(node::Node),
    There { node: u64, backend: Arc<RemoteBackend> },
}

/// Waits until another node leads, and a moment longer.
async fn succeeded(slot: &Slot, leader: u64) {
    loop {
        let shard = slot.node().replica();
        let group = shard.group();
        if group.leader.is_some_and(|now| now != leader) {
            return tokio::time::sleep(LAST_WORD_WITHIN).await;
        }
        tokio::select! {
            () = shard.regrouped(&group) => {}
            // The node may have been closed to take a copy: then there is another one to look at.
            () = tokio::time::sleep(LAST_WORD_WITHIN) => {}
        }
    }
}

/// Waits until a leader has not answered for long.
async fn out_of_reach(mut reach: watch::Receiver<Reach>, leader: u64) {
    if reach.wait_for(|reach| reach.is_out(leader)).await.is_err() {
        // Nobody looks any more: the node stops.
        std::future::pending::<()>().await;
    }
}

/// What the doors of a node ask.
#[derive(Clone)]
pub(crate) struct Doors(Arc<Routes>);

struct Routes {
    slot: Arc<Slot>,
    reach: watch::Receiver<Reach>,
    elsewhere: Mutex<Option<Elsewhere>>,
    identity: Option<Identity>,
}

impl Doors {
    pub(super) fn new(slot: Arc<Slot>, reach: watch::Receiver<Reach>) -> Self {
        let identity = slot.identity().ok();
        Self(Arc::new(Routes { slot, reach, elsewhere: Mutex::new(None), identity }))
    }

    /// Whoever leads now, as far as is known here.
    fn route(&self, need: Need) -> Result<Route, Failure> {
        if let Some(node) = leading(&self.0.slot, need) {
            return Ok(Route::Here(node));
        }
        let group = self.0.slot.node().replica().group();
        let leader = group.leader.filter(|leader| *leader != group.own && !self.0.reach.borrow().is_out(*leader));
        let leader = leader.and_then(|leader| group.member(leader)).ok_or(Unavailable::NoLeader)?;
        Ok(Route::There { node: leader.node, backend: self.remote(leader.node, &leader.address)? })
    }

    /// Asks a leader elsewhere. One that stands still answers never: its successor ends the wait, and so does what it owes
    /// to this node when only others hear it.
    fn ask_there<T: Send + 'static>(&self, leader: u64, outcome: Unavailable, reply: Reply<T>) -> Reply<T> {
        let (slot, reach) = (Arc::clone(&self.0.slot), self.0.reach.clone());
        Box::pin(async move {
            tokio::select! {
                answer = reply => answer,
                () = succeeded(&slot, leader) => Err(outcome.into()),
                () = out_of_reach(reach, leader) => Err(outcome.into()),
            }
        })
    }

    fn remote(&self, node: u64, address: &str) -> Result<Arc<RemoteBackend>, Failure> {
        let mut elsewhere = self.0.elsewhere.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = elsewhere.as_ref().filter(|known| known.node == node && known.address == address) {
            return Ok(Arc::clone(&known.backend));
        }
        let own = self.0.identity.as_ref();
        let settings = RemoteSettings {
            endpoints: vec![format!("https://{address}")],
            authority_pem: Some(self.0.slot.authority().certificate_pem().as_bytes().to_vec()),
            server_name: Some(peer::server_name(Some(node))),
            identity_pem: own.map(|own| (own.certificate_pem.clone().into_bytes(), own.key_pem.clone().into_bytes())),
        };
        let backend = Arc::new(RemoteBackend::new(&settings).map_err(|_| Unavailable::Unreachable)?);
        *elsewhere = Some(Elsewhere { node, address: address.to_owned(), backend: Arc::clone(&backend) });
        Ok(backend)
    }

    /// Asks whoever leads, again while it certainly did nothing.
    async fn ask<T: Send + 'static>(
        &self,
        unanswered: Unavailable,
        ask: impl Fn(&dyn Backend) -> Reply<T>,
    ) -> Result<T, Failure> {
        let until = tokio::time::Instant::now() + LEADER_WITHIN;
        loop {
            let answer = match self.route(Need::Memory) {
                Ok(Route::Here(node)) => ask(&node).await,
                Ok(Route::There { node, backend }) => {
                    self.ask_there(node, unanswered.clone(), ask(backend.as_ref())).await
                }
                Err(failure) => Err(failure),
            };
            match answer {
                Err(Failure::Unavailable(Unavailable::NoLeader | Unavailable::Starting | Unavailable::Unreachable))
                    if tokio::time::Instant::now() < until && !self.is_draining() && !self.is_given_up() =>
                {
                    tokio::time::sleep(LOOK_PAUSE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Whether the leader is one that others hear and this node does not reach, or this node itself, unheard: others can help,
    /// and waiting does not.
    fn is_given_up(&self) -> bool {
        let leader = self.0.slot.node().replica().group().leader;
        leader.is_some_and(|leader| self.0.reach.borrow().is_given_up(leader))
    }

    fn is_draining(&self) -> bool {
        *self.0.slot.node().readiness().borrow() == model::node::Readiness::Draining
    }
}

impl Backend for Doors {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        let this = self.clone();
        // A claim makes an administrator; everything else changes nothing.
        let unanswered = match credentials {
            Credentials::Claim { .. } => Unavailable::Unknown,
            Credentials::Password { .. } | Credentials::Token(_) | Credentials::Certificate { .. } => {
                Unavailable::NoLeader
            }
        };
        Box::pin(async move { this.ask(unanswered, |backend| backend.authenticate(credentials.clone(), origin)).await })
    }

    fn submit(&self, caller: &Caller, request: Request) -> Reply<Response> {
        // Put in at once and in order while this node leads.
        if Need::of(&request) == Need::Log {
            return match self.route(Need::Log) {
                Ok(Route::Here(node)) => node.submit(caller, request),
                Ok(Route::There { node, backend }) => {
                    self.ask_there(node, Unavailable::Unknown, backend.submit(caller, request))
                }
                Err(failure) => Box::pin(std::future::ready(Err(failure))),
            };
        }
        let (this, caller) = (self.clone(), caller.clone());
        let unanswered = match request.kind().access() {
            Access::Read => Unavailable::NoLeader,
            Access::Publish | Access::Write => Unavailable::Unknown,
        };
        Box::pin(async move { this.ask(unanswered, |backend| backend.submit(&caller, request.clone())).await })
    }

    fn consume(&self, caller: &Caller, request: Consume) -> Reply<Box<dyn Deliveries>> {
        let (this, caller) = (self.clone(), caller.clone());
        let unanswered = Unavailable::NoLeader;
        Box::pin(async move { this.ask(unanswered, |backend| backend.consume(&caller, request.clone())).await })
    }

    fn passes_on(&self) -> bool {
        leading(&self.0.slot, Need::Log).is_none()
    }
}
