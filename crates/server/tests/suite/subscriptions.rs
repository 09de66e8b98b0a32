//! Subscriptions of `/v1`: stream ones that share partitions, shared ones that lease messages.
//! Invariant: as in `queues`.
//! Run by `topics.rs` and `gateway.rs`.

use serde_json::{Value, json};

use super::queues::Queue;
use super::topics::Topic;
use crate::world::{World, eventually, fields, texts};

/// Every test of this file.
macro_rules! subscriptions_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, subscriptions:
            every_subscription_gets_every_message,
            creating_again_is_idempotent,
            members_share_the_partitions,
            a_silent_member_loses_its_partitions,
            a_commit_is_where_the_next_member_starts,
            a_seek_moves_backwards_and_forwards,
            a_shared_one_leases_each_message,
            a_shared_one_has_dead_letters,
            each_kind_refuses_what_belongs_to_the_other,
            lag_is_seen,
            missing_subscriptions_are_told_everywhere,
        );
    };
}

pub(crate) use subscriptions_suite;

/// A subscription through the client of its topic.
struct Subscription<'a> {
    topic: &'a mut Topic,
    path: String,
}

impl<'a> Subscription<'a> {
    fn new(topic: &'a mut Topic, name: &str, settings: &Value) -> Self {
        let path = format!("{}/subscriptions/{name}", topic.path);
        topic.client.put(&path, settings).ok(201);
        Self { topic, path }
    }

    #[track_caller]
    fn post(&mut self, operation: &str, body: &Value) -> Value {
        self.topic.client.post(&format!("{}/{operation}", self.path), body).ok(200)
    }

    #[track_caller]
    fn refused(&mut self, operation: &str, body: &Value, status: u16, code: &str) {
        self.topic.client.post(&format!("{}/{operation}", self.path), body).refused(status, code);
    }

    #[track_caller]
    fn receive(&mut self, request: &Value) -> Value {
        self.post("receive", request)["messages"].clone()
    }

    fn describe(&mut self) -> Value {
        self.topic.client.get(&self.path).ok(200)
    }
}

pub(crate) fn every_subscription_gets_every_message(world: &World) {
    let mut topic = Topic::new(world, "fan", &Value::Null);
    topic.publish_texts(0, &["before"]);
    let path = |name: &str| format!("{}/subscriptions/{name}", topic.path);
    let (one, two, all) = (path("one"), path("two"), path("all"));
    topic.client.put(&one, &Value::Null).ok(201);
    topic.client.put(&two, &json!({"kind": "stream"})).ok(201);
    topic.client.put(&all, &json!({"start": "earliest"})).ok(201);
    topic.publish_texts(0, &["a", "b"]);
    let mut bodies = |path: &str, request: &Value| {
        texts(&topic.client.post(&format!("{path}/receive"), request).ok(200)["messages"], "body")
    };
    assert_eq!(bodies(&one, &Value::Null), ["a", "b"]);
    assert_eq!(bodies(&two, &json!({"member": "m"})), ["a", "b"]);
    assert_eq!(bodies(&all, &Value::Null), ["before", "a", "b"]);
}

pub(crate) fn creating_again_is_idempotent(world: &World) {
    let mut topic = Topic::new(world, "again", &Value::Null);
    let settings = json!({"kind": "shared", "lease_ms": 5000});
    let mut one = Subscription::new(&mut topic, "one", &settings);
    let first = one.describe();
    let path = one.path.clone();
    assert_eq!(topic.client.put(&path, &settings).ok(200)["id"], first["id"]);
    topic.client.put(&path, &json!({"kind": "stream"})).refused(409, "subscription_exists");
    let list = topic.client.get(&format!("{}/subscriptions?limit=1", topic.path)).ok(200);
    assert_eq!(texts(&list["items"], "name"), ["one"]);
    let (mut other, _) = world.user(&["developer"]);
    other.delete(&path).refused(403, "forbidden");
    assert_eq!(topic.client.delete(&path).status, 204);
    topic.client.delete(&path).refused(404, "subscription_not_found");
}

