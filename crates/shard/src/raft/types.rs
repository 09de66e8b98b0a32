//! The types with which the consensus library is instantiated.
//! Invariant: the library sees a batch as opaque bytes and an answer as an opaque value; the machine is known
//! to the adapter alone.
//! Used by all rooms of `raft`.

use std::any::Any;
use std::fmt;

use bytes::Bytes;
use openraft::alias::{CommittedLeaderIdOf, StoredMembershipOf};
use openraft::{BasicNode, EntryPayload};

use crate::tail::TailEntry;

openraft::declare_raft_types!(
    /// One leader a term, node ids that are never reused, batches as bytes.
    pub(crate) Types:
        D = BatchBytes,
        R = Answers,
        NodeId = u64,
        Node = BasicNode,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = super::runtime::Runtime,
);

pub(crate) type Entry = openraft::alias::EntryOf<Types>;
pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
pub(crate) type Vote = openraft::alias::VoteOf<Types>;
pub(crate) type LeaderId = openraft::alias::LeaderIdOf<Types>;
pub(crate) type StoredMembership = StoredMembershipOf<Types>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<Types>;

/// Makes a log id out of what a frame holds.
pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderIdOf::<Types>::new(term), index)
}

/// The term of a log id.
pub(crate) fn term_of(id: &LogId) -> u64 {
    id.committed_leader_id().term
}

/// An encoded batch.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BatchBytes(pub(crate) Bytes);

impl fmt::Debug for BatchBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for BatchBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "batch of {} bytes", self.0.len())
    }
}

/// The answers of one batch, a `Vec` of the machine's answers inside.
#[derive(Default)]
pub(crate) struct Answers(Option<Box<dyn Any + Send + Sync>>);

impl Answers {
    /// No answers: the entry was not a batch.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of<A: Send + Sync + 'static>(answers: Vec<A>) -> Self {
        Self(Some(Box::new(answers)))
    }

    /// The answers of a batch.
    pub(crate) fn take<A: Send + Sync + 'static>(self) -> Option<Vec<A>> {
        self.0?.downcast().ok().map(|answers| *answers)
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "answers" } else { "no answers" })
    }
}

impl TailEntry for Entry {
    fn index(&self) -> u64 {
        self.log_id.index
    }

    fn bytes(&self) -> usize {
        const ENTRY_BYTES: usize = 128;
        match &self.payload {
            EntryPayload::Normal(batch) => ENTRY_BYTES + batch.0.len(),
            EntryPayload::Blank | EntryPayload::Membership(_) => ENTRY_BYTES,
        }
    }
}
