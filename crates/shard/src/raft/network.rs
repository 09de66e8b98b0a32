//! The way to the peers, as the consensus library sees it. A shard with one voter has none: nothing is ever sent.
//! Invariant: an address that cannot be reached is an answer, never a panic; an append counts only when its answer
//! came, and the answer comes after the flush there.
//! Called by the consensus library. Tests: `tests/replicas.rs`.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use mutant::Mutant;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use openraft::{BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use super::message::{Ask, Told, read_told, write_ask};
use super::state::Checkpoint;
use super::types::{Types, Vote};
use crate::limits::APPEND_WITHIN;
use crate::machine::StateMachine;
use crate::peers::Peers;

/// Makes the ways to single nodes.
pub(crate) struct Network<M> {
    peers: Option<Arc<dyn Peers>>,
    machine: PhantomData<fn() -> M>,
}

impl<M> Network<M> {
    pub(crate) const fn new(peers: Option<Arc<dyn Peers>>) -> Self {
        Self { peers, machine: PhantomData }
    }
}

/// The way to one node.
pub(crate) struct Line<M> {
    peers: Option<Arc<dyn Peers>>,
    node: u64,
    address: String,
    machine: PhantomData<fn() -> M>,
}

impl<M: StateMachine> RaftNetworkFactory<Types> for Network<M> {
    type Network = Line<M>;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Line<M> {
        Line { peers: self.peers.clone(), node: target, address: node.addr.clone(), machine: PhantomData }
    }
}

impl<M> Line<M> {
    async fn ask(&self, ask: Ask, within: Duration) -> Result<Told, Unreachable<Types>> {
        let peers = self.peers.as_ref().ok_or_else(|| Unreachable::from_string("this shard has no peers"))?;
        let answer = peers.send(self.node, &self.address, write_ask(self.node, &ask), within).await;
        let bytes = answer.map_err(|error| Unreachable::new(&error))?;
        read_told(bytes).map_err(|error| Unreachable::new(&error))
    }
}

fn another_answer(told: &Told) -> Unreachable<Types> {
    Unreachable::from_string(format!("the answer is to another message: {told:?}"))
}

impl<M: StateMachine> RaftNetworkV2<Types> for Line<M> {
    type SnapshotData = Checkpoint<M>;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        if mutant::is_on(Mutant::AckBeforeMajority) && !request.entries.is_empty() {
            // Sent all the same, and believed at once.
            drop(tokio::time::timeout(Duration::from_millis(1), self.ask(Ask::Append(request), APPEND_WITHIN)).await);
            return Ok(AppendEntriesResponse::Success);
        }
        // Not the time of a heartbeat: the entries may be many, and the disk there slow.
        let told = self.ask(Ask::Append(request), APPEND_WITHIN).await?;
        if let Told::Append(response) = told { Ok(response) } else { Err(another_answer(&told).into()) }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let told = self.ask(Ask::Vote(request), option.hard_ttl()).await?;
        if let Told::Vote(response) = told { Ok(response) } else { Err(another_answer(&told).into()) }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let told = self.ask(Ask::PreVote(request), option.hard_ttl()).await?;
        if let Told::Vote(response) = told { Ok(response) } else { Err(another_answer(&told).into()) }
    }

    /// Nothing is sent here: a replica whose log is too short takes a copy of the whole store by itself, because the
    /// messages that the state refers to lie in the log. Until it has, it counts as unreachable.
    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: openraft::alias::SnapshotOf<Types, Checkpoint<M>>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let Some(last) = snapshot.meta.last_log_id else { return Ok(SnapshotResponse::new(vote)) };
        let told = self.ask(Ask::Lacking(vote, last), APPEND_WITHIN).await?;
        let Told::Lacking(vote, reaches) = told else { return Err(another_answer(&told).into()) };
        if reaches {
            return Ok(SnapshotResponse::new(vote));
        }
        Err(Unreachable::from_string(format!("node {} needs a copy of the store first", self.node)).into())
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let told = self.ask(Ask::Transfer(request), option.hard_ttl()).await?;
        let Told::Transfer(is_taken) = told else { return Err(another_answer(&told).into()) };
        if is_taken {
            return Ok(Ok(()));
        }
        Err(Unreachable::from_string("the node does not take the leadership").into())
    }
}