/// The partitions of each member.
fn assignment(description: &Value) -> Vec<(String, u64)> {
    let partitions = description["partitions"].as_array().unwrap().iter();
    partitions
        .filter_map(|one| Some((one["member"].as_str()?.to_owned(), one["partition"].as_u64().unwrap())))
        .collect()
}

pub(crate) fn members_share_the_partitions(world: &World) {
    let mut topic = Topic::new(world, "members", &json!({"partitions": 4}));
    for partition in 0..4 {
        topic.publish_texts(partition, &[&format!("p{partition}")]);
    }
    let mut group = Subscription::new(&mut topic, "group", &json!({"kind": "stream", "start": "earliest"}));
    let mut alone = texts(&group.receive(&json!({"member": "ann"})), "body");
    alone.sort_unstable();
    assert_eq!(alone, ["p0", "p1", "p2", "p3"]);
    group.receive(&json!({"member": "bob"}));
    let description = group.describe();
    assert_eq!(description["members"], json!(["ann", "bob"]));
    let shares = assignment(&description);
    let of = |member: &str| -> Vec<u64> {
        shares.iter().filter(|(name, _)| name == member).map(|(_, partition)| *partition).collect()
    };
    let (ann, bob) = (of("ann"), of("bob"));
    assert_eq!((ann.len(), bob.len()), (2, 2), "{shares:?}");
    let offsets = |partitions: &[u64]| -> Vec<Value> {
        partitions.iter().map(|partition| json!({"partition": partition, "offset": 1})).collect()
    };
    group.post("commit", &json!({"member": "bob", "offsets": offsets(&bob)}));
    group.refused("commit", &json!({"member": "bob", "offsets": offsets(&ann)}), 409, "not_assigned");
    group.refused("commit", &json!({"member": "eve", "offsets": offsets(&ann)}), 409, "not_assigned");
    let leave = format!("{}/leave", group.path);
    assert_eq!(group.topic.client.post(&leave, &json!({"member": "ann"})).status, 204);
    let description = group.describe();
    assert!(assignment(&description).iter().all(|(member, _)| member == "bob"), "{description}");
    let rest = group.receive(&json!({"member": "bob"}));
    let mut rest = texts(&rest, "body");
    rest.sort_unstable();
    assert_eq!(rest, ann.iter().map(|partition| format!("p{partition}")).collect::<Vec<_>>(), "what ann left");
}

pub(crate) fn a_silent_member_loses_its_partitions(world: &World) {
    let mut topic = Topic::new(world, "silent", &Value::Null);
    topic.publish_texts(0, &["a"]);
    let mut group =
        Subscription::new(&mut topic, "group", &json!({"kind": "stream", "start": "earliest", "session_ms": 300}));
    assert_eq!(texts(&group.receive(&json!({"member": "ann"})), "body"), ["a"]);
    eventually("the end of the silent member's session", || {
        group.describe()["members"].as_array().unwrap().is_empty().then_some(())
    });
    assert_eq!(texts(&group.receive(&json!({"member": "bob"})), "body"), ["a"], "nothing was committed");
}

pub(crate) fn a_commit_is_where_the_next_member_starts(world: &World) {
    let mut topic = Topic::new(world, "commit", &Value::Null);
    topic.publish_texts(0, &["0", "1", "2", "3"]);
    let mut group = Subscription::new(&mut topic, "group", &json!({"kind": "stream", "start": "earliest"}));
    let got = group.receive(&json!({"member": "ann", "max": 2}));
    assert_eq!(texts(&got, "body"), ["0", "1"]);
    assert!(got[0]["receipt"].is_null());
    assert_eq!(fields(&got, "offset"), [0, 1]);
    let committed = group.post("commit", &json!({"member": "ann", "offsets": [{"partition": 0, "offset": 1}]}));
    assert_eq!(committed, json!({"offsets": [{"partition": 0, "offset": 1}]}));
    let leave = format!("{}/leave", group.path);
    assert_eq!(group.topic.client.post(&leave, &json!({"member": "ann"})).status, 204);
    assert_eq!(texts(&group.receive(&json!({"member": "bob"})), "body"), ["1", "2", "3"]);
    group.refused("commit", &json!({"offsets": []}), 400, "batch_size");
    let beyond = json!({"member": "bob", "offsets": [{"partition": 9, "offset": 1}]});
    group.refused("commit", &beyond, 404, "partition_not_found");
    group.refused("receive", &Value::Null, 400, "argument_invalid");
}

