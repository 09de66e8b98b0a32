//! The words of a script line, and the requests that they say.

use std::collections::BTreeMap;

use broker::command::Action;
use broker::record;
use bytes::Bytes;
use model::binding::RoutingKey;
use model::message::{Availability, DeadLetterReason, MessageId, MessagePlace, MessageState, NewMessage};
use model::name::{
    MemberName, NamespaceName, QueueName, QueueRef, Source, SubscriptionName, SubscriptionRef, TopicName, TopicRef,
    UserName,
};
use model::number::{ByteSize, Offset, Partition, Priority, Sequence, Span, Timestamp, UserId};
use model::operation::Request;
use model::page::PageRequest;
use model::queue::{
    Ack, AlterQueue, CancelMessages, CreateQueue, DeleteMode, DeleteQueue, DeliveryOrder, DescribeQueue, Extend, Life,
    ListQueues, Nack, NackAction, Overflow, Peek, PurgeQueue, QueuePatch, QueueSettings, Redrive, RedriveFilter,
    TransferQueue,
};
use model::receipt::Receipt;
use model::subscription::{
    Commit, CreateSubscription, DeleteSubscription, DescribeSubscription, LeaveSubscription, PartitionOffset, Seek,
    SubscriptionKind, SubscriptionSettings,
};
use model::topic::{
    AlterTopic, Cleanup, CreateTopic, DeleteTopic, DescribeTopic, ReadPartition, StartAt, TopicPatch, TopicSettings,
};

/// What a line says.
pub(crate) enum Said {
    Action(Action),
    Read(Request),
}

pub(crate) struct Words {
    words: Vec<String>,
    line: String,
}

impl Words {
    pub(crate) fn new(line: &str) -> Self {
        let mut words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        words.reverse();
        Self { words, line: line.to_owned() }
    }

    pub(crate) fn next(&mut self) -> String {
        self.words.pop().unwrap_or_else(|| panic!("the line is too short: {}", self.line))
    }

    pub(crate) fn rest(&mut self) -> Vec<String> {
        let mut rest = std::mem::take(&mut self.words);
        rest.reverse();
        rest
    }

    pub(crate) fn done(&self) {
        assert!(self.words.is_empty(), "nobody read {:?} in: {}", self.words, self.line);
    }

    pub(crate) fn time(&mut self) -> u64 {
        self.next().trim_end_matches("ms").parse().unwrap()
    }

    pub(crate) fn user_among(&mut self, users: &BTreeMap<String, UserId>) -> Option<UserId> {
        let id = *users.get(self.words.last()?)?;
        self.words.pop();
        Some(id)
    }

    pub(crate) fn text(&mut self, key: &str) -> Option<String> {
        let prefix = format!("{key}=");
        let at = self.words.iter().position(|word| word.starts_with(&prefix))?;
        Some(self.words.remove(at)[prefix.len()..].to_owned())
    }

    pub(crate) fn number(&mut self, key: &str) -> Option<u64> {
        self.text(key).map(|text| text.parse().unwrap())
    }

    fn small(&mut self, key: &str) -> Option<u32> {
        self.text(key).map(|text| text.parse().unwrap())
    }

    pub(crate) fn flag(&mut self, word: &str) -> bool {
        let at = self.words.iter().position(|other| other == word);
        at.map(|at| self.words.remove(at)).is_some()
    }

