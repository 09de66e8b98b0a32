//! Queues of `/v1`: settings, publishing, receiving and settling, time, order, and what is refused.
//! Invariant: every wait of a test is a wait of the broker, asked for in the request.
//! Run by `queues.rs` and `gateway.rs`; limits, dead letters and streams stand in `queue_life`.

use serde_json::{Value, json};

use crate::world::{Client, World, eventually, fields, texts};

/// Every test of this file.
macro_rules! queues_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, queues:
            creating_again_is_idempotent,
            settings_are_altered_by_merge_patch,
            purge_spares_what_is_leased,
            delete_is_refused_while_messages_wait,
            lists_go_on_by_cursor,
            many_messages_are_all_or_none,
            raw_bytes_and_base64_come_back_equal,
            every_property_comes_back,
            an_idempotency_key_makes_a_repeat_harmless,
            a_message_id_is_remembered,
            a_long_poll_waits_for_the_first_message,
            stale_receipts_are_refused,
            a_nack_gives_back_at_once_or_later,
            an_extended_lease_lasts,
            an_ended_lease_delivers_again,
            a_delayed_message_waits_and_can_be_cancelled,
            a_message_expires,
            urgent_messages_go_first,
            a_key_keeps_its_order,
            a_peek_takes_nothing,
            arguments_out_of_range_are_refused,
            missing_queues_are_told_everywhere,
        );
    };
}

pub(crate) use queues_suite;

/// A queue with its owner.
pub(crate) struct Queue {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) path: String,
}

impl Queue {
    /// Creates one with a developer of its own.
    pub(crate) fn new(world: &World, about: &str, settings: &Value) -> Self {
        let (mut client, _) = world.user(&["developer"]);
        let name = world.name(about);
        let path = format!("/v1/queues/{name}");
        client.put(&path, settings).ok(201);
        Self { client, name, path }
    }

    /// Publishes messages as documents; the confirmation.
    #[track_caller]
    pub(crate) fn publish(&mut self, messages: &Value) -> Value {
        self.client.post(&format!("{}/messages", self.path), &json!({"messages": messages})).ok(201)
    }

    /// Publishes texts.
    #[track_caller]
    pub(crate) fn publish_texts(&mut self, bodies: &[&str]) {
        let messages: Vec<_> = bodies.iter().map(|body| json!({"body": body})).collect();
        self.publish(&json!(messages));
    }

    /// Receives as asked; the deliveries.
    #[track_caller]
    pub(crate) fn receive(&mut self, request: &Value) -> Value {
        self.client.post(&format!("{}/receive", self.path), request).ok(200)["messages"].clone()
    }

    /// Settles the receipts of deliveries in one of the three ways.
    #[track_caller]
    pub(crate) fn settle(&mut self, way: &str, deliveries: &Value, more: &Value) -> crate::world::Answer {
        let mut request = more.as_object().cloned().unwrap_or_default();
        request.insert("receipts".to_owned(), fields(deliveries, "receipt").into());
        self.client.post(&format!("{}/{way}", self.path), &request.into())
    }

    #[track_caller]
    pub(crate) fn ack(&mut self, deliveries: &Value) {
        self.settle("ack", deliveries, &json!({})).ok(200);
    }

    pub(crate) fn describe(&mut self) -> Value {
        self.client.get(&self.path).ok(200)
    }

    /// Waits until so many messages are ready, delayed and leased: a receive is answered before its lease is logged.
    #[track_caller]
    pub(crate) fn counts_become(&mut self, expected: [u64; 3]) {
        eventually(&format!("{expected:?}"), || (self.counts() == expected).then_some(()));
    }

    fn counts(&mut self) -> [u64; 3] {
        let counts = self.describe()["counts"].clone();
        ["ready", "delayed", "leased"].map(|state| counts[state].as_u64().unwrap())
    }
}

