//! The bytes of a batch: every action survives them, and garbage is an error.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use broker::codec::{decode, encode};
use broker::command::{Action, Batch, Command, Holder, LeaseEnd, Pick, Principal, Relocation, RoutedRecord, Usage};
use broker::place::{MessageRef, SourceId};
use bytes::Bytes;
use model::access::{
    AddGrant, CreateNamespace, DeleteNamespace, DeleteUser, Effect, Grant, NamePattern, RemoveGrant, ResourceKind,
    ResourcePattern, RevokeToken, Right, Rights, Role, Scope, TokenKind,
};
use model::binding::{Bind, Binding, Destination, RoutingKey, Unbind, Unroutable};
use model::exchange::{
    CreateExchange, DeleteExchange, DeleteExchangeMode, ExchangeKind, ExchangeSettings, HashOn, HashProperty,
};
use model::header::HeaderValue;
use model::message::{DeadLetterReason, MessagePlace};
use model::name::{
    ExchangeName, ExchangeRef, MemberName, NamespaceName, PolicyName, QueueName, QueueRef, Source, SubscriptionName,
    SubscriptionRef, TopicName, TopicRef, UserName,
};
use model::number::{
    Attempt, ByteSize, Epoch, LogIndex, Offset, Partition, Priority, QueueId, Sequence, Span, SubscriptionId,
    Timestamp, TokenId, TopicId, UserId,
};
use model::policy::{DeletePolicy, Policy, PolicySettings, PolicyTarget, SetPolicy};
use model::queue::{
    Ack, AlterQueue, CancelMessages, CreateQueue, DeleteMode, DeleteQueue, Extend, Life, Nack, NackAction, Overflow,
    PurgeQueue, QueuePatch, QueueSettings, Redrive, RedriveFilter, TransferQueue,
};
use model::receipt::{Receipt, ReceiptSource};
use model::subscription::{
    Commit, CreateSubscription, DeleteSubscription, LeaveSubscription, PartitionOffset, Seek, SubscriptionKind,
    SubscriptionSettings,
};
use model::topic::{AlterTopic, Cleanup, CreateTopic, DeleteTopic, StartAt, TopicPatch, TopicSettings, TransferTopic};
use proptest::prelude::*;

fn queue() -> QueueRef {
    QueueRef { namespace: NamespaceName::default(), name: QueueName::parse("orders").unwrap() }
}

fn topic() -> TopicRef {
    TopicRef { namespace: NamespaceName::parse("eu").unwrap(), name: TopicName::parse("flights").unwrap() }
}

fn subscription() -> SubscriptionRef {
    SubscriptionRef { topic: topic(), name: SubscriptionName::parse("audit").unwrap() }
}

fn receipt() -> Receipt {
    Receipt {
        source: ReceiptSource::Queue(QueueId::new(7)),
        partition: Partition::new(1),
        sequence: Sequence::new(2),
        epoch: Epoch::new(3),
        attempt: Attempt::new(4),
    }
}

fn pattern() -> ResourcePattern {
    let name = NamePattern::Prefix("or".to_owned());
    ResourcePattern { kind: ResourceKind::Queue, namespace: NamespaceName::default(), name }
}

fn place() -> MessagePlace {
    MessagePlace { partition: Partition::new(0), sequence: Sequence::new(9) }
}

