//! One letter, sent through each door and read through each: what arrives is what was sent, whoever reads it.
//! Invariant: the letter stands here once in the words of each door, by hand, so that no translation checks itself.
//! Run by `doors.rs` and `gateway.rs`. What has no word at a door is in the table of `docs/amqp.md`.

use amqp::codec::{Properties as AmqpProperties, Table, Value as Field};
use bytes::Bytes;
use model::message::{HeaderValue, Message, Narrow, NewMessage, Persistence, Properties};
use model::name::{NamespaceName, QueueName, QueueRef, Source, TopicName, TopicRef};
use model::number::{Partition, Priority, Span, Timestamp};
use model::queue::{Ack, Publish, Receive};
use model::topic::{PublishTopic, ReadPartition, StartAt, TopicMessage};
use serde_json::{Value, json};

use crate::world::{Amqp, Client, Confirmed, Grpc, World, short};

/// Every test of this file.
macro_rules! pairs_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, pairs:
            a_letter_in_a_queue_is_the_same_through_every_pair_of_doors,
            a_letter_in_a_topic_is_the_same_through_every_pair_of_doors,
            amqp_shows_the_proven_sender_and_no_other,
        );
    };
}

pub(crate) use pairs_suite;

const BODY: &[u8] = b"\x00\xffbody";
const KEY: &[u8] = b"k\xff";
const TTL_MS: u64 = 600_000;
const MADE_AT_SECONDS: u64 = 1_600_000_000;

#[derive(Clone, Copy, Debug)]
enum Door {
    Rest,
    Grpc,
    Amqp,
}

const DOORS: [Door; 3] = [Door::Rest, Door::Grpc, Door::Amqp];

/// The letter as gRPC has it.
fn by_grpc(user: &str) -> NewMessage {
    let header = |name: &str, value| (name.to_owned(), value);
    let deep = HeaderValue::Table(vec![header("deep", HeaderValue::Binary(Bytes::from_static(b"\xff")))]);
    NewMessage {
        body: Bytes::from_static(BODY),
        headers: vec![
            header("bytes", HeaderValue::Binary(Bytes::from_static(b"\x00\x01\xfe"))),
            header("list", HeaderValue::List(vec![HeaderValue::Text("a".to_owned()), deep])),
            header("narrow", HeaderValue::Narrow(Narrow::I16(-300))),
            header("nothing", HeaderValue::Null),
            header("real", HeaderValue::Real(1.5)),
            header("text", HeaderValue::Text("größe".to_owned())),
            header("truth", HeaderValue::Boolean(true)),
            header("whole", HeaderValue::Integer(-7)),
        ],
        content_type: Some("application/x-thing".to_owned()),
        key: Some(Bytes::from_static(KEY)),
        priority: Priority::new(7),
        ttl: Some(Span::new(TTL_MS)),
        properties: Some(Box::new(Properties {
            content_encoding: Some("gzip".to_owned()),
            correlation_id: Some("c-1".to_owned()),
            reply_to: Some("answers".to_owned()),
            message_id: Some("m-1".to_owned()),
            made_at: Some(Timestamp::new(MADE_AT_SECONDS * 1000)),
            kind: Some("order".to_owned()),
            user_id: Some(user.to_owned()),
            application: Some("shop".to_owned()),
            cluster_id: Some("c".to_owned()),
            persistence: Some(Persistence::Persistent),
        })),
        ..NewMessage::default()
    }
}

/// The letter as REST has it.
fn by_rest(user: &str) -> Value {
    json!({
        "body_base64": "AP9ib2R5", "content_type": "application/x-thing", "key_base64": "a/8=", "priority": 7,
        "ttl_ms": TTL_MS,
        "headers": {
            "bytes": {"base64": "AAH+"}, "list": {"list": ["a", {"table": {"deep": {"base64": "/w=="}}}]},
            "narrow": {"int16": -300}, "nothing": null, "real": 1.5, "text": "größe", "truth": true, "whole": -7,
        },
        "properties": {
            "content_encoding": "gzip", "correlation_id": "c-1", "reply_to": "answers", "message_id": "m-1",
            "made_at": MADE_AT_SECONDS * 1000, "kind": "order", "user_id": user, "application": "shop",
            "cluster_id": "c", "persistence": "persistent",
        },
    })
}