pub(crate) fn creating_again_is_idempotent(world: &World) {
    let settings = json!({"max_messages": 10, "lease_ms": 5000, "delivery_limit": 3});
    let mut queue = Queue::new(world, "create", &settings);
    let first = queue.describe();
    assert_eq!(first["settings"]["lease_ms"], 5000);
    assert_eq!(queue.client.put(&queue.path, &settings).ok(200), first);
    let problem = queue.client.put(&queue.path, &json!({"max_messages": 11})).refused(409, "queue_exists");
    assert!(problem["detail"].as_str().unwrap().contains("max_messages"), "{problem}");
    assert_eq!(queue.describe(), first);
    queue.client.delete(&queue.path).ok(200);
    let again = queue.client.put(&queue.path, &settings).ok(201);
    assert!(again["id"].as_u64() > first["id"].as_u64(), "a recreated name gets another id");
}

pub(crate) fn settings_are_altered_by_merge_patch(world: &World) {
    let mut queue = Queue::new(world, "alter", &json!({"max_messages": 2, "message_ttl_ms": 60_000}));
    queue.publish_texts(&["one", "two"]);
    let full = json!({"messages": [{"body": "three"}]});
    queue.client.post(&format!("{}/messages", queue.path), &full).refused(429, "queue_full");
    let altered = queue.client.patch(&queue.path, &json!({"max_messages": null, "lease_ms": 60_000})).ok(200);
    let settings = &altered["settings"];
    assert_eq!((&settings["max_messages"], &settings["lease_ms"]), (&Value::Null, &json!(60_000)));
    assert_eq!(settings["message_ttl_ms"], 60_000, "what is absent stays");
    queue.publish_texts(&["three"]);
    for (bad, code) in [
        (json!({"partitions": 2}), "body_invalid"),
        (json!({"order": "per_key"}), "body_invalid"),
        (json!({"lease_ms": 1}), "argument_invalid"),
        (json!({"max_messages": 0}), "argument_invalid"),
        (json!({"delivery_limit": 0}), "argument_invalid"),
    ] {
        queue.client.patch(&queue.path, &bad).refused(400, code);
    }
    queue.client.patch(&queue.path, &json!({"dead_letter": "nowhere-at-all"})).refused(404, "queue_not_found");
    assert_eq!(queue.describe()["settings"], altered["settings"]);
}

pub(crate) fn purge_spares_what_is_leased(world: &World) {
    let mut queue = Queue::new(world, "purge", &Value::Null);
    queue.publish(&json!([{"body": "a"}, {"body": "b"}, {"body": "c"}, {"body": "d", "delay_ms": 600_000}]));
    let held = queue.receive(&json!({"max": 1}));
    queue.counts_become([2, 1, 1]);
    let purged = queue.client.post(&format!("{}/purge", queue.path), &Value::Null).ok(200);
    assert_eq!(purged, json!({"messages": 3}));
    queue.counts_become([0, 0, 1]);
    queue.ack(&held);
    queue.counts_become([0, 0, 0]);
}

pub(crate) fn delete_is_refused_while_messages_wait(world: &World) {
    let mut queue = Queue::new(world, "delete", &Value::Null);
    queue.publish_texts(&["a", "b"]);
    queue.client.delete(&queue.path).refused(409, "queue_not_empty");
    queue.client.delete(&format!("{}?force=maybe", queue.path)).refused(400, "argument_invalid");
    assert_eq!(queue.client.delete(&format!("{}?force=true", queue.path)).ok(200), json!({"messages": 2}));
    queue.client.get(&queue.path).refused(404, "queue_not_found");
    queue.client.put(&queue.path, &Value::Null).ok(201);
    queue.counts_become([0, 0, 0]);
    assert_eq!(queue.client.delete(&queue.path).ok(200), json!({"messages": 0}));
}

