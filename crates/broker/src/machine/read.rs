//! Reads: descriptions, lists, peeks and partitions, on the state as it is. Nothing changes.
//!
//! What needs payloads comes out as places; the node fetches the bytes. Totals of the runtime and the
//! state of the node are added above.

use std::ops::Bound;

use model::access::{NamespaceDescription, Right};
use model::message::MessagePlace;
use model::name::{NamespaceName, QueueRef, TopicRef, UserName};
use model::number::{Offset, Partition, QueueId, Timestamp, TopicId};
use model::operation::{OperationKind, Request, Response};
use model::page::Page;
use model::policy::AppliedPolicy;
use model::queue::{ListQueues, Peek, QueueDescription, RedriveProgress};
use model::refusal::Refusal;
use model::topic::{ListTopics, PartitionExtent, ReadPartition, TopicDescription};

use super::Machine;
use super::entry::Namespace;
use crate::command::Principal;
use crate::place::Stored;
use crate::queue::PeekedPlace;

/// What a read found.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A complete answer.
    Response(Box<Response>),
    /// Messages to fetch for a peek.
    Peeked {
        /// The queue.
        queue: QueueId,
        /// In the order of the answer.
        places: Vec<PeekedPlace>,
        /// Continue after this one.
        next: Option<MessagePlace>,
    },
    /// Messages to fetch for a read of a partition; none: wait if asked to.
    Read {
        /// The topic, for waiting.
        topic: TopicId,
        /// In the order of their offsets.
        places: Vec<ReadPlace>,
        /// Read from here next.
        next: Offset,
        /// The extent of the partition now.
        extent: PartitionExtent,
    },
}

/// A record of a topic to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPlace {
    /// Its offset.
    pub offset: Offset,
    /// Where its bytes lie.
    pub stored: Stored,
    /// When it was accepted.
    pub published_at: Timestamp,
}