/// The letter as AMQP has it.
fn by_amqp(user: &str) -> AmqpProperties {
    let deep: Table = [("deep", Field::Binary(Bytes::from_static(b"\xff")))].into_iter().collect();
    let headers = [
        ("bytes", Field::Binary(Bytes::from_static(b"\x00\x01\xfe"))),
        ("list", Field::Array(vec![Field::text("a"), Field::Table(deep)])),
        ("narrow", Field::I16(-300)),
        ("nothing", Field::Void),
        ("real", Field::F64(1.5)),
        ("text", Field::text("größe")),
        ("truth", Field::Boolean(true)),
        ("whole", Field::I64(-7)),
        ("x-message-key", Field::Binary(Bytes::from_static(KEY))),
    ];
    AmqpProperties {
        content_type: Some(short("application/x-thing")),
        content_encoding: Some(short("gzip")),
        headers: Some(headers.into_iter().collect()),
        delivery_mode: Some(2),
        priority: Some(7),
        correlation_id: Some(short("c-1")),
        reply_to: Some(short("answers")),
        expiration: Some(short(&TTL_MS.to_string())),
        message_id: Some(short("m-1")),
        timestamp: Some(MADE_AT_SECONDS),
        kind: Some(short("order")),
        user_id: Some(short(user)),
        app_id: Some(short("shop")),
        cluster_id: Some(short("c")),
    }
}

fn assert_rest(message: &Value, user: &str, pair: &str) {
    let sent = by_rest(user);
    for (field, value) in sent.as_object().unwrap() {
        assert_eq!(&message[field], value, "{pair}: {field} of {message}");
    }
    assert_eq!(message["sender"], user, "{pair}");
}

fn assert_grpc(message: &Message, user: &str, pair: &str) {
    let sent = by_grpc(user);
    let mut headers = message.headers.clone();
    headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert_eq!(headers, sent.headers, "{pair}");
    assert_eq!((&message.body, &message.content_type, &message.key), (&sent.body, &sent.content_type, &sent.key));
    assert_eq!((message.priority, message.ttl), (sent.priority, sent.ttl), "{pair}");
    assert_eq!((&message.properties, &*message.sender), (&sent.properties, user), "{pair}");
}

fn assert_amqp(properties: AmqpProperties, body: &Bytes, user: &str, pair: &str) {
    let sent = by_amqp(user);
    let mut headers = properties.headers.clone().unwrap();
    headers.0.retain(|(name, _)| name.as_str() != "x-stream-offset");
    headers.0.sort_by(|(one, _), (other, _)| one.cmp(other));
    assert_eq!(AmqpProperties { headers: Some(headers), ..properties }, sent, "{pair}");
    assert_eq!(body, BODY, "{pair}");
}

/// A user at all three doors.
struct Everywhere {
    user: String,
    rest: Client,
    grpc: Grpc,
    amqp: Amqp,
}

impl Everywhere {
    fn new(world: &World) -> Self {
        let (rest, user) = world.user(&["developer"]);
        let (grpc, mut amqp) = (world.through_grpc(&rest), world.through_amqp(&user));
        amqp.prefetch(10);
        Self { user, rest, grpc, amqp }
    }

    fn send(&mut self, door: Door, queue: Option<&QueueRef>, name: &str) {
        let letter = by_grpc(&self.user);
        match (door, queue) {
            (Door::Rest, _) => {
                let kind = if queue.is_some() { "queues" } else { "topics" };
                let messages = json!({"messages": [by_rest(&self.user)]});
                self.rest.post(&format!("/v1/{kind}/{name}/messages"), &messages).ok(201);
            }
            (Door::Grpc, Some(queue)) => {
                self.grpc.call(Publish { queue: queue.clone(), messages: vec![letter] }).unwrap();
            }
            (Door::Grpc, None) => {
                let messages = vec![TopicMessage { message: letter, partition: None }];
                self.grpc.call(PublishTopic { topic: topic(name), messages }).unwrap();
            }
            (Door::Amqp, _) => {
                let sent = self.amqp.publish("", name, by_amqp(&self.user), BODY);
                assert_eq!(sent, Ok(Confirmed::Kept));
            }
        }
    }
}