pub(crate) fn lists_go_on_by_cursor(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let prefix = world.name("list");
    let names: Vec<_> = (0..7).map(|number| format!("{prefix}.{number}")).collect();
    for name in names.iter().rev() {
        client.put(&format!("/v1/queues/{name}"), &Value::Null).ok(201);
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = client.get(&format!("/v1/queues?prefix={prefix}.&limit=3{cursor}")).ok(200);
        seen.extend(texts(&page["items"], "name"));
        pages += 1;
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((seen, pages), (names, 3));
    client.get("/v1/queues?limit=0").refused(400, "argument_invalid");
    client.get("/v1/queues?limit=1001").refused(400, "argument_invalid");
    client.get("/v1/queues?sort=down").refused(400, "argument_invalid");
    let (mut stranger, _) = world.user(&[]);
    let page = stranger.get(&format!("/v1/queues?prefix={prefix}")).ok(200);
    assert_eq!(page["items"], json!([]), "a list shows what the caller may see");
}

pub(crate) fn many_messages_are_all_or_none(world: &World) {
    let mut queue = Queue::new(world, "many", &json!({"max_messages": 4097}));
    let many: Vec<_> = (0..4096).map(|number| json!({"body": number.to_string()})).collect();
    let published = queue.publish(&json!(many));
    let places = fields(&published["messages"], "sequence");
    assert!(places.len() == 4096 && places.is_sorted_by_key(|place| place.as_u64()));
    assert_eq!(published["durability"], "fsync");
    let path = format!("{}/messages", queue.path);
    let two = json!({"messages": [{"body": "a"}, {"body": "b"}]});
    queue.client.post(&path, &two).refused(429, "queue_full");
    queue.counts_become([4096, 0, 0]);
    let too_many: Vec<_> = (0..4097).map(|_| json!({"body": "x"})).collect();
    queue.client.post(&path, &json!({"messages": too_many})).refused(400, "batch_size");
    queue.client.post(&path, &json!({"messages": []})).refused(400, "batch_size");
    let half_bad = json!({"messages": [{"body": "good"}, {"body": "bad", "ttl_ms": 0}]});
    queue.client.post(&path, &half_bad).refused(400, "argument_invalid");
    let received = queue.receive(&json!({"max": 1000}));
    assert_eq!(texts(&received, "body"), (0..1000).map(|number| number.to_string()).collect::<Vec<_>>());
}

pub(crate) fn raw_bytes_and_base64_come_back_equal(world: &World) {
    let mut queue = Queue::new(world, "raw", &Value::Null);
    let path = format!("{}/messages", queue.path);
    let raw = [("content-type", "application/octet-stream"), ("recado-header-trace", "a1"), ("recado-priority", "3")];
    let bytes: Vec<u8> = (0..=255).collect();
    queue.client.send("POST", &format!("{path}?key=k&content_type=image%2Fpng"), &raw, &bytes).ok(201);
    let raw_text = [("content-type", "application/octet-stream")];
    queue.client.send("POST", &path, &raw_text, "text ✓".as_bytes()).ok(201);
    queue.publish(&json!([{"body_base64": "AP8="}, {"body_base64": "aGk="}, {}]));
    let received = queue.receive(&json!({"max": 10}));
    let first = &received[0];
    assert!(first["body_base64"].as_str().unwrap().starts_with("AAECAwQF") && first["body"].is_null());
    let expected = json!({"trace": "a1"});
    assert_eq!((&first["headers"], &first["key"], &first["priority"]), (&expected, &json!("k"), &json!(3)));
    assert_eq!(first["content_type"], "image/png");
    assert_eq!(received[1]["body"], "text ✓");
    assert_eq!((&received[2]["body_base64"], &received[3]["body"]), (&json!("AP8="), &json!("hi")));
    assert_eq!(received[4]["body"], "");
    for bad in [json!({"body": "a", "body_base64": "aGk="}), json!({"body_base64": "not base64"})] {
        queue.client.post(&path, &json!({"messages": [bad]})).refused(400, "argument_invalid");
    }
    queue.client.send("POST", &path, &[("content-type", "text/plain")], b"x").refused(415, "media_type_unsupported");
    let large = vec![b'x'; 16 * 1024 * 1024 + 1];
    queue.client.send("POST", &path, &raw_text, &large).refused(413, "message_too_large");
}

pub(crate) fn every_property_comes_back(world: &World) {
    let mut queue = Queue::new(world, "whole", &Value::Null);
    let sent = json!({
        "body": "whole", "headers": {"text": "t", "number": -7, "real": 0.5, "yes": true}, "content_type": "text/plain",
        "key": "k 1", "priority": 9, "ttl_ms": 600_000, "id": "mine-1",
    });
    queue.publish(&json!([sent]));
    let delivery = queue.receive(&Value::Null)[0].clone();
    for field in ["body", "headers", "content_type", "key", "priority", "id"] {
        assert_eq!(delivery[field], sent[field], "{field}");
    }
    let (published, expires) = (delivery["published_at"].as_u64().unwrap(), delivery["expires_at"].as_u64().unwrap());
    assert_eq!(expires - published, 600_000);
    assert!(delivery["leased_until"].as_u64().unwrap() >= published + 30_000);
    assert_eq!(delivery["attempt"], 1);
}

pub(crate) fn an_idempotency_key_makes_a_repeat_harmless(world: &World) {
    let mut queue = Queue::new(world, "repeat", &Value::Null);
    let path = format!("{}/messages", queue.path);
    let body = json!({"messages": [{"body": "a"}, {"body": "b"}]}).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "order-7")];
    let first = queue.client.send("POST", &path, &headers, body.as_bytes()).ok(201);
    let second = queue.client.send("POST", &path, &headers, body.as_bytes()).ok(201);
    assert_eq!(fields(&first["messages"], "duplicate"), [false, false]);
    assert_eq!(fields(&second["messages"], "duplicate"), [true, true]);
    assert_eq!(fields(&first["messages"], "id"), fields(&second["messages"], "id"));
    let (mut other, name) = world.user(&[]);
    world.grant(&name, "queue", "literal", &queue.name.clone(), &["publish"]);
    let theirs = other.send("POST", &path, &headers, body.as_bytes()).ok(201);
    assert_eq!(fields(&theirs["messages"], "duplicate"), [false, false], "keys are each user's own");
    queue.counts_become([4, 0, 0]);
    let long = "k".repeat(97);
    let headers = [("content-type", "application/json"), ("idempotency-key", long.as_str())];
    queue.client.send("POST", &path, &headers, body.as_bytes()).refused(400, "argument_invalid");
}

