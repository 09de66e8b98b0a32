//! From names to things, and whether the principal may touch them, in one step: whoever may not describe
//! a thing cannot tell a missing one from a forbidden one.

use model::access::{ResourceKind, Right};
use model::name::{ExchangeRef, NamespaceName, QueueRef, Source, SubscriptionRef, TopicRef};
use model::number::{QueueId, SubscriptionId, TopicId, UserId};
use model::operation::{Need, OperationKind};
use model::receipt::ReceiptSource;
use model::refusal::Refusal;
use mutant::Mutant;

use super::Machine;
use super::entry::Namespace;
use crate::access::Target;
use crate::command::Principal;
use crate::place::SourceId;
use crate::route::Exchange;

impl Machine {
    pub(super) fn namespace(&self, name: &NamespaceName) -> Result<&Namespace, Refusal> {
        self.namespaces.get(name).ok_or_else(|| Refusal::NamespaceNotFound { name: name.to_string() })
    }

    pub(super) fn queue_id(&self, queue: &QueueRef) -> Option<QueueId> {
        self.namespaces.get(&queue.namespace)?.queues.get(&queue.name).copied()
    }

    pub(super) fn topic_id(&self, topic: &TopicRef) -> Option<TopicId> {
        self.namespaces.get(&topic.namespace)?.topics.get(&topic.name).copied()
    }

    pub(super) fn subscription_id(&self, subscription: &SubscriptionRef) -> Option<SubscriptionId> {
        let topic = self.topics.get(&self.topic_id(&subscription.topic)?)?;
        topic.subscriptions.get(&subscription.name).copied()
    }

