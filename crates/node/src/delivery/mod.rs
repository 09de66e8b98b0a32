//! Handing out messages: the leader's memory of who waits, what is on its way and who holds what.
//!
//! A delivery leaves as soon as its bytes are there; the lease that records it rides in the next batch and
//! holds nothing up. Until that lease is applied the message is `held` here, so that nobody else gets it.
//! Invariants: a message is handed to one taker at a time; all of this may be lost with the leader, and
//! then messages are delivered again, never lost.
//! Called by `backend` for receives and streams, and with the effects of each batch.

mod consumer;
mod hand;
mod members;
mod takers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker::command::{Action, Command, Principal, Usage};
use broker::effect::Effect;
use broker::machine::Handout;
use broker::place::SourceId;
use model::backend::{Consume, Deliveries};
use model::caller::Caller;
use model::failure::{Failure, Unavailable};
use model::limits::{CREDIT_MAX, RECEIVE_MESSAGES_MAX, WAIT_MS_MAX};
use model::message::Delivery as Handed;
use model::number::{Span, TopicId};
use model::queue::{Receive, Received, check_lease};
use model::receipt::{Receipt, ReceiptSource};
use model::refusal::Refusal;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::effects::{Awaited, Effects};
use crate::limits::CONSUMERS_PER_SOURCE_MAX;
use crate::log::Log;
use crate::translate::principal;

use consumer::LeasedDeliveries;
use members::{MemberDeliveries, Members};
use takers::{Consumer, Lease, TakerId, Takers};

/// The leader's runtime of one shard.
#[derive(Clone)]
pub(crate) struct Runtime {
    shared: Arc<Shared>,
}

struct Shared {
    log: Log,
    /// Told of each source and topic that somebody waits for, while its lock is held.
    effects: Arc<Effects>,
    sources: Mutex<BTreeMap<SourceId, Takers>>,
    members: Members,
    /// Readers that wait for a topic to grow.
    growth: Mutex<BTreeMap<TopicId, Arc<Notify>>>,
    /// Told when messages that were on their way are where the machine says.
    landed: Notify,
}