pub(crate) fn a_message_id_is_remembered(world: &World) {
    let mut queue = Queue::new(world, "dedup", &Value::Null);
    let first = queue.publish(&json!([{"body": "a", "id": "x"}, {"body": "b", "id": "x"}]));
    assert_eq!(fields(&first["messages"], "duplicate"), [false, true]);
    let taken = queue.receive(&Value::Null);
    queue.ack(&taken);
    let late = queue.publish(&json!([{"body": "c", "id": "x"}]));
    assert_eq!(late["messages"][0]["duplicate"], true, "also after it was taken");
    assert_eq!(late["messages"][0]["sequence"], first["messages"][0]["sequence"]);
    let mut forgetful = Queue::new(world, "no-dedup", &json!({"deduplication_ms": 0}));
    let twice = forgetful.publish(&json!([{"body": "a", "id": "x"}, {"body": "b", "id": "x"}]));
    assert_eq!(fields(&twice["messages"], "duplicate"), [false, false]);
}

pub(crate) fn a_long_poll_waits_for_the_first_message(world: &World) {
    let mut queue = Queue::new(world, "poll", &Value::Null);
    assert_eq!(queue.receive(&json!({"wait_ms": 50})), json!([]), "the wait ran out");
    let mut waiting = queue.client.clone();
    let path = format!("{}/receive", queue.path);
    let waiter = std::thread::spawn(move || waiting.post(&path, &json!({"wait_ms": 30_000})).ok(200));
    eventually("the waiting receive", || (queue.describe()["consumers"] == 1).then_some(()));
    queue.publish_texts(&["there"]);
    let got = waiter.join().unwrap();
    assert_eq!(got["messages"][0]["body"], "there");
    assert_eq!(queue.describe()["consumers"], 0);
}

