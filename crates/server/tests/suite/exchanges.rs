//! Exchanges through both doors: what is bound through one is routed through the other, properties and headers of every
//! kind come out as they went in, dead letters carry their moves, and consumers stand by for each other.
//! Invariant: every test asks both doors.
//! Run by `doors.rs` and `gateway.rs`.

use bytes::Bytes;
use model::backend::{Consume, Sharing};
use model::binding::{Bind, Binding, Destination, Fate, PublishExchange, RoutedMessage, RoutingKey, Unroutable};
use model::exchange::{CreateExchange, ExchangeKind, ExchangeSettings};
use model::message::{HeaderValue, Narrow, NewMessage, Persistence, Properties, Routed};
use model::name::{ExchangeName, ExchangeRef, NamespaceName, QueueName, QueueRef, Source};
use model::number::{Span, Timestamp};
use model::queue::Receive;
use serde_json::{Value, json};

use crate::world::{Client, Grpc, World, texts};

/// Every test of this file.
macro_rules! exchanges_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, exchanges:
            what_is_bound_at_one_door_is_routed_at_the_other,
            everything_that_a_message_carries_survives_every_way,
            a_dead_letter_tells_where_it_was,
            a_consumer_may_want_to_be_alone,
            a_queue_goes_with_its_last_consumer,
        );
    };
}

pub(crate) use exchanges_suite;

fn exchange(name: &str) -> ExchangeRef {
    ExchangeRef { namespace: NamespaceName::default(), name: ExchangeName::parse(name).unwrap() }
}

fn source(name: &str) -> Source {
    Source::Queue(QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name).unwrap() })
}

fn key(text: &str) -> RoutingKey {
    RoutingKey::parse(text).unwrap()
}

pub(crate) fn what_is_bound_at_one_door_is_routed_at_the_other(world: &World) {
    let (mut rest, _) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let (name, one, two) = (world.name("orders"), world.name("one"), world.name("two"));
    for queue in [&one, &two] {
        rest.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    }
    let path = format!("/v1/exchanges/{name}");
    let made = rest.put(&path, &json!({"kind": "topic"})).ok(201);
    assert_eq!(made["settings"]["durable"], true);
    rest.put(&path, &json!({"kind": "topic"})).ok(200);
    assert_eq!(rest.put(&path, &json!({"kind": "fanout"})).ok(409)["code"], "exchange_exists");
    let settings = ExchangeSettings::of(ExchangeKind::Topic);
    assert!(!grpc.call(CreateExchange { exchange: exchange(&name), settings }).unwrap().created);

    let rule = |queue: &str, pattern: &str| json!({"source": name, "destination": {"kind": "queue", "name": queue}, "routing_key": pattern});
    assert_eq!(rest.post("/v1/bindings", &rule(&one, "eu.#")).ok(201)["changed"], true);
    assert_eq!(rest.post("/v1/bindings", &rule(&one, "eu.#")).ok(200)["changed"], false);
    let binding = Binding {
        source: exchange(&name),
        destination: Destination::Queue(QueueName::parse(&two).unwrap()),
        routing_key: key("*.paris"),
        arguments: Vec::new(),
    };
    assert!(grpc.call(Bind { binding }).unwrap().changed);
    let listed = rest.get(&format!("/v1/bindings?source={name}")).ok(200);
    assert_eq!(texts(&listed["items"], "routing_key").len(), 2, "{listed}");

    let message = |routing_key: &str, unroutable| RoutedMessage {
        message: NewMessage::new("by grpc"),
        routing_key: key(routing_key),
        extra_keys: Vec::new(),
        unroutable,
    };
    let messages = vec![message("eu.paris", Unroutable::Drop), message("us.rome", Unroutable::Return)];
    let published = grpc.call(PublishExchange { exchange: exchange(&name), messages }).unwrap();
    assert_eq!((published.messages[0].fate, published.messages[0].taken), (Fate::Taken, 2));
    assert_eq!((published.messages[1].fate, published.messages[1].taken), (Fate::Returned, 0));
    let by_rest = json!({"messages": [{"routing_key": "eu", "message": {"body": "by rest"}}, {"routing_key": "x"}]});
    let answer = rest.post(&format!("{path}/messages"), &by_rest).ok(201);
    assert_eq!(texts(&answer["messages"], "fate"), ["taken", "dropped"]);
    let taken = rest.post(&format!("/v1/queues/{one}/receive"), &json!({"max": 10})).ok(200);
    assert_eq!(texts(&taken["messages"], "body"), ["by grpc", "by rest"]);
    assert_eq!(taken["messages"][0]["routed"], json!({"exchange": name, "routing_key": "eu.paris"}));

    rest.post("/v1/bindings/remove", &rule(&one, "eu.#")).ok(200);
    assert_eq!(rest.delete(&path).status, 409, "a binding is left");
    assert_eq!(rest.delete(&format!("{path}?force=true")).status, 204);
    assert_eq!(rest.get(&path).ok(404)["code"], "exchange_not_found");
}

