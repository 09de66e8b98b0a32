//! One broker behind two doors: what goes in through one comes out of the other as it was, receipts of one settle at
//! the other, both share a queue, and both say the same about the same mistake.
//! Invariant: every test asks both doors.
//! Run by `doors.rs` and `gateway.rs`.

use bytes::Bytes;
use model::Failure;
use model::access::{CreateUser, DescribeUser};
use model::backend::Consume;
use model::caller::Secret;
use model::message::{Delivery, HeaderValue, MessageId, NewMessage};
use model::name::{
    MemberName, NamespaceName, QueueName, QueueRef, Source, SubscriptionName, SubscriptionRef, TopicName, TopicRef,
    UserName,
};
use model::number::{Offset, Partition, Priority, Span};
use model::operation::{Call, Request};
use model::page::PageRequest;
use model::queue::{
    Ack, CreateQueue, DeleteMode, DeleteQueue, Extend, ListQueues, Nack, NackAction, Publish, QueueSettings, Receive,
    Redrive, RedriveFilter,
};
use model::receipt::{Receipt, Settlement};
use model::subscription::{Commit, CreateSubscription, PartitionOffset, SubscriptionKind, SubscriptionSettings};
use model::topic::{
    AlterTopic, CreateTopic, PublishTopic, ReadPartition, StartAt, TopicMessage, TopicPatch, TopicSettings,
};
use serde_json::{Value, json};

use crate::world::{Client, Grpc, PASSWORD, World, eventually, texts};

/// Every test of this file.
macro_rules! doors_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, doors:
            a_message_of_one_door_comes_out_of_the_other_whole,
            a_record_of_one_door_comes_out_of_the_other_whole,
            a_receipt_of_one_door_settles_at_the_other,
            a_stream_and_long_polls_take_turns,
            both_doors_know_a_repeated_id,
            both_doors_say_the_same_about_a_mistake,
        );
    };
}

pub(crate) use doors_suite;

/// Messages that a stream and long polls share.
const SHARED: usize = 20;

fn queue(name: &str) -> QueueRef {
    QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name).unwrap() }
}

fn topic(name: &str) -> TopicRef {
    TopicRef { namespace: NamespaceName::default(), name: TopicName::parse(name).unwrap() }
}

fn take(grpc: &Grpc, source: Source) -> Vec<Delivery> {
    grpc.call(Receive { source, max: 10, wait: Span::new(10_000), lease: None, member: None }).unwrap().deliveries
}

/// A message with everything that a message can carry.
fn rich(id: &str) -> NewMessage {
    let header = |name: &str, value| (name.to_owned(), value);
    NewMessage {
        body: Bytes::from_static(b"\x00\xffbody"),
        headers: vec![
            header("text", HeaderValue::Text("größe".to_owned())),
            header("whole", HeaderValue::Integer(-7)),
            header("real", HeaderValue::Real(1.5)),
            header("truth", HeaderValue::Boolean(true)),
            header("bytes", HeaderValue::Binary(Bytes::from_static(b"\x00\x01\xfe"))),
            header("text", HeaderValue::Text("again".to_owned())),
        ],
        content_type: Some("application/x-thing".to_owned()),
        key: Some(Bytes::from_static(b"k\xff")),
        priority: Priority::new(7),
        ttl: Some(Span::new(600_000)),
        id: Some(MessageId::parse(id).unwrap()),
        ..NewMessage::default()
    }
}

/// The same as REST takes it.
fn rich_document(id: &str) -> Value {
    json!({
        "body_base64": "AP9ib2R5", "content_type": "application/x-thing", "key_base64": "a/8=", "priority": 7,
        "ttl_ms": 600_000, "id": id,
        "headers": {
            "text": ["größe", "again"], "whole": -7, "real": 1.5, "truth": true, "bytes": {"base64": "AAH+"},
        },
    })
}

/// What REST gives out is what was put in, with its sender.
fn assert_rich_document(message: &Value, id: &str, sender: &str) {
    let put = rich_document(id);
    for part in ["body_base64", "content_type", "key_base64", "priority", "id", "headers"] {
        assert_eq!(message[part], put[part], "{part} of {message}");
    }
    assert_eq!(message["sender"], sender);
}

fn lifetime(message: &Value) -> u64 {
    message["expires_at"].as_u64().unwrap() - message["published_at"].as_u64().unwrap()
}

