//! What the AMQP door promises beside what its own tests show: its clients keep messages as long as they may, and things in
//! use stay.
//! Invariant: no test here depends on what stands between the client and the broker.
//! Run by `doors.rs` and `gateway.rs`.

use amqp::codec::class::{exchange, queue};
use amqp::codec::{Properties, Table, Value};
use serde_json::{Value as Document, json};

use crate::world::{Closed, Confirmed, World, short};

/// Every test of this file.
macro_rules! amqp_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, amqp:
            a_delivery_may_be_kept_past_its_lease_but_not_past_its_time,
            a_consumer_may_have_a_time_of_its_own,
            what_is_used_is_not_deleted_if_unused,
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
    rest.put(&path, &json!({"lease_ms": 100, "consumer_timeout_ms": 2500})).ok(201);
    let mut amqp = world.through_amqp(&user);
    assert_eq!(amqp.publish("", &name, Properties::default(), b"long"), Ok(Confirmed::Kept));
    amqp.consume(&name, Table::default()).unwrap();
    assert!(!amqp.delivery().unwrap().redelivered);
    // Ten leases long nobody else gets it.
    let others = rest.post(&format!("{path}/receive"), &json!({"wait_ms": 1000})).ok(200);
    assert_eq!(others["messages"], json!([]));
    let end = amqp.closed();
    assert_eq!(end.code, 406);
    let text = "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 2500 ms.";
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
