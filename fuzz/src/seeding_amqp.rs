//! Seeds of the AMQP targets: every method that a client sends, headers, a table of every type, and conversations.
//! Invariant: as for `seeding`, which calls this.

use ::amqp::codec::class::{basic, channel, confirm, connection, exchange, queue, tx};
use ::amqp::codec::properties::ContentHeader;
use ::amqp::codec::wire::Field;
use ::amqp::codec::{Frame, Method, Properties, ShortText, Table, Value};
use bytes::{Bytes, BytesMut};

use crate::seeding::{Seed, numbered};

pub(crate) fn all() -> Vec<Seed> {
    let mut seeds = numbered("amqp_methods", parts());
    seeds.extend(numbered("amqp_tables", tables()));
    seeds.extend(numbered("amqp_conversation", conversations()));
    seeds
}

fn short(text: &str) -> ShortText {
    ShortText::cut(text)
}

fn table() -> Table {
    let inner = Table::from_iter([("void", Value::Void)]);
    Table::from_iter([
        ("x-max-length", Value::I32(5)),
        ("text", Value::text("text")),
        ("truth", Value::Boolean(true)),
        ("bytes", Value::Binary(Bytes::from_static(&[0, 255]))),
        ("table", Value::Table(inner)),
        (
            "array",
            Value::Array(vec![
                Value::I8(-1),
                Value::U8(1),
                Value::I16(-2),
                Value::U16(2),
                Value::U32(3),
                Value::I64(-4),
                Value::F32(0.5),
                Value::F64(f64::NAN),
                Value::Decimal(2, 314),
                Value::Timestamp(7),
            ]),
        ),
    ])
}

fn properties() -> Properties {
    Properties {
        content_type: Some(short("text/plain")),
        headers: Some(table()),
        delivery_mode: Some(2),
        priority: Some(5),
        correlation_id: Some(short("c")),
        reply_to: Some(short("amq.rabbitmq.reply-to")),
        expiration: Some(short("60000")),
        message_id: Some(short("id-1")),
        timestamp: Some(7),
        user_id: Some(short("ann")),
        ..Properties::default()
    }
}

fn payload(method: impl Into<Method>) -> Vec<u8> {
    let mut out = BytesMut::new();
    method.into().write(&mut out);
    out.to_vec()
}

fn header(properties: Properties) -> Vec<u8> {
    let mut out = BytesMut::new();
    ContentHeader { body_size: 3, properties }.write(&mut out);
    out.to_vec()
}

fn consume(queue: &str, no_ack: bool) -> Vec<u8> {
    payload(basic::Consume { queue: short(queue), consumer_tag: short("tag"), no_ack, ..basic::Consume::default() })
}

fn publish() -> Vec<u8> {
    payload(basic::Publish { routing_key: short("q"), mandatory: true, ..basic::Publish::default() })
}

/// Methods of a client on a channel, in an order that makes sense.
fn methods() -> Vec<Vec<u8>> {
    let q = || short("q");
    vec![
        payload(queue::Declare { queue: q(), durable: true, arguments: table(), ..queue::Declare::default() }),
        payload(exchange::Declare { exchange: short("x"), ..exchange::Declare::default() }),
        payload(queue::Bind { queue: q(), exchange: short("x"), ..queue::Bind::default() }),
        payload(basic::Qos { prefetch_count: 5, ..basic::Qos::default() }),
        consume("q", false),
        payload(basic::Get { queue: q(), ..basic::Get::default() }),
        payload(basic::Ack { delivery_tag: 1, multiple: true }),
        payload(basic::Nack { delivery_tag: 2, requeue: true, ..basic::Nack::default() }),
        payload(basic::Reject { delivery_tag: 3, requeue: false }),
        payload(basic::Recover { requeue: true }),
        payload(channel::Flow { active: true }),
        payload(basic::Cancel { consumer_tag: short("tag"), no_wait: false }),
        payload(queue::Purge { queue: q(), ..queue::Purge::default() }),
        payload(queue::Delete { queue: q(), ..queue::Delete::default() }),
        payload(channel::Close { reply_code: 200, ..channel::Close::default() }),
    ]
}

/// Each with the byte before it that says which part of the codec reads it.
fn parts() -> Vec<Vec<u8>> {
    let behind = |which: u8, bytes: &[u8]| [&[which], bytes].concat();
    let mut frames = BytesMut::new();
    for frame in [
        Frame::Method(1, publish().into()),
        Frame::Header(1, header(properties()).into()),
        Frame::Body(1, Bytes::from_static(b"abc")),
        Frame::Heartbeat,
    ] {
        frame.write(&mut frames);
    }
    let start = connection::StartOk { client_properties: table(), ..connection::StartOk::default() };
    let mut all = vec![behind(2, &frames), behind(1, &header(properties())), behind(0, &payload(start))];
    all.extend(methods().iter().map(|method| behind(0, method)));
    all
}

fn tables() -> Vec<Vec<u8>> {
    let mut written = BytesMut::new();
    table().write(&mut written);
    vec![written.to_vec()]
}

/// A part of a conversation: what it is, on channel 1.
fn part(what: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("seeds are short");
    [&[1 << 4 | what], &length.to_be_bytes()[..], payload].concat()
}

fn message(properties: Properties) -> Vec<u8> {
    [part(0, &publish()), part(5, &header(properties)), part(7, b"abc")].concat()
}

fn conversations() -> Vec<Vec<u8>> {
    let said = |method: &[u8]| part(0, method);
    let with_consumer = methods().iter().flat_map(|method| said(method)).collect::<Vec<_>>();
    let deliver = [&[10][..], &3_u16.to_be_bytes(), b"123"].concat();
    let ack = said(&payload(basic::Ack { delivery_tag: 2, multiple: true }));
    let commit = said(&payload(tx::Commit {}));
    let all = [
        with_consumer,
        [said(&consume("q", false)), deliver, ack.clone()].concat(),
        [said(&payload(confirm::Select::default())), message(properties()), message(Properties::default())].concat(),
        [said(&payload(tx::Select {})), message(properties()), ack, commit].concat(),
        [said(&consume("amq.rabbitmq.reply-to", true)), message(properties()), part(14, b""), part(12, b"")].concat(),
        [part(13, b""), message(properties())].concat(),
    ];
    // Once by a broker that grants everything, once by one that does so now and then.
    let moods = |parts: &Vec<u8>| [0, 0b0101_0110].map(|mood| [&[mood], &parts[..]].concat());
    all.iter().flat_map(moods).collect()
}