/// What gRPC gives out is what was put in; headers of one name stand together when they came through REST.
fn assert_rich(message: &model::message::Message, id: &str, sender: &str) {
    let put = rich(id);
    let sorted = |headers: &[(String, HeaderValue)]| {
        let mut headers = headers.to_vec();
        headers.sort_by(|one, other| one.0.cmp(&other.0));
        headers
    };
    assert_eq!(sorted(&message.headers), sorted(&put.headers));
    assert_eq!((&message.body, &message.content_type, &message.key), (&put.body, &put.content_type, &put.key));
    assert_eq!((message.priority, Some(&message.id)), (put.priority, put.id.as_ref()));
    assert_eq!(&*message.sender, sender);
}

pub(crate) fn a_message_of_one_door_comes_out_of_the_other_whole(world: &World) {
    let (mut rest, user) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let name = world.name("crossed");
    let path = format!("/v1/queues/{name}");
    rest.put(&path, &Value::Null).ok(201);

    grpc.call(Publish { queue: queue(&name), messages: vec![rich("by grpc")] }).unwrap();
    let taken = rest.post(&format!("{path}/receive"), &Value::Null).ok(200);
    assert_rich_document(&taken["messages"][0], "by grpc", &user);
    assert_eq!(lifetime(&taken["messages"][0]), 600_000);
    let receipts = json!({"receipts": [taken["messages"][0]["receipt"]]});
    rest.post(&format!("{path}/ack"), &receipts).ok(200);

    rest.post(&format!("{path}/messages"), &json!({"messages": [rich_document("by rest")]})).ok(201);
    let deliveries = take(&grpc, Source::Queue(queue(&name)));
    let message = &deliveries[0].message;
    assert_rich(message, "by rest", &user);
    assert_eq!(message.expires_at.unwrap().since(message.published_at), Span::new(600_000));
    let receipts = vec![deliveries[0].receipt.unwrap()];
    let settled = grpc.call(Ack { source: Source::Queue(queue(&name)), receipts }).unwrap();
    assert_eq!(settled.results, [Settlement::Settled]);
    assert_eq!(rest.get(&path).ok(200)["counts"], json!({"ready": 0, "delayed": 0, "leased": 0, "bytes": 0}));
}

pub(crate) fn a_record_of_one_door_comes_out_of_the_other_whole(world: &World) {
    let (mut rest, user) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let name = world.name("crossed");
    let path = format!("/v1/topics/{name}");
    rest.put(&path, &json!({"partitions": 4})).ok(201);
    rest.post(&format!("{path}/messages"), &json!({"messages": [rich_document("by rest")]})).ok(201);
    let message = TopicMessage { message: rich("by grpc"), partition: None };
    let published = grpc.call(PublishTopic { topic: topic(&name), messages: vec![message] }).unwrap();
    let partition = published.records[0].partition;

    let (start, limit, wait) = (StartAt::Earliest, 10, Span::new(0));
    let read = grpc.call(ReadPartition { topic: topic(&name), partition, start, limit, wait }).unwrap();
    assert_eq!(read.records.len(), 2, "the same key goes to the same partition through both doors");
    let records = rest.get(&format!("{path}/partitions/{partition}/messages")).ok(200);
    for (at, id) in ["by rest", "by grpc"].into_iter().enumerate() {
        assert_rich(&read.records[at].message, id, &user);
        assert_rich_document(&records["messages"][at], id, &user);
        assert_eq!(records["messages"][at]["offset"], at);
        assert_eq!(read.records[at].offset, Offset::new(u64::try_from(at).unwrap()));
    }
}

fn settled(answer: &Value) -> Vec<String> {
    texts(&answer["results"], "status")
}