impl Runtime {
    pub(crate) fn new(log: Log, effects: Arc<Effects>) -> Self {
        let shared = Shared {
            log,
            effects,
            sources: Mutex::new(BTreeMap::new()),
            members: Members::default(),
            growth: Mutex::new(BTreeMap::new()),
            landed: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<SourceId, Takers>> {
        self.shared.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what batches ask for.
    pub(crate) fn perform(&self, effects: BTreeSet<Effect>) {
        for effect in effects {
            match effect {
                Effect::Wake(source) => self.serve(source),
                Effect::Appended(topic, _) => self.notify(topic),
                Effect::Rebalanced(source) => self.notify_followers(source),
                Effect::Attend(queue) => self.attend(SourceId::Queue(queue)),
                Effect::Gone(source) => self.end(source),
            }
        }
    }

    /// How many receives and consumers a source has.
    pub(crate) fn consumers_of(&self, source: SourceId) -> u32 {
        let count = self.sources().get(&source).map_or(0, Takers::count);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How many messages that the machine calls ready are on their way to a taker.
    pub(crate) fn on_the_way(&self, source: SourceId) -> u64 {
        let sources = self.sources();
        let Some(takers) = sources.get(&source).filter(|takers| !takers.held.is_empty()) else { return 0 };
        self.shared.log.read(|machine| machine.ready_among(source, &takers.held)).unwrap_or_default()
    }

    /// Waits until the leases of all messages that are on their way now are in the log, or have failed.
    pub(crate) async fn landed(&self, source: SourceId) {
        let held = |takers: &Takers| takers.held.clone();
        let mut under_way = self.sources().get(&source).map(held).unwrap_or_default();
        while !under_way.is_empty() {
            let mut landed = std::pin::pin!(self.shared.landed.notified());
            landed.as_mut().enable();
            let still = self.sources().get(&source).map(held).unwrap_or_default();
            under_way.retain(|place| still.contains(place));
            if !under_way.is_empty() {
                landed.await;
            }
        }
    }

    /// How many receives and consumers there are in all.
    pub(crate) fn consumers(&self) -> u64 {
        let count: usize = self.sources().values().map(Takers::count).sum();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Takes messages under a lease, or from the partitions of a member.
    pub(crate) async fn receive(&self, caller: &Caller, request: Receive) -> Result<Received, Failure> {
        check_receive(&request)?;
        let by = principal(caller);
        let (source, handout) = self.shared.log.read(|machine| machine.consumable(&by, &request.source))??;
        let wait = Duration::from_millis(request.wait.get());
        match handout {
            Handout::Leases(default) => {
                let lease = Lease::For(request.lease.unwrap_or(default));
                self.receive_leased(source, request.max, lease, wait).await
            }
            Handout::Members(session) => {
                let member = request.member.clone().ok_or_else(no_member)?;
                let subscription = subscription_of(&request.source);
                let seat = members::Seat { source, subscription, member, session };
                let deliveries = self.receive_as_member(caller, &seat, request.max, wait).await?;
                Ok(Received { deliveries })
            }
        }
    }

    async fn receive_leased(
        &self,
        source: SourceId,
        max: u32,
        lease: Lease,
        wait: Duration,
    ) -> Result<Received, Failure> {
        let (sender, mut receiver) = oneshot::channel();
        self.note_use(source, Usage::Asked);
        let id = self.add_taker(source, |takers| takers.wait(max, lease, sender))?;
        self.serve(source);
        if wait.is_zero() && self.withdraw(source, id) {
            return Ok(Received { deliveries: Vec::new() });
        }
        let answer = match tokio::time::timeout(wait, &mut receiver).await {
            Ok(answer) => answer,
            Err(_) if self.withdraw(source, id) => return Ok(Received { deliveries: Vec::new() }),
            // Chosen already: its bytes are being fetched, which is bounded by the disk.
            Err(_) => receiver.await,
        };
        // The line is gone with its source or with the leader.
        let deliveries = answer.unwrap_or_else(|_| self.why_gone(source))?;
        Ok(Received { deliveries })
    }

    /// Takes a receive out of the line; false when it has been served.
    fn withdraw(&self, source: SourceId, id: TakerId) -> bool {
        self.sources().get_mut(&source).is_some_and(|takers| takers.withdraw(id))
    }

    fn why_gone(&self, source: SourceId) -> Result<Vec<Handed>, Failure> {
        match self.shared.log.read(|machine| machine.has_source(source)) {
            Ok(false) => Ok(Vec::new()),
            Ok(true) => Err(Unavailable::Draining.into()),
            Err(failure) => Err(failure),
        }
    }

    fn add_taker<T>(&self, source: SourceId, add: impl FnOnce(&mut Takers) -> T) -> Result<T, Failure> {
        let mut sources = self.sources();
        self.shared.effects.expect(Awaited::Source(source));
        let takers = sources.entry(source).or_default();
        if takers.count() >= CONSUMERS_PER_SOURCE_MAX {
            return Err(Unavailable::Busy.into());
        }
        Ok(add(takers))
    }

    /// Opens a stream of deliveries.
    pub(crate) async fn consume(&self, caller: &Caller, request: Consume) -> Result<Box<dyn Deliveries>, Failure> {
        if request.credit > CREDIT_MAX {
            return Err(Refusal::invalid("credit", "it is at most 100000").into());
        }
        request.lease.map_or(Ok(()), check_lease)?;
        let by = principal(caller);
        let (source, handout) = self.shared.log.read(|machine| machine.consumable(&by, &request.source))??;
        match handout {
            Handout::Leases(_) => {
                let lease = request.lease.map_or(Lease::WithConnection, Lease::For);
                // The channel holds at most one entry a message of credit.
                let (sender, deliveries) = mpsc::channel(usize::try_from(CREDIT_MAX).unwrap_or(usize::MAX));
                let consumer = Consumer::new(request.credit, lease, sender).ranked(request.priority, request.sharing);
                let single = self.shared.log.read(|machine| machine.serves_one(source))?;
                let id = self.add_taker(source, |takers| {
                    if !takers.admits(request.sharing) {
                        return Err(Refusal::ConsumerAlone { name: request.source.to_string() });
                    }
                    takers.set_single(single);
                    let is_first = !takers.is_consumed();
                    let id = takers.join(consumer);
                    if is_first {
                        self.note_use(source, Usage::Consumed);
                    }
                    Ok(id)
                })??;
                self.serve(source);
                Ok(Box::new(LeasedDeliveries::new(self.clone(), source, id, deliveries)))
            }
            Handout::Members(session) => {
                let member = request.member.clone().ok_or_else(no_member)?;
                let subscription = subscription_of(&request.source);
                let seat = members::Seat { source, subscription, member, session };
                Ok(Box::new(MemberDeliveries::new(self.clone(), caller.clone(), seat, request.credit)))
            }
        }
    }

    /// Tells the machine that a queue is used, if it is.
    fn attend(&self, source: SourceId) {
        let sources = self.sources();
        if sources.get(&source).is_some_and(Takers::is_consumed) {
            self.note_use(source, Usage::Consumed);
        }
    }

    /// Tells the machine whether a queue is used, if it goes when it is not. Called under the lock of the sources, so
    /// that what is told comes in order.
    fn note_use(&self, source: SourceId, usage: Usage) {
        let SourceId::Queue(queue) = source else { return };
        let noted = self.shared.log.read(|machine| (machine.notes_use(queue), machine.epoch()));
        let Ok((true, epoch)) = noted else { return };
        let action = Action::NoteUse { queue, epoch, usage };
        // What cannot be proposed now is as if this leader had been lost: the next one knows of no consumer.
        if let Ok(noted) = self.shared.log.propose(Command { principal: Principal::System, action }) {
            tokio::spawn(noted);
        }
    }

    /// Forgets deliveries that were settled, so that their consumer does not give them back.
    pub(crate) fn settled(&self, receipts: &[Receipt]) {
        let Some(first) = receipts.first() else { return };
        let source = match first.source {
            ReceiptSource::Queue(id) => SourceId::Queue(id),
            ReceiptSource::Subscription(id) => SourceId::Subscription(id),
        };
        if let Some(takers) = self.sources().get_mut(&source) {
            takers.settled(receipts);
        }
    }

    /// Ends everything that waits: the node drains.
    pub(crate) fn drain(&self) {
        self.sources().clear();
        self.shared.landed.notify_waiters();
        let growth = self.shared.growth.lock().unwrap_or_else(PoisonError::into_inner);
        growth.values().for_each(|notify| notify.notify_waiters());
    }

    /// Something to wait on until a topic grows. Get it, look, then wait.
    pub(crate) fn growth(&self, topic: TopicId) -> Arc<Notify> {
        let mut growth = self.shared.growth.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.effects.expect(Awaited::Topic(topic));
        growth.entry(topic).or_default().clone()
    }

    fn notify(&self, topic: TopicId) {
        let mut growth = self.shared.growth.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(notify) = growth.get(&topic) {
            notify.notify_waiters();
            if Arc::strong_count(notify) == 1 {
                growth.remove(&topic);
                self.shared.effects.forget(Awaited::Topic(topic));
            }
        }
    }

    fn notify_followers(&self, source: SourceId) {
        let SourceId::Subscription(id) = source else { return };
        if let Ok(Some(topic)) = self.shared.log.read(|machine| machine.topic_of(id)) {
            self.notify(topic);
        }
    }

    /// A source is gone: its receives answer empty, its streams end.
    fn end(&self, source: SourceId) {
        let mut sources = self.sources();
        sources.remove(&source);
        self.shared.effects.forget(Awaited::Source(source));
        drop(sources);
        self.shared.landed.notify_waiters();
        self.shared.members.forget(source);
    }
}

fn check_receive(request: &Receive) -> Result<(), Refusal> {
    if request.max == 0 || request.max > RECEIVE_MESSAGES_MAX {
        return Err(Refusal::invalid("max", "it must lie between 1 and 1000"));
    }
    if request.wait > Span::new(WAIT_MS_MAX) {
        return Err(Refusal::invalid("wait_ms", "a wait is at most 60000"));
    }
    request.lease.map_or(Ok(()), check_lease)
}

fn no_member() -> Refusal {
    Refusal::invalid("member", "a stream subscription needs the name of the member that asks")
}

fn subscription_of(source: &model::name::Source) -> model::name::SubscriptionRef {
    match source {
        model::name::Source::Subscription(subscription) => subscription.clone(),
        model::name::Source::Queue(queue) => unreachable!("the queue {queue} has no members"),
    }
}
