//! What a shard is to its replicas on other nodes, and how it speaks about them.
//! Invariant: a node number is an index of the log, so that it is never given twice.
//! Called by the node of a cluster. Tests: `tests/replicas.rs`.

use bytes::Bytes;
use model::failure::{Failure, Fault, Unavailable};
use model::number::Epoch;

use crate::handle::Shard;
use crate::limits::{APPEND_WITHIN, CHANGE_WITHIN};
use crate::loan::{Asking, Loan, Terms};
use crate::machine::StateMachine;
use crate::raft::group::{Group, GroupChange};

impl<M: StateMachine> Shard<M> {
    /// Answers a message that a replica on another node sent by its `Peers`.
    ///
    /// # Errors
    /// When the message is for another node or cannot be read, or this replica is stopped.
    pub async fn answer(&self, message: Bytes) -> Result<Bytes, Failure> {
        self.core.member.answer(message).await
    }

    /// Looks at the machine of this replica, which may lag. Only for what describes this replica itself.
    pub fn with_replica<R>(&self, look: impl FnOnce(&M) -> R) -> R {
        look(&self.core.state.applied().machine)
    }

    /// The replicas of this shard, as this one knows them.
    pub fn group(&self) -> Group {
        self.core.member.group()
    }

    /// Whether what this leader knows is not old: a majority answered it so lately that it cannot have a successor. True
    /// for a replica that is alone.
    pub fn is_heard(&self) -> bool {
        self.core.member.is_heard()
    }

    /// Waits until the leader or the members are others than in `before`; for ever, when the shard stops first.
    pub async fn regrouped(&self, before: &Group) {
        self.core.member.changed(before).await;
    }

    /// Changes who the replicas are. Only the leader can.
    ///
    /// # Errors
    /// `NoLeader` when this replica does not lead, `Busy` while another change is under way, `Unknown` when it takes
    /// long: a majority is needed. A fault says why the change cannot be made.
    pub async fn change_group(&self, change: &GroupChange) -> Result<(), Failure> {
        self.core.member.change(change).await
    }

    /// A number for a new node, which no other node of this group ever had or gets.
    ///
    /// # Errors
    /// Those of `submit`.
    pub async fn new_node(&self) -> Result<u64, Failure> {
        let _one = self.core.numbering.lock().await;
        self.core.submitter.submit_own(M::tick()).await?;
        // The entry of the tick or a later one, and before that of the next tick that is asked for here.
        Ok(self.core.state.applied().last.map_or(0, |id| id.index))
    }

    /// Hands the leadership to the replica that has most of the log, and waits until it is taken.
    ///
    /// # Errors
    /// `NoLeader` when this replica does not lead or is alone, `Unknown` when nobody took it in time.
    pub async fn hand_over(&self, to: Option<u64>) -> Result<(), Failure> {
        let group = self.group();
        if group.leader != Some(group.own) {
            return Err(Unavailable::NoLeader.into());
        }
        let others = group.members.iter().filter(|member| member.node != group.own && member.votes);
        let chosen = others.filter(|member| to.is_none_or(|to| to == member.node)).max_by_key(|member| member.durable);
        let chosen = chosen.ok_or(Unavailable::NoLeader)?.node;
        self.core.member.transfer(chosen).await?;
        let moved = async {
            loop {
                let now = self.group();
                if now.leader.is_some_and(|leader| leader != now.own) {
                    return;
                }
                self.regrouped(&now).await;
            }
        };
        let moved = tokio::time::timeout(CHANGE_WITHIN, moved).await;
        moved.map_err(|_| Unavailable::Unknown.into())
    }

    /// Waits until the leadership that is open here is another than `before`. `None` when the shard stops first.
    pub async fn reign_after(&self, before: Option<Epoch>) -> Option<Option<Epoch>> {
        self.core.submitter.reign_after(before).await
    }

    /// Waits until the leader has given up entries that this replica lacks: it has to be closed, and to take a copy.
    pub async fn lacks(&self) {
        let mut lacking = self.core.member.lacks();
        while !*lacking.borrow_and_update() {
            if lacking.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Lends a copy of the store to a replica that is closed: of all that this leader's log had when it was asked.
    /// Housekeeping stands still until it is given back.
    ///
    /// # Errors
    /// When this replica does not lead, its disk cannot be read, or its log is not flushed in time.
    pub async fn lend(&self) -> Result<Loan, Fault> {
        let fault = |error: &dyn std::fmt::Display| Fault { what: format!("no copy can be lent: {error}") };
        let (log, member) = (self.core.state.log.clone(), &self.core.member);
        // Before the log is looked at, and once more behind it: terms only rise, so in between it led all the time.
        let reign = member.reign().ok_or_else(|| fault(&"this replica does not lead"))?;
        let asking = Asking::begin(&self.core.housekeeping.asked);
        let still = std::sync::Arc::clone(&self.core.housekeeping.round).lock_owned().await;
        drop(asking);
        // What the reader acknowledged to this leader counts for the majority also while it is not flushed here.
        let last = log.end();
        let flushed = tokio::time::timeout(APPEND_WITHIN, log.flushed(last)).await;
        flushed.map_err(|_| fault(&"the log is not flushed in time"))?;
        let (purged, vote) = log.promises();
        let segment_bytes = self.core.housekeeping.segment_bytes;
        let listing = log.hands.run({
            let store = log.store.clone();
            move || Loan::files(&store, last)
        });
        let files = listing.await.map_err(|error| fault(&error))?.map_err(|error| fault(&error))?;
        let vote = vote.filter(|_| member.reign() == Some(reign));
        let vote = vote.ok_or_else(|| fault(&"this replica does not lead any more"))?;
        let terms = Terms { segment_bytes, last, purged, vote, files };
        let lent = std::sync::Arc::clone(&self.core.housekeeping.lent);
        lent.store(true, std::sync::atomic::Ordering::Release);
        Ok(Loan { terms, log, _still: still, lent })
    }
}