pub(crate) fn a_receipt_of_one_door_settles_at_the_other(world: &World) {
    let (mut rest, _) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let name = world.name("receipts");
    let path = format!("/v1/queues/{name}");
    rest.put(&path, &Value::Null).ok(201);
    let source = || Source::Queue(queue(&name));
    let six: Vec<_> = (0..6).map(|number| json!({"body": number.to_string()})).collect();
    rest.post(&format!("{path}/messages"), &json!({"messages": six})).ok(201);

    let taken = rest.post(&format!("{path}/receive"), &json!({"max": 3})).ok(200);
    let of_rest: Vec<_> =
        texts(&taken["messages"], "receipt").iter().map(|text| Receipt::parse(text).unwrap()).collect();
    let of_grpc: Vec<_> = take(&grpc, source()).iter().map(|delivery| delivery.receipt.unwrap()).collect();
    assert_eq!((of_rest.len(), of_grpc.len()), (3, 3), "nobody gets what the other holds");

    let extended = grpc.call(Extend { source: source(), receipts: of_rest.clone(), lease: Span::new(60_000) });
    assert_eq!(extended.unwrap().results, vec![Settlement::Settled; 3]);
    let body = |receipts: &[Receipt]| receipts.iter().map(Receipt::to_string).collect::<Vec<_>>();
    let extend = json!({"receipts": body(&of_grpc), "lease_ms": 60_000});
    assert_eq!(settled(&rest.post(&format!("{path}/extend"), &extend).ok(200)), ["settled"; 3]);

    let nacked = grpc.call(Nack {
        source: source(),
        receipts: of_rest[..1].to_vec(),
        action: NackAction::Retry(Span::new(3_600_000)),
    });
    assert_eq!(nacked.unwrap().results, [Settlement::Settled]);
    let reject = json!({"receipts": body(&of_grpc[..1]), "reject": true});
    assert_eq!(settled(&rest.post(&format!("{path}/nack"), &reject).ok(200)), ["settled"]);
    let acked = grpc.call(Ack { source: source(), receipts: of_rest.clone() }).unwrap();
    assert_eq!(acked.results, [Settlement::LeaseLost, Settlement::Settled, Settlement::Settled]);
    let ack = json!({"receipts": body(&of_grpc)});
    assert_eq!(settled(&rest.post(&format!("{path}/ack"), &ack).ok(409)), ["lease_lost", "settled", "settled"]);
    // And again, each at the door that has not settled it.
    assert_eq!(settled(&rest.post(&format!("{path}/ack"), &json!({"receipts": body(&of_rest)})).ok(409)).len(), 3);
    let again = grpc.call(Ack { source: source(), receipts: of_grpc }).unwrap();
    assert_eq!(again.results, vec![Settlement::LeaseLost; 3]);
    let counts = rest.get(&path).ok(200)["counts"].clone();
    assert_eq!((&counts["ready"], &counts["delayed"], &counts["leased"]), (&json!(0), &json!(1), &json!(0)));
}

pub(crate) fn a_stream_and_long_polls_take_turns(world: &World) {
    let (mut rest, _) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let name = world.name("shared");
    let path = format!("/v1/queues/{name}");
    rest.put(&path, &Value::Null).ok(201);
    let source = Source::Queue(queue(&name));
    let mut stream = grpc.consume(Consume::new(source, 1000)).unwrap();
    let polls = |mut client: Client, path: String| {
        let mut got = 0_usize;
        loop {
            let taken = client.post(&format!("{path}/receive"), &json!({"max": 1, "wait_ms": 20_000}));
            match taken.ok(200)["messages"].as_array().unwrap().len() {
                0 => return got,
                count => got += count,
            }
        }
    };
    let polling = std::thread::spawn({
        let (client, path) = (rest.clone(), path.clone());
        move || polls(client, path)
    });
    let streaming = std::thread::spawn(move || {
        let mut got = 0_usize;
        while let Some(deliveries) = stream.next() {
            got += deliveries.unwrap().len();
        }
        got
    });
    for number in 0..SHARED {
        // Both stand in the line before the next message comes.
        eventually("the stream and a poll", || (rest.get(&path).ok(200)["consumers"] == 2).then_some(()));
        rest.post(&format!("{path}/messages"), &json!({"messages": [{"body": number.to_string()}]})).ok(201);
    }
    eventually("every message to be taken", || {
        let found = rest.get(&path).ok(200);
        (found["counts"]["leased"] == SHARED && found["consumers"] == 2).then_some(())
    });
    // A queue that goes ends its streams and answers its polls.
    rest.delete(&format!("{path}?force=true")).ok(200);
    let (polled, streamed) = (polling.join().unwrap(), streaming.join().unwrap());
    assert_eq!(polled + streamed, SHARED, "each message goes to one of them");
    assert!(polled.abs_diff(streamed) <= 2, "{polled} by polls and {streamed} by the stream are no turns");
}

pub(crate) fn both_doors_know_a_repeated_id(world: &World) {
    let (mut rest, _) = world.user(&["developer"]);
    let grpc = world.through_grpc(&rest);
    let name = world.name("repeated");
    let path = format!("/v1/queues/{name}");
    rest.put(&path, &Value::Null).ok(201);
    let published = grpc.call(Publish { queue: queue(&name), messages: vec![rich("once")] }).unwrap();
    assert!(!published.messages[0].duplicate);
    let again = rest.post(&format!("{path}/messages"), &json!({"messages": [rich_document("once")]})).ok(201);
    assert_eq!(again["messages"][0]["duplicate"], true);
    assert_eq!(again["messages"][0]["sequence"], published.messages[0].sequence.get());
    assert_eq!(rest.get(&path).ok(200)["counts"]["ready"], 1);
}

