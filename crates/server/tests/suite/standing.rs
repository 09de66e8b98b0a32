//! What lasts ends with the standing of its caller: streams and long polls, when a token, a user or a grant goes.
//! Invariant: as in `doors`; nothing here waits for longer than the bound that it tests.
//! Run by `people.rs` and `gateway.rs`.

use std::time::{Duration, Instant};

use model::Failure;
use model::backend::Consume;
use model::name::{NamespaceName, QueueName, QueueRef, Source};
use serde_json::{Value, json};

use crate::world::{Client, World, eventually};

/// Every test of this file.
macro_rules! standing_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, standing:
            an_event_stream_ends_with_its_token,
            a_stream_ends_with_the_grant,
            a_long_poll_ends_with_its_user,
            a_follower_ends_with_its_user,
        );
    };
}

pub(crate) use standing_suite;

/// Longest time that anything goes on: a look every five seconds, and a slow machine.
const BOUND: Duration = Duration::from_secs(15);

fn owned_queue(world: &World) -> (Client, String) {
    let (mut owner, _) = world.user(&["developer"]);
    let queue = world.name("standing");
    owner.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201);
    (owner, queue)
}

fn consumed(client: &mut Client, queue: &str) {
    let path = format!("/v1/queues/{queue}");
    eventually("the consumer", || (client.get(&path).ok(200)["consumers"] == 1).then_some(()));
}

pub(crate) fn an_event_stream_ends_with_its_token(world: &World) {
    let (mut owner, queue) = owned_queue(world);
    let made = owner.post("/v1/tokens", &json!({"label": "job", "lifetime_ms": 600_000})).ok(201);
    let job = world.nobody().with_token(made["token"].as_str().unwrap());
    let mut events = job.events(&format!("/v1/queues/{queue}/stream"), &[]).unwrap();
    consumed(&mut owner, &queue);
    let revoked = Instant::now();
    assert_eq!(owner.delete(&format!("/v1/tokens/{}", made["description"]["id"])).status, 204);
    let last = events.next().expect("it says why it ends");
    assert_eq!((last.name.as_str(), &last.data["code"]), ("problem", &json!("unauthenticated")));
    assert!(events.next().is_none());
    assert!(revoked.elapsed() < BOUND, "it went on for {:?}", revoked.elapsed());
    owner.post(&format!("/v1/queues/{queue}/messages"), &json!({"messages": [{"body": "secret"}]})).ok(201);
    assert_eq!(owner.get(&format!("/v1/queues/{queue}")).ok(200)["counts"]["ready"], 1, "nobody takes it");
}

pub(crate) fn a_stream_ends_with_the_grant(world: &World) {
    let (mut owner, queue) = owned_queue(world);
    let (user, name) = world.user(&[]);
    world.grant(&name, "queue", "literal", &queue, &["consume"]);
    let source = QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(&queue).unwrap() };
    let consume = Consume::new(Source::Queue(source), 10);
    let mut stream = world.through_grpc(&user).consume(consume).unwrap();
    consumed(&mut owner, &queue);
    let removed = Instant::now();
    let query = format!("/v1/grants?user={name}&kind=queue&name={queue}");
    assert_eq!(world.admin().delete(&query).status, 204);
    let Some(Err(Failure::Refused(refusal))) = stream.next() else { panic!("it says why it ends") };
    assert_eq!(refusal.code().word(), "forbidden");
    assert!(removed.elapsed() < BOUND, "it went on for {:?}", removed.elapsed());
}

pub(crate) fn a_long_poll_ends_with_its_user(world: &World) {
    let (mut owner, queue) = owned_queue(world);
    let (mut user, name) = world.user(&["consumer"]);
    let path = format!("/v1/queues/{queue}/receive");
    let poll = std::thread::spawn(move || user.post(&path, &json!({"wait_ms": 60_000})));
    consumed(&mut owner, &queue);
    let deleted = Instant::now();
    assert_eq!(world.admin().delete(&format!("/v1/users/{name}")).status, 204);
    poll.join().unwrap().refused(401, "unauthenticated");
    assert!(deleted.elapsed() < BOUND, "it went on for {:?}", deleted.elapsed());
}

pub(crate) fn a_follower_ends_with_its_user(world: &World) {
    let (mut owner, _) = world.user(&["developer"]);
    let (user, name) = world.user(&["consumer"]);
    let topic = world.name("standing");
    owner.put(&format!("/v1/topics/{topic}"), &Value::Null).ok(201);
    owner.post(&format!("/v1/topics/{topic}/messages"), &json!({"messages": [{"body": "before"}]})).ok(201);
    let mut tail = user.events(&format!("/v1/topics/{topic}/stream?from=earliest"), &[]).unwrap();
    assert_eq!(tail.message()["body"], "before");
    let disabled = Instant::now();
    world.admin().patch(&format!("/v1/users/{name}"), &json!({"disabled": true})).ok(200);
    let last = tail.next().expect("it says why it ends");
    assert_eq!((last.name.as_str(), &last.data["code"]), ("problem", &json!("unauthenticated")));
    assert!(disabled.elapsed() < BOUND, "it went on for {:?}", disabled.elapsed());
}