    /// Takes the next word out that starts with one of these; the prefix and the rest.
    pub(super) fn prefixed(&mut self, prefixes: &[&'static str]) -> Option<(&'static str, String)> {
        let starts = |word: &String| prefixes.iter().find(|prefix| word.starts_with(**prefix)).copied();
        let at = self.words.iter().rposition(|word| starts(word).is_some())?;
        let word = self.words.remove(at);
        let prefix = starts(&word)?;
        Some((prefix, word[prefix.len()..].to_owned()))
    }

    fn queue(&mut self) -> QueueRef {
        queue(&self.next())
    }

    fn topic(&mut self) -> TopicRef {
        let name = TopicName::parse(&self.next()).unwrap();
        TopicRef { namespace: NamespaceName::default(), name }
    }

    fn subscription(&mut self) -> SubscriptionRef {
        subscription(&self.next())
    }

    /// `orders` is a queue, `flights/audit` a subscription.
    pub(crate) fn source(&mut self) -> Source {
        let word = self.next();
        if word.contains('/') { Source::Subscription(subscription(&word)) } else { Source::Queue(queue(&word)) }
    }

    fn start(&mut self) -> StartAt {
        let word = self.text("from").unwrap_or_else(|| "earliest".to_owned());
        match word.as_str() {
            "earliest" => StartAt::Earliest,
            "latest" => StartAt::Latest,
            time if time.ends_with("ms") => StartAt::Time(Timestamp::new(time.trim_end_matches("ms").parse().unwrap())),
            offset => StartAt::Offset(Offset::new(offset.parse().unwrap())),
        }
    }

    /// The records of a publish: a body a word, with properties for all of them.
    fn records(&mut self) -> Vec<Bytes> {
        let key = self.text("key").map(Bytes::from);
        let priority = self.number("prio").map_or(0, |number| u8::try_from(number).unwrap());
        let availability =
            self.number("delay").map_or(Availability::Now, |delay| Availability::After(Span::new(delay)));
        let ttl = self.number("ttl").map(Span::new);
        let id = self.text("id");
        let bodies = self.rest();
        let record = |body: &String| {
            let body = if body == "-" { Bytes::new() } else { Bytes::from(body.clone()) };
            let message = NewMessage {
                body,
                key: key.clone(),
                priority: Priority::new(priority),
                availability,
                ttl,
                id: id.as_ref().map(|id| MessageId::parse(id).unwrap()),
                ..NewMessage::default()
            };
            record::encode(&message, &MessageId::parse(id.as_deref().unwrap_or("made")).unwrap(), "ann")
        };
        bodies.iter().map(record).collect()
    }

    /// The newest receipts of the messages that are named; `first:a` is the oldest one of a.
    fn receipts(&mut self, known: &BTreeMap<String, Vec<Receipt>>) -> Vec<Receipt> {
        let receipt = |word: &String| match word.strip_prefix("first:") {
            Some(body) => known.get(body).and_then(|receipts| receipts.first()),
            None => known.get(word).and_then(|receipts| receipts.last()),
        };
        let receipt = |word| *receipt(word).unwrap_or_else(|| panic!("nobody took {word}: {}", self.line));
        let words = std::mem::take(&mut self.words);
        words.iter().rev().map(receipt).collect()
    }

    fn places(&mut self) -> Vec<MessagePlace> {
        let place = |word: &String| {
            let (partition, sequence) = word.split_once(':').unwrap_or(("0", word));
            MessagePlace {
                partition: Partition::new(partition.parse().unwrap()),
                sequence: Sequence::new(sequence.parse().unwrap()),
            }
        };
        self.rest().iter().map(place).collect()
    }

    fn overflow(&mut self) -> Overflow {
        match (self.flag("drop-oldest"), self.flag("reject-to-dead")) {
            (true, _) => Overflow::DropOldest,
            (false, true) => Overflow::RejectToDeadLetter,
            (false, false) => Overflow::Reject,
        }
    }

    fn queue_settings(&mut self) -> QueueSettings {
        let defaults = QueueSettings::default();
        QueueSettings {
            max_messages: self.number("max"),
            max_bytes: self.number("bytes").map(ByteSize::new),
            overflow: self.overflow(),
            message_ttl: self.number("ttl").map(Span::new),
            lease: defaults.lease,
            delivery_limit: self.small("limit").unwrap_or(defaults.delivery_limit),
            dead_letter: self.text("dead").map(|name| QueueName::parse(&name).unwrap()),
            deduplication: self.number("dedup").map_or(defaults.deduplication, Span::new),
            order: if self.flag("per-key") { DeliveryOrder::PerKey } else { DeliveryOrder::Fifo },
            partitions: self.small("partitions").unwrap_or(1),
            dead_letter_exchange: self.text("dlx").map(|name| super::routes::exchange_name(&name)),
            dead_letter_key: self.text("dlk").map(|key| RoutingKey::parse(&key).unwrap()),
            priority_max: self.number("prio-max").map(|max| Priority::new(u8::try_from(max).unwrap())),
            expires: self.number("expires").map(Span::new),
            auto_delete: self.flag("auto-delete"),
            life: self.life(),
            ..defaults
        }
    }

    fn life(&mut self) -> Life {
        match (self.flag("transient"), self.text("exclusive")) {
            (true, _) => Life::Transient,
            (false, Some(holder)) => Life::Exclusive { holder },
            (false, None) => Life::Permanent,
        }
    }

    fn topic_settings(&mut self) -> TopicSettings {
        TopicSettings {
            partitions: self.small("partitions").unwrap_or(1),
            retention: self.number("keep").map(Span::new),
            retention_bytes: self.number("bytes").map(ByteSize::new),
            cleanup: if self.flag("compact") { Cleanup::Compact } else { Cleanup::Delete },
            deduplication: TopicSettings::default().deduplication,
        }
    }

    fn subscription_settings(&mut self) -> SubscriptionSettings {
        let kind = if self.flag("shared") {
            SubscriptionKind::Shared {
                lease: Span::new(30_000),
                delivery_limit: self.small("limit").unwrap_or(20),
                dead_letter: self.text("dead").map(|name| QueueName::parse(&name).unwrap()),
            }
        } else {
            SubscriptionKind::stream()
        };
        SubscriptionSettings { kind, start: self.start() }
    }

    fn redrive(&mut self) -> Redrive {
        let queue = self.queue();
        let filter = RedriveFilter {
            reason: self.text("reason").map(|word| DeadLetterReason::parse(&word).unwrap()),
            origin: None,
            max: self.number("max"),
            places: Vec::new(),
        };
        let target = self.text("to").map(|name| self::queue(&name));
        Redrive { queue, filter, target, rate: self.small("rate") }
    }

    fn mode(&mut self) -> DeleteMode {
        if self.flag("force") { DeleteMode::Force } else { DeleteMode::IfEmpty }
    }

    pub(crate) fn request(&mut self, verb: &str, receipts: &BTreeMap<String, Vec<Receipt>>) -> Said {
        if let Some(action) = self.queue_action(verb, receipts) {
            return Said::Action(action);
        }
        if let Some(action) = self.topic_action(verb) {
            return Said::Action(action);
        }
        if let Some(action) = self.exchange_action(verb) {
            return Said::Action(action);
        }
        if let Some(request) = self.exchange_question(verb) {
            return Said::Read(request);
        }
        Said::Read(self.question(verb))
    }

    fn queue_action(&mut self, verb: &str, receipts: &BTreeMap<String, Vec<Receipt>>) -> Option<Action> {
        Some(match verb {
            "queue" => {
                let queue = self.queue();
                Action::CreateQueue(CreateQueue { queue, settings: self.queue_settings() })
            }
            "alter-queue" => {
                let queue = self.queue();
                let patch = QueuePatch {
                    max_messages: self.number("max").map(Some),
                    delivery_limit: self.small("limit"),
                    expires: self.number("expires").map(|span| Some(Span::new(span))),
                    dead_letter: self.text("dead").map(|name| Some(QueueName::parse(&name).unwrap())),
                    ..QueuePatch::default()
                };
                Action::AlterQueue(AlterQueue { queue, patch })
            }
            "delete-queue" => {
                let mode = self.mode();
                Action::DeleteQueue(DeleteQueue { queue: self.queue(), mode })
            }
            "purge" => Action::PurgeQueue(PurgeQueue { queue: self.queue() }),
            "give" => {
                let queue = self.queue();
                let owner = UserName::parse(&self.next()).unwrap();
                Action::TransferQueue(TransferQueue { queue, owner })
            }
            "publish" => {
                let queue = self.queue();
                Action::Publish { queue, records: self.records() }
            }
            "ack" => {
                let source = self.source();
                Action::Ack(Ack { source, receipts: self.receipts(receipts) })
            }
            "nack" => {
                let source = self.source();
                let delay = self.number("delay").unwrap_or(0);
                let action = if self.flag("reject") { NackAction::Reject } else { NackAction::Retry(Span::new(delay)) };
                Action::Nack(Nack { source, receipts: self.receipts(receipts), action })
            }
            "extend" => {
                let source = self.source();
                let lease = Span::new(self.number("lease").unwrap());
                Action::Extend(Extend { source, receipts: self.receipts(receipts), lease })
            }
            "cancel" => {
                let queue = self.queue();
                Action::CancelMessages(CancelMessages { queue, places: self.places() })
            }
            "redrive" => Action::Redrive(self.redrive()),
            _ => return None,
        })
    }

    fn topic_action(&mut self, verb: &str) -> Option<Action> {
        Some(match verb {
            "topic" => {
                let topic = self.topic();
                Action::CreateTopic(CreateTopic { topic, settings: self.topic_settings() })
            }
            "alter-topic" => {
                let topic = self.topic();
                let patch = TopicPatch { partitions: self.small("partitions"), ..TopicPatch::default() };
                Action::AlterTopic(AlterTopic { topic, patch })
            }
            "delete-topic" => {
                let mode = self.mode();
                Action::DeleteTopic(DeleteTopic { topic: self.topic(), mode })
            }
            "append" => {
                let topic = self.topic();
                let partition = self.small("partition").map(Partition::new);
                let records = self.records().into_iter().map(|record| (partition, record)).collect();
                Action::PublishTopic { topic, records }
            }
            "subscription" => {
                let subscription = self.subscription();
                let settings = self.subscription_settings();
                Action::CreateSubscription(CreateSubscription { subscription, settings })
            }
            "delete-subscription" => {
                Action::DeleteSubscription(DeleteSubscription { subscription: self.subscription() })
            }
            "join" => {
                let subscription = self.subscription();
                Action::Join { subscription, member: MemberName::parse(&self.next()).unwrap() }
            }
            "leave" => {
                let subscription = self.subscription();
                let member = MemberName::parse(&self.next()).unwrap();
                Action::Leave(LeaveSubscription { subscription, member })
            }
            "commit" => {
                let subscription = self.subscription();
                let member = self.text("member").map(|name| MemberName::parse(&name).unwrap());
                let place = |place: &MessagePlace| PartitionOffset {
                    partition: place.partition,
                    offset: Offset::new(place.sequence.get()),
                };
                let offsets = self.places().iter().map(place).collect();
                Action::Commit(Commit { subscription, member, offsets })
            }
            "seek" => {
                let subscription = self.subscription();
                let partition = self.small("partition").map(Partition::new);
                Action::Seek(Seek { subscription, to: self.start(), partition })
            }
            _ => return None,
        })
    }

    fn question(&mut self, verb: &str) -> Request {
        match verb {
            "describe" => match self.next().split_once('/') {
                None => panic!("say describe-queue, describe-topic or describe-subscription"),
                Some((topic, name)) => DescribeSubscription { subscription: named(topic, name) }.into(),
            },
            "describe-queue" => DescribeQueue { queue: self.queue() }.into(),
            "describe-topic" => DescribeTopic { topic: self.topic() }.into(),
            "peek" => {
                let queue = self.queue();
                let state = MessageState::parse(&self.next()).unwrap();
                Peek { queue, state, limit: self.small("limit").unwrap_or(100), after: None }.into()
            }
            "read" => {
                let topic = self.topic();
                let partition = Partition::new(self.small("partition").unwrap_or(0));
                let limit = self.small("limit").unwrap_or(100);
                ReadPartition { topic, partition, start: self.start(), limit, wait: Span::new(0) }.into()
            }
            "queues" => {
                let page = PageRequest::new(self.small("limit"), self.text("cursor")).unwrap();
                let prefix = self.text("prefix").unwrap_or_default();
                ListQueues { namespace: NamespaceName::default(), prefix, page }.into()
            }
            other => panic!("no such verb: {other}"),
        }
    }
}

fn queue(name: &str) -> QueueRef {
    QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name).unwrap() }
}

fn subscription(word: &str) -> SubscriptionRef {
    let (topic, name) = word.split_once('/').unwrap();
    named(topic, name)
}

fn named(topic: &str, name: &str) -> SubscriptionRef {
    let topic = TopicRef { namespace: NamespaceName::default(), name: TopicName::parse(topic).unwrap() };
    SubscriptionRef { topic, name: SubscriptionName::parse(name).unwrap() }
}