pub(crate) fn a_seek_moves_backwards_and_forwards(world: &World) {
    let mut topic = Topic::new(world, "seek", &Value::Null);
    topic.publish_texts(0, &["0", "1", "2"]);
    for kind in ["stream", "shared"] {
        let start = json!({"kind": kind, "start": "earliest"});
        let mut one = Subscription::new(&mut topic, kind, &start);
        let receive = if kind == "stream" { json!({"member": "m"}) } else { Value::Null };
        assert_eq!(texts(&one.receive(&receive), "body"), ["0", "1", "2"]);
        let sought = one.post("seek", &json!({"to": {"offset": 1}}));
        assert_eq!(sought, json!({"offsets": [{"partition": 0, "offset": 1}]}), "{kind}");
        assert_eq!(texts(&one.receive(&receive), "body"), ["1", "2"], "{kind}");
        one.post("seek", &json!({"to": "latest"}));
        assert_eq!(one.receive(&receive), json!([]), "{kind}");
        one.post("seek", &json!({"to": {"time": 0}, "partition": 0}));
        assert_eq!(texts(&one.receive(&receive), "body"), ["0", "1", "2"], "{kind}");
        one.refused("seek", &json!({"to": "earliest", "partition": 5}), 404, "partition_not_found");
        one.refused("seek", &json!({"to": "middle"}), 400, "body_invalid");
    }
}

pub(crate) fn a_shared_one_leases_each_message(world: &World) {
    let mut topic = Topic::new(world, "shared", &json!({"partitions": 2}));
    let mut shared = Subscription::new(&mut topic, "shared", &Value::Null);
    shared.topic.publish_texts(0, &["a"]);
    shared.topic.publish_texts(1, &["b"]);
    let first = shared.receive(&json!({"max": 1}));
    let second = shared.receive(&json!({"max": 10}));
    let mut both = [texts(&first, "body"), texts(&second, "body")].concat();
    both.sort_unstable();
    assert_eq!(both, ["a", "b"], "no message is with two consumers");
    eventually("both leases", || (shared.describe()["leased"] == 2).then_some(()));
    let receipt = |deliveries: &Value| json!({"receipts": fields(deliveries, "receipt")});
    shared.post("ack", &receipt(&first));
    shared.post("extend", &json!({"receipts": fields(&second, "receipt"), "lease_ms": 60_000}));
    shared.post("nack", &receipt(&second));
    let again = shared.receive(&Value::Null);
    assert_eq!((&again[0]["body"], &again[0]["attempt"]), (&second[0]["body"], &json!(2)));
    for way in ["ack", "nack"] {
        let stale = shared.topic.client.post(&format!("{}/{way}", shared.path), &receipt(&first)).ok(409);
        assert_eq!(stale["results"][0]["status"], "lease_lost");
    }
    shared.post("ack", &receipt(&again));
    assert_eq!(shared.receive(&json!({"wait_ms": 20})), json!([]));
    let description = shared.describe();
    assert_eq!((&description["lag"], &description["totals"]["acknowledged"]), (&json!(0), &json!(2)));
}

pub(crate) fn a_shared_one_has_dead_letters(world: &World) {
    let mut topic = Topic::new(world, "poison", &Value::Null);
    let dead_name = world.name("dead");
    let path = format!("/v1/queues/{dead_name}");
    topic.client.put(&path, &Value::Null).ok(201);
    let mut dead = Queue { client: topic.client.clone(), name: dead_name.clone(), path };
    let settings = json!({"delivery_limit": 2, "dead_letter": dead_name});
    let mut shared = Subscription::new(&mut topic, "shared", &settings);
    shared.topic.publish_texts(0, &["poison", "rejected"]);
    let got = shared.receive(&Value::Null);
    shared.post("nack", &json!({"receipts": [got[1]["receipt"]], "reject": true}));
    shared.post("nack", &json!({"receipts": [got[0]["receipt"]]}));
    let again = shared.receive(&Value::Null);
    assert_eq!(texts(&again, "body"), ["poison"]);
    shared.post("nack", &json!({"receipts": [again[0]["receipt"]]}));
    dead.counts_become([2, 0, 0]);
    let letters = dead.receive(&Value::Null);
    let mut reasons: Vec<_> =
        letters.as_array().unwrap().iter().map(|letter| &letter["dead_letter"]["reason"]).collect();
    reasons.sort_by_key(|reason| reason.as_str());
    assert_eq!(reasons, [&json!("delivery_limit"), &json!("rejected")]);
    let origin = letters[0]["dead_letter"]["origin"].as_str().unwrap();
    assert!(origin.contains(&shared.topic.name) && origin.contains("shared"), "{origin}");
    assert_eq!(shared.topic.read(0, "")["messages"].as_array().unwrap().len(), 2, "the topic keeps them");
}

