//! Members of stream subscriptions: where each reads, and when it was last heard of.
//!
//! Joining and leaving are commands; positions between commits are leader memory: after a rebalance a
//! partition starts at its committed offset, unless the same member kept it.
//! Invariant: a member gets records only of partitions that are assigned to it at that moment.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use broker::command::{Action, Command, Principal};
use broker::machine::ReadPlace;
use broker::place::SourceId;
use model::backend::Deliveries;
use model::caller::Caller;
use model::failure::{Failure, Unavailable};
use model::limits::WAIT_MS_MAX;
use model::message::Delivery;
use model::name::{MemberName, SubscriptionRef};
use model::number::{Offset, Partition, Span, SubscriptionId, TopicId};
use model::subscription::{LeaveSubscription, PartitionOffset};

use super::Runtime;
use crate::payload;
use crate::translate::principal;

/// A member's place in a group.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) source: SourceId,
    pub(super) subscription: SubscriptionRef,
    pub(super) member: MemberName,
    pub(super) session: Span,
}

struct Member {
    subscription: SubscriptionRef,
    session: Duration,
    heard_of: Instant,
    positions: BTreeMap<Partition, Offset>,
    /// The partition that is read first next time, so that none starves.
    turn: usize,
}

/// The members that this leader has heard of.
#[derive(Default)]
pub(super) struct Members {
    members: Mutex<BTreeMap<(SourceId, MemberName), Member>>,
}

/// Records for a member, before their bytes are fetched.
type Share = Vec<(Partition, ReadPlace)>;

impl Members {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(SourceId, MemberName), Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a member asked.
    fn hear(&self, seat: &Seat) {
        let mut members = self.lock();
        let member = members.entry((seat.source, seat.member.clone())).or_insert_with(|| Member {
            subscription: seat.subscription.clone(),
            session: Duration::from_millis(seat.session.get()),
            heard_of: Instant::now(),
            positions: BTreeMap::new(),
            turn: 0,
        });
        member.heard_of = Instant::now();
    }

    /// Forgets all members of a subscription.
    pub(super) fn forget(&self, source: SourceId) {
        self.lock().retain(|(other, _), _| *other != source);
    }

    /// Forgets where the members of a subscription read, so that a seek takes effect.
    fn rewind(&self, subscription: &SubscriptionRef) {
        let mut members = self.lock();
        let of_it = members.values_mut().filter(|member| member.subscription == *subscription);
        of_it.for_each(|member| member.positions.clear());
    }

    fn forget_member(&self, source: SourceId, member: &MemberName) {
        self.lock().remove(&(source, member.clone()));
    }
}

impl Runtime {
    /// Records of the member's partitions; joins the group first if need be.
    pub(super) async fn receive_as_member(
        &self,
        caller: &Caller,
        seat: &Seat,
        max: u32,
        wait: Duration,
    ) -> Result<Vec<Delivery>, Failure> {
        let until = tokio::time::Instant::now() + wait;
        self.shared.members.hear(seat);
        loop {
            let topic = self.topic_of(seat)?;
            let growth = self.growth(topic);
            let mut grown = std::pin::pin!(growth.notified());
            grown.as_mut().enable();
            if self.assignment(seat)?.is_none() {
                self.join(caller, seat).await?;
                continue;
            }
            let share = self.share(seat, topic, max)?;
            if !share.is_empty() {
                return self.fetch_share(share).await;
            }
            // A long wait is no silence: the member is heard of while it waits.
            if tokio::time::timeout_at(until, grown).await.is_err() {
                self.shared.members.hear(seat);
                return Ok(Vec::new());
            }
            self.shared.members.hear(seat);
        }
    }

    fn topic_of(&self, seat: &Seat) -> Result<TopicId, Failure> {
        let id = subscription_id(seat.source);
        self.shared.log.read(|machine| machine.topic_of(id))?.ok_or_else(|| gone(seat))
    }

    fn assignment(&self, seat: &Seat) -> Result<Option<Vec<PartitionOffset>>, Failure> {
        let id = subscription_id(seat.source);
        self.shared.log.read(|machine| machine.assignment(id, &seat.member))
    }

    async fn join(&self, caller: &Caller, seat: &Seat) -> Result<(), Failure> {
        let action = Action::Join { subscription: seat.subscription.clone(), member: seat.member.clone() };
        self.shared.log.submit(Command { principal: principal(caller), action }).await??;
        Ok(())
    }

    /// Chooses the next records of the member's partitions, in turn, and moves its positions past them.
    fn share(&self, seat: &Seat, topic: TopicId, max: u32) -> Result<Share, Failure> {
        let id = subscription_id(seat.source);
        let mut members = self.shared.members.lock();
        let member = members.get_mut(&(seat.source, seat.member.clone())).ok_or(Unavailable::Busy)?;
        self.shared.log.read(|machine| {
            let assigned = machine.assignment(id, &seat.member).unwrap_or_default();
            member.positions.retain(|partition, _| assigned.iter().any(|own| own.partition == *partition));
            let mut share = Share::new();
            let count = assigned.len();
            for step in 0..count {
                let own = assigned[(member.turn + step) % count];
                let left = max - u32::try_from(share.len()).unwrap_or(max);
                if left == 0 {
                    break;
                }
                let kept = member.positions.get(&own.partition).copied().unwrap_or(own.offset);
                let places = machine.read_places(topic, own.partition, kept.max(own.offset), left);
                if let Some(last) = places.last() {
                    member.positions.insert(own.partition, last.offset.next());
                }
                share.extend(places.into_iter().map(|place| (own.partition, place)));
            }
            member.turn = if count == 0 { 0 } else { (member.turn + 1) % count };
            share
        })
    }

