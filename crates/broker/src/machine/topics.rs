//! Topics: created, altered, deleted, published to.

use bytes::Bytes;
use model::access::ResourceKind;
use model::limits::TOPICS_PER_NAMESPACE_MAX;
use model::name::TopicRef;
use model::number::{Partition, TopicId};
use model::operation::{OperationKind, Response};
use model::queue::{Created, DeleteMode, Removed, Totals};
use model::refusal::Refusal;
use model::topic::{AlterTopic, Cleanup, CreateTopic, DeleteTopic, TopicSettings, TransferTopic};

use super::Machine;
use super::entry::{Cursor, TopicEntry};
use super::find::user_id;
use super::queues::{first_difference, or_none, read_head};
use super::time::Timed;
use crate::command::Principal;
use crate::effect::Effect;
use crate::outcome::{Outcome, Placed};
use crate::place::{MessageRef, SourceId, Stored};
use crate::route::Target;
use crate::topic::{Arrival, Topic};

impl Machine {
    pub(super) fn create_topic(&mut self, by: &Principal, request: &CreateTopic) -> Result<Outcome, Refusal> {
        let CreateTopic { topic, settings } = request;
        if let Some(id) = self.topic_id(topic) {
            self.topic_for(by, OperationKind::DescribeTopic, topic)?;
            return self.same_topic(id, settings);
        }
        self.demand_create(by, ResourceKind::Topic, &topic.namespace, topic.name.as_str())?;
        settings.check()?;
        let held = self.namespace(&topic.namespace)?.topics.len();
        if u64::try_from(held).is_ok_and(|held| held >= TOPICS_PER_NAMESPACE_MAX) {
            return Err(Refusal::LimitReached { what: "topics in a namespace", limit: TOPICS_PER_NAMESPACE_MAX });
        }
        let id = TopicId::new(self.new_id());
        let entry = TopicEntry {
            topic: topic.clone(),
            owner: user_id(by),
            created_at: self.now,
            settings: settings.clone(),
            core: Topic::new(settings.clone()),
            subscriptions: std::collections::BTreeMap::new(),
            deadline: None,
            totals: Totals::default(),
        };
        self.topics.insert(id, entry);
        let namespace = self.namespaces.get_mut(&topic.namespace).expect("the namespace was looked up above");
        namespace.topics.insert(topic.name.clone(), id);
        let description = self.describe_topic_id(id);
        Ok(Outcome::response(Response::CreateTopic(Created { created: true, description })))
    }

    fn same_topic(&self, id: TopicId, settings: &TopicSettings) -> Result<Outcome, Refusal> {
        let entry = &self.topics[&id];
        if let Some(difference) = difference(&entry.settings, settings) {
            return Err(Refusal::TopicExists { name: entry.topic.to_string(), difference });
        }
        let description = self.describe_topic_id(id);
        Ok(Outcome::response(Response::CreateTopic(Created { created: false, description })))
    }

    pub(super) fn alter_topic(
        &mut self,
        by: &Principal,
        request: &AlterTopic,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.topic_for(by, OperationKind::AlterTopic, &request.topic)?;
        let name = request.topic.to_string();
        let entry = self.topics.get_mut(&id).expect("the topic was found above");
        let settings = request.patch.clone().applied_to(entry.settings.clone());
        settings.check()?;
        entry.core.alter(settings.clone()).map_err(|misfit| misfit.refusal(&name))?;
        let grown = settings.partitions > entry.settings.partitions;
        entry.settings = settings;
        if grown {
            self.grow_subscriptions(id, effects);
        }
        self.reschedule_topic(id);
        Ok(Outcome::response(Response::AlterTopic(self.describe_topic_id(id))))
    }