pub(crate) fn stale_receipts_are_refused(world: &World) {
    let mut queue = Queue::new(world, "stale", &Value::Null);
    queue.publish_texts(&["a", "b"]);
    let both = queue.receive(&Value::Null);
    let first = json!([both[0]]);
    queue.ack(&first);
    for way in ["ack", "nack", "extend"] {
        let more = if way == "extend" { json!({"lease_ms": 1000}) } else { json!({}) };
        let answer = queue.settle(way, &first, &more).ok(409);
        assert_eq!(answer["results"][0], json!({"receipt": both[0]["receipt"], "status": "lease_lost"}), "{way}");
    }
    // One stale receipt does not stop the others, and what is none is told.
    let mixed = json!([both[0], both[1], {"receipt": "nonsense"}]);
    let answer = queue.settle("ack", &mixed, &json!({})).ok(409);
    assert_eq!(texts(&answer["results"], "status"), ["lease_lost", "settled", "invalid"]);
    queue.settle("ack", &json!([{"receipt": "nonsense"}]), &json!({})).refused(400, "receipt_invalid");
    queue.settle("ack", &json!([]), &json!({})).refused(400, "batch_size");
    // A receipt of one queue settles nothing of another.
    queue.publish_texts(&["c"]);
    let held = queue.receive(&Value::Null);
    let other = world.name("stale-other");
    queue.client.put(&format!("/v1/queues/{other}"), &Value::Null).ok(201);
    let elsewhere = json!({"receipts": [held[0]["receipt"]]});
    let answer = queue.client.post(&format!("/v1/queues/{other}/ack"), &elsewhere);
    assert_eq!(answer.ok(409)["results"][0]["status"], "lease_lost");
    queue.counts_become([0, 0, 1]);
}

pub(crate) fn a_nack_gives_back_at_once_or_later(world: &World) {
    let mut queue = Queue::new(world, "nack", &Value::Null);
    queue.publish_texts(&["a", "b"]);
    let first = queue.receive(&json!({"max": 1}));
    queue.settle("nack", &first, &json!({})).ok(200);
    let again = queue.receive(&json!({"max": 1}));
    assert_eq!((&again[0]["body"], &again[0]["attempt"]), (&json!("a"), &json!(2)), "it keeps its place");
    queue.settle("nack", &again, &json!({"delay_ms": 300})).ok(200);
    queue.counts_become([1, 1, 0]);
    assert_eq!(texts(&queue.receive(&Value::Null), "body"), ["b"]);
    let late = queue.receive(&json!({"wait_ms": 10_000}));
    assert_eq!((&late[0]["body"], &late[0]["attempt"]), (&json!("a"), &json!(3)));
    queue.settle("nack", &late, &json!({"delay_ms": 1, "reject": true})).refused(400, "argument_invalid");
    queue.settle("nack", &late, &json!({"reject": true})).ok(200);
    queue.counts_become([0, 0, 1]);
    assert_eq!(queue.describe()["totals"]["dropped"], 1);
}

pub(crate) fn an_extended_lease_lasts(world: &World) {
    let mut queue = Queue::new(world, "extend", &json!({"lease_ms": 400}));
    queue.publish_texts(&["long work", "short work"]);
    let both = queue.receive(&Value::Null);
    queue.settle("extend", &json!([both[0]]), &json!({"lease_ms": 600_000})).ok(200);
    let again = queue.receive(&json!({"wait_ms": 10_000}));
    assert_eq!(texts(&again, "body"), ["short work"], "the other lease ended");
    queue.ack(&json!([both[0]]));
    queue.settle("extend", &again, &json!({"lease_ms": 99})).refused(400, "argument_invalid");
}

pub(crate) fn an_ended_lease_delivers_again(world: &World) {
    let mut queue = Queue::new(world, "lease", &Value::Null);
    queue.publish_texts(&["work"]);
    let first = queue.receive(&json!({"lease_ms": 100}));
    let second = queue.receive(&json!({"wait_ms": 10_000}));
    assert_eq!((&second[0]["body"], &second[0]["attempt"]), (&json!("work"), &json!(2)));
    assert_ne!(first[0]["receipt"], second[0]["receipt"]);
    let late = queue.settle("ack", &first, &json!({})).ok(409);
    assert_eq!(late["results"][0]["status"], "lease_lost");
    queue.ack(&second);
    queue.counts_become([0, 0, 0]);
}

