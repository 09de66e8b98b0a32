//! This replica as a member of its group: leadership, proposals, checkpoints, purges.
//! Invariant: a proposal is tied to one leadership; it is never appended under another.
//! Called by the sequencer, housekeeping and `Shard`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use model::failure::Fault;
use mutant::Mutant;
use openraft::alias::{CommittedLeaderIdOf, WriteResponderOf};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, Fatal};
use openraft::impls::ProgressResponder;
use openraft::raft::ClientWriteResult;
use openraft::{BasicNode, Config, Raft, SnapshotPolicy};
use tokio::time::Instant;

use super::log::Log;
use super::network::Network;
use super::state::State;
use super::types::{Answers, BatchBytes, Types};
use crate::health::Health;
use crate::limits::{BATCHES_IN_FLIGHT_MAX, ELECTION_MS, FIRST_NODE, HEARTBEAT_MS, PATIENCE, REPLICATION_ENTRIES_MAX};
use crate::machine::StateMachine;
use crate::peers::Peers;
use crate::watch;

/// A period in which this replica leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leadership(CommittedLeaderIdOf<Types>);

/// A batch that was committed and applied.
pub(crate) struct Committed {
    pub(crate) index: u64,
    pub(crate) answers: Answers,
}

/// Why a proposal has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It was not appended: another replica leads.
    NotLeader,
    /// It was appended, and another leader may have discarded or committed it.
    Unknown,
    /// The shard is stopped.
    Stopped(Option<Fault>),
}

type Receiver = openraft::alias::OneshotReceiverOf<Types, ClientWriteResult<Types>>;

/// A proposal on its way.
pub(crate) struct Pending {
    receiver: Receiver,
    health: Health,
}

impl Future for Pending {
    type Output = Result<Committed, Loss>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = std::task::ready!(Pin::new(&mut self.receiver).poll(context));
        Poll::Ready(match outcome {
            Ok(Ok(response)) => Ok(Committed { index: response.log_id.index, answers: response.data }),
            Ok(Err(ClientWriteError::ForwardToLeader(_) | ClientWriteError::PreconditionFailed(_))) => {
                Err(Loss::NotLeader)
            }
            Ok(Err(ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::ChangeMembershipError(_))) => {
                Err(Loss::Unknown)
            }
            Err(_) => Err(Loss::Stopped(self.health.lasting())),
        })
    }
}

/// One replica of one shard.
pub(crate) struct Member<M: StateMachine> {
    pub(super) raft: Raft<Types, State<M>>,
    pub(super) log: Log,
    pub(super) peers: Option<Arc<dyn Peers>>,
    health: Health,
    /// Told when the leader has given up entries that this replica lacks.
    pub(super) lacking: watch::Sender<bool>,
    /// The newest term in which this replica offered the leadership to another one; 0 for none.
    pub(super) offered: Arc<AtomicU64>,
    /// When this replica was opened.
    opened: Instant,
}

/// How a leadership ends.
pub(crate) enum Fall {
    /// By another one, or with the shard.
    Replaced,
    /// No majority answers: what is under way may never be decided here.
    Unheard,
}

impl<M: StateMachine> Clone for Member<M> {
    fn clone(&self) -> Self {
        let (raft, log, health) = (self.raft.clone(), self.log.clone(), self.health.clone());
        let (peers, lacking, offered) = (self.peers.clone(), self.lacking.clone(), Arc::clone(&self.offered));
        Self { raft, log, health, peers, lacking, offered, opened: self.opened }
    }
}

/// How a replica works that may have others beside it.
fn config_among_peers() -> Config {
    Config {
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MS.0,
        election_timeout_max: ELECTION_MS.1,
        // A leader that was away is elected anew: others may know of entries that its own disk did not keep.
        enable_leader_restore: Some(false),
        ..config()
    }
}

fn config() -> Config {
    Config {
        cluster_name: "recado".to_owned(),
        // Entries are batches: count them accordingly.
        max_payload_entries: REPLICATION_ENTRIES_MAX,
        max_append_entries: Some(REPLICATION_ENTRIES_MAX),
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        api_batch_capacity: u64::try_from(BATCHES_IN_FLIGHT_MAX).unwrap_or(1),
        // The only voter leads again at once. Safe because nobody else can have seen entries that the restart
        // lost; with more voters a restarted leader must be elected anew.
        enable_leader_restore: Some(true),
        enable_pre_vote: Some(true),
        ..Config::default()
    }
}

