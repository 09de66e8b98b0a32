//! Chooses what is done next: publishes, deliveries, settling, time, topics and changes of the catalogue, in a mix
//! that keeps few messages alive, so that segments die and are emptied.
//! Invariant: the choice follows from the seed and the state of the machine alone.

use std::collections::BTreeSet;

use broker::Machine;
use broker::command::{Action, LeaseEnd, Pick, Principal};
use broker::machine::Handout;
use broker::place::SourceId;
use broker::record;
use bytes::Bytes;
use model::message::{Availability, MessageId, NewMessage};
use model::name::{
    MemberName, NamespaceName, QueueName, QueueRef, Source, SubscriptionName, SubscriptionRef, TopicName, TopicRef,
};
use model::number::{Offset, Partition, Priority, Span, Timestamp};
use model::queue::{
    Ack, CreateQueue, DeleteMode, DeleteQueue, DeliveryOrder, Extend, Nack, NackAction, Overflow, PurgeQueue,
    QueueSettings, Redrive, RedriveFilter,
};
use model::receipt::{Receipt, ReceiptSource};
use model::subscription::{
    Commit, CreateSubscription, DeleteSubscription, LeaveSubscription, PartitionOffset, Seek, SubscriptionKind,
    SubscriptionSettings,
};
use model::topic::{Cleanup, CreateTopic, StartAt, TopicSettings};
use storage::disk::simulated::Random;

const QUEUES: [&str; 5] = ["work", "dead", "keyed", "short", "passing"];
const TOPICS: [&str; 2] = ["events", "latest"];

/// Chooses actions, and remembers what was handed out.
pub struct Workload {
    random: Random,
    held: Vec<(Source, Receipt)>,
    published: u64,
}

impl Workload {
    pub fn new(seed: u64) -> Workload {
        Workload { random: Random::seeded(seed), held: Vec::new(), published: 0 }
    }

    /// What a new node is told first.
    pub fn beginning() -> Vec<Action> {
        let mut actions = vec![Action::OpenEpoch, create_queue("dead")];
        actions.extend(QUEUES.iter().filter(|name| **name != "dead").map(|name| create_queue(name)));
        actions.extend(TOPICS.iter().map(|name| create_topic(name)));
        actions.extend(["stream", "shared"].map(create_subscription));
        actions
    }

    /// How much time passes before the next batch.
    pub fn pause(&mut self) -> u64 {
        if self.random.one_in(12) { self.random.below(400) } else { self.random.below(20) }
    }

