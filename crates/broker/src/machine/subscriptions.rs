//! Subscriptions: created, deleted, committed, moved; members come and go.

use model::limits::SUBSCRIPTIONS_PER_TOPIC_MAX;
use model::name::{MemberName, QueueRef, SubscriptionRef};
use model::number::{Offset, Partition, Span, SubscriptionId, TopicId};
use model::operation::{OperationKind, Response};
use model::page::Page;
use model::queue::{Created, Totals, check_lease};
use model::refusal::Refusal;
use model::subscription::{
    Commit, Committed, CreateSubscription, DeleteSubscription, Done, LeaveSubscription, ListSubscriptions,
    PartitionOffset, Seek, SubscriptionDescription, SubscriptionKind, SubscriptionSettings,
};

use super::Machine;
use super::entry::{Cursor, SubscriptionEntry};
use super::find::user_id;
use super::queues::or_none;
use super::time::Timed;
use crate::command::Principal;
use crate::effect::Effect;
use crate::outcome::Outcome;
use crate::place::SourceId;
use crate::subscription::{Shared, Stream};

impl Machine {
    pub(super) fn create_subscription(
        &mut self,
        by: &Principal,
        request: &CreateSubscription,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let CreateSubscription { subscription, settings } = request;
        let topic = self.topic_for(by, OperationKind::CreateSubscription, &subscription.topic)?;
        if let Some(id) = self.subscription_id(subscription) {
            return self.same_subscription(id, settings);
        }
        self.check_kind(by, subscription, settings)?;
        let entry = self.topics.get_mut(&topic).expect("the topic was found above");
        if u64::try_from(entry.subscriptions.len()).is_ok_and(|held| held >= SUBSCRIPTIONS_PER_TOPIC_MAX) {
            let what = "subscriptions of a topic";
            return Err(Refusal::LimitReached { what, limit: SUBSCRIPTIONS_PER_TOPIC_MAX });
        }
        let cursor = match &settings.kind {
            SubscriptionKind::Stream { .. } => Cursor::Stream(Stream::new(&entry.core, settings.start)),
            SubscriptionKind::Shared { delivery_limit, .. } => {
                Cursor::Shared(Box::new(Shared::new(&entry.core, settings.start, *delivery_limit)))
            }
        };
        let id = SubscriptionId::new(self.new_id());
        let entry = self.topics.get_mut(&topic).expect("the topic was found above");
        entry.subscriptions.insert(subscription.name.clone(), id);
        let made = SubscriptionEntry {
            subscription: subscription.clone(),
            topic,
            owner: user_id(by),
            created_at: self.now,
            settings: settings.clone(),
            cursor,
            deadline: None,
            totals: Totals::default(),
        };
        let namespace = &subscription.topic.namespace;
        self.note_dead_letter_user(SourceId::Subscription(id), namespace, None, made.dead_letter());
        self.subscriptions.insert(id, made);
        self.refill(id, effects);
        let description = self.describe_subscription_id(id);
        Ok(Outcome::response(Response::CreateSubscription(Created { created: true, description })))
    }

    fn check_kind(
        &self,
        by: &Principal,
        subscription: &SubscriptionRef,
        settings: &SubscriptionSettings,
    ) -> Result<(), Refusal> {
        match &settings.kind {
            SubscriptionKind::Stream { session } => check_lease(*session)
                .map_err(|_| Refusal::invalid("session_ms", "it must lie between 100 and 43200000")),
            SubscriptionKind::Shared { lease, delivery_limit, dead_letter } => {
                check_lease(*lease)?;
                if *delivery_limit == 0 || *delivery_limit > model::limits::DELIVERY_LIMIT_MAX {
                    return Err(Refusal::invalid("delivery_limit", "it must lie between 1 and 1000000"));
                }
                let namespace = subscription.topic.namespace.clone();
                let target = dead_letter.as_ref().map(|name| QueueRef { namespace, name: name.clone() });
                target.map_or(Ok(()), |target| self.demand_publish(by, &target))
            }
        }
    }

    fn same_subscription(&self, id: SubscriptionId, settings: &SubscriptionSettings) -> Result<Outcome, Refusal> {
        let entry = &self.subscriptions[&id];
        // Where it started once does not matter any more; how it works does.
        if entry.settings.kind != settings.kind {
            let name = entry.subscription.to_string();
            let difference = format!("it is {}, not {}", words(&entry.settings.kind), words(&settings.kind));
            return Err(Refusal::SubscriptionExists { name, difference });
        }
        let description = self.describe_subscription_id(id);
        Ok(Outcome::response(Response::CreateSubscription(Created { created: false, description })))
    }