fn rich() -> NewMessage {
    let header = |name: &str, value| (name.to_owned(), value);
    let narrow = |name: &str, number| header(name, HeaderValue::Narrow(number));
    NewMessage {
        headers: vec![
            header("nothing", HeaderValue::Null),
            narrow("i8", Narrow::I8(-8)),
            narrow("u8", Narrow::U8(200)),
            narrow("i16", Narrow::I16(-300)),
            narrow("u16", Narrow::U16(60_000)),
            narrow("i32", Narrow::I32(-70_000)),
            narrow("u32", Narrow::U32(4_000_000_000)),
            header("single", HeaderValue::Single(0.1)),
            header("decimal", HeaderValue::Decimal { scale: 2, digits: -125 }),
            header("time", HeaderValue::Time(Timestamp::new(1_700_000_000_000))),
            header(
                "list",
                HeaderValue::List(vec![
                    HeaderValue::Text("a".to_owned()),
                    HeaderValue::Table(vec![("deep".to_owned(), HeaderValue::Binary(Bytes::from_static(b"\xff")))]),
                ]),
            ),
        ],
        properties: Some(Box::new(Properties {
            content_encoding: Some("gzip".to_owned()),
            correlation_id: Some("c-1".to_owned()),
            reply_to: Some("answers".to_owned()),
            message_id: Some("m-1".to_owned()),
            made_at: Some(Timestamp::new(1_600_000_000_000)),
            kind: Some("order".to_owned()),
            user_id: Some("somebody".to_owned()),
            application: Some("shop".to_owned()),
            cluster_id: Some("c".to_owned()),
            persistence: Some(Persistence::Persistent),
        })),
        ttl: Some(Span::new(600_000)),
        ..NewMessage::new("rich")
    }
}

fn take(grpc: &Grpc, queue: &str) -> Vec<model::message::Delivery> {
    let receive = Receive { source: source(queue), max: 10, wait: Span::new(10_000), lease: None, member: None };
    grpc.call(receive).unwrap().deliveries
}

pub(crate) fn everything_that_a_message_carries_survives_every_way(world: &World) {
    let (mut rest, _) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let name = world.name("rich");
    rest.put(&format!("/v1/queues/{name}"), &Value::Null).ok(201);
    let routed = RoutedMessage { message: rich(), routing_key: key(&name), ..RoutedMessage::default() };
    grpc.call(PublishExchange { exchange: exchange(""), messages: vec![routed] }).unwrap();
    let seen = rest.get(&format!("/v1/queues/{name}/messages")).ok(200)["messages"][0].clone();
    assert_eq!(seen["headers"]["i16"], json!({"int16": -300}));
    assert_eq!(seen["headers"]["list"], json!({"list": ["a", {"table": {"deep": {"base64": "/w=="}}}]}));
    assert_eq!(seen["properties"]["correlation_id"], "c-1");
    assert_eq!(seen["routed"], json!({"exchange": "amq.default", "routing_key": name}));
    // What REST showed goes back in as it is, and comes out of gRPC as it first went in.
    let again = json!({"body": "rich", "headers": seen["headers"], "properties": seen["properties"],
        "ttl_ms": seen["ttl_ms"]});
    rest.post(&format!("/v1/queues/{name}/messages"), &json!({"messages": [again]})).ok(201);
    let deliveries = take(&grpc, &name);
    assert_eq!(deliveries.len(), 2);
    // The client of this test puts names in order before it sends them.
    let sorted = |mut headers: Vec<(String, HeaderValue)>| {
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        headers
    };
    assert_eq!(deliveries[0].message.headers, rich().headers);
    for delivery in &deliveries {
        assert_eq!(sorted(delivery.message.headers.clone()), sorted(rich().headers));
        assert_eq!(delivery.message.properties, rich().properties);
        assert_eq!(delivery.message.ttl, rich().ttl);
    }
    let way = Routed { exchange: ExchangeName::default(), routing_key: key(&name) };
    assert_eq!(deliveries[0].message.routed.as_deref(), Some(&way));
    assert_eq!(deliveries[1].message.routed, None, "that one went straight to the queue");
}