fn actions_of_queues() -> Vec<Action> {
    let settings = QueueSettings {
        max_messages: Some(5),
        max_bytes: Some(ByteSize::new(9)),
        message_ttl: Some(Span::new(1)),
        dead_letter: Some(QueueName::parse("dead").unwrap()),
        ..QueueSettings::default()
    };
    let patch = QueuePatch { max_messages: Some(None), lease: Some(Span::new(500)), ..QueuePatch::default() };
    let source = Source::Queue(queue());
    let receipts = vec![receipt()];
    let filter = RedriveFilter {
        reason: Some(DeadLetterReason::Expired),
        origin: Some("queue default/orders".to_owned()),
        places: vec![place()],
        max: Some(3),
    };
    vec![
        Action::OpenEpoch,
        Action::Tick,
        Action::CreateQueue(CreateQueue { queue: queue(), settings }),
        Action::AlterQueue(AlterQueue { queue: queue(), patch }),
        Action::DeleteQueue(DeleteQueue { queue: queue(), mode: DeleteMode::Force }),
        Action::PurgeQueue(PurgeQueue { queue: queue() }),
        Action::TransferQueue(TransferQueue { queue: queue(), owner: UserName::parse("ann").unwrap() }),
        Action::Publish { queue: queue(), records: vec![Bytes::from_static(b"one"), Bytes::new()] },
        Action::Lease {
            source: SourceId::Queue(QueueId::new(1)),
            epoch: Epoch::new(2),
            end: LeaseEnd::At(Timestamp::new(3)),
            picks: vec![Pick { partition: Partition::new(0), sequence: Sequence::new(1), attempt: Attempt::new(1) }],
        },
        Action::Lease {
            source: SourceId::Subscription(SubscriptionId::new(1)),
            epoch: Epoch::new(2),
            end: LeaseEnd::WithConnection,
            picks: Vec::new(),
        },
        Action::Release { source: SourceId::Queue(QueueId::new(1)), receipts: receipts.clone() },
        Action::Ack(Ack { source: source.clone(), receipts: receipts.clone() }),
        Action::Nack(Nack { source: source.clone(), receipts: receipts.clone(), action: NackAction::Reject }),
        Action::Extend(Extend { source, receipts, lease: Span::new(1000) }),
        Action::CancelMessages(CancelMessages { queue: queue(), places: vec![place()] }),
        Action::Redrive(Redrive { queue: queue(), filter, target: Some(queue()), rate: Some(10) }),
    ]
}

fn actions_of_topics() -> Vec<Action> {
    let settings = TopicSettings { partitions: 4, cleanup: Cleanup::Compact, ..TopicSettings::default() };
    let patch = TopicPatch { partitions: Some(8), retention: Some(None), ..TopicPatch::default() };
    let kinds = [SubscriptionKind::stream(), SubscriptionKind::shared()];
    let member = MemberName::parse("m1").unwrap();
    let offset = PartitionOffset { partition: Partition::new(0), offset: Offset::new(5) };
    let mut actions = vec![
        Action::CreateTopic(CreateTopic { topic: topic(), settings }),
        Action::AlterTopic(AlterTopic { topic: topic(), patch }),
        Action::DeleteTopic(DeleteTopic { topic: topic(), mode: DeleteMode::IfEmpty }),
        Action::TransferTopic(TransferTopic { topic: topic(), owner: UserName::parse("ann").unwrap() }),
        Action::PublishTopic {
            topic: topic(),
            records: vec![(None, Bytes::from_static(b"a")), (Some(Partition::new(3)), Bytes::from_static(b"b"))],
        },
        Action::DeleteSubscription(DeleteSubscription { subscription: subscription() }),
        Action::Commit(Commit { subscription: subscription(), member: Some(member.clone()), offsets: vec![offset] }),
        Action::Join { subscription: subscription(), member: member.clone() },
        Action::Leave(LeaveSubscription { subscription: subscription(), member }),
    ];
    let starts =
        [StartAt::Earliest, StartAt::Latest, StartAt::Offset(Offset::new(3)), StartAt::Time(Timestamp::new(4))];
    for to in starts {
        actions.push(Action::Seek(Seek { subscription: subscription(), to, partition: None }));
        for kind in kinds.clone() {
            let settings = SubscriptionSettings { kind, start: to };
            actions.push(Action::CreateSubscription(CreateSubscription { subscription: subscription(), settings }));
        }
    }
    actions
}