    pub(super) fn delete_subscription(
        &mut self,
        by: &Principal,
        request: &DeleteSubscription,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.subscription_for(by, OperationKind::DeleteSubscription, &request.subscription)?;
        let topic = self.subscriptions[&id].topic;
        self.topics
            .get_mut(&topic)
            .expect("a topic outlives its subscriptions")
            .subscriptions
            .remove(&request.subscription.name);
        self.remove_subscription(id, effects);
        Ok(Outcome::response(Response::DeleteSubscription(Done)))
    }

    /// Takes a subscription away that its topic does not list any more.
    pub(super) fn remove_subscription(&mut self, id: SubscriptionId, effects: &mut Vec<Effect>) {
        let mut entry = self.subscriptions.remove(&id).expect("a listed subscription exists");
        let namespace = entry.subscription.topic.namespace.clone();
        self.note_dead_letter_user(SourceId::Subscription(id), &namespace, entry.dead_letter(), None);
        if let Cursor::Shared(shared) = &mut entry.cursor {
            shared.clear(&mut self.ledger);
        }
        self.unschedule(Timed::Subscription(id), entry.deadline);
        effects.push(Effect::Gone(SourceId::Subscription(id)));
    }

    /// Pulls records into the window of a shared subscription, and keeps its place in the deadlines.
    pub(super) fn refill(&mut self, id: SubscriptionId, effects: &mut Vec<Effect>) {
        let Some(entry) = self.subscriptions.get_mut(&id) else { return };
        if let Cursor::Shared(shared) = &mut entry.cursor {
            let topic = self.topics.get(&entry.topic).expect("a topic outlives its subscriptions");
            if shared.fill(&topic.core, &mut self.ledger) {
                effects.push(Effect::Wake(SourceId::Subscription(id)));
            }
            self.reschedule_subscription(id);
        }
    }

    /// Tells the subscriptions of a topic that it has more partitions.
    pub(super) fn grow_subscriptions(&mut self, topic: TopicId, effects: &mut Vec<Effect>) {
        let entry = &self.topics[&topic];
        let partitions = entry.settings.partitions;
        let ids: Vec<_> = entry.subscriptions.values().copied().collect();
        for id in ids {
            let entry = self.subscriptions.get_mut(&id).expect("a listed subscription exists");
            match &mut entry.cursor {
                Cursor::Stream(stream) => stream.grow(partitions),
                Cursor::Shared(shared) => shared.grow(partitions),
            }
            effects.push(Effect::Rebalanced(SourceId::Subscription(id)));
            self.refill(id, effects);
        }
    }

    fn stream_mut(&mut self, id: SubscriptionId) -> Result<(&mut Stream, &crate::topic::Topic), Refusal> {
        let entry = self.subscriptions.get_mut(&id).expect("the subscription was found before");
        match &mut entry.cursor {
            Cursor::Stream(stream) => {
                let topic = self.topics.get(&entry.topic).expect("a topic outlives its subscriptions");
                Ok((stream, &topic.core))
            }
            Cursor::Shared(_) => Err(Refusal::SubscriptionKind {
                name: entry.subscription.to_string(),
                kind: "shared",
                why: "settle receipts by ack and nack; it has no members and no offsets to commit",
            }),
        }
    }

    pub(super) fn commit(&mut self, by: &Principal, request: &Commit) -> Result<Outcome, Refusal> {
        let id = self.subscription_for(by, OperationKind::Commit, &request.subscription)?;
        let (stream, topic) = self.stream_mut(id)?;
        let mut named = request.offsets.iter().map(|wanted| wanted.partition);
        if let Some(partition) = named.find(|partition| topic.history(*partition).is_none()) {
            return Err(Refusal::PartitionNotFound { name: request.subscription.topic.to_string(), partition });
        }
        let offsets = stream.commit(topic, request.member.as_ref(), &request.offsets)?;
        Ok(Outcome::response(Response::Commit(Committed { offsets })))
    }

    pub(super) fn seek(
        &mut self,
        by: &Principal,
        request: &Seek,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.subscription_for(by, OperationKind::Seek, &request.subscription)?;
        let entry = self.subscriptions.get_mut(&id).expect("the subscription was found above");
        let topic = self.topics.get(&entry.topic).expect("a topic outlives its subscriptions");
        if let Some(partition) = request.partition
            && topic.core.history(partition).is_none()
        {
            return Err(Refusal::PartitionNotFound { name: topic.topic.to_string(), partition });
        }
        let offsets = match &mut entry.cursor {
            Cursor::Stream(stream) => stream.seek(&topic.core, request.to, request.partition),
            Cursor::Shared(shared) => shared.seek(&topic.core, request.to, request.partition, &mut self.ledger),
        };
        effects.push(Effect::Rebalanced(SourceId::Subscription(id)));
        self.refill(id, effects);
        Ok(Outcome::response(Response::Seek(Committed { offsets })))
    }

