//! Queues over a longer life: bounds, dead letters and redrive, event streams, transfer, namespaces.
//! Invariant: as in `queues`.
//! Run by `queues.rs` and `gateway.rs`.

use serde_json::{Value, json};

use super::queues::Queue;
use crate::world::{World, fields, texts};

/// Every test of this file.
macro_rules! queue_life_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, queue_life:
            a_full_queue_pushes_back,
            a_full_queue_may_drop_its_oldest,
            a_message_that_fails_goes_to_the_dead_letters_and_back,
            dead_letters_say_why,
            a_redrive_chooses_and_keeps_its_rate,
            a_dead_letter_queue_in_use_is_not_deleted,
            a_stream_delivers_what_is_settled_by_receipt,
            a_stream_that_goes_leaves_its_leases_to_end,
            a_stream_ends_with_its_queue,
            an_owner_gives_a_queue_away,
            namespaces_keep_names_apart,
            partitions_share_a_queue,
        );
    };
}

pub(crate) use queue_life_suite;

pub(crate) fn a_full_queue_pushes_back(world: &World) {
    let mut queue = Queue::new(world, "full", &json!({"max_messages": 2, "max_bytes": 4096}));
    queue.publish_texts(&["a", "b"]);
    let path = format!("{}/messages", queue.path);
    let problem = queue.client.post(&path, &json!({"messages": [{"body": "c"}]})).refused(429, "queue_full");
    assert!(problem["detail"].as_str().unwrap().contains(&queue.name), "{problem}");
    let taken = queue.receive(&json!({"max": 1}));
    queue.client.post(&path, &json!({"messages": [{"body": "c"}]})).refused(429, "queue_full");
    queue.ack(&taken);
    queue.publish_texts(&["c"]);
    assert_eq!(texts(&queue.receive(&Value::Null), "body"), ["b", "c"], "what was refused is not there");
    let mut small = Queue::new(world, "small", &json!({"max_bytes": 4096}));
    let large = json!({"messages": [{"body": "x".repeat(5000)}]});
    small.client.post(&format!("{}/messages", small.path), &large).refused(429, "queue_full");
    small.counts_become([0, 0, 0]);
}

pub(crate) fn a_full_queue_may_drop_its_oldest(world: &World) {
    let mut dead = Queue::new(world, "dropped", &Value::Null);
    let (mut client, name) = (dead.client.clone(), world.name("drops"));
    let settings = json!({"max_messages": 2, "overflow": "drop_oldest", "dead_letter": dead.name});
    client.put(&format!("/v1/queues/{name}"), &settings).ok(201);
    let mut queue = Queue { path: format!("/v1/queues/{name}"), client, name };
    queue.publish_texts(&["a", "b", "c"]);
    assert_eq!(texts(&queue.receive(&Value::Null), "body"), ["b", "c"]);
    let letter = dead.receive(&json!({"wait_ms": 10_000}));
    assert_eq!((&letter[0]["body"], &letter[0]["dead_letter"]["reason"]), (&json!("a"), &json!("overflow")));
}

/// A queue with a dead-letter queue of the same owner.
fn with_dead_letters(world: &World, limit: u32) -> (Queue, Queue) {
    let dead = Queue::new(world, "dead", &Value::Null);
    let (mut client, name) = (dead.client.clone(), world.name("work"));
    let path = format!("/v1/queues/{name}");
    client.put(&path, &json!({"delivery_limit": limit, "dead_letter": dead.name})).ok(201);
    (Queue { client, name, path }, dead)
}