pub(crate) fn a_delayed_message_waits_and_can_be_cancelled(world: &World) {
    let mut queue = Queue::new(world, "delay", &Value::Null);
    let far = 4_102_444_800_000_u64;
    let published = queue.publish(&json!([
        {"body": "soon", "delay_ms": 300}, {"body": "far", "deliver_at": far}, {"body": "never", "delay_ms": 600_000},
        {"body": "past", "deliver_at": 1},
    ]));
    assert_eq!(texts(&queue.receive(&Value::Null), "body"), ["past"]);
    queue.counts_become([0, 3, 1]);
    let list = queue.client.get(&format!("{}/messages?state=delayed", queue.path)).ok(200);
    assert_eq!(texts(&list["messages"], "body"), ["soon", "far", "never"], "in the order of their places");
    assert_eq!(list["messages"][1]["due_at"], far);
    assert_eq!(texts(&queue.receive(&json!({"wait_ms": 10_000})), "body"), ["soon"]);
    let place = |at: usize| {
        let message = &published["messages"][at];
        json!({"partition": message["partition"], "sequence": message["sequence"]})
    };
    let cancel = format!("{}/cancel", queue.path);
    let places = json!({"places": [place(1), place(0), {"partition": 0, "sequence": 999}]});
    assert_eq!(queue.client.post(&cancel, &places).ok(200), json!({"cancelled": [true, false, false]}));
    queue.client.post(&cancel, &json!({"places": []})).refused(400, "batch_size");
    queue.counts_become([0, 1, 2]);
    let both = json!({"messages": [{"body": "x", "delay_ms": 1, "deliver_at": far}]});
    queue.client.post(&format!("{}/messages", queue.path), &both).refused(400, "argument_invalid");
    let ages = json!({"messages": [{"body": "x", "delay_ms": 316_224_000_001_u64}]});
    queue.client.post(&format!("{}/messages", queue.path), &ages).refused(400, "argument_invalid");
}

pub(crate) fn a_message_expires(world: &World) {
    let mut queue = Queue::new(world, "ttl", &json!({"message_ttl_ms": 600_000}));
    queue.publish(&json!([{"body": "short", "ttl_ms": 100}, {"body": "long"}]));
    queue.counts_become([1, 0, 0]);
    assert_eq!(texts(&queue.receive(&Value::Null), "body"), ["long"]);
    assert_eq!(queue.describe()["totals"]["dropped"], 1);
    let never = json!({"messages": [{"body": "x", "ttl_ms": 0}]});
    queue.client.post(&format!("{}/messages", queue.path), &never).refused(400, "argument_invalid");
}

pub(crate) fn urgent_messages_go_first(world: &World) {
    let mut queue = Queue::new(world, "priority", &Value::Null);
    queue.publish(&json!([
        {"body": "low 1"}, {"body": "high 1", "priority": 9}, {"body": "middle", "priority": 4}, {"body": "low 2"},
        {"body": "high 2", "priority": 9},
    ]));
    let order = texts(&queue.receive(&Value::Null), "body");
    assert_eq!(order, ["high 1", "high 2", "middle", "low 1", "low 2"]);
}

pub(crate) fn a_key_keeps_its_order(world: &World) {
    let mut queue = Queue::new(world, "keys", &json!({"order": "per_key"}));
    queue.publish(&json!([
        {"body": "a1", "key": "a"}, {"body": "a2", "key": "a"}, {"body": "b1", "key": "b"}, {"body": "free 1"},
        {"body": "free 2"},
    ]));
    let first = queue.receive(&Value::Null);
    assert_eq!(texts(&first, "body"), ["a1", "b1", "free 1", "free 2"], "one of each key");
    assert_eq!(queue.receive(&Value::Null), json!([]));
    queue.settle("nack", &json!([first[0]]), &json!({})).ok(200);
    let again = queue.receive(&Value::Null);
    assert_eq!(texts(&again, "body"), ["a1"], "given back, it still goes first");
    queue.ack(&again);
    assert_eq!(texts(&queue.receive(&Value::Null), "body"), ["a2"]);
}