impl<M: StateMachine> Member<M> {
    /// Recovers, and forms a group of one at the very first start. Any other node than the first one came with a copy of
    /// the store: without one it has lost what it promised, and would be a second first node.
    pub(crate) async fn start(
        node: u64,
        peers: Option<Arc<dyn Peers>>,
        log: Log,
        state: State<M>,
    ) -> Result<Self, Fault> {
        let health = log.health.clone();
        let has_peers = peers.is_some();
        let config = if has_peers { config_among_peers() } else { config() };
        let config = config.validate().map_err(|error| health.fail(error))?;
        let raft = Raft::new(node, Arc::new(config), Network::<M>::new(peers.clone()), log.clone(), state);
        let raft = raft.await.map_err(|error| health.fail(error))?;
        let (lacking, offered) = (watch::Sender::new(false), Arc::default());
        let member = Self { raft, log, peers, health, lacking, offered, opened: Instant::now() };
        let known = member.raft.is_initialized().await.map_err(|error| member.fatal(&error))?;
        if !known && has_peers && node != FIRST_NODE {
            if !mutant::is_on(Mutant::IncarnationIgnored) {
                let what = format!("the store of node {node} is gone, and with it what the node promised to others");
                let hint = "remove the node, and let its machine join with an empty folder";
                return Err(member.health.fail(format!("{what}; {hint}")));
            }
        } else if !known {
            let members = BTreeMap::from([(node, BasicNode::default())]);
            let formed = member.raft.initialize(members).await;
            formed.map_err(|error| member.health.fail(error))?;
        } else if has_peers && member.is_only_voter() {
            // Nobody else can vote: there is no silence to wait for.
            member.raft.trigger().elect(false).await.map_err(|error| member.fatal(&error))?;
        }
        Ok(member)
    }

    /// Whether a leader may still count on what this replica answered it before it was opened. The consensus library
    /// forgets that with the process, and would vote for another one while the leader believes that nobody can.
    pub(super) fn may_have_promised(&self) -> bool {
        let vote = self.raft.server_metrics().borrow_watched().vote;
        let is_anothers = vote.committed && vote.leader_id.voted_for != *self.raft.node_id();
        is_anothers && self.opened.elapsed() < Duration::from_millis(ELECTION_MS.1)
    }

    pub(super) fn fatal(&self, error: &Fatal<Types>) -> Fault {
        self.health.fault().unwrap_or_else(|| match error {
            // Closing is no fault, and must not be remembered as one.
            Fatal::Stopped => Fault { what: "the shard is closed".to_owned() },
            Fatal::StorageError(_) | Fatal::Panicked => self.health.fail(error),
        })
    }

    /// Waits until this replica leads and has applied all that lies before. `None` when the shard is stopped.
    pub(crate) async fn lead(&self) -> Option<Leadership> {
        loop {
            let wait = self.raft.wait(None);
            let seen = wait.metrics(
                |metrics| {
                    let is_caught_up = metrics.last_log_index <= metrics.last_applied.map(|id| id.index);
                    let leads = metrics.state.is_leader() && metrics.vote.committed;
                    metrics.running_state.is_err() || (leads && is_caught_up)
                },
                "this replica leads",
            );
            let metrics = seen.await.ok()?;
            if let Err(error) = &metrics.running_state {
                self.fatal(error);
                return None;
            }
            if let Ok(leader) = self.raft.as_leader() {
                return Some(Leadership(leader.to_committed_leader_id()));
            }
            tokio::task::yield_now().await;
        }
    }

    /// Waits until this replica does not lead any more, or no majority hears it, or the shard is stopped. Watches what
    /// changes with votes and members only, so that it is not woken by each entry.
    pub(crate) async fn depose(&self, leadership: Leadership) -> Fall {
        tokio::select! {
            biased;
            () = self.replaced(leadership) => Fall::Replaced,
            () = self.unheard() => Fall::Unheard,
        }
    }

    async fn replaced(&self, leadership: Leadership) {
        let mut server = self.raft.server_metrics();
        loop {
            let leads = {
                let seen = server.borrow_watched();
                seen.state.is_leader() && seen.vote.leader_id.term == *leadership.0
            };
            if !leads || server.changed().await.is_err() {
                break;
            }
        }
        if let Err(error) = self.raft.is_initialized().await {
            self.fatal(&error);
        }
    }

    /// Hands a batch to the log, behind those handed over before.
    pub(crate) async fn propose(&self, leadership: Leadership, batch: Bytes) -> Result<Pending, Loss> {
        let (responder, receiver): (WriteResponderOf<Types>, _) = ProgressResponder::complete_only();
        let request = self.raft.write(BatchBytes(batch)).with_leader(leadership.0).responder(responder);
        match request.await {
            Ok(()) => Ok(Pending { receiver, health: self.health.clone() }),
            Err(error) => {
                self.fatal(&error);
                Err(Loss::Stopped(self.health.lasting()))
            }
        }
    }

    /// Asks for a checkpoint of what is applied.
    pub(crate) async fn checkpoint(&self) {
        if let Err(error) = self.raft.trigger().snapshot().await {
            self.fatal(&error);
        }
    }

    /// Gives the entries up to `index` up, and waits for it.
    pub(crate) async fn purge(&self, index: u64) {
        if let Err(error) = self.raft.trigger().purge_log(index).await {
            self.fatal(&error);
            return;
        }
        let wait = self.raft.wait(Some(PATIENCE));
        let reached = wait.metrics(
            |metrics| metrics.running_state.is_err() || metrics.purged.is_some_and(|id| index <= id.index),
            "the log is purged",
        );
        if let Err(error) = reached.await {
            tracing::warn!(%error, index, "the log was not purged in time, the next round tries again");
        }
    }

    /// Stops the replica.
    pub(crate) async fn stop(&self) {
        let stopped = tokio::time::timeout(Duration::from_secs(30), self.raft.shutdown()).await;
        if stopped.is_err() {
            tracing::warn!("the replica did not stop in time");
        }
    }
}