    fn queue_target<'a>(&self, queue: &'a QueueRef) -> Target<'a> {
        let owner = self.queue_id(queue).and_then(|id| self.queues.get(&id)).and_then(|entry| entry.owner);
        Target { kind: ResourceKind::Queue, namespace: &queue.namespace, name: queue.name.as_str(), owner }
    }

    fn topic_target<'a>(&self, topic: &'a TopicRef) -> Target<'a> {
        let owner = self.topic_id(topic).and_then(|id| self.topics.get(&id)).and_then(|entry| entry.owner);
        Target { kind: ResourceKind::Topic, namespace: &topic.namespace, name: topic.name.as_str(), owner }
    }

    /// Demands what an operation needs over a target. `exists` decides between missing and forbidden.
    fn demand(
        &self,
        by: &Principal,
        operation: OperationKind,
        target: &Target<'_>,
        missing: Option<Refusal>,
    ) -> Result<(), Refusal> {
        if self.permits(by, operation, target) {
            return missing.map_or(Ok(()), Err);
        }
        match missing {
            Some(missing) if self.access.allows(by, Right::Describe, target) => Err(missing),
            _ => Err(Refusal::Forbidden { right: right_of(operation) }),
        }
    }

    /// What is the system's own, which is the audit log, is read with the right to audit and with no other; only
    /// administrators alter it, and only the system writes to it or deletes it.
    fn permits(&self, by: &Principal, operation: OperationKind, target: &Target<'_>) -> bool {
        let may_delete = operation == OperationKind::DeleteQueue && mutant::is_on(Mutant::DeleteWithoutRight);
        let need = if may_delete { OperationKind::DescribeQueue.need() } else { operation.need() };
        let permitted = self.access.permits(by, need, target);
        if *target.namespace != NamespaceName::system() || *by == Principal::System {
            return permitted;
        }
        let audits = self.access.demand_broker(by, Right::Audit).is_ok();
        match right_of(operation) {
            Right::Consume | Right::Peek => audits,
            Right::Describe => audits || permitted,
            // A shorter retention does away with entries.
            Right::Alter => self.access.demand_broker(by, Right::Administer).is_ok(),
            Right::Publish | Right::Delete | Right::Purge | Right::Administer => false,
            Right::Create | Right::Seek | Right::Monitor | Right::Audit => permitted,
        }
    }

    /// The queue that an operation names, if the principal may do it.
    pub(super) fn queue_for(
        &self,
        by: &Principal,
        operation: OperationKind,
        queue: &QueueRef,
    ) -> Result<QueueId, Refusal> {
        let found = self.queue_id(queue);
        let missing = found.is_none().then(|| Refusal::QueueNotFound { name: queue.to_string() });
        self.demand(by, operation, &self.queue_target(queue), missing)?;
        Ok(found.expect("a missing queue was refused"))
    }

    /// The topic that an operation names, if the principal may do it.
    pub(super) fn topic_for(
        &self,
        by: &Principal,
        operation: OperationKind,
        topic: &TopicRef,
    ) -> Result<TopicId, Refusal> {
        let found = self.topic_id(topic);
        let missing = found.is_none().then(|| Refusal::TopicNotFound { name: topic.to_string() });
        self.demand(by, operation, &self.topic_target(topic), missing)?;
        Ok(found.expect("a missing topic was refused"))
    }

    fn exchange_target<'a>(&self, exchange: &'a ExchangeRef) -> Target<'a> {
        let owner = self.exchange(exchange).and_then(Exchange::owner);
        Target { kind: ResourceKind::Exchange, namespace: &exchange.namespace, name: exchange.name.word(), owner }
    }

    /// Demands that the exchange that an operation names is there and the principal may do it.
    pub(super) fn exchange_for(
        &self,
        by: &Principal,
        operation: OperationKind,
        exchange: &ExchangeRef,
    ) -> Result<(), Refusal> {
        let is_there = self.has_exchange(exchange);
        let missing = (!is_there).then(|| Refusal::ExchangeNotFound { name: exchange.to_string() });
        self.demand(by, operation, &self.exchange_target(exchange), missing)
    }

    /// Whether the principal may see that an exchange exists.
    pub(super) fn shows_exchange(&self, by: &Principal, exchange: &ExchangeRef) -> bool {
        self.access.allows(by, Right::Describe, &self.exchange_target(exchange))
    }

    /// The subscription that an operation names, if the principal may do it over its topic. Its owner may
    /// describe, seek and delete it; consuming needs the right over the topic, since that may be revoked.
    pub(super) fn subscription_for(
        &self,
        by: &Principal,
        operation: OperationKind,
        subscription: &SubscriptionRef,
    ) -> Result<SubscriptionId, Refusal> {
        let found = self.subscription_id(subscription);
        let missing = found.is_none().then(|| Refusal::SubscriptionNotFound { name: subscription.to_string() });
        let owner = found.and_then(|id| self.subscriptions.get(&id)).and_then(|entry| entry.owner);
        let target = self.topic_target(&subscription.topic);
        let as_owner = Target { owner, ..target };
        if right_of(operation) != Right::Consume && self.access.permits(by, operation.need(), &as_owner) {
            return found.ok_or_else(|| Refusal::SubscriptionNotFound { name: subscription.to_string() });
        }
        self.demand(by, operation, &target, missing)?;
        Ok(found.expect("a missing subscription was refused"))
    }

    /// The source that an operation names, if the principal may do it.
    pub(super) fn source_for(
        &self,
        by: &Principal,
        operation: OperationKind,
        source: &Source,
    ) -> Result<SourceId, Refusal> {
        match source {
            Source::Queue(queue) => self.queue_for(by, operation, queue).map(SourceId::Queue),
            Source::Subscription(subscription) => {
                self.subscription_for(by, operation, subscription).map(SourceId::Subscription)
            }
        }
    }

    /// Demands the right to create a thing of this name.
    pub(super) fn demand_create(
        &self,
        by: &Principal,
        kind: ResourceKind,
        namespace: &NamespaceName,
        name: &str,
    ) -> Result<(), Refusal> {
        self.access.demand(by, Right::Create, &Target { kind, namespace, name, owner: None })?;
        self.namespace(namespace)?;
        if name.starts_with('$') && *by != Principal::System {
            return Err(Refusal::invalid("name", "names that start with $ belong to the system"));
        }
        Ok(())
    }

    /// Whether the principal may see that a queue exists.
    pub(super) fn shows_queue(&self, by: &Principal, queue: &QueueRef) -> bool {
        self.access.allows(by, Right::Describe, &self.queue_target(queue))
    }

    /// Whether the principal may see that a topic exists.
    pub(super) fn shows_topic(&self, by: &Principal, topic: &TopicRef) -> bool {
        self.access.allows(by, Right::Describe, &self.topic_target(topic))
    }

    /// Demands that the principal may publish to a queue that something of its own will send to.
    pub(super) fn demand_publish(&self, by: &Principal, queue: &QueueRef) -> Result<(), Refusal> {
        self.queue_for(by, OperationKind::Publish, queue).map(|_| ())
    }
}

/// The right that an operation is about.
const fn right_of(operation: OperationKind) -> Right {
    match operation.need() {
        Need::Right(right) | Need::Owner(right) => right,
        Need::SelfService => Right::Describe,
    }
}

/// The user id of a principal, for ownership.
pub(super) const fn user_id(by: &Principal) -> Option<UserId> {
    match by {
        Principal::System => None,
        Principal::User { id, .. } => Some(*id),
    }
}

/// The source that a receipt belongs to.
pub(super) const fn source_of(receipt: ReceiptSource) -> SourceId {
    match receipt {
        ReceiptSource::Queue(id) => SourceId::Queue(id),
        ReceiptSource::Subscription(id) => SourceId::Subscription(id),
    }
}