pub(crate) fn a_peek_takes_nothing(world: &World) {
    let mut queue = Queue::new(world, "peek", &Value::Null);
    queue.publish(&json!([{"body": "1"}, {"body": "2"}, {"body": "3"}, {"body": "later", "delay_ms": 600_000}]));
    queue.receive(&json!({"max": 1}));
    queue.counts_become([2, 1, 1]);
    let path = format!("{}/messages", queue.path);
    for (state, bodies) in [("ready", vec!["2", "3"]), ("delayed", vec!["later"]), ("leased", vec!["1"])] {
        let seen = queue.client.get(&format!("{path}?state={state}")).ok(200);
        assert_eq!(texts(&seen["messages"], "body"), bodies);
        assert!(fields(&seen["messages"], "state").iter().all(|it| it == state));
        assert!(!seen["messages"][0].as_object().unwrap().contains_key("receipt"));
    }
    let page = queue.client.get(&format!("{path}?limit=1")).ok(200);
    let next = page["next"].as_str().unwrap();
    let rest = queue.client.get(&format!("{path}?limit=5&cursor={next}")).ok(200);
    assert_eq!((texts(&rest["messages"], "body"), &rest["next"]), (vec!["3".to_owned()], &Value::Null));
    for bad in ["limit=0", "limit=1001", "cursor=x", "state=gone"] {
        queue.client.get(&format!("{path}?{bad}")).refused(400, "argument_invalid");
    }
    queue.counts_become([2, 1, 1]);
}

pub(crate) fn arguments_out_of_range_are_refused(world: &World) {
    let mut queue = Queue::new(world, "range", &Value::Null);
    let receive = format!("{}/receive", queue.path);
    for bad in [
        json!({"max": 0}),
        json!({"max": 1001}),
        json!({"wait_ms": 60_001}),
        json!({"lease_ms": 99}),
        json!({"lease_ms": 43_200_001}),
    ] {
        queue.client.post(&receive, &bad).refused(400, "argument_invalid");
    }
    queue.client.post(&receive, &json!({"many": 1})).refused(400, "body_invalid");
    let publish = format!("{}/messages", queue.path);
    for bad in [
        json!({"body": "x", "partition": 0}),
        json!({"body": "x", "id": ""}),
        json!({"body": "x", "id": "i".repeat(129)}),
        json!({"body": "x", "key": "k".repeat(1025)}),
        json!({"body": "x", "headers": {"h".repeat(256): "v"}}),
        json!({"body": "x", "content_type": "t".repeat(256)}),
    ] {
        queue.client.post(&publish, &json!({"messages": [bad]})).refused(400, "argument_invalid");
    }
    for bad in [
        json!({"partitions": 0}),
        json!({"partitions": 1025}),
        json!({"delivery_limit": 1_000_001}),
        json!({"deduplication_ms": 604_800_001}),
        json!({"lease_ms": 99}),
        json!({"max_bytes": 0}),
        json!({"message_ttl_ms": 0}),
    ] {
        queue.client.put("/v1/queues/never-made", &bad).refused(400, "argument_invalid");
    }
    queue.client.put("/v1/queues/never-made", &json!({"size": 1})).refused(400, "body_invalid");
    queue.client.put("/v1/queues/never-made", &json!({"dead_letter": "nope"})).refused(404, "queue_not_found");
    queue.client.get("/v1/queues/never-made").refused(404, "queue_not_found");
}

pub(crate) fn missing_queues_are_told_everywhere(world: &World) {
    let mut admin = world.admin();
    let name = world.name("missing");
    let receipt = format!("01{}", "0".repeat(60));
    for (method, path, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({})),
        ("DELETE", "", Value::Null),
        ("POST", "/purge", Value::Null),
        ("POST", "/transfer", json!({"owner": "admin"})),
        ("POST", "/messages", json!({"messages": [{}]})),
        ("GET", "/messages", Value::Null),
        ("POST", "/receive", Value::Null),
        ("POST", "/ack", json!({"receipts": [receipt]})),
        ("POST", "/nack", json!({"receipts": [receipt]})),
        ("POST", "/extend", json!({"receipts": [receipt], "lease_ms": 1000})),
        ("POST", "/cancel", json!({"places": [{"partition": 0, "sequence": 0}]})),
        ("POST", "/redrive", Value::Null),
        ("GET", "/stream", Value::Null),
    ] {
        let answer = admin.document(method, &format!("/v1/queues/{name}{path}"), &body);
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
        answer.refused(404, "queue_not_found");
        let answer = admin.document(method, &format!("/v1/namespaces/{name}/queues/{name}{path}"), &body);
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
    }
}
