//! The way to the peers. A shard with one voter has none: nothing is ever sent.
//! Invariant: an address that cannot be reached is an answer, never a panic.
//! Called by the consensus library.

use std::future::Future;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse};
use openraft::{AnyError, BasicNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use super::state::Checkpoint;
use super::types::{Types, Vote};
use crate::machine::StateMachine;

/// Reaches nobody.
pub(crate) struct NoPeers<M>(std::marker::PhantomData<fn() -> M>);

impl<M> NoPeers<M> {
    pub(crate) const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

fn unreachable() -> Unreachable<Types> {
    Unreachable::new(&AnyError::error("this shard has no peers"))
}

impl<M: StateMachine> RaftNetworkFactory<Types> for NoPeers<M> {
    type Network = Self;

    async fn new_client(&mut self, _target: u64, _node: &BasicNode) -> Self {
        Self::new()
    }
}

impl<M: StateMachine> RaftNetworkV2<Types> for NoPeers<M> {
    type SnapshotData = Checkpoint<M>;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: openraft::alias::SnapshotOf<Types, Checkpoint<M>>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(StreamingError::Unreachable(unreachable()))
    }
}