fn actions_of_exchanges() -> Vec<Action> {
    let exchange = ExchangeRef { namespace: NamespaceName::default(), name: ExchangeName::parse("news").unwrap() };
    let arguments = vec![("x-match".to_owned(), HeaderValue::Text("any".to_owned()))];
    let settings = ExchangeSettings {
        durable: false,
        alternate: Some(ExchangeName::default()),
        hash_on: HashOn::Property(HashProperty::CorrelationId),
        arguments: arguments.clone(),
        ..ExchangeSettings::of(ExchangeKind::ConsistentHash)
    };
    let binding = Binding {
        source: exchange.clone(),
        destination: Destination::Queue(QueueName::parse("orders").unwrap()),
        routing_key: RoutingKey::parse("eu.*").unwrap(),
        arguments,
    };
    let record = RoutedRecord {
        keys: vec![RoutingKey::default(), RoutingKey::parse("a").unwrap()],
        unroutable: Unroutable::Return,
        record: Bytes::from_static(b"routed"),
    };
    let queue_settings = QueueSettings {
        life: Life::Exclusive { holder: "connection 7".to_owned() },
        dead_letter_exchange: Some(ExchangeName::default()),
        priority_max: Some(Priority::new(5)),
        ..QueueSettings::default()
    };
    vec![
        Action::CreateExchange(CreateExchange { exchange: exchange.clone(), settings }),
        Action::DeleteExchange(DeleteExchange { exchange: exchange.clone(), mode: DeleteExchangeMode::Force }),
        Action::Bind(Bind { binding: binding.clone() }),
        Action::Unbind(Unbind { binding }),
        Action::PublishExchange { exchange, records: vec![record] },
        Action::CreateQueue(CreateQueue { queue: queue(), settings: queue_settings }),
        Action::NoteUse { queue: QueueId::new(1), epoch: Epoch::new(2), usage: Usage::Left },
    ]
}

fn actions_of_people() -> Vec<Action> {
    let name = UserName::parse("ann").unwrap();
    let rights = Rights::of(&[Right::Publish, Right::Audit]);
    let grant = Grant { user: name.clone(), resource: pattern(), rights, effect: Effect::Deny };
    vec![
        Action::Claim { name: name.clone(), password_hash: "$argon2id$".to_owned() },
        Action::CreateUser { name: name.clone(), password_hash: "h".to_owned(), roles: Role::ALL.to_vec() },
        Action::AlterUser { name: name.clone(), password_hash: None, roles: Some(Vec::new()), disabled: Some(true) },
        Action::DeleteUser(DeleteUser { name: name.clone() }),
        Action::AddGrant(AddGrant { grant }),
        Action::RemoveGrant(RemoveGrant { user: name, resource: pattern(), effect: Effect::Allow }),
        Action::CreateToken {
            label: "ci".to_owned(),
            kind: TokenKind::Api,
            scope: Scope { rights, resource: Some(pattern()) },
            lifetime: Span::seconds(60),
            secret_hash: [7; 32],
        },
        Action::RevokeToken(RevokeToken { id: TokenId::new(3) }),
        Action::Logout { token: TokenId::new(3) },
        Action::SetPolicy(SetPolicy { policy: policy() }),
        Action::DeletePolicy(DeletePolicy { namespace: NamespaceName::default(), name: policy().name }),
        Action::CreateNamespace(CreateNamespace { name: NamespaceName::parse("eu").unwrap() }),
        Action::DeleteNamespace(DeleteNamespace { name: NamespaceName::parse("eu").unwrap() }),
        Action::Relocate(vec![
            relocation(Holder::Queue(QueueId::new(1), Partition::new(0), Sequence::new(2))),
            relocation(Holder::Topic(TopicId::new(1), Partition::new(0), Offset::new(2))),
            relocation(Holder::Subscription(SubscriptionId::new(1), Partition::new(0), Sequence::new(2))),
        ]),
        Action::DropSegments { first: vec![LogIndex::new(1), LogIndex::new(2)] },
    ]
}

fn relocation(holder: Holder) -> Relocation {
    Relocation {
        holder,
        from: MessageRef { index: LogIndex::new(1), position: 2 },
        published_at: Timestamp::new(3),
        record: Bytes::from_static(b"record"),
    }
}