pub(crate) fn a_dead_letter_tells_where_it_was(world: &World) {
    let (mut rest, _) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let (work, graves) = (world.name("work"), world.name("graves"));
    rest.put(&format!("/v1/queues/{graves}"), &Value::Null).ok(201);
    let settings = json!({"dead_letter_exchange": "amq.default", "dead_letter_key": graves});
    rest.put(&format!("/v1/queues/{work}"), &settings).ok(201);
    let message = json!({"routing_key": work, "message": {"body": "bad", "ttl_ms": 600_000}});
    rest.post("/v1/exchanges/amq.default/messages", &json!({"messages": [message]})).ok(201);
    let taken = rest.post(&format!("/v1/queues/{work}/receive"), &json!({})).ok(200);
    let receipts = texts(&taken["messages"], "receipt");
    rest.post(&format!("/v1/queues/{work}/nack"), &json!({"receipts": receipts, "reject": true})).ok(200);
    let seen = rest.get(&format!("/v1/queues/{graves}/messages")).ok(200)["messages"][0]["dead_letter"].clone();
    let deliveries = take(&grpc, &graves);
    let letter = deliveries[0].dead_letter.as_ref().unwrap();
    let death = &letter.deaths[0];
    assert_eq!((death.count, death.origin.as_str()), (1, format!("queue default/{work}").as_str()));
    assert_eq!(death.exchange, Some(ExchangeName::default()));
    assert_eq!(death.routing_keys, std::slice::from_ref(&work));
    assert_eq!(death.ttl, Some(Span::new(600_000)), "the lifetime that it had");
    assert_eq!(deliveries[0].message.ttl, None, "it has none as a dead letter");
    assert_eq!(letter.routed.as_ref().unwrap().routing_key, key(&graves));
    assert_eq!(seen["deaths"][0]["routing_keys"], json!([work]));
    assert_eq!(seen["routed"], json!({"exchange": "amq.default", "routing_key": graves}));
}

pub(crate) fn a_consumer_may_want_to_be_alone(world: &World) {
    let (mut rest, _) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let name = world.name("alone");
    rest.put(&format!("/v1/queues/{name}"), &Value::Null).ok(201);
    let alone = || Consume { sharing: Sharing::Alone, ..Consume::new(source(&name), 1) };
    let first = grpc.consume(alone()).unwrap();
    let refused = grpc.consume(Consume::new(source(&name), 1)).err().unwrap();
    assert_eq!(refused.code().word(), "consumer_alone");
    drop(first);
    crate::world::eventually("the place of the first is free", || grpc.consume(alone()).ok());
}

pub(crate) fn a_queue_goes_with_its_last_consumer(world: &World) {
    let (mut rest, _) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let name = world.name("auto");
    let path = format!("/v1/queues/{name}");
    rest.put(&path, &json!({"auto_delete": true})).ok(201);
    rest.post(&format!("{path}/receive"), &json!({})).ok(200);
    rest.get(&path).ok(200);
    let consumer = grpc.consume(Consume::new(source(&name), 1)).unwrap();
    let other = grpc.consume(Consume::new(source(&name), 1)).unwrap();
    drop(consumer);
    rest.get(&path).ok(200);
    drop(other);
    let gone = |client: &mut Client| client.get(&path).status == 404;
    crate::world::eventually("it went with its last consumer", || gone(&mut rest.clone()).then_some(()));
}
