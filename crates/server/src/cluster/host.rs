//! What this node answers to the others of its cluster.
//! Invariant: only the leader changes who is in it; another node says so, and who does.
//! Called by the listener of the nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::Failure;
use node::{GroupChange, Loan, LoanedFile};
use peer::{Cluster, File, Host, Lender, Refused, Reply, Terms};

use super::slot::Slot;

/// How far a node may lag and still begin to vote, in entries.
const LAG_MAX: u64 = 256;
/// How long a node that comes in may take to catch up before it has to ask again.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(20);
/// Pause between two looks at how far it is.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// The node of this process, for the others.
pub(super) struct Desk(pub(super) Arc<Slot>);

fn refused(failure: Failure) -> Refused {
    match failure {
        Failure::Unavailable(unavailable) => Refused::Unavailable(unavailable.to_string()),
        Failure::Refused(refusal) => Refused::Never(refusal.to_string()),
        Failure::Fault(fault) => Refused::Never(fault.what),
    }
}

struct Lent(Loan);

impl Lender for Lent {
    fn terms(&self) -> Terms {
        let terms = self.0.terms();
        let file = |file: &LoanedFile| File { name: file.name.clone(), bytes: file.bytes, length: file.length };
        Terms {
            segment_bytes: terms.segment_bytes,
            last: terms.last,
            purged: terms.purged.map(|(term, index)| peer::Position { term, index }),
            vote: terms.vote.clone(),
            files: terms.files.iter().map(file).collect(),
        }
    }

    fn read<'a>(&'a self, file: &'a File, offset: u64) -> Reply<'a, Bytes> {
        let file = LoanedFile { name: file.name.clone(), bytes: file.bytes, length: file.length };
        Box::pin(async move {
            let piece = self.0.read(&file, offset).await;
            piece.map_err(|fault| Refused::Unavailable(fault.what))
        })
    }
}

impl Host for Desk {
    fn exchange(&self, message: Bytes) -> Reply<'_, Bytes> {
        let shard = self.0.node().replica();
        Box::pin(async move { shard.answer(message).await.map_err(refused) })
    }

    fn lend(&self) -> Reply<'_, Box<dyn Lender>> {
        let shard = self.0.node().replica();
        Box::pin(async move {
            let loan = shard.lend().await.map_err(|fault| Refused::Unavailable(fault.what))?;
            let lender: Box<dyn Lender> = Box::new(Lent(loan));
            Ok(lender)
        })
    }

    fn describe(&self) -> Reply<'_, Cluster> {
        let shard = self.0.node().replica();
        let (group, applied) = (shard.group(), shard.status().applied.get());
        let member = |member: node::GroupMember| peer::Member {
            node: member.node,
            address: member.address,
            votes: member.votes,
            durable: member.durable,
        };
        let members = group.members.into_iter().map(member).collect();
        let (own, term, leader) = (group.own, group.term, group.leader);
        Box::pin(std::future::ready(Ok(Cluster { own, term, leader, members, applied })))
    }

    fn number(&self) -> Reply<'_, u64> {
        let shard = self.0.node().replica();
        Box::pin(async move { shard.new_node().await.map_err(refused) })
    }

    fn enter(&self, node: u64, address: String) -> Reply<'_, ()> {
        let shard = self.0.node().replica();
        Box::pin(async move {
            shard.change_group(&GroupChange::Follow { node, address }).await.map_err(refused)?;
            let caught_up = async {
                loop {
                    let applied = shard.status().applied.get();
                    let durable = shard.group().member(node).and_then(|member| member.durable);
                    if durable.is_some_and(|durable| applied <= durable + LAG_MAX) {
                        return;
                    }
                    tokio::time::sleep(LOOK_PAUSE).await;
                }
            };
            if tokio::time::timeout(CATCH_UP_WITHIN, caught_up).await.is_err() {
                return Err(Refused::Unavailable(format!("node {node} does not have the log yet")));
            }
            shard.change_group(&GroupChange::Vote { node }).await.map_err(refused)
        })
    }

    fn remove(&self, node: u64) -> Reply<'_, ()> {
        let shard = self.0.node().replica();
        Box::pin(async move {
            if shard.group().leader == Some(node) && shard.group().own == node {
                shard.hand_over(None).await.map_err(refused)?;
                return Err(Refused::Unavailable(format!("node {node} led and has handed over: ask again")));
            }
            shard.change_group(&GroupChange::Leave { node }).await.map_err(refused)
        })
    }

    fn transfer(&self, node: Option<u64>) -> Reply<'_, ()> {
        let shard = self.0.node().replica();
        Box::pin(async move { shard.hand_over(node).await.map_err(refused) })
    }
}