impl Machine {
    /// Answers a request that changes nothing. Asking for another kind of request is a mistake of the node.
    ///
    /// # Errors
    /// What the request is refused with.
    pub fn read(&self, by: &Principal, request: &Request) -> Result<Answer, Refusal> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the node sends only what the table calls a read")]
        let response = match request {
            Request::DescribeQueue(request) => {
                let id = self.queue_for(by, OperationKind::DescribeQueue, &request.queue)?;
                Response::DescribeQueue(self.describe_queue_id(id))
            }
            Request::ListQueues(request) => Response::ListQueues(self.list_queues(by, request)?),
            Request::Peek(request) => return self.peek(by, request),
            Request::DescribeTopic(request) => {
                let id = self.topic_for(by, OperationKind::DescribeTopic, &request.topic)?;
                Response::DescribeTopic(self.describe_topic_id(id))
            }
            Request::ListTopics(request) => Response::ListTopics(self.list_topics(by, request)?),
            Request::ReadPartition(request) => return self.read_partition(by, request),
            Request::DescribeSubscription(request) => {
                let operation = OperationKind::DescribeSubscription;
                let id = self.subscription_for(by, operation, &request.subscription)?;
                Response::DescribeSubscription(self.describe_subscription_id(id))
            }
            Request::ListSubscriptions(request) => Response::ListSubscriptions(self.list_subscriptions(by, request)?),
            Request::DescribeExchange(request) => {
                self.exchange_for(by, OperationKind::DescribeExchange, &request.exchange)?;
                Response::DescribeExchange(self.describe_exchange(&request.exchange))
            }
            Request::ListExchanges(request) => Response::ListExchanges(self.list_exchanges(by, request)?),
            Request::ListPolicies(request) => Response::ListPolicies(self.list_policies(by, request)?),
            Request::ListBindings(request) => Response::ListBindings(self.list_bindings(by, request)?),
            people => self.read_people(by, people)?,
        };
        Ok(Answer::Response(Box::new(response)))
    }

    fn read_people(&self, by: &Principal, request: &Request) -> Result<Response, Refusal> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the node sends only what the table calls a read")]
        match request {
            Request::DescribeUser(request) => {
                self.demand_self_or_administrator(by, &request.name)?;
                Ok(Response::DescribeUser(self.access.describe_user(&request.name)?))
            }
            Request::ListUsers(request) => {
                self.access.demand_broker(by, Right::Administer)?;
                Ok(Response::ListUsers(self.access.list_users(&request.prefix, &request.page)))
            }
            Request::ListGrants(request) => {
                if self.access.demand_broker(by, Right::Administer).is_err() {
                    let own = request.user.as_ref().ok_or(Refusal::Forbidden { right: Right::Administer })?;
                    self.demand_self_or_administrator(by, own)?;
                }
                let grants = self.access.grants(request.user.as_ref())?;
                Ok(Response::ListGrants(model::access::Grants { grants }))
            }
            Request::ListTokens(request) => {
                let id = match &request.user {
                    None => self.access.user_of(by)?.0,
                    Some(name) => {
                        self.demand_self_or_administrator(by, name)?;
                        self.access.user_id(name)?
                    }
                };
                Ok(Response::ListTokens(model::access::Tokens { tokens: self.access.tokens_of(id) }))
            }
            Request::WhoAmI(_) => {
                let (_, user) = self.access.user_of(by)?;
                Ok(Response::WhoAmI(self.access.describe_user(user.name())?))
            }
            Request::ListNamespaces(request) => {
                self.access.user_of(by)?;
                let page = crate::page::page(
                    self.namespaces.iter(),
                    &request.page,
                    |(name, _)| name.as_str(),
                    |(name, namespace)| Some(describe(name, namespace)),
                );
                Ok(Response::ListNamespaces(page))
            }
            other => unreachable!("{:?} is not a read of the machine", other.kind()),
        }
    }

    fn demand_self_or_administrator(&self, by: &Principal, name: &UserName) -> Result<(), Refusal> {
        if self.access.user_of(by).is_ok_and(|(_, user)| user.name() == name) {
            return Ok(());
        }
        self.access.demand_broker(by, Right::Administer)
    }

    pub(super) fn describe_namespace(&self, name: &NamespaceName) -> Result<NamespaceDescription, Refusal> {
        self.namespace(name).map(|namespace| describe(name, namespace))
    }

    pub(super) fn describe_queue_id(&self, id: QueueId) -> QueueDescription {
        let entry = &self.queues[&id];
        QueueDescription {
            queue: entry.queue.clone(),
            id,
            owner: self.owner_name(entry.owner),
            created_at: entry.created_at,
            settings: entry.own().clone(),
            policy: entry
                .ruled
                .as_ref()
                .map(|ruled| AppliedPolicy { name: ruled.policy.clone(), settings: entry.settings.clone() }),
            counts: entry.core.counts(),
            oldest_ready_at: entry.core.oldest_ready_at(),
            oldest_leased_at: entry.core.oldest_leased_at(),
            totals: entry.totals,
            consumers: 0,
            redrive: entry
                .redrive
                .as_ref()
                .map(|job| RedriveProgress { moved: job.moved, rate: (job.rate != u32::MAX).then_some(job.rate) }),
        }
    }

    pub(super) fn describe_topic_id(&self, id: TopicId) -> TopicDescription {
        let entry = &self.topics[&id];
        TopicDescription {
            topic: entry.topic.clone(),
            id,
            owner: self.owner_name(entry.owner),
            created_at: entry.created_at,
            settings: entry.settings.clone(),
            partitions: entry.core.extents(),
            subscriptions: u64::try_from(entry.subscriptions.len()).unwrap_or(u64::MAX),
            totals: entry.totals,
        }
    }

    fn list_queues(&self, by: &Principal, request: &ListQueues) -> Result<Page<QueueDescription>, Refusal> {
        self.access.user_of(by)?;
        let namespace = self.namespace(&request.namespace)?;
        let start = start_of(&request.prefix, request.page.cursor.as_deref());
        let names = namespace.queues.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
        let fitting = names.take_while(|(name, _)| name.as_str().starts_with(&request.prefix));
        Ok(crate::page::page(
            fitting,
            &request.page,
            |(name, _)| name.as_str(),
            |(name, id)| {
                let queue = QueueRef { namespace: request.namespace.clone(), name: (*name).clone() };
                self.shows_queue(by, &queue).then(|| self.describe_queue_id(**id))
            },
        ))
    }

    fn list_topics(&self, by: &Principal, request: &ListTopics) -> Result<Page<TopicDescription>, Refusal> {
        self.access.user_of(by)?;
        let namespace = self.namespace(&request.namespace)?;
        let start = start_of(&request.prefix, request.page.cursor.as_deref());
        let names = namespace.topics.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
        let fitting = names.take_while(|(name, _)| name.as_str().starts_with(&request.prefix));
        Ok(crate::page::page(
            fitting,
            &request.page,
            |(name, _)| name.as_str(),
            |(name, id)| {
                let topic = TopicRef { namespace: request.namespace.clone(), name: (*name).clone() };
                self.shows_topic(by, &topic).then(|| self.describe_topic_id(**id))
            },
        ))
    }

    fn peek(&self, by: &Principal, request: &Peek) -> Result<Answer, Refusal> {
        let id = self.queue_for(by, OperationKind::Peek, &request.queue)?;
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let (places, next) = self.queues[&id].core.peek(request.state, request.after, limit);
        Ok(Answer::Peeked { queue: id, places, next })
    }

    fn read_partition(&self, by: &Principal, request: &ReadPartition) -> Result<Answer, Refusal> {
        let id = self.topic_for(by, OperationKind::ReadPartition, &request.topic)?;
        let history = self.topics[&id].core.history(request.partition).ok_or_else(|| Refusal::PartitionNotFound {
            name: request.topic.to_string(),
            partition: request.partition,
        })?;
        let from = history.locate(request.start);
        let places = self.read_places(id, request.partition, from, request.limit);
        let next = places.last().map_or(from, |place| place.offset.next());
        Ok(Answer::Read { topic: id, places, next, extent: history.extent(request.partition) })
    }

    /// Records of a partition from an offset on; also what a stream member is handed.
    pub fn read_places(&self, id: TopicId, partition: Partition, from: Offset, limit: u32) -> Vec<ReadPlace> {
        let Some(history) = self.topics.get(&id).and_then(|entry| entry.core.history(partition)) else {
            return Vec::new();
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let entries = history.read(from, limit, receive_bytes_max());
        let place = |entry: crate::topic::Entry| ReadPlace {
            offset: entry.offset,
            stored: entry.stored,
            published_at: entry.published_at,
        };
        entries.into_iter().map(place).collect()
    }

    /// How many queues, topics, users and queued messages there are.
    pub fn census(&self) -> Census {
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        let messages = self.queues.values().map(|entry| {
            let counts = entry.core.counts();
            counts.ready + counts.delayed + counts.leased
        });
        Census {
            queues: count(self.queues.len()),
            topics: count(self.topics.len()),
            users: count(self.access.user_count()),
            messages: messages.sum(),
        }
    }
}

/// How many of what a machine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Queues.
    pub queues: u64,
    /// Topics.
    pub topics: u64,
    /// Users.
    pub users: u64,
    /// Messages in all queues.
    pub messages: u64,
}

fn receive_bytes_max() -> model::number::ByteSize {
    model::number::ByteSize::new(u64::try_from(model::limits::RECEIVE_BYTES_MAX).unwrap_or(u64::MAX))
}

fn describe(name: &NamespaceName, namespace: &Namespace) -> NamespaceDescription {
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    NamespaceDescription {
        name: name.clone(),
        queues: count(namespace.queues.len()),
        topics: count(namespace.topics.len()),
    }
}

/// The text at which a page can start: its cursor or its prefix, whichever is later.
pub(super) fn start_of(prefix: &str, cursor: Option<&str>) -> String {
    cursor.filter(|cursor| *cursor > prefix).unwrap_or(prefix).to_owned()
}