fn topic(name: &str) -> TopicRef {
    TopicRef { namespace: NamespaceName::default(), name: TopicName::parse(name).unwrap() }
}

pub(crate) fn a_letter_in_a_queue_is_the_same_through_every_pair_of_doors(world: &World) {
    let mut all = Everywhere::new(world);
    let name = world.name("letters");
    let path = format!("/v1/queues/{name}");
    all.rest.put(&path, &Value::Null).ok(201);
    let queue = QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(&name).unwrap() };
    let source = Source::Queue(queue.clone());
    for from in DOORS {
        for to in DOORS {
            let (pair, user) = (format!("{from:?} to {to:?}"), all.user.clone());
            all.send(from, Some(&queue), &name);
            match to {
                Door::Rest => {
                    let taken = all.rest.post(&format!("{path}/receive"), &Value::Null).ok(200);
                    assert_rest(&taken["messages"][0], &user, &pair);
                    let receipts = json!({"receipts": [taken["messages"][0]["receipt"]]});
                    all.rest.post(&format!("{path}/ack"), &receipts).ok(200);
                }
                Door::Grpc => {
                    let wait = Span::new(10_000);
                    let receive = Receive { source: source.clone(), max: 1, wait, lease: None, member: None };
                    let taken = all.grpc.call(receive).unwrap().deliveries.remove(0);
                    assert_grpc(&taken.message, &user, &pair);
                    let receipts = vec![taken.receipt.unwrap()];
                    all.grpc.call(Ack { source: source.clone(), receipts }).unwrap();
                }
                Door::Amqp => {
                    let got = all.amqp.get(&name).unwrap().expect(&pair);
                    assert_amqp(got.properties, &got.body, &user, &pair);
                    all.amqp.ack(got.tag);
                    all.amqp.settled().unwrap();
                }
            }
        }
    }
}

pub(crate) fn a_letter_in_a_topic_is_the_same_through_every_pair_of_doors(world: &World) {
    let mut all = Everywhere::new(world);
    let name = world.name("letters");
    let path = format!("/v1/topics/{name}");
    all.rest.put(&path, &Value::Null).ok(201);
    DOORS.into_iter().for_each(|from| all.send(from, None, &name));
    let user = &all.user;
    let records = all.rest.get(&format!("{path}/partitions/0/messages")).ok(200);
    let (partition, start, limit, wait) = (Partition::new(0), StartAt::Earliest, 10, Span::new(0));
    let read = all.grpc.call(ReadPartition { topic: topic(&name), partition, start, limit, wait }).unwrap();
    let first = [("x-stream-offset", Field::text("first"))].into_iter().collect();
    all.amqp.consume(&name, first).unwrap();
    for (place, from) in DOORS.into_iter().enumerate() {
        assert_rest(&records["messages"][place], user, &format!("{from:?} to Rest"));
        assert_grpc(&read.records[place].message, user, &format!("{from:?} to Grpc"));
        let came = all.amqp.delivery().unwrap();
        assert_amqp(came.properties, &came.body, user, &format!("{from:?} to Amqp"));
    }
}

pub(crate) fn amqp_shows_the_proven_sender_and_no_other(world: &World) {
    let mut all = Everywhere::new(world);
    let name = world.name("letters");
    all.rest.put(&format!("/v1/queues/{name}"), &Value::Null).ok(201);
    let forged = json!([{"body": "1", "properties": {"user_id": "admin"}}, {"body": "2"}]);
    all.rest.post(&format!("/v1/queues/{name}/messages"), &json!({"messages": forged})).ok(201);
    let routed = json!([{"routing_key": name, "message": {"body": "3", "properties": {"user_id": "admin"}}}]);
    all.rest.post("/v1/exchanges/amq.default/messages", &json!({"messages": routed})).ok(201);
    // Straight to the queue, AMQP's word for the sender says who it was; by an exchange, as with RabbitMQ, only when it
    // was said, and not when it was somebody else.
    for expected in [Some(all.user.as_str()), Some(all.user.as_str()), None] {
        let got = all.amqp.get(&name).unwrap().unwrap();
        assert_eq!(got.properties.user_id.as_ref().map(|user| user.as_str()), expected);
    }
}
