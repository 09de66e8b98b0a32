//! The seeds: valid inputs of every target, made by the encoders that the program itself uses.
//! Invariant: each is accepted by its target; a change of a format changes them with it.

use broker::command::{Action, Command, LeaseEnd, Pick, Principal};
use broker::place::SourceId;
use broker::{Machine, codec, record};
use bytes::Bytes;
use model::message::{Availability, HeaderValue, MessageId, NewMessage};
use model::name::{NamespaceName, QueueName, QueueRef, Source, SubscriptionName, SubscriptionRef, TopicName, TopicRef};
use model::number::{Attempt, Epoch, LogIndex, Partition, Priority, QueueId, Sequence, Span, Timestamp};
use model::queue::{Ack, CreateQueue, DeliveryOrder, QueueSettings};
use model::receipt::{Receipt, ReceiptSource};
use model::subscription::{CreateSubscription, SubscriptionKind, SubscriptionSettings};
use model::topic::{CreateTopic, StartAt, TopicSettings};
use prost::Message;

use crate::doors::call_number;
use crate::files::whole_store;

/// A target, the name of the seed, and its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// All seeds.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    seeds.extend(files());
    seeds.extend(log());
    seeds.extend(words());
    seeds.extend(settings());
    seeds.extend(rest());
    seeds.extend(grpc());
    seeds.extend(crate::amqp::seeds());
    seeds.extend(crate::seeding_amqp::all());
    seeds
}

pub(crate) fn numbered(target: &'static str, all: impl IntoIterator<Item = Vec<u8>>) -> Vec<Seed> {
    (1..).zip(all).map(|(number, bytes)| (target, format!("{number:02}"), bytes)).collect()
}

/// Files of a whole store, each with the byte that chooses it before it.
fn files() -> Vec<Seed> {
    let disk = whole_store();
    let mut seeds = Vec::new();
    let mut counts = [0_u8; 2];
    for path in disk.paths() {
        let content = disk.content(&path).expect("the path was listed");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let (target, which) = if name.ends_with(".segment") {
            counts[0] += 1;
            ("segment", counts[0] - 1)
        } else if name.ends_with(".checkpoint") {
            counts[1] += 1;
            ("checkpoint", counts[1] - 1)
        } else {
            let place = ["vote", "purge", "mark", "store"].iter().position(|known| *known == name);
            let Some(place) = place else { continue };
            ("slots", u8::try_from(place).expect("four files"))
        };
        seeds.push((target, name, [&[which << 1 | 1], &content[..]].concat()));
    }
    seeds
}

fn queue(name: &str) -> QueueRef {
    QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name).expect("a name") }
}

fn topic() -> TopicRef {
    TopicRef { namespace: NamespaceName::default(), name: TopicName::parse("events").expect("a name") }
}

fn message() -> NewMessage {
    NewMessage {
        key: Some(Bytes::from_static(b"key")),
        content_type: Some("text/plain".to_owned()),
        headers: vec![
            ("text".to_owned(), HeaderValue::Text("value".to_owned())),
            ("number".to_owned(), HeaderValue::Integer(-3)),
            ("real".to_owned(), HeaderValue::Real(0.5)),
            ("yes".to_owned(), HeaderValue::Boolean(true)),
            ("bytes".to_owned(), HeaderValue::Binary(Bytes::from_static(&[0, 255]))),
        ],
        priority: Priority::new(7),
        ttl: Some(Span::new(60_000)),
        availability: Availability::After(Span::new(500)),
        id: Some(MessageId::parse("id-1").expect("an id")),
        ..NewMessage::new("body")
    }
}

fn receipt() -> Receipt {
    Receipt {
        source: ReceiptSource::Queue(QueueId::new(1)),
        partition: Partition::new(0),
        sequence: Sequence::new(0),
        epoch: Epoch::new(1),
        attempt: Attempt::new(1),
    }
}