    pub(super) fn delete_topic(
        &mut self,
        by: &Principal,
        request: &DeleteTopic,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.topic_for(by, OperationKind::DeleteTopic, &request.topic)?;
        let entry = &self.topics[&id];
        let messages = entry.core.messages();
        let subscriptions = u64::try_from(entry.subscriptions.len()).unwrap_or(u64::MAX);
        if request.mode == DeleteMode::IfEmpty && (messages > 0 || subscriptions > 0) {
            return Err(Refusal::TopicNotEmpty { name: request.topic.to_string(), messages, subscriptions });
        }
        let mut entry = self.topics.remove(&id).expect("the topic was found above");
        for subscription in entry.subscriptions.values() {
            self.remove_subscription(*subscription, effects);
        }
        entry.core.clear(&mut self.ledger);
        self.unschedule(Timed::Topic(id), entry.deadline);
        let names = self.namespaces.get_mut(&request.topic.namespace).expect("the namespace of a topic exists");
        names.topics.remove(&request.topic.name);
        names.exchanges.remove_target(&Target::Topic(id));
        Ok(Outcome::response(Response::DeleteTopic(Removed { messages })))
    }

    pub(super) fn transfer_topic(&mut self, by: &Principal, request: &TransferTopic) -> Result<Outcome, Refusal> {
        let id = self.topic_for(by, OperationKind::TransferTopic, &request.topic)?;
        let owner = self.new_owner(&request.owner)?;
        self.topics.get_mut(&id).expect("the topic was found above").owner = Some(owner);
        Ok(Outcome::response(Response::TransferTopic(self.describe_topic_id(id))))
    }

    pub(super) fn publish_topic(
        &mut self,
        by: &Principal,
        topic: &TopicRef,
        records: &[(Option<Partition>, Bytes)],
        first: MessageRef,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let id = self.topic_for(by, OperationKind::PublishTopic, topic)?;
        let mut arrivals = Vec::with_capacity(records.len());
        for (position, (partition, record)) in (first.position..).zip(records) {
            let head = read_head(record)?;
            let at = MessageRef { index: first.index, position };
            let stored = Stored { at, bytes: head.bytes };
            arrivals.push(Arrival { stored, head, partition: *partition, published_at: self.now });
        }
        let entry = self.topics.get_mut(&id).expect("the topic was found above");
        let placed = entry.core.publish(self.now, &arrivals, &mut self.ledger);
        let placed = placed.map_err(|misfit| misfit.refusal(&topic.to_string()))?;
        let mut touched = std::collections::BTreeSet::new();
        for placed in placed.iter().filter(|placed| !placed.duplicate) {
            entry.totals.published += 1;
            touched.insert(placed.partition);
        }
        effects.extend(touched.into_iter().map(|partition| Effect::Appended(id, partition)));
        self.reschedule_topic(id);
        self.feed_subscriptions(id, effects);
        let placed = placed.into_iter().map(|placed| Placed {
            partition: placed.partition,
            place: placed.offset.get(),
            duplicate: placed.duplicate,
        });
        Ok(Outcome::Placed(placed.collect()))
    }

    /// Lets each subscription see what was added.
    pub(super) fn feed_subscriptions(&mut self, id: TopicId, effects: &mut Vec<Effect>) {
        let subscriptions: Vec<_> = self.topics[&id].subscriptions.values().copied().collect();
        for subscription in subscriptions {
            match self.subscriptions[&subscription].cursor {
                Cursor::Shared(_) => self.refill(subscription, effects),
                Cursor::Stream(_) => effects.push(Effect::Wake(SourceId::Subscription(subscription))),
            }
        }
    }
}

/// The first setting that differs, in words.
fn difference(old: &TopicSettings, new: &TopicSettings) -> Option<String> {
    let cleanup = |settings: &TopicSettings| match settings.cleanup {
        Cleanup::Delete => "delete".to_owned(),
        Cleanup::Compact => "compact".to_owned(),
    };
    let rows = [
        ("partitions", old.partitions.to_string(), new.partitions.to_string()),
        ("retention_ms", or_none(old.retention), or_none(new.retention)),
        ("retention_bytes", or_none(old.retention_bytes), or_none(new.retention_bytes)),
        ("cleanup", cleanup(old), cleanup(new)),
        ("deduplication_ms", old.deduplication.to_string(), new.deduplication.to_string()),
    ];
    first_difference(rows)
}
