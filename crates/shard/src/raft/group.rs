//! The replicas of a shard as a group: who is in it, what they say to this one, and changes of both.
//! Invariants: a replica that comes in has a copy of the store first, follows as a learner, and votes only then; the
//! number of a node is an index of the log, so that it is never given twice.
//! Called by `Shard`. Tests: `tests/replicas.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use model::failure::{Failure, Fault, Unavailable};
use mutant::Mutant;
use openraft::Instant as _;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::metrics::RaftServerMetrics;
use openraft::raft::AppendEntriesResponse;
use openraft::{BasicNode, ChangeMembers};
use tokio::time::timeout;

use super::member::Member;
use super::message::{Ask, Told, read_ask, read_told, write_ask, write_told};
use super::types::Types;
use crate::comparing::RELEASE;
use crate::limits::{CHANGE_WITHIN, COMPLETE_PAUSE, HEARD_LOOK, HEARD_MS, MEMBERS_MAX, UNHEARD_MS};
use crate::machine::StateMachine;
use crate::peers::Unreached;
use crate::states::StateAt;
use crate::upkeep::count;
use crate::watch;

/// A replica of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Its node.
    pub node: u64,
    /// Where the node is reached.
    pub address: String,
    /// Whether its disk counts for the majority.
    pub votes: bool,
    /// The newest entry that it is known to have on disk; only a leader knows.
    pub durable: Option<u64>,
}

/// The group as this replica knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// This node.
    pub own: u64,
    /// The node that leads, as far as is known here.
    pub leader: Option<u64>,
    /// The leadership: rises with each election.
    pub term: u64,
    /// All replicas, by node.
    pub members: Vec<GroupMember>,
    /// A change of the voters is half done: a majority of those before and one of those behind it are needed until the
    /// leader has completed it.
    pub is_changing: bool,
}

impl Group {
    /// Whether leader and members are the same, however far each is.
    fn is_led_as(&self, other: &Self) -> bool {
        let name = |member: &GroupMember| (member.node, member.address.clone(), member.votes);
        let same = self.members.iter().map(name).eq(other.members.iter().map(name));
        same && (self.leader, self.term, self.is_changing) == (other.leader, other.term, other.is_changing)
    }

    /// The other replicas that can be reached.
    pub fn others(&self) -> impl Iterator<Item = &GroupMember> {
        self.members.iter().filter(|member| member.node != self.own && !member.address.is_empty())
    }

    /// A replica by its node.
    #[must_use]
    pub fn member(&self, node: u64) -> Option<&GroupMember> {
        self.members.iter().find(|member| member.node == node)
    }
}

/// A change of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupChange {
    /// A node follows the log from this address on, or has moved there.
    Follow {
        /// The node.
        node: u64,
        /// Where it is reached.
        address: String,
    },
    /// A node that follows votes from now on.
    Vote {
        /// The node.
        node: u64,
    },
    /// A node is in the group no more.
    Leave {
        /// The node.
        node: u64,
    },
}

impl GroupChange {
    fn node(&self) -> u64 {
        match self {
            Self::Follow { node, .. } | Self::Vote { node } | Self::Leave { node } => *node,
        }
    }
}

impl<M: StateMachine> Member<M> {
    /// The group, as it is known here.
    pub(crate) fn group(&self) -> Group {
        let mut group = group_of(&self.raft.server_metrics().borrow_watched());
        let metrics = self.raft.data_metrics();
        let seen = metrics.borrow_watched();
        for member in &mut group.members {
            let matched = seen.replication.as_ref().and_then(|all| all.get(&member.node)?.as_ref());
            member.durable = matched.map(|id| id.index);
        }
        group
    }

    pub(super) fn is_only_voter(&self) -> bool {
        let group = self.group();
        group.members.iter().all(|member| member.votes == (member.node == group.own))
    }

    /// Waits until the leader or the members are others than in `before`; for ever, when the replica stops first.
    pub(crate) async fn changed(&self, before: &Group) {
        let mut server = self.raft.server_metrics();
        // The same values are compared as are waited for: others are told of a change a moment later.
        while group_of(&server.borrow_and_update()).is_led_as(before) {
            if server.changed().await.is_err() {
                // A replica that has stopped changes no more; whoever asked in a loop would never rest.
                return std::future::pending().await;
            }
        }
    }

    /// Whether a majority answered this leader so lately that nobody else can have been elected meanwhile. A process that
    /// was stopped for a while does not know by itself that others went on. Never again in a term in which it offered the
    /// leadership: whoever takes it is elected without waiting for this one to fall silent.
    pub(crate) fn is_heard(&self) -> bool {
        let term = self.raft.server_metrics().borrow_watched().vote.leader_id.term;
        let has_offered = self.offered.load(Ordering::Acquire) == term;
        !has_offered && self.was_heard_within(Duration::from_millis(HEARD_MS))
    }

    fn was_heard_within(&self, time: Duration) -> bool {
        if self.raft.voter_ids().nth(1).is_none() {
            return true;
        }
        let metrics = self.raft.data_metrics();
        let acked = metrics.borrow_watched().last_quorum_acked;
        acked.is_some_and(|acked| acked.elapsed() < time)
    }