pub(crate) fn a_message_that_fails_goes_to_the_dead_letters_and_back(world: &World) {
    let (mut queue, mut dead) = with_dead_letters(world, 3);
    let sent = json!({"body": "poison", "headers": {"h": 1}, "key": "k", "priority": 2, "id": "poison-1"});
    queue.publish(&json!([sent]));
    for attempt in 1..=3 {
        let got = queue.receive(&json!({"wait_ms": 10_000}));
        assert_eq!(got[0]["attempt"], attempt);
        queue.settle("nack", &got, &json!({})).ok(200);
    }
    queue.counts_become([0, 0, 0]);
    let letter = dead.receive(&json!({"wait_ms": 10_000}));
    let history = &letter[0]["dead_letter"];
    assert_eq!((&history["reason"], &history["attempts"]), (&json!("delivery_limit"), &json!(3)));
    assert_eq!(history["origin"], format!("queue default/{}", queue.name));
    for field in ["body", "headers", "key", "priority", "id"] {
        assert_eq!(letter[0][field], sent[field], "{field}");
    }
    assert_eq!(letter[0]["attempt"], 1, "a new life");
    dead.settle("nack", &letter, &json!({})).ok(200);
    let moved = dead.client.post(&format!("{}/redrive", dead.path), &Value::Null).ok(200);
    assert_eq!(moved, json!({"moved": 1, "running": false}));
    let back = queue.receive(&json!({"wait_ms": 10_000}));
    assert_eq!((&back[0]["body"], &back[0]["id"], &back[0]["attempt"]), (&sent["body"], &sent["id"], &json!(1)));
    dead.counts_become([0, 0, 0]);
    queue.ack(&back);
    assert_eq!(queue.describe()["totals"]["dead_lettered"], 1);
}

pub(crate) fn dead_letters_say_why(world: &World) {
    let (mut queue, mut dead) = with_dead_letters(world, 1);
    queue.publish(&json!([{"body": "rejected"}, {"body": "crashed"}, {"body": "expired", "ttl_ms": 100}]));
    let got = queue.receive(&json!({"max": 1}));
    queue.settle("nack", &json!([got[0]]), &json!({"reject": true})).ok(200);
    assert_eq!(queue.receive(&json!({"max": 1, "lease_ms": 100}))[0]["body"], "crashed");
    // The second one's consumer says nothing more: its lease ends. The third one's time ends.
    dead.counts_become([3, 0, 0]);
    let letters = dead.receive(&Value::Null);
    let mut reasons: Vec<_> = letters.as_array().unwrap().iter().collect();
    reasons.sort_by_key(|letter| letter["body"].as_str().unwrap().to_owned());
    let reasons: Vec<_> = reasons.iter().map(|letter| (&letter["body"], &letter["dead_letter"]["reason"])).collect();
    let [crashed, expired, rejected] = ["crashed", "expired", "rejected"].map(|body| json!(body));
    let [limit, time] = ["delivery_limit", "expired"].map(|reason| json!(reason));
    assert_eq!(reasons, [(&crashed, &limit), (&expired, &time), (&rejected, &rejected)]);
}