    pub(super) fn join(
        &mut self,
        by: &Principal,
        subscription: &SubscriptionRef,
        member: &MemberName,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.subscription_for(by, OperationKind::Receive, subscription)?;
        let (stream, _) = self.stream_mut(id)?;
        if stream.join(member.clone())? {
            effects.push(Effect::Rebalanced(SourceId::Subscription(id)));
        }
        Ok(Outcome::Done)
    }

    pub(super) fn leave(
        &mut self,
        by: &Principal,
        request: &LeaveSubscription,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.subscription_for(by, OperationKind::LeaveSubscription, &request.subscription)?;
        let (stream, _) = self.stream_mut(id)?;
        if stream.leave(&request.member) {
            effects.push(Effect::Rebalanced(SourceId::Subscription(id)));
        }
        Ok(Outcome::response(Response::LeaveSubscription(Done)))
    }

    pub(super) fn list_subscriptions(
        &self,
        by: &Principal,
        request: &ListSubscriptions,
    ) -> Result<Page<SubscriptionDescription>, Refusal> {
        let topic = self.topic_for(by, OperationKind::ListSubscriptions, &request.topic)?;
        let names = self.topics[&topic].subscriptions.iter();
        let fitting = names.filter(|(name, _)| name.as_str().starts_with(&request.prefix));
        Ok(crate::page::page(
            fitting,
            &request.page,
            |(name, _)| name.as_str(),
            |(_, id)| Some(self.describe_subscription_id(**id)),
        ))
    }

    pub(super) fn describe_subscription_id(&self, id: SubscriptionId) -> SubscriptionDescription {
        let entry = &self.subscriptions[&id];
        let topic = &self.topics[&entry.topic].core;
        let progress = match &entry.cursor {
            Cursor::Stream(stream) => stream.progress(topic, self.now),
            Cursor::Shared(shared) => shared.progress(topic, self.now),
        };
        SubscriptionDescription {
            subscription: entry.subscription.clone(),
            id,
            owner: self.owner_name(entry.owner),
            created_at: entry.created_at,
            settings: entry.settings.clone(),
            generation: progress.generation,
            members: progress.members,
            lag: progress.lag,
            lag_time: progress.lag_time,
            leased: progress.leased,
            partitions: progress.partitions,
            totals: entry.totals,
        }
    }

    /// Where the member of a stream subscription reads: its partitions with their committed offsets; `None`
    /// when it is no member.
    pub fn assignment(&self, id: SubscriptionId, member: &MemberName) -> Option<Vec<PartitionOffset>> {
        match &self.subscriptions.get(&id)?.cursor {
            Cursor::Stream(stream) => stream.assignment(member),
            Cursor::Shared(_) => None,
        }
    }

    /// All members of stream subscriptions, with their sessions, for a leader that has just begun.
    pub fn members(&self) -> Vec<(SubscriptionId, SubscriptionRef, MemberName, Span)> {
        let streams = self.subscriptions.iter().filter_map(|(id, entry)| match (&entry.cursor, &entry.settings.kind) {
            (Cursor::Stream(stream), SubscriptionKind::Stream { session }) => Some((id, entry, stream, *session)),
            _ => None,
        });
        let named = streams.flat_map(|(id, entry, stream, session)| {
            stream.members().map(move |member| (*id, entry.subscription.clone(), member.clone(), session))
        });
        named.collect()
    }

    /// The topic that a subscription follows.
    pub fn topic_of(&self, id: SubscriptionId) -> Option<TopicId> {
        self.subscriptions.get(&id).map(|entry| entry.topic)
    }

    /// The end of a partition, for readers that wait.
    pub fn end_of(&self, id: TopicId, partition: Partition) -> Option<Offset> {
        self.topics.get(&id)?.core.history(partition).map(crate::topic::History::end)
    }
}

/// The kind of a subscription with its settings, in words.
fn words(kind: &SubscriptionKind) -> String {
    match kind {
        SubscriptionKind::Stream { session } => format!("stream with session_ms {session}"),
        SubscriptionKind::Shared { lease, delivery_limit, dead_letter } => {
            let dead_letter = or_none(dead_letter.as_ref());
            format!("shared with lease_ms {lease}, delivery_limit {delivery_limit}, dead_letter {dead_letter}")
        }
    }
}