    /// A number below `bound`, for whoever drives.
    pub fn choose(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// The next action.
    pub fn next(&mut self, machine: &Machine, now: u64) -> Action {
        match self.random.below(100) {
            0..30 => self.publish(),
            30..40 => self.publish_topic(),
            40..60 => self.lease(machine, now),
            60..84 => self.settle(),
            84..92 => self.follow(),
            _ => self.change(),
        }
    }

    fn message(&mut self) -> NewMessage {
        self.published += 1;
        let length = match self.random.below(40) {
            0 => 5000,
            1..8 => self.random.below(1500),
            _ => self.random.below(120),
        };
        let fill = self.random.next_number().to_le_bytes()[0];
        let mut message = NewMessage::new(Bytes::from(vec![fill; usize::try_from(length).unwrap()]));
        if self.random.one_in(2) {
            message.key = Some(Bytes::from(format!("key-{}", self.random.below(5))));
        }
        if self.random.one_in(3) {
            let number = if self.random.one_in(3) { self.published / 2 } else { self.published };
            message.id = Some(MessageId::parse(&format!("id-{number}")).unwrap());
        }
        message
    }

    fn record(&mut self, message: &NewMessage) -> Bytes {
        let id = message.id.clone();
        let id = id.unwrap_or_else(|| MessageId::parse(&format!("broker-{}", self.published)).unwrap());
        record::encode(message, &id, "tester")
    }

    fn publish(&mut self) -> Action {
        let queue = queue(["work", "work", "keyed", "short", "passing"][self.index(5)]);
        let count = 1 + self.random.below(3);
        let records = (0..count).map(|_| {
            let mut message = self.message();
            message.priority = Priority::new(u8::try_from(self.random.below(10)).unwrap());
            if self.random.one_in(4) {
                message.availability = Availability::After(Span::new(self.random.below(600)));
            }
            if self.random.one_in(6) {
                message.ttl = Some(Span::new(1 + self.random.below(500)));
            }
            self.record(&message)
        });
        Action::Publish { queue, records: records.collect() }
    }

    fn publish_topic(&mut self) -> Action {
        let topic = topic(TOPICS[self.index(2)]);
        let records = (0..2).map(|_| {
            let mut message = self.message();
            if self.random.one_in(5) {
                message.body = Bytes::new();
            }
            (None, self.record(&message))
        });
        Action::PublishTopic { topic, records: records.collect() }
    }

    fn lease(&mut self, machine: &Machine, now: u64) -> Action {
        let source = self.source();
        let Ok((id, Handout::Leases(_))) = machine.consumable(&Principal::System, &source) else {
            return Action::Tick;
        };
        let picks: Vec<Pick> =
            machine.pick(id, &BTreeSet::new(), 4, u64::MAX).into_iter().map(|picked| picked.pick).collect();
        let end = if self.random.one_in(5) {
            LeaseEnd::WithConnection
        } else {
            LeaseEnd::At(Timestamp::new(now + 100 + self.random.below(500)))
        };
        let receipt = |pick: &Pick| Receipt {
            source: match id {
                SourceId::Queue(id) => ReceiptSource::Queue(id),
                SourceId::Subscription(id) => ReceiptSource::Subscription(id),
            },
            partition: pick.partition,
            sequence: pick.sequence,
            epoch: machine.epoch(),
            attempt: pick.attempt,
        };
        self.held.extend(picks.iter().map(|pick| (source.clone(), receipt(pick))));
        Action::Lease { source: id, epoch: machine.epoch(), end, picks }
    }

    fn settle(&mut self) -> Action {
        if self.held.is_empty() {
            return Action::Tick;
        }
        let at = self.index(self.held.len());
        let (source, receipt) = self.held.swap_remove(at);
        let mut receipts = vec![receipt];
        let others = self.held.iter().filter(|(other, _)| *other == source).map(|(_, receipt)| *receipt);
        receipts.extend(others.take(3));
        self.held.retain(|(_, held)| !receipts.contains(held));
        match self.random.below(10) {
            0 => Action::Nack(Nack { source, receipts, action: NackAction::Reject }),
            1 => {
                let action = NackAction::Retry(Span::new(self.random.below(300)));
                Action::Nack(Nack { source, receipts, action })
            }
            2 => {
                self.held.extend(receipts.iter().map(|receipt| (source.clone(), *receipt)));
                Action::Extend(Extend { source, receipts, lease: Span::new(500) })
            }
            _ => Action::Ack(Ack { source, receipts }),
        }
    }

    /// Members of the stream subscription, their commits, and seeks.
    fn follow(&mut self) -> Action {
        let member = MemberName::parse(["first", "second"][self.index(2)]).unwrap();
        match self.random.below(8) {
            0 | 1 => Action::Join { subscription: subscription("stream"), member },
            2 => Action::Leave(LeaveSubscription { subscription: subscription("stream"), member }),
            3 => {
                let name = ["stream", "shared"][self.index(2)];
                let to = if self.random.one_in(2) { StartAt::Earliest } else { StartAt::Latest };
                Action::Seek(Seek { subscription: subscription(name), to, partition: None })
            }
            _ => {
                let partition = Partition::new(u32::try_from(self.random.below(2)).unwrap());
                let offsets = vec![PartitionOffset { partition, offset: Offset::new(self.random.below(60)) }];
                let member = Some(member).filter(|_| self.random.one_in(2));
                Action::Commit(Commit { subscription: subscription("stream"), member, offsets })
            }
        }
    }

    /// Changes of the catalogue, purges and redrives.
    fn change(&mut self) -> Action {
        match self.random.below(12) {
            0 => Action::DeleteQueue(DeleteQueue { queue: queue("passing"), mode: DeleteMode::Force }),
            1..4 => create_queue("passing"),
            4 => Action::PurgeQueue(PurgeQueue { queue: queue("dead") }),
            5 => Action::Redrive(Redrive {
                queue: queue("dead"),
                filter: RedriveFilter { max: Some(5), ..RedriveFilter::default() },
                target: None,
                rate: Some(50).filter(|_| self.random.one_in(2)),
            }),
            6 => Action::DeleteSubscription(DeleteSubscription { subscription: subscription("shared") }),
            7 | 8 => create_subscription("shared"),
            9 => Action::OpenEpoch,
            _ => Action::Tick,
        }
    }

    fn source(&mut self) -> Source {
        match self.random.below(8) {
            0..5 => Source::Queue(queue(["work", "keyed", "short", "passing", "work"][self.index(5)])),
            5 => Source::Queue(queue("dead")),
            _ => Source::Subscription(subscription("shared")),
        }
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.below(u64::try_from(bound).unwrap())).unwrap()
    }
}

fn queue(name: &str) -> QueueRef {
    QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name).unwrap() }
}

fn topic(name: &str) -> TopicRef {
    TopicRef { namespace: NamespaceName::default(), name: TopicName::parse(name).unwrap() }
}

fn subscription(name: &str) -> SubscriptionRef {
    SubscriptionRef { topic: topic("events"), name: SubscriptionName::parse(name).unwrap() }
}

fn create_queue(name: &str) -> Action {
    let dead = Some(QueueName::parse("dead").unwrap());
    let plain = QueueSettings { deduplication: Span::new(2_000), lease: Span::new(500), ..QueueSettings::default() };
    let settings = match name {
        "work" => QueueSettings { delivery_limit: 2, dead_letter: dead, ..plain },
        "keyed" => QueueSettings { order: DeliveryOrder::PerKey, partitions: 2, delivery_limit: 3, ..plain },
        "short" => QueueSettings {
            max_messages: Some(12),
            overflow: Overflow::DropOldest,
            message_ttl: Some(Span::new(600)),
            dead_letter: dead,
            ..plain
        },
        "dead" => QueueSettings { message_ttl: Some(Span::new(3_000)), ..plain },
        _ => QueueSettings { partitions: 3, message_ttl: Some(Span::new(1_500)), ..plain },
    };
    Action::CreateQueue(CreateQueue { queue: queue(name), settings })
}

fn create_topic(name: &str) -> Action {
    let plain = TopicSettings { partitions: 2, deduplication: Span::new(2_000), ..TopicSettings::default() };
    let settings = match name {
        "latest" => TopicSettings { cleanup: Cleanup::Compact, ..plain },
        _ => TopicSettings { retention: Some(Span::new(1_500)), ..plain },
    };
    Action::CreateTopic(CreateTopic { topic: topic(name), settings })
}

fn create_subscription(name: &str) -> Action {
    let kind = match name {
        "stream" => SubscriptionKind::stream(),
        _ => SubscriptionKind::Shared {
            lease: Span::new(500),
            delivery_limit: 2,
            dead_letter: Some(QueueName::parse("dead").unwrap()),
        },
    };
    let settings = SubscriptionSettings { kind, start: StartAt::Earliest };
    Action::CreateSubscription(CreateSubscription { subscription: subscription(name), settings })
}
