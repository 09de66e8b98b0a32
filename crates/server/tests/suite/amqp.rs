//! What the AMQP door promises beside what its own tests show: its clients keep messages as long as they may, and things in
//! use stay.
//! Invariant: no test here depends on what stands between the client and the broker.
//! Run by `doors.rs` and `gateway.rs`.

use std::collections::{BTreeMap, BTreeSet};

use amqp::codec::class::{basic, exchange, queue};
use amqp::codec::{Method, Properties, Table, Value};
use serde_json::{Value as Document, json};

use crate::world::{Came, Closed, Confirmed, World, short};

/// Every test of this file.
macro_rules! amqp_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, amqp:
            a_delivery_may_be_kept_past_its_lease_but_not_past_its_time,
            a_consumer_may_have_a_time_of_its_own,
            what_is_used_is_not_deleted_if_unused,
            a_stream_is_read_again_from_where_one_says,
            a_stream_refuses_what_streams_do_not_do,
            a_stream_and_a_queue_of_one_name_exclude_each_other,
            a_topic_of_several_partitions_is_read_whole_or_in_parts,
        );
    };
}

pub(crate) use amqp_suite;

fn closed(code: u16, text: String) -> Closed {
    Closed { code, text }
}

pub(crate) fn a_delivery_may_be_kept_past_its_lease_but_not_past_its_time(world: &World) {
    let (mut rest, user) = world.user(&["developer"]);
    let name = world.name("work");
    let path = format!("/v1/queues/{name}");
    rest.put(&path, &json!({"lease_ms": 2000, "consumer_timeout_ms": 5000})).ok(201);
    let mut amqp = world.through_amqp(&user);
    assert_eq!(amqp.publish("", &name, Properties::default(), b"long"), Ok(Confirmed::Kept));
    amqp.consume(&name, Table::default()).unwrap();
    assert!(!amqp.delivery().unwrap().redelivered);
    // For longer than its lease nobody else gets it.
    let others = rest.post(&format!("{path}/receive"), &json!({"wait_ms": 3000})).ok(200);
    assert_eq!(others["messages"], json!([]));
    let end = amqp.closed();
    assert_eq!(end.code, 406);
    let text = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 5000 ms.";
    assert!(end.text.starts_with(text), "{end:?}");
    assert!(!amqp.is_over());
    let again = rest.post(&format!("{path}/receive"), &json!({"wait_ms": 10_000})).ok(200);
    assert_eq!(again["messages"][0]["attempt"], 2, "it went back: {again}");
}

pub(crate) fn a_consumer_may_have_a_time_of_its_own(world: &World) {
    let (mut rest, user) = world.user(&["developer"]);
    let name = world.name("work");
    rest.put(&format!("/v1/queues/{name}"), &Document::Null).ok(201);
    let mut amqp = world.through_amqp(&user);
    assert_eq!(amqp.publish("", &name, Properties::default(), b"x"), Ok(Confirmed::Kept));
    let within = |ms: i64| [("x-consumer-timeout", Value::I64(ms))].into_iter().collect();
    let refused = amqp.consume(&name, within(0)).unwrap_err();
    assert!(refused.code == 406 && refused.text.contains("x-consumer-timeout"), "{refused:?}");
    amqp.consume(&name, within(700)).unwrap();
    amqp.delivery().unwrap();
    assert!(amqp.closed().text.contains("Timeout value used: 700 ms"));
}

pub(crate) fn what_is_used_is_not_deleted_if_unused(world: &World) {
    let (mut rest, user) = world.user(&["developer"]);
    let (name, source, leaf) = (world.name("used"), world.name("source"), world.name("leaf"));
    rest.put(&format!("/v1/queues/{name}"), &Document::Null).ok(201);
    let mut amqp = world.through_amqp(&user);
    let mut other = world.through_amqp(&user);
    other.consume(&name, Table::default()).unwrap();
    let delete = queue::Delete { queue: short(&name), if_unused: true, ..queue::Delete::default() };
    let in_use = format!("PRECONDITION_FAILED - queue '{name}' in vhost '/' in use");
    assert_eq!(amqp.call(delete.clone()).unwrap_err(), closed(406, in_use));
    // Who may delete and not look does not guess.
    let (_, blind) = world.user(&[]);
    world.grant(&blind, "queue", "literal", &name, &["delete"]);
    let mut blind = world.through_amqp(&blind);
    assert_eq!(blind.call(delete.clone()).unwrap_err().code, 403);
    drop(other);
    // The end of a consumer is heard a moment later.
    crate::world::eventually("an unused queue", || amqp.call(delete.clone()).ok());
    assert_eq!(rest.get(&format!("/v1/queues/{name}")).status, 404);

    for exchange in [&source, &leaf] {
        let declare =
            exchange::Declare { exchange: short(exchange), kind: short("fanout"), ..exchange::Declare::default() };
        amqp.call(declare).unwrap();
    }
    let bind = exchange::Bind { source: short(&source), destination: short(&leaf), ..exchange::Bind::default() };
    amqp.call(bind).unwrap();
    let delete =
        |name: &str| exchange::Delete { exchange: short(name), if_unused: true, ..exchange::Delete::default() };
    let in_use = format!("PRECONDITION_FAILED - exchange '{source}' in vhost '/' in use");
    assert_eq!(amqp.call(delete(&source)).unwrap_err(), closed(406, in_use));
    // An exchange is used by what leaves it, as with RabbitMQ.
    amqp.call(delete(&leaf)).unwrap();
    amqp.call(delete(&source)).unwrap();
}