    /// Waits until no majority has answered this leader for long, and offers the leadership to the others. Followers that
    /// hear a leader elect none, even when it does not hear them: it has to fall silent by itself.
    pub(super) async fn unheard(&self) {
        let limit = Duration::from_millis(UNHEARD_MS);
        // A new leader has not been answered yet.
        tokio::time::sleep(limit).await;
        while self.was_heard_within(limit) {
            if self.is_only_voter() {
                // Nobody else has to answer until there is one.
                self.changed(&self.group()).await;
                tokio::time::sleep(limit).await;
            }
            tokio::time::sleep(HEARD_LOOK).await;
        }
        let group = self.group();
        let others = group.members.iter().filter(|member| member.votes && member.node != group.own);
        let Some(next) = others.max_by_key(|member| member.durable) else { return };
        tracing::warn!(next = next.node, "no majority answers this leader; it serves no more, and offers the lead");
        // Why it could not be asked is remembered as the fault of the shard.
        drop(self.transfer(next.node).await);
    }

    /// Up to where every other replica has the log; `None` when there is none, or this one does not lead.
    pub(crate) fn had_by_all(&self) -> Option<u64> {
        let group = self.group();
        let others = group.members.iter().filter(|member| member.node != group.own);
        others.map(|member| member.durable.unwrap_or_default()).min().filter(|_| group.leader == Some(group.own))
    }

    /// Answers a message of another replica.
    pub(crate) async fn answer(&self, message: Bytes) -> Result<Bytes, Failure> {
        let (to, ask) = read_ask(message).map_err(broken)?;
        let own = *self.raft.node_id();
        if to != own {
            return Err(broken(format!("a message for node {to} came to node {own}")));
        }
        let told = match ask {
            Ask::Append(request) => {
                let last = request.entries.last().map(|entry| entry.log_id);
                let appended = self.raft.append_entries(request);
                if mutant::is_on(Mutant::CommitOnReceived) && last.is_some() {
                    tokio::select! {
                        biased;
                        told = appended => told.map(Told::Append),
                        () = self.log.received(last) => Ok(Told::Append(AppendEntriesResponse::Success)),
                    }
                } else {
                    appended.await.map(Told::Append)
                }
            }
            Ask::Vote(request) | Ask::PreVote(request) if !request.leadership_transfer && self.may_have_promised() => {
                return Err(Unavailable::Starting.into());
            }
            Ask::Vote(request) => self.raft.vote(request).await.map(Told::Vote),
            Ask::PreVote(request) => self.raft.pre_vote(request).await.map(Told::Vote),
            Ask::Transfer(request) => {
                let taken = self.raft.handle_transfer_leader(request).await;
                taken.map(|taken| Told::Transfer(taken.is_ok())).map_err(RaftError::Fatal)
            }
            Ask::Lacking(_, last) => {
                let reaches = Some(last.index) <= self.group_end();
                self.lacking.send(!reaches);
                let vote = self.raft.metrics().borrow_watched().vote;
                Ok(Told::Lacking(vote, reaches))
            }
            Ask::Segment(first, offset) => return self.piece(first, offset).await,
            Ask::States(release, states) => Ok(Told::States(self.differs(&release, &states))),
        };
        told.map(|told| write_told(&told)).map_err(|error| self.stopped(&error))
    }

    /// The term in which this replica leads, if it does. By the vote on its disk, which changes before its log is cut.
    pub(crate) fn reign(&self) -> Option<u64> {
        self.log.reign_of(*self.raft.node_id())
    }

    /// Whether there are other replicas.
    pub(crate) fn has_others(&self) -> bool {
        let group = self.group();
        group.members.iter().any(|member| member.node != group.own)
    }

    /// Asks another replica.
    pub(crate) async fn ask(&self, node: u64, address: &str, ask: &Ask, within: Duration) -> Result<Told, Unreached> {
        let unreached = |why: String| Unreached { node, address: address.to_owned(), why };
        let peers = self.peers.as_ref().ok_or_else(|| unreached("this shard has no peers".to_owned()))?;
        let answer = peers.send(node, address, write_ask(node, ask), within).await?;
        read_told(answer).map_err(|error| unreached(error.to_string()))
    }

    /// A piece of a segment for a replica that lost it. Only of what is committed, which is the same everywhere.
    async fn piece(&self, first: u64, offset: u64) -> Result<Bytes, Failure> {
        let applied = self.raft.metrics().borrow_watched().last_applied.map(|id| id.index);
        let log = self.log.clone();
        if !log.is_settled(first, applied) {
            return Ok(write_told(&Told::Segment(0, Bytes::new())));
        }
        let reading = self.log.hands.run(move || log.store.piece_of_segment(storage::LogIndex(first), offset));
        let (length, piece) = reading.await.map_err(broken)?.map_err(broken)?;
        Ok(write_told(&Told::Segment(length.0, piece.into())))
    }