fn batch() -> Batch {
    let user = Principal::User { id: UserId::new(5), scope: Scope::full() };
    let narrow = Principal::User {
        id: UserId::new(6),
        scope: Scope { rights: Rights::of(&[Right::Publish]), resource: Some(pattern()) },
    };
    let actions = [actions_of_queues(), actions_of_topics(), actions_of_exchanges(), actions_of_people()].concat();
    let principals = [Principal::System, user, narrow].into_iter().cycle();
    let commands = principals.zip(actions).map(|(principal, action)| Command { principal, action }).collect();
    Batch { now: Timestamp::new(1_700_000_000_000), commands }
}

/// A policy with everything that there is.
fn policy() -> Policy {
    Policy {
        namespace: NamespaceName::default(),
        name: PolicyName::parse("bounds").unwrap(),
        pattern: "^o".to_owned(),
        target: PolicyTarget::Quorum,
        priority: -7,
        settings: PolicySettings {
            expires: Some(Span::new(9)),
            alternate: ExchangeName::parse("rest").ok(),
            max_messages: Some(1),
            max_bytes: Some(ByteSize::new(2)),
            overflow: Some(Overflow::DropOldest),
            message_ttl: Some(Span::new(3)),
            delivery_limit: Some(4),
            dead_letter_exchange: Some(ExchangeName::default()),
            dead_letter_key: RoutingKey::parse("k").ok(),
            consumer_timeout: Some(Span::new(5)),
            arguments: vec![("ha-mode".to_owned(), HeaderValue::Null)],
        },
    }
}

#[test]
fn every_action_survives_its_bytes() {
    let batch = batch();
    let bytes = encode(batch.now, &batch.commands);
    assert_eq!(decode(bytes), Ok(batch));
}

#[test]
fn messages_are_found_by_position_over_all_commands() {
    let batch = batch();
    let counts: u32 = batch.commands.iter().map(|command| command.action.record_count()).sum();
    let records = decode(encode(batch.now, &batch.commands)).unwrap().records();
    assert_eq!(u32::try_from(records.len()), Ok(counts));
    assert_eq!(records[..2], [Bytes::from_static(b"one"), Bytes::new()]);
    assert_eq!(records[2..4], [Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
}

#[test]
fn an_unknown_version_is_named() {
    let error = decode(Bytes::from_static(&[9])).unwrap_err();
    assert_eq!(error.to_string(), "an unknown batch version at byte 1 of 1");
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(Bytes::from(bytes));
    }

    #[test]
    fn a_damaged_batch_is_never_a_panic(at in any::<prop::sample::Index>(), value in any::<u8>()) {
        let batch = batch();
        let mut bytes = encode(batch.now, &batch.commands).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = decode(Bytes::from(bytes));
    }

    #[test]
    fn a_batch_cut_short_is_an_error(cut in any::<prop::sample::Index>()) {
        let batch = batch();
        let bytes = encode(batch.now, &batch.commands);
        let length = cut.index(bytes.len());
        prop_assert!(decode(bytes.slice(..length)).is_err());
    }
}

/// A batch of version 1, from before queues had more settings: it is read, and they have their defaults.
#[test]
fn a_batch_of_version_one_is_read() {
    let mut bytes = vec![1]; // version
    bytes.extend(7_u64.to_le_bytes()); // now
    bytes.extend(1_u32.to_le_bytes()); // one command
    bytes.extend([0, 10]); // the system creates a queue
    for name in ["default", "orders"] {
        bytes.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
        bytes.extend(name.as_bytes());
    }
    bytes.extend([0, 0, 1, 0]); // no bounds, reject, no lifetime
    bytes.extend(30_000_u64.to_le_bytes()); // lease
    bytes.extend(20_u32.to_le_bytes()); // delivery limit
    bytes.push(0); // no dead letters
    bytes.extend(300_000_u64.to_le_bytes()); // deduplication
    bytes.push(1); // first in, first out
    bytes.extend(1_u32.to_le_bytes()); // partitions
    let action = Action::CreateQueue(CreateQueue { queue: queue(), settings: QueueSettings::default() });
    let commands = vec![Command { principal: Principal::System, action }];
    assert_eq!(decode(Bytes::from(bytes)), Ok(Batch { now: Timestamp::new(7), commands }));
}