/// What both doors are asked, and the code that both must answer.
struct Mistake {
    code: &'static str,
    status: u16,
    rest: (&'static str, String, Value),
    grpc: Request,
}

fn mistake<C: Call>(code: &'static str, status: u16, rest: (&'static str, String, Value), grpc: C) -> Mistake {
    Mistake { code, status, rest, grpc: grpc.into() }
}

pub(crate) fn both_doors_say_the_same_about_a_mistake(world: &World) {
    let mut rest = world.admin();
    let grpc = world.through_grpc(&rest);
    let name = world.name("mistakes");
    furnish(&mut rest, &name);
    let mistakes = about_queues(&name)
        .into_iter()
        .chain(about_topics(&name))
        .chain(about_commits(&name))
        .chain(about_users(&name));
    let mut count = 0;
    for Mistake { code, status, rest: (method, path, body), grpc: request } in mistakes {
        let problem = rest.document(method, &path, &body).refused(status, code);
        let failure = grpc.submit(request).expect_err(code);
        assert_eq!(failure.code().word(), code, "{failure}");
        assert_eq!(problem["detail"], failure.to_string(), "both use the same words");
        assert!(matches!(failure, Failure::Refused(_)));
        count += 1;
    }
    assert!(count > 15);
}

/// Things to make mistakes with.
fn furnish(rest: &mut Client, name: &str) {
    rest.put(&format!("/v1/queues/{name}"), &json!({"max_messages": 1})).ok(201);
    rest.post(&format!("/v1/queues/{name}/messages"), &json!({"messages": [{"body": "full"}]})).ok(201);
    rest.put(&format!("/v1/queues/user.{name}"), &json!({"dead_letter": name})).ok(201);
    rest.put(&format!("/v1/topics/{name}"), &json!({"partitions": 2})).ok(201);
    rest.post(&format!("/v1/queues/user.{name}/messages"), &json!({"messages": [{"body": "kept"}]})).ok(201);
    rest.put(&format!("/v1/topics/{name}/subscriptions/shared"), &json!({"kind": "shared"})).ok(201);
    rest.put(&format!("/v1/topics/{name}/subscriptions/stream"), &json!({"kind": "stream"})).ok(201);
}

fn about_queues(name: &str) -> Vec<Mistake> {
    let path = |rest: &str| format!("/v1/queues/{name}{rest}");
    let receive = |max, lease: Option<u64>| {
        let source = Source::Queue(queue(name));
        Receive { source, max, wait: Span::new(0), lease: lease.map(Span::new), member: None }
    };
    let messages = |count| Publish { queue: queue(name), messages: vec![NewMessage::new("x"); count] };
    let many: Vec<_> = (0..4097).map(|_| json!({"body": "x"})).collect();
    let redrive = Redrive { queue: queue(name), filter: RedriveFilter::default(), target: None, rate: Some(0) };
    let long = NewMessage { content_type: Some("x".repeat(256)), ..NewMessage::default() };
    let page = PageRequest { limit: 1001, cursor: None };
    vec![
        mistake(
            "queue_exists",
            409,
            ("PUT", path(""), Value::Null),
            CreateQueue { queue: queue(name), settings: QueueSettings::default() },
        ),
        mistake("queue_full", 429, ("POST", path("/messages"), json!({"messages": [{"body": "x"}]})), messages(1)),
        mistake("batch_size", 400, ("POST", path("/messages"), json!({"messages": []})), messages(0)),
        mistake("batch_size", 400, ("POST", path("/messages"), json!({"messages": many})), messages(4097)),
        mistake(
            "argument_invalid",
            400,
            ("POST", path("/messages"), json!({"messages": [{"content_type": "x".repeat(256)}]})),
            Publish { queue: queue(name), messages: vec![long] },
        ),
        mistake(
            "queue_in_use",
            409,
            ("DELETE", path("?force=true"), Value::Null),
            DeleteQueue { queue: queue(name), mode: DeleteMode::Force },
        ),
        mistake(
            "queue_not_empty",
            409,
            ("DELETE", format!("/v1/queues/user.{name}"), Value::Null),
            DeleteQueue { queue: queue(&format!("user.{name}")), mode: DeleteMode::IfEmpty },
        ),
        mistake("argument_invalid", 400, ("POST", path("/receive"), json!({"max": 0})), receive(0, None)),
        mistake("argument_invalid", 400, ("POST", path("/receive"), json!({"lease_ms": 99})), receive(10, Some(99))),
        mistake("argument_invalid", 400, ("POST", path("/redrive"), json!({"rate": 0})), redrive),
        mistake(
            "argument_invalid",
            400,
            ("GET", "/v1/queues?limit=1001".to_owned(), Value::Null),
            ListQueues { namespace: NamespaceName::default(), prefix: String::new(), page },
        ),
    ]
}