    /// Where the state of this replica is not the leader's. Then it stops, for what it says may be wrong.
    fn differs(&self, release: &str, states: &[StateAt]) -> Option<u64> {
        if release != RELEASE {
            return None;
        }
        let index = self.log.states.difference(states)?;
        count(&self.log.counts.differing, 1);
        self.log.health.fail(format!(
            "the state of this replica differs from the leader's at entry {index}; keep the folder for those who look for \
             the cause, remove the node, and join as a new one"
        ));
        Some(index)
    }

    /// The newest entry that is on this disk.
    fn group_end(&self) -> Option<u64> {
        self.raft.metrics().borrow_watched().last_log_index
    }

    fn stopped(&self, error: &RaftError<Types>) -> Failure {
        match error {
            RaftError::Fatal(fatal) => self.fatal(fatal).into(),
            RaftError::APIError(never) => match *never {},
        }
    }

    /// Changes the group. Only the leader can.
    pub(crate) async fn change(&self, change: &GroupChange) -> Result<(), Failure> {
        let group = self.group();
        let known = group.member(change.node());
        let others = group.members.len();
        let members = match change {
            GroupChange::Follow { node, address } => {
                if known.is_some_and(|known| known.address == *address) {
                    return Ok(());
                }
                if known.is_none() && MEMBERS_MAX <= others {
                    return Err(refused(format!("a cluster has at most {MEMBERS_MAX} nodes")));
                }
                ChangeMembers::SetNodes(BTreeMap::from([(*node, BasicNode { addr: address.clone() })]))
            }
            GroupChange::Vote { node } => match known {
                None => return Err(refused(format!("node {node} is no member: it has to join first"))),
                Some(known) if known.votes && !group.is_changing => return Ok(()),
                Some(_) => ChangeMembers::AddVoterIds(BTreeSet::from([*node])),
            },
            GroupChange::Leave { node } => match known {
                None => return Ok(()),
                Some(known) if known.votes => {
                    if others == 1 {
                        return Err(refused("the last node cannot leave"));
                    }
                    ChangeMembers::RemoveVoters(BTreeSet::from([*node]))
                }
                Some(_) => ChangeMembers::RemoveNodes(BTreeSet::from([*node])),
            },
        };
        self.change_members(members).await
    }

    async fn change_members(&self, members: ChangeMembers<u64, BasicNode>) -> Result<(), Failure> {
        // A voter that leaves is not kept as a learner.
        let changing = timeout(CHANGE_WITHIN, self.raft.change_membership(members, false));
        match changing.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::Fatal(fatal))) => Err(self.fatal(&fatal).into()),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Err(Unavailable::NoLeader.into()),
            Ok(Err(RaftError::APIError(
                ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_)
                | ClientWriteError::LogEntryDiscarded(_),
            ))) => Err(Unavailable::Busy.into()),
            Err(_) => Err(Unavailable::Unknown.into()),
        }
    }

    /// Completes a change of the voters that stays half done, because a leader fell in the middle of it or whoever asked
    /// for it went away: nobody else would, and the group would survive less than its members say. Works until the
    /// replica stops.
    pub(crate) async fn complete_changes(self, stopped: impl Future<Output = ()>) {
        let completing = async {
            loop {
                let group = self.group();
                if !group.is_changing || group.leader != Some(group.own) {
                    self.changed(&group).await;
                    continue;
                }
                // Usually who asked for it does it.
                tokio::time::sleep(COMPLETE_PAUSE).await;
                if self.group().is_led_as(&group) {
                    // Whether it was done is seen in the next round.
                    drop(self.change_members(ChangeMembers::AddVoterIds(BTreeSet::new())).await);
                }
            }
        };
        tokio::select! {
            biased;
            () = stopped => {}
            () = completing => {}
        }
    }

    /// Told when the leader has given up entries that this replica lacks.
    pub(crate) fn lacks(&self) -> watch::Receiver<bool> {
        self.lacking.subscribe()
    }

    /// Hands the leadership to another replica, which must be up to date; does not wait for it.
    pub(crate) async fn transfer(&self, to: u64) -> Result<(), Failure> {
        // Before it is asked: from here on there may be a successor at any time.
        let term = self.raft.server_metrics().borrow_watched().vote.leader_id.term;
        self.offered.fetch_max(term, Ordering::AcqRel);
        self.raft.trigger().transfer_leader(to).await.map_err(|error| self.fatal(&error).into())
    }
}

/// The group, without how far its members are.
fn group_of(seen: &RaftServerMetrics<Types>) -> Group {
    let membership = seen.membership_config.membership();
    let voters: BTreeSet<u64> = membership.voter_ids().collect();
    let members = membership.nodes().map(|(node, known)| GroupMember {
        node: *node,
        address: known.addr.clone(),
        votes: voters.contains(node),
        durable: None,
    });
    let term = seen.vote.leader_id.term;
    let is_changing = membership.get_joint_config().len() > 1;
    Group { own: seen.id, leader: seen.current_leader, term, members: members.collect(), is_changing }
}

fn broken(what: impl Display) -> Failure {
    Fault { what: what.to_string() }.into()
}

fn refused(what: impl Display) -> Failure {
    broken(what)
}