pub(crate) fn a_redrive_chooses_and_keeps_its_rate(world: &World) {
    let (mut queue, mut dead) = with_dead_letters(world, 1);
    let bodies: Vec<_> = (0..6).map(|number| number.to_string()).collect();
    queue.publish_texts(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    let got = queue.receive(&Value::Null);
    queue.settle("nack", &json!([got[0], got[1]]), &json!({"reject": true})).ok(200);
    queue.settle("nack", &json!([got[2], got[3], got[4], got[5]]), &json!({})).ok(200);
    dead.counts_become([6, 0, 0]);
    let redrive = format!("{}/redrive", dead.path);
    let seen = dead.client.get(&format!("{}/messages", dead.path)).ok(200);
    let place = json!({"partition": 0, "sequence": seen["messages"][5]["sequence"]});
    let mut moved = |request: &Value| dead.client.post(&redrive, request).ok(200);
    assert_eq!(moved(&json!({"reason": "rejected"})), json!({"moved": 2, "running": false}));
    assert_eq!(moved(&json!({"origin": "queue default/other"}))["moved"], 0);
    assert_eq!(moved(&json!({"places": [place]}))["moved"], 1);
    assert_eq!(moved(&json!({"max": 1}))["moved"], 1);
    assert_eq!(texts(&queue.receive(&Value::Null), "body"), ["0", "1", "5", "2"]);
    let target = Queue::new(world, "target", &Value::Null);
    let (_, name) = world.user(&[]);
    let elsewhere = json!({"target": target.name});
    dead.client.post(&redrive, &elsewhere).refused(403, "forbidden");
    assert_ne!(name, target.name);
    let slow = dead.client.post(&redrive, &json!({"rate": 1})).ok(200);
    assert_eq!(slow["running"], true, "{slow}");
    dead.client.post(&redrive, &json!({"rate": 1})).refused(409, "redrive_running");
    let progress = dead.describe()["redrive"].clone();
    assert_eq!(progress["rate"], 1, "{progress}");
    let back = queue.receive(&json!({"max": 1, "wait_ms": 10_000}));
    assert_eq!(texts(&back, "body"), ["3"]);
    for bad in [json!({"rate": 0}), json!({"rate": 100_001}), json!({"max": 0})] {
        dead.client.post(&redrive, &bad).refused(400, "argument_invalid");
    }
}

pub(crate) fn a_dead_letter_queue_in_use_is_not_deleted(world: &World) {
    let (mut queue, mut dead) = with_dead_letters(world, 1);
    let problem = dead.client.delete(&format!("{}?force=true", dead.path)).refused(409, "queue_in_use");
    assert!(problem["detail"].as_str().unwrap().contains(&queue.name), "{problem}");
    queue.client.patch(&queue.path, &json!({"dead_letter": null})).ok(200);
    dead.client.delete(&dead.path).ok(200);
    let own = json!({"dead_letter": queue.name});
    queue.client.patch(&queue.path, &own).refused(400, "argument_invalid");
}

pub(crate) fn a_stream_delivers_what_is_settled_by_receipt(world: &World) {
    let mut queue = Queue::new(world, "stream", &Value::Null);
    queue.publish_texts(&["a", "b", "c", "d"]);
    let mut events = queue.client.events(&format!("{}/stream?credit=2", queue.path), &[]).unwrap();
    let (first, second) = (events.message(), events.message());
    assert_eq!((&first["body"], &second["body"]), (&json!("a"), &json!("b")));
    queue.counts_become([2, 0, 2]);
    assert_eq!(queue.describe()["consumers"], 1);
    queue.ack(&json!([first]));
    let third = events.message();
    assert_eq!(third["body"], "c", "a settled one makes room");
    queue.settle("nack", &json!([second]), &json!({"delay_ms": 600_000})).ok(200);
    let fourth = events.message();
    assert_eq!(fourth["body"], "d");
    queue.settle("extend", &json!([fourth]), &json!({"lease_ms": 60_000})).ok(200);
    queue.ack(&json!([third, fourth]));
    queue.publish_texts(&["later"]);
    assert_eq!(events.message()["body"], "later", "and it waits for what comes");
    for bad in ["credit=0", "credit=1001", "lease_ms=1", "more=1"] {
        let refused = queue.client.events(&format!("{}/stream?{bad}", queue.path), &[]).err().unwrap();
        refused.refused(400, "argument_invalid");
    }
}

pub(crate) fn a_stream_that_goes_leaves_its_leases_to_end(world: &World) {
    let mut queue = Queue::new(world, "gone", &Value::Null);
    queue.publish_texts(&["a"]);
    let mut events = queue.client.events(&format!("{}/stream?lease_ms=500", queue.path), &[]).unwrap();
    let held = events.message();
    drop(events);
    let again = queue.receive(&json!({"wait_ms": 10_000}));
    assert_eq!((&again[0]["body"], &again[0]["attempt"]), (&json!("a"), &json!(2)));
    queue.settle("ack", &json!([held]), &json!({})).ok(409);
    crate::world::eventually("the end of the stream", || (queue.describe()["consumers"] == 0).then_some(()));
}

pub(crate) fn a_stream_ends_with_its_queue(world: &World) {
    let mut queue = Queue::new(world, "ends", &Value::Null);
    let mut events = queue.client.events(&format!("{}/stream", queue.path), &[]).unwrap();
    queue.publish_texts(&["a"]);
    assert_eq!(events.message()["body"], "a");
    queue.client.delete(&format!("{}?force=true", queue.path)).ok(200);
    let last = events.next().unwrap();
    assert_eq!(last.name, "end", "{last:?}");
    assert!(events.next().is_none());
}

pub(crate) fn an_owner_gives_a_queue_away(world: &World) {
    let mut queue = Queue::new(world, "transfer", &Value::Null);
    let (mut heir, heir_name) = world.user(&[]);
    heir.delete(&queue.path).refused(403, "forbidden");
    let transfer = format!("{}/transfer", queue.path);
    queue.client.post(&transfer, &json!({"owner": "nobody-such"})).refused(404, "user_not_found");
    heir.post(&transfer, &json!({"owner": heir_name})).refused(403, "forbidden");
    let given = queue.client.post(&transfer, &json!({"owner": heir_name})).ok(200);
    assert_eq!(given["owner"], heir_name.as_str());
    queue.client.delete(&queue.path).refused(403, "forbidden");
    let publish = json!({"messages": [{"body": "mine now"}]});
    queue.client.post(&format!("{}/messages", queue.path), &publish).refused(403, "forbidden");
    heir.post(&format!("{}/messages", queue.path), &publish).ok(201);
    heir.delete(&format!("{}?force=true", queue.path)).ok(200);
}

pub(crate) fn namespaces_keep_names_apart(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let mut admin = world.admin();
    let (space, name) = (world.name("space"), world.name("queue"));
    client.put(&format!("/v1/namespaces/{space}"), &Value::Null).refused(403, "forbidden");
    admin.put(&format!("/v1/namespaces/{space}"), &Value::Null).ok(201);
    admin.put(&format!("/v1/namespaces/{space}"), &Value::Null).ok(200);
    let (here, there) = (format!("/v1/queues/{name}"), format!("/v1/namespaces/{space}/queues/{name}"));
    client.put(&here, &Value::Null).ok(201);
    client.put(&there, &json!({"max_messages": 1})).ok(201);
    client.post(&format!("{there}/messages"), &json!({"messages": [{"body": "there"}]})).ok(201);
    assert_eq!(client.post(&format!("{here}/receive"), &Value::Null).ok(200)["messages"], json!([]));
    assert_eq!(client.get(&format!("/v1/namespaces/default/queues/{name}")).ok(200)["namespace"], "default");
    let listed = client.get(&format!("/v1/namespaces/{space}/queues")).ok(200);
    assert_eq!(texts(&listed["items"], "name"), [name.as_str()]);
    let spaces = admin.get("/v1/namespaces?limit=1000").ok(200);
    let expected = json!({"name": space, "queues": 1, "topics": 0});
    assert!(spaces["items"].as_array().unwrap().contains(&expected), "{spaces}");
    admin.delete(&format!("/v1/namespaces/{space}")).refused(409, "namespace_not_empty");
    client.delete(&format!("{there}?force=true")).ok(200);
    client.delete(&format!("/v1/namespaces/{space}")).refused(403, "forbidden");
    assert_eq!(admin.delete(&format!("/v1/namespaces/{space}")).status, 204);
    admin.delete(&format!("/v1/namespaces/{space}")).refused(404, "namespace_not_found");
    client.put(&there, &Value::Null).refused(404, "namespace_not_found");
}

pub(crate) fn partitions_share_a_queue(world: &World) {
    let mut queue = Queue::new(world, "wide", &json!({"partitions": 4}));
    let messages: Vec<_> = (0..40).map(|at| json!({"body": at.to_string(), "key": (at % 8).to_string()})).collect();
    let published = queue.publish(&json!(messages));
    let partitions = fields(&published["messages"], "partition");
    for at in 8..40 {
        assert_eq!(partitions[at], partitions[at - 8], "a key stays in its partition");
    }
    assert!(partitions.iter().any(|partition| *partition != partitions[0]), "{partitions:?}");
    let received = queue.receive(&json!({"max": 100}));
    let mut bodies: Vec<u64> = texts(&received, "body").iter().map(|body| body.parse().unwrap()).collect();
    for key in 0..8 {
        assert!(bodies.iter().filter(|body| *body % 8 == key).is_sorted());
    }
    bodies.sort_unstable();
    assert_eq!(bodies, (0..40).collect::<Vec<_>>());
    queue.ack(&received);
    queue.counts_become([0, 0, 0]);
}