pub(crate) fn each_kind_refuses_what_belongs_to_the_other(world: &World) {
    let mut topic = Topic::new(world, "kinds", &Value::Null);
    let receipt = format!("02{}", "0".repeat(60));
    let mut stream = Subscription::new(&mut topic, "stream", &json!({"kind": "stream"}));
    stream.refused("ack", &json!({"receipts": [receipt]}), 409, "subscription_kind");
    stream.refused("nack", &json!({"receipts": [receipt]}), 409, "subscription_kind");
    let mut shared = Subscription::new(&mut topic, "shared", &Value::Null);
    shared.refused("commit", &json!({"offsets": [{"partition": 0, "offset": 0}]}), 409, "subscription_kind");
    shared.refused("leave", &json!({"member": "m"}), 409, "subscription_kind");
    for bad in [
        json!({"kind": "stream", "lease_ms": 1000}),
        json!({"kind": "shared", "session_ms": 1000}),
        json!({"kind": "stream", "session_ms": 0}),
        json!({"kind": "shared", "delivery_limit": 0}),
        json!({"kind": "shared", "lease_ms": 1}),
    ] {
        topic.client.put(&format!("{}/subscriptions/bad", topic.path), &bad).refused(400, "argument_invalid");
    }
    let missing = json!({"dead_letter": "not-there"});
    topic.client.put(&format!("{}/subscriptions/bad", topic.path), &missing).refused(404, "queue_not_found");
}

pub(crate) fn lag_is_seen(world: &World) {
    let mut topic = Topic::new(world, "lag", &json!({"partitions": 2}));
    let mut group = Subscription::new(&mut topic, "group", &json!({"kind": "stream"}));
    group.topic.publish_texts(0, &["a", "b", "c"]);
    group.topic.publish_texts(1, &["d"]);
    let description = group.describe();
    assert_eq!(description["lag"], 4);
    assert_eq!(fields(&description["partitions"], "lag"), [3, 1]);
    group.receive(&json!({"member": "m"}));
    group.post("commit", &json!({"member": "m", "offsets": [{"partition": 0, "offset": 2}]}));
    let description = group.describe();
    assert_eq!((&description["lag"], fields(&description["partitions"], "lag")), (&json!(2), vec![json!(1), json!(1)]));
    assert_eq!(fields(&description["partitions"], "committed"), [2, 0]);
}

pub(crate) fn missing_subscriptions_are_told_everywhere(world: &World) {
    let topic = Topic::new(world, "missing", &Value::Null);
    let mut admin = world.admin();
    let receipt = format!("02{}", "0".repeat(60));
    for (method, path, body) in [
        ("GET", "", Value::Null),
        ("DELETE", "", Value::Null),
        ("POST", "/receive", Value::Null),
        ("POST", "/ack", json!({"receipts": [receipt]})),
        ("POST", "/nack", json!({"receipts": [receipt]})),
        ("POST", "/extend", json!({"receipts": [receipt], "lease_ms": 1000})),
        ("POST", "/commit", json!({"offsets": [{"partition": 0, "offset": 0}]})),
        ("POST", "/seek", json!({"to": "earliest"})),
        ("POST", "/leave", json!({"member": "m"})),
    ] {
        let answer = admin.document(method, &format!("{}/subscriptions/none{path}", topic.path), &body);
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
        answer.refused(404, "subscription_not_found");
    }
}