fn table(arguments: Vec<(&'static str, Value)>) -> Table {
    arguments.into_iter().collect()
}

fn declare(name: &str, arguments: Vec<(&'static str, Value)>) -> queue::Declare {
    queue::Declare { queue: short(name), durable: true, arguments: table(arguments), ..queue::Declare::default() }
}

fn stream(name: &str) -> queue::Declare {
    declare(name, vec![("x-queue-type", Value::text("stream"))])
}

/// A header that is a number.
fn number(came: &Came, name: &str) -> Option<i64> {
    came.properties.headers.as_ref()?.get(name)?.as_integer()
}

/// Reads a stream on a connection of its own: bodies and offsets.
fn read(world: &World, user: &str, name: &str, offset: Option<Value>, count: usize) -> Vec<(String, i64)> {
    let mut amqp = world.through_amqp(user);
    amqp.prefetch(2);
    amqp.consume(name, offset.map(|offset| ("x-stream-offset", offset)).into_iter().collect()).unwrap();
    let mut read = Vec::new();
    for _ in 0..count {
        let came = amqp.delivery().unwrap();
        // No more than the prefetch comes without this.
        amqp.ack(came.tag);
        let body = String::from_utf8(came.body.to_vec()).unwrap();
        read.push((body, number(&came, "x-stream-offset").unwrap()));
    }
    read
}

fn numbered(numbers: std::ops::Range<i64>) -> Vec<(String, i64)> {
    numbers.map(|number| (format!("m{number}"), number)).collect()
}

pub(crate) fn a_stream_is_read_again_from_where_one_says(world: &World) {
    let (mut rest, user) = world.user(&["developer"]);
    let (name, fan) = (world.name("history"), world.name("fan"));
    let mut amqp = world.through_amqp(&user);
    let kept = vec![("x-max-age", Value::text("7D")), ("x-max-length-bytes", Value::I64(1 << 30))];
    let all = kept.into_iter().chain([("x-queue-type", Value::text("stream"))]).collect();
    amqp.call(declare(&name, all)).unwrap();
    let settings = rest.get(&format!("/v1/topics/{name}")).ok(200)["settings"].clone();
    assert_eq!(settings["retention_ms"], 7 * 24 * 60 * 60 * 1000_i64);
    assert_eq!((&settings["retention_bytes"], &settings["partitions"]), (&json!(1 << 30), &json!(1)));
    // By the default exchange, by a binding, and by another door.
    let made = exchange::Declare { exchange: short(&fan), kind: short("fanout"), ..exchange::Declare::default() };
    amqp.call(made).unwrap();
    amqp.call(queue::Bind { queue: short(&name), exchange: short(&fan), ..queue::Bind::default() }).unwrap();
    assert_eq!(amqp.publish("", &name, Properties::default(), b"m0"), Ok(Confirmed::Kept));
    assert_eq!(amqp.publish(&fan, "", Properties::default(), b"m1"), Ok(Confirmed::Kept));
    let more: Vec<_> = (2..5).map(|number| json!({"body": format!("m{number}")})).collect();
    rest.post(&format!("/v1/topics/{name}/messages"), &json!({"messages": more})).ok(201);
    // As often as one likes.
    for _ in 0..2 {
        assert_eq!(read(world, &user, &name, Some(Value::text("first")), 5), numbered(0..5));
    }
    assert_eq!(read(world, &user, &name, Some(Value::I64(3)), 2), numbered(3..5));
    assert_eq!(read(world, &user, &name, Some(Value::text("last")), 1), numbered(4..5));
    assert_eq!(read(world, &user, &name, Some(Value::text("1h")), 5), numbered(0..5));
    assert_eq!(read(world, &user, &name, Some(Value::Timestamp(0)), 1), numbered(0..1));
    // Without an offset only what comes from then on.
    let mut next = world.through_amqp(&user);
    next.prefetch(1);
    next.consume(&name, Table::default()).unwrap();
    assert_eq!(amqp.publish("", &name, Properties::default(), b"m5"), Ok(Confirmed::Kept));
    let came = next.delivery().unwrap();
    assert_eq!((&came.body[..], number(&came, "x-stream-offset")), (&b"m5"[..], Some(5)));
    // Given back or not, it comes once, and the next one comes after that.
    next.tell(basic::Nack { delivery_tag: came.tag, multiple: false, requeue: true });
    assert_eq!(amqp.publish("", &name, Properties::default(), b"m6"), Ok(Confirmed::Kept));
    assert_eq!(next.delivery().unwrap().body, "m6");
    // It goes as a queue does, and its consumers are told of it; this one did not ask to be.
    let gone = amqp.call(queue::Delete { queue: short(&name), ..queue::Delete::default() }).unwrap();
    assert_eq!(gone, queue::DeleteOk { message_count: 7 }.into());
    assert_eq!(rest.get(&format!("/v1/topics/{name}")).status, 404);
}

pub(crate) fn a_stream_refuses_what_streams_do_not_do(world: &World) {
    let (_, user) = world.user(&["developer"]);
    let name = world.name("history");
    let mut amqp = world.through_amqp(&user);
    amqp.call(stream(&name)).unwrap();
    let there = amqp.call(queue::Declare { passive: true, ..stream(&name) }).unwrap();
    assert_eq!(there, queue::DeclareOk { queue: short(&name), message_count: 0, consumer_count: 0 }.into());
    let shown = format!("queue '{name}' in vhost '/'");

    let unbounded = amqp.consume(&name, Table::default()).unwrap_err();
    let text = format!("PRECONDITION_FAILED - consumer prefetch count is not set for stream {shown}");
    assert_eq!(unbounded, closed(406, text));
    amqp.prefetch(1);
    let wrong = amqp.consume(&name, table(vec![("x-stream-offset", Value::text("soon"))])).unwrap_err();
    assert!(wrong.code == 406 && wrong.text.contains("Invalid offset arg"), "{wrong:?}");
    for (arguments, name) in [
        (vec![("x-max-age", Value::text("7"))], "x-max-age"),
        (vec![("x-message-ttl", Value::I32(1000))], "x-message-ttl"),
        (vec![("x-max-length-bytes", Value::I32(0))], "x-max-length-bytes"),
    ] {
        let arguments = arguments.into_iter().chain([("x-queue-type", Value::text("stream"))]).collect();
        let refused = amqp.call(declare("never", arguments)).unwrap_err();
        assert!(refused.code == 406 && refused.text.contains(&format!("invalid arg '{name}'")), "{refused:?}");
    }
    let refused = amqp.call(queue::Declare { exclusive: true, ..stream("never") }).unwrap_err();
    assert!(refused.text.contains("invalid property 'exclusive-owner'"), "{refused:?}");

    // These end the connection, as what is not implemented does.
    let get: Method = basic::Get { queue: short(&name), ..basic::Get::default() }.into();
    let purge = queue::Purge { queue: short(&name), ..queue::Purge::default() }.into();
    let no_ack = basic::Consume { queue: short(&name), no_ack: true, ..basic::Consume::default() }.into();
    let if_empty = queue::Delete { queue: short(&name), if_empty: true, ..queue::Delete::default() }.into();
    for (method, text) in [
        (get, format!("NOT_IMPLEMENTED - basic.get not supported by stream {shown}")),
        (purge, format!("NOT_IMPLEMENTED - queue.purge not supported by stream {shown}")),
        (no_ack, format!("NOT_IMPLEMENTED - automatic acknowledgement not supported by stream {shown}")),
        (if_empty, format!("NOT_IMPLEMENTED - cannot delete {shown}. queue.delete operations with if-empty")),
    ] {
        let mut amqp = world.through_amqp(&user);
        let refused = amqp.call(method).unwrap_err();
        assert!(refused.code == 540 && refused.text.starts_with(&text), "{refused:?}");
        assert!(amqp.is_over());
    }
}

pub(crate) fn a_stream_and_a_queue_of_one_name_exclude_each_other(world: &World) {
    let (mut rest, user) = world.user(&["developer"]);
    let (name, other) = (world.name("one"), world.name("two"));
    let mut amqp = world.through_amqp(&user);
    amqp.call(stream(&name)).unwrap();
    amqp.call(stream(&name)).unwrap();
    let differs = |name: &str, asked: &str, there: &str| {
        let what = format!("inequivalent arg 'x-queue-type' for queue '{name}' in vhost '/'");
        closed(406, format!("PRECONDITION_FAILED - {what}: received '{asked}' but current is '{there}'"))
    };
    assert_eq!(amqp.call(declare(&name, Vec::new())).unwrap_err(), differs(&name, "classic", "stream"));
    amqp.call(declare(&other, vec![("x-queue-type", Value::text("quorum"))])).unwrap();
    assert_eq!(amqp.call(stream(&other)).unwrap_err(), differs(&other, "stream", "quorum"));
    let longer = vec![("x-queue-type", Value::text("stream")), ("x-max-age", Value::text("1h"))];
    let refused = amqp.call(declare(&name, longer)).unwrap_err();
    assert!(
        refused.text.ends_with(
            "'x-max-age' for queue 'NAME' in vhost '/': received '3600s' but current is 'none'"
                .replace("NAME", &name)
                .as_str()
        ),
        "{refused:?}"
    );
    // Where another door made both, the queue is meant.
    rest.put(&format!("/v1/topics/{other}"), &Document::Null).ok(201);
    assert_eq!(amqp.publish("", &other, Properties::default(), b"x"), Ok(Confirmed::Kept));
    assert_eq!(amqp.get(&other).unwrap().unwrap().body, "x");
    amqp.call(declare(&other, vec![("x-queue-type", Value::text("quorum"))])).unwrap();
}

pub(crate) fn a_topic_of_several_partitions_is_read_whole_or_in_parts(world: &World) {
    let (mut rest, user) = world.user(&["developer"]);
    let name = world.name("wide");
    rest.put(&format!("/v1/topics/{name}"), &json!({"partitions": 3, "retention_ms": null})).ok(201);
    let mut amqp = world.through_amqp(&user);
    // As a stream without arguments: what AMQP has no word for does not differ.
    amqp.call(stream(&name)).unwrap();
    let keyed = |key: &str| Properties {
        headers: Some(table(vec![("x-message-key", Value::text(key))])),
        ..Properties::default()
    };
    for number in 0..30 {
        let key = format!("k{}", number % 10);
        assert_eq!(amqp.publish("", &name, keyed(&key), key.as_bytes()), Ok(Confirmed::Kept));
    }
    let first = || table(vec![("x-stream-offset", Value::text("first"))]);
    amqp.prefetch(7);
    amqp.consume(&name, first()).unwrap();
    let mut homes = BTreeMap::new();
    let mut places = BTreeSet::new();
    for _ in 0..30 {
        let came = amqp.delivery().unwrap();
        amqp.ack(came.tag);
        let (partition, offset) = (number(&came, "x-partition").unwrap(), number(&came, "x-stream-offset").unwrap());
        let key = came.properties.headers.as_ref().unwrap().get("x-message-key").unwrap().as_text().unwrap().to_owned();
        assert_eq!(*homes.entry(key).or_insert(partition), partition, "a key stays in its partition");
        assert!(places.insert((partition, offset)), "each comes once");
    }
    assert_eq!(homes.len(), 10);
    // A part is a stream by itself.
    for part in 0..3 {
        let offsets: Vec<i64> =
            places.iter().filter(|(partition, _)| *partition == part).map(|(_, offset)| *offset).collect();
        let read = read(world, &user, &format!("{name}-{part}"), Some(Value::text("first")), offsets.len());
        assert_eq!(read.iter().map(|(_, offset)| *offset).collect::<Vec<_>>(), offsets);
    }
    let missing = amqp.consume(&format!("{name}-3"), first()).unwrap_err();
    assert_eq!(missing.code, 404);
    // A partition that comes later is read too.
    rest.patch(&format!("/v1/topics/{name}"), &json!({"partitions": 4})).ok(200);
    let mut late = world.through_amqp(&user);
    late.prefetch(10);
    late.consume(&name, Table::default()).unwrap();
    let to = json!({"messages": [{"body": "late", "partition": 3}]});
    rest.post(&format!("/v1/topics/{name}/messages"), &to).ok(201);
    assert_eq!(number(&late.delivery().unwrap(), "x-partition"), Some(3));
}