/// Commands of every shape, and a machine that has them behind it.
fn commands() -> Vec<Action> {
    let id = MessageId::parse("id-1").expect("an id");
    let records = vec![record::encode(&message(), &id, "ann"), record::encode(&NewMessage::new("plain"), &id, "ann")];
    let settings = QueueSettings { order: DeliveryOrder::PerKey, partitions: 2, ..QueueSettings::default() };
    let kind = SubscriptionKind::shared();
    let subscription = SubscriptionRef { topic: topic(), name: SubscriptionName::parse("shared").expect("a name") };
    let pick = Pick { partition: Partition::new(0), sequence: Sequence::new(1), attempt: Attempt::new(1) };
    vec![
        Action::OpenEpoch,
        Action::CreateQueue(CreateQueue { queue: queue("keyed"), settings }),
        Action::CreateQueue(CreateQueue { queue: queue("work"), settings: QueueSettings::default() }),
        Action::CreateTopic(CreateTopic { topic: topic(), settings: TopicSettings::default() }),
        Action::CreateSubscription(CreateSubscription {
            subscription,
            settings: SubscriptionSettings { kind, start: StartAt::Earliest },
        }),
        Action::Publish { queue: queue("work"), records: records.clone() },
        Action::Publish { queue: queue("keyed"), records: records.clone() },
        Action::PublishTopic { topic: topic(), records: vec![(None, records[1].clone())] },
        Action::Lease {
            source: SourceId::Queue(QueueId::new(2)),
            epoch: Epoch::new(1),
            end: LeaseEnd::At(Timestamp::new(90)),
            picks: vec![pick],
        },
        Action::Ack(Ack { source: Source::Queue(queue("work")), receipts: vec![receipt()] }),
        Action::Tick,
    ]
}

fn log() -> Vec<Seed> {
    let command = |action| Command { principal: Principal::System, action };
    let mut machine = Machine::new();
    let mut batches = Vec::new();
    let mut states = Vec::new();
    for (index, action) in (1..).zip(commands()) {
        let bytes = codec::encode(Timestamp::new(index), &[command(action)]);
        let batch = codec::decode(bytes.clone()).expect("what was encoded is decoded");
        machine.apply(LogIndex::new(index), LogIndex::new(1), &batch, &mut Vec::new());
        batches.push(bytes.to_vec());
        let sections = machine.sections().into_iter().map(|(_, bytes)| {
            let length = u16::try_from(bytes.len()).expect("a small state");
            [&length.to_le_bytes()[..], &bytes[..]].concat()
        });
        states.push(sections.collect::<Vec<_>>().concat());
    }
    let all: Vec<Command> = commands().into_iter().map(command).collect();
    batches.push(codec::encode(Timestamp::new(99), &all).to_vec());
    let id = MessageId::parse("id-1").expect("an id");
    let records = [message(), NewMessage::new(""), NewMessage::new("plain")];
    let records = records.map(|message| record::encode(&message, &id, "ann").to_vec());
    let mut seeds = numbered("batch", batches);
    seeds.extend(numbered("state", states.into_iter().skip(1).step_by(3)));
    seeds.extend(numbered("record", records));
    // A vote, a committed hint, a membership of one voter, and the shard's section: `docs/formats/entry.md`.
    let membership = "01000000 01000000 0100000000000000 01000000 0100000000000000 01000000 61";
    let position = "0100000000000000 0900000000000000";
    seeds.extend(numbered(
        "entry",
        [
            hex("01 0300000000000000 0200000000000000 01"),
            hex(&format!("01 {position}")),
            hex(&format!("01 {membership}")),
            hex(&format!("01 {position} 01 {position} {membership}")),
        ],
    ));
    seeds
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits");
    digits.chunks_exact(2).map(byte).collect()
}

fn words() -> Vec<Seed> {
    let receipt = receipt().to_string();
    let words = ["orders", "a/b", "eu.orders-1_x", "queue", "delivery_limit", "work worker", "*", "", &receipt];
    numbered("names", words.map(|word| word.as_bytes().to_vec()))
}