fn about_topics(name: &str) -> Vec<Mistake> {
    let path = |rest: &str| format!("/v1/topics/{name}{rest}");
    let kind = SubscriptionKind::shared();
    let read = |partition| ReadPartition {
        topic: topic(name),
        partition: Partition::new(partition),
        start: StartAt::Earliest,
        limit: 10,
        wait: Span::new(0),
    };
    let fewer = TopicPatch { partitions: Some(1), ..TopicPatch::default() };
    let receipts = vec![Receipt::parse(&format!("02{}", "0".repeat(60))).unwrap()];
    let receipt = json!({"receipts": [format!("02{}", "0".repeat(60))]});
    vec![
        mistake(
            "topic_exists",
            409,
            ("PUT", path(""), Value::Null),
            CreateTopic { topic: topic(name), settings: TopicSettings::default() },
        ),
        mistake(
            "partitions_shrink",
            409,
            ("PATCH", path(""), json!({"partitions": 1})),
            AlterTopic { topic: topic(name), patch: fewer },
        ),
        mistake("partition_not_found", 404, ("GET", path("/partitions/9/messages"), Value::Null), read(9)),
        mistake(
            "subscription_kind",
            409,
            ("POST", path("/subscriptions/stream/ack"), receipt),
            Ack { source: Source::Subscription(followed(name, "stream")), receipts },
        ),
        mistake(
            "subscription_exists",
            409,
            ("PUT", path("/subscriptions/stream"), json!({"kind": "shared"})),
            CreateSubscription {
                subscription: followed(name, "stream"),
                settings: SubscriptionSettings { kind, start: StartAt::Latest },
            },
        ),
    ]
}

fn followed(topic_name: &str, name: &str) -> SubscriptionRef {
    SubscriptionRef { topic: topic(topic_name), name: SubscriptionName::parse(name).unwrap() }
}

fn about_commits(name: &str) -> Vec<Mistake> {
    let path = |rest: &str| format!("/v1/topics/{name}{rest}");
    let commit = |subscription, member: Option<&str>, partition| Commit {
        subscription: followed(name, subscription),
        member: member.map(|member| MemberName::parse(member).unwrap()),
        offsets: vec![PartitionOffset { partition: Partition::new(partition), offset: Offset::new(0) }],
    };
    let offsets = |partition: u32| json!({"offsets": [{"partition": partition, "offset": 0}]});
    let of_member = json!({"member": "ghost", "offsets": [{"partition": 0, "offset": 0}]});
    vec![
        mistake(
            "partition_not_found",
            404,
            ("POST", path("/subscriptions/stream/commit"), offsets(9)),
            commit("stream", None, 9),
        ),
        mistake(
            "subscription_kind",
            409,
            ("POST", path("/subscriptions/shared/commit"), offsets(0)),
            commit("shared", None, 0),
        ),
        mistake(
            "not_assigned",
            409,
            ("POST", path("/subscriptions/stream/commit"), of_member),
            commit("stream", Some("ghost"), 0),
        ),
    ]
}

fn about_users(name: &str) -> Vec<Mistake> {
    let user = |name: &str| UserName::parse(name).unwrap();
    let password = |text: &str| json!({"password": text});
    let path = |name: &str| format!("/v1/users/{name}");
    let create = |name: &str, password: &str| CreateUser {
        name: user(name),
        password: Secret::new(password).into(),
        roles: Vec::new(),
    };
    vec![
        mistake("user_exists", 409, ("PUT", path("admin"), password(PASSWORD)), create("admin", PASSWORD)),
        mistake("argument_invalid", 400, ("PUT", path(name), password("short")), create(name, "short")),
        mistake("user_not_found", 404, ("GET", path(name), Value::Null), DescribeUser { name: user(name) }),
    ]
}
