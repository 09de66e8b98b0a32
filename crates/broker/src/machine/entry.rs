//! What the machine keeps beside the core of each noun: name, owner, settings, deadline.

use std::collections::BTreeMap;

use model::name::{PolicyName, QueueName, QueueRef, SubscriptionName, SubscriptionRef, TopicName, TopicRef};
use model::number::{QueueId, SubscriptionId, Timestamp, TopicId, UserId};
use model::queue::{QueueSettings, RedriveFilter, Totals};
use model::subscription::SubscriptionSettings;
use model::topic::TopicSettings;

use crate::policy::Policies;
use crate::queue::Queue;
use crate::route::Exchanges;
use crate::subscription::{Shared, Stream};
use crate::topic::Topic;

/// The names of a namespace, and its exchanges.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Namespace {
    pub(super) queues: BTreeMap<QueueName, QueueId>,
    pub(super) topics: BTreeMap<TopicName, TopicId>,
    pub(super) exchanges: Exchanges,
    pub(super) policies: Policies,
}

/// A queue with everything around its core.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct QueueEntry {
    pub(super) queue: QueueRef,
    pub(super) owner: Option<UserId>,
    pub(super) created_at: Timestamp,
    /// The settings in effect.
    pub(super) settings: QueueSettings,
    /// Set while a policy applies.
    pub(super) ruled: Option<Box<Ruled>>,
    pub(super) core: Queue,
    pub(super) redrive: Option<Box<RedriveJob>>,
    pub(super) attendance: Attendance,
    /// The deadline under which the queue stands in the machine's table.
    pub(super) deadline: Option<Timestamp>,
    pub(super) totals: Totals,
}

/// What a policy stands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ruled {
    pub(super) policy: PolicyName,
    /// The settings that the queue was made with.
    pub(super) own: QueueSettings,
}

impl QueueEntry {
    /// The settings that it was made with.
    pub(super) fn own(&self) -> &QueueSettings {
        self.ruled.as_ref().map_or(&self.settings, |ruled| &ruled.own)
    }
}

/// Whether anybody consumes from a queue; known only of queues that go when nobody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attendance {
    /// Nobody since then.
    Unused(Timestamp),
    /// Somebody.
    Consumed,
    /// All were lost with a leadership at that time, and may come back.
    Lost(Timestamp),
}

/// A redrive that is held to a rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedriveJob {
    pub(super) filter: RedriveFilter,
    pub(super) target: Option<QueueRef>,
    pub(super) rate: u32,
    pub(super) moved: u64,
    pub(super) next_at: Timestamp,
}

/// A topic with everything around its core.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TopicEntry {
    pub(super) topic: TopicRef,
    pub(super) owner: Option<UserId>,
    pub(super) created_at: Timestamp,
    pub(super) settings: TopicSettings,
    pub(super) core: Topic,
    pub(super) subscriptions: BTreeMap<SubscriptionName, SubscriptionId>,
    pub(super) deadline: Option<Timestamp>,
    pub(super) totals: Totals,
}

/// A subscription with everything around its cursor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SubscriptionEntry {
    pub(super) subscription: SubscriptionRef,
    pub(super) topic: TopicId,
    pub(super) owner: Option<UserId>,
    pub(super) created_at: Timestamp,
    pub(super) settings: SubscriptionSettings,
    pub(super) cursor: Cursor,
    pub(super) deadline: Option<Timestamp>,
    pub(super) totals: Totals,
}

/// How a subscription moves through its topic.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cursor {
    /// Committed offsets and members.
    Stream(Stream),
    /// A window of leases.
    Shared(Box<Shared>),
}