    async fn fetch_share(&self, share: Share) -> Result<Vec<Delivery>, Failure> {
        let places: Vec<_> = share.iter().map(|(_, place)| place.stored.at).collect();
        let records = self.shared.log.fetch(&places).await?;
        let parts = share.iter().zip(records);
        let there = parts.filter_map(|((partition, place), record)| Some((partition, place, record?)));
        there.map(|(partition, place, record)| payload::stream_delivery(*partition, place, record)).collect()
    }

    /// Lets members go that have not asked within their session.
    pub(crate) fn end_sessions(&self) {
        let now = Instant::now();
        let silent: Vec<_> = {
            let members = self.shared.members.lock();
            let silent = members.iter().filter(|(_, member)| now.duration_since(member.heard_of) > member.session);
            silent.map(|((source, name), member)| (*source, name.clone(), member.subscription.clone())).collect()
        };
        for (source, member, subscription) in silent {
            self.shared.members.forget_member(source, &member);
            let action = Action::Leave(LeaveSubscription { subscription, member });
            if let Ok(left) = self.shared.log.propose(Command { principal: Principal::System, action }) {
                tokio::spawn(left);
            }
        }
    }

    /// Gives the members that the state knows a fresh session: a new leader has heard of none of them.
    pub(crate) fn adopt_members(&self) -> Result<(), Failure> {
        for (id, subscription, member, session) in self.shared.log.read(broker::Machine::members)? {
            self.shared.members.hear(&Seat { source: SourceId::Subscription(id), subscription, member, session });
        }
        Ok(())
    }

    /// Lets a seek take effect on what members read next.
    pub(crate) fn rewind(&self, subscription: &SubscriptionRef) {
        self.shared.members.rewind(subscription);
    }
}

fn subscription_id(source: SourceId) -> SubscriptionId {
    match source {
        SourceId::Subscription(id) => id,
        SourceId::Queue(id) => unreachable!("queue {id} has no members"),
    }
}

fn gone(seat: &Seat) -> Failure {
    model::Refusal::SubscriptionNotFound { name: seat.subscription.to_string() }.into()
}

type NextShare = Pin<Box<dyn Future<Output = Result<Vec<Delivery>, Failure>> + Send>>;

/// A member's records as a stream: receive after receive, within its credit.
pub(super) struct MemberDeliveries {
    runtime: Runtime,
    caller: Caller,
    seat: Seat,
    credit: u32,
    next: Option<NextShare>,
    /// Woken when credit comes while there is none.
    waker: Option<std::task::Waker>,
    stopped: bool,
}

impl MemberDeliveries {
    pub(super) const fn new(runtime: Runtime, caller: Caller, seat: Seat, credit: u32) -> Self {
        Self { runtime, caller, seat, credit, next: None, waker: None, stopped: false }
    }

    fn start(&self) -> NextShare {
        let (runtime, caller, seat) = (self.runtime.clone(), self.caller.clone(), self.seat.clone());
        let max = self.credit.min(model::limits::RECEIVE_MESSAGES_MAX);
        // Each wait ends well within the session, so that a quiet topic does not end it.
        let wait = Duration::from_millis(WAIT_MS_MAX.min(seat.session.get() / 3));
        Box::pin(async move { runtime.receive_as_member(&caller, &seat, max, wait).await })
    }
}

impl Deliveries for MemberDeliveries {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        loop {
            // Records are not leased: what was being read is not missed by anybody.
            if self.stopped {
                return Poll::Ready(None);
            }
            if self.credit == 0 {
                self.waker = Some(context.waker().clone());
                self.runtime.shared.members.hear(&self.seat);
                return Poll::Pending;
            }
            if self.next.is_none() {
                self.next = Some(self.start());
            }
            let next = self.next.as_mut().expect("it was set a line above");
            match next.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(answer) => {
                    self.next = None;
                    match answer {
                        Ok(deliveries) if deliveries.is_empty() => {}
                        Ok(deliveries) => {
                            let count = u32::try_from(deliveries.len()).unwrap_or(u32::MAX);
                            self.credit = self.credit.saturating_sub(count);
                            return Poll::Ready(Some(Ok(deliveries)));
                        }
                        Err(failure) => return Poll::Ready(Some(Err(failure))),
                    }
                }
            }
        }
    }

    fn add_credit(&mut self, messages: u32) {
        self.credit = self.credit.saturating_add(messages).min(model::limits::CREDIT_MAX);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn stop(&mut self) {
        self.stopped = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