fn settings() -> Vec<Seed> {
    let shipped = include_bytes!("../../packaging/recado.toml").to_vec();
    let uncommented = String::from_utf8_lossy(&shipped).replace("\n# ", "\n").replace("\n#", "\n");
    numbered("config", [shipped, uncommented.into_bytes(), b"[limits]\nmemory = \"1GiB\"\n".to_vec()])
}

fn rest() -> Vec<Seed> {
    let requests = [
        "PUT /v1/queues/orders\n\n{\"max_bytes\":5,\"order\":\"per_key\",\"dead_letter\":\"dead\",\"partitions\":4}",
        "PATCH /v1/queues/q\n\n{\"max_messages\":null,\"lease_ms\":100}",
        "DELETE /v1/queues/q?force=true\n\n",
        "GET /v1/queues?prefix=o&limit=5&cursor=order\n\n",
        "POST /v1/queues/q/messages\n\n{\"messages\":[{\"body\":\"x\",\"key\":\"k\",\"headers\":{\"a\":1,\"b\":\"c\"},\"delay_ms\":5,\"priority\":9}]}",
        "POST /v1/queues/q/messages\ncontent-type: application/octet-stream\nrecado-key: k\nidempotency-key: 7\n\nraw",
        "POST /v1/queues/q/receive\n\n{\"max\":10,\"wait_ms\":0,\"lease_ms\":30000}",
        "POST /v1/queues/q/settle\n\n{\"ack\":[\"01000000000000000100000000000000000000000000000000000100000001\"]}",
        "POST /v1/queues/q/cancel\n\n{\"places\":[{\"partition\":1,\"sequence\":2}]}",
        "POST /v1/namespaces/eu/queues/q/redrive\n\n{\"reason\":\"expired\",\"target\":\"t\",\"rate\":9}",
        "GET /v1/queues/q/messages?state=delayed&cursor=3-17\n\n",
        "GET /v1/queues/q/stream?credit=5&lease_ms=1000\n\n",
        "PUT /v1/topics/t\n\n{\"partitions\":3,\"retention_ms\":null,\"cleanup\":\"compact\"}",
        "POST /v1/topics/t/messages\n\n{\"messages\":[{\"body_base64\":\"AAE=\",\"partition\":1}]}",
        "PUT /v1/topics/t/subscriptions/s\n\n{\"kind\":\"shared\",\"start\":\"earliest\"}",
        "POST /v1/topics/t/subscriptions/s/commit\n\n{\"member\":\"m\",\"offsets\":[{\"partition\":0,\"offset\":9}]}",
        "POST /v1/users\n\n{\"name\":\"bob\",\"password\":\"0123456789ab\",\"roles\":[\"publisher\"]}",
        "POST /v1/grants\n\n{\"user\":\"bob\",\"kind\":\"queue\",\"name\":{\"prefix\":\"o\"},\"rights\":[\"publish\"],\"effect\":\"allow\"}",
        "POST /v1/tokens\n\n{\"label\":\"ci\",\"lifetime_ms\":1000}",
    ];
    numbered("rest", requests.map(|request| request.as_bytes().to_vec()))
}

fn grpc() -> Vec<Seed> {
    use ::grpc::proto as pb;
    let named = pb::QueueRef { name: "orders".to_owned(), ..pb::QueueRef::default() };
    let call = |name: &str, message: Vec<u8>| [vec![call_number(name)], message].concat();
    let calls = vec![
        call(
            "Queues/CreateQueue",
            pb::CreateQueueRequest { queue: Some(named.clone()), ..pb::CreateQueueRequest::default() }.encode_to_vec(),
        ),
        call(
            "Queues/Publish",
            pb::PublishRequest {
                queue: Some(named),
                messages: vec![pb::NewMessage { body: Bytes::from_static(b"x"), ..pb::NewMessage::default() }],
                ..pb::PublishRequest::default()
            }
            .encode_to_vec(),
        ),
        call("Access/ListNamespaces", pb::ListNamespacesRequest::default().encode_to_vec()),
    ];
    numbered("grpc", calls)
}
