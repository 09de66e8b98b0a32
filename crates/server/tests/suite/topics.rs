//! Topics of `/v1`: partitions, keys, offsets and time, retention, compaction, streams of events.
//! Invariant: as in `queues`.
//! Run by `topics.rs` and `gateway.rs`; subscriptions stand in `subscriptions`.

use serde_json::{Value, json};

use crate::world::{Answer, Client, World, eventually, fields, texts};

/// Every test of this file.
macro_rules! topics_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, topics:
            creating_again_is_idempotent,
            keys_stay_in_their_partition,
            a_partition_is_read_by_offset_and_time,
            a_read_waits_for_the_next_message,
            partitions_grow_and_never_shrink,
            retention_gives_up_the_oldest,
            retention_by_time_gives_up_the_oldest,
            compaction_keeps_the_newest_of_each_key,
            a_repeat_adds_nothing,
            a_topic_with_messages_is_not_deleted_unless_forced,
            an_owner_gives_a_topic_away,
            a_stream_follows_and_resumes,
            a_stream_starts_where_it_is_told,
            arguments_out_of_range_are_refused,
            missing_topics_are_told_everywhere,
        );
    };
}

pub(crate) use topics_suite;

/// A topic with its owner.
pub(crate) struct Topic {
    pub(crate) client: Client,
    pub(crate) name: String,
    pub(crate) path: String,
}

impl Topic {
    /// Creates one with a developer of its own.
    pub(crate) fn new(world: &World, about: &str, settings: &Value) -> Self {
        let (mut client, _) = world.user(&["developer"]);
        let name = world.name(about);
        let path = format!("/v1/topics/{name}");
        client.put(&path, settings).ok(201);
        Self { client, name, path }
    }

    /// Publishes messages as documents; the confirmation.
    #[track_caller]
    pub(crate) fn publish(&mut self, messages: &Value) -> Value {
        self.client.post(&format!("{}/messages", self.path), &json!({"messages": messages})).ok(201)
    }

    /// Publishes texts to one partition.
    #[track_caller]
    pub(crate) fn publish_texts(&mut self, partition: u32, bodies: &[&str]) {
        let messages: Vec<_> = bodies.iter().map(|body| json!({"body": body, "partition": partition})).collect();
        self.publish(&json!(messages));
    }

    /// Asks for a part of a partition.
    pub(crate) fn ask(&mut self, partition: u32, query: &str) -> Answer {
        self.client.get(&format!("{}/partitions/{partition}/messages?{query}", self.path))
    }

    /// Reads a part of a partition.
    #[track_caller]
    pub(crate) fn read(&mut self, partition: u32, query: &str) -> Value {
        self.ask(partition, query).ok(200)
    }

    pub(crate) fn describe(&mut self) -> Value {
        self.client.get(&self.path).ok(200)
    }
}

pub(crate) fn creating_again_is_idempotent(world: &World) {
    let settings = json!({"partitions": 3, "retention_ms": 600_000});
    let mut topic = Topic::new(world, "create", &settings);
    let first = topic.describe();
    assert_eq!(fields(&first["partitions"], "partition"), [0, 1, 2]);
    assert_eq!(topic.client.put(&topic.path, &settings).ok(200), first);
    topic.client.put(&topic.path, &json!({"partitions": 4})).refused(409, "topic_exists");
    let page = topic.client.get(&format!("/v1/topics?prefix={}&limit=1", topic.name)).ok(200);
    assert_eq!(texts(&page["items"], "name"), [topic.name.as_str()]);
}

pub(crate) fn keys_stay_in_their_partition(world: &World) {
    let mut topic = Topic::new(world, "keys", &json!({"partitions": 4}));
    let messages: Vec<_> = (0..32).map(|at| json!({"body": at.to_string(), "key": (at % 8).to_string()})).collect();
    let published = topic.publish(&json!(messages));
    let partitions = fields(&published["messages"], "partition");
    for at in 8..32 {
        assert_eq!(partitions[at], partitions[at - 8]);
    }
    let mut seen = Vec::new();
    for partition in 0..4 {
        let read = topic.read(partition, "");
        let offsets: Vec<_> = fields(&read["messages"], "offset").iter().map(|it| it.as_u64().unwrap()).collect();
        assert_eq!(offsets, (0..read["next"].as_u64().unwrap()).collect::<Vec<_>>());
        let bodies: Vec<u64> = texts(&read["messages"], "body").iter().map(|body| body.parse().unwrap()).collect();
        assert!((0..8).all(|key| bodies.iter().filter(|body| *body % 8 == key).is_sorted()));
        seen.extend(bodies);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..32).collect::<Vec<_>>());
    let turns = topic.publish(&json!([{"body": "a"}, {"body": "b"}, {"body": "c"}, {"body": "d"}]));
    let mut partitions: Vec<_> = fields(&turns["messages"], "partition").iter().map(Value::as_u64).collect();
    partitions.sort_unstable();
    assert_eq!(partitions, [Some(0), Some(1), Some(2), Some(3)], "in turn without a key");
    let named = json!({"messages": [{"body": "x", "partition": 4}]});
    topic.client.post(&format!("{}/messages", topic.path), &named).refused(404, "partition_not_found");
}

pub(crate) fn a_partition_is_read_by_offset_and_time(world: &World) {
    let mut topic = Topic::new(world, "offsets", &Value::Null);
    topic.publish_texts(0, &["0", "1", "2"]);
    let early = topic.read(0, "offset=2")["messages"][0]["published_at"].as_u64().unwrap();
    // The next batch is stamped later once the clock has moved on.
    let late = eventually("a later time", || {
        topic.publish_texts(0, &["more"]);
        let read = topic.read(0, "limit=1000");
        let last = read["messages"].as_array().unwrap().last().unwrap()["published_at"].as_u64().unwrap();
        (last > early).then_some(last)
    });
    let read = topic.read(0, "offset=1&limit=2");
    assert_eq!((texts(&read["messages"], "body"), &read["next"]), (vec!["1".into(), "2".into()], &json!(3)));
    let read = topic.read(0, &format!("time={late}&limit=1"));
    assert_eq!(read["messages"][0]["published_at"], late);
    assert_eq!(topic.read(0, "time=0&limit=1")["messages"][0]["body"], "0");
    let end = topic.describe()["partitions"][0]["end"].as_u64().unwrap();
    let read = topic.read(0, &format!("offset={end}"));
    assert_eq!((&read["messages"], &read["next"]), (&json!([]), &json!(end)));
    topic.ask(0, "offset=1&time=1").refused(400, "argument_invalid");
    topic.ask(0, "limit=1001").refused(400, "argument_invalid");
    topic.ask(0, "limit=0").refused(400, "argument_invalid");
    topic.ask(0, "wait_ms=60001").refused(400, "argument_invalid");
    topic.ask(1, "").refused(404, "partition_not_found");
}

pub(crate) fn a_read_waits_for_the_next_message(world: &World) {
    let mut topic = Topic::new(world, "wait", &Value::Null);
    assert_eq!(topic.read(0, "wait_ms=20")["messages"], json!([]));
    let (mut waiting, path) = (topic.client.clone(), format!("{}/partitions/0/messages?wait_ms=30000", topic.path));
    let waiter = std::thread::spawn(move || waiting.get(&path).ok(200));
    topic.publish_texts(0, &["there"]);
    assert_eq!(texts(&waiter.join().unwrap()["messages"], "body"), ["there"]);
}

pub(crate) fn partitions_grow_and_never_shrink(world: &World) {
    let mut topic = Topic::new(world, "grow", &json!({"partitions": 2}));
    topic.publish_texts(1, &["kept"]);
    topic.client.patch(&topic.path, &json!({"partitions": 1})).refused(409, "partitions_shrink");
    let grown = topic.client.patch(&topic.path, &json!({"partitions": 5})).ok(200);
    assert_eq!(grown["partitions"].as_array().unwrap().len(), 5);
    topic.publish_texts(4, &["new"]);
    assert_eq!(texts(&topic.read(1, "")["messages"], "body"), ["kept"]);
    assert_eq!(texts(&topic.read(4, "")["messages"], "body"), ["new"]);
    topic.client.patch(&topic.path, &json!({"partitions": 1025})).refused(400, "argument_invalid");
    topic.client.patch(&topic.path, &json!({"order": "fifo"})).refused(400, "body_invalid");
}

pub(crate) fn retention_gives_up_the_oldest(world: &World) {
    let mut topic = Topic::new(world, "retention", &json!({"retention_bytes": 40_000}));
    let body = "x".repeat(10_000);
    eventually("the oldest to go", || {
        topic.publish_texts(0, &[&body]);
        (topic.describe()["partitions"][0]["earliest"].as_u64() > Some(0)).then_some(())
    });
    // Nothing more is trimmed once the rest is within the bound: from then on all answers are of one state.
    let extent = eventually("the rest to be within the bound", || {
        let extent = topic.describe()["partitions"][0].clone();
        (extent["bytes"].as_u64().unwrap() <= 40_000).then_some(extent)
    });
    let earliest = extent["earliest"].as_u64().unwrap();
    assert_eq!(extent["messages"].as_u64().unwrap(), extent["end"].as_u64().unwrap() - earliest);
    assert!(extent["bytes"].as_u64().unwrap() > 20_000, "no more goes than must: {extent}");
    let read = topic.read(0, "offset=0&limit=1");
    assert_eq!(read["messages"][0]["offset"], earliest, "what was trimmed reads from the oldest kept");
    let altered = topic.client.patch(&topic.path, &json!({"retention_bytes": null})).ok(200);
    assert_eq!(altered["settings"]["retention_bytes"], Value::Null);
}

pub(crate) fn retention_by_time_gives_up_the_oldest(world: &World) {
    let mut topic = Topic::new(world, "old", &json!({"retention_ms": 100}));
    topic.publish_texts(0, &["old"]);
    eventually("the end of the old one", || (topic.describe()["partitions"][0]["messages"] == 0).then_some(()));
    assert_eq!(topic.read(0, "")["messages"], json!([]));
    assert_eq!(topic.describe()["partitions"][0]["end"], 1, "offsets are never used again");
}

pub(crate) fn compaction_keeps_the_newest_of_each_key(world: &World) {
    let mut topic = Topic::new(world, "compact", &json!({"cleanup": "compact"}));
    let messages: Vec<_> = (0..100).map(|at| json!({"body": at.to_string(), "key": (at % 4).to_string()})).collect();
    topic.publish(&json!(messages));
    let read = eventually("the older ones to go", || {
        let read = topic.read(0, "limit=1000");
        (read["messages"].as_array().unwrap().len() < 20).then_some(read)
    });
    let kept = texts(&read["messages"], "body");
    for newest in ["96", "97", "98", "99"] {
        assert!(kept.iter().any(|body| body == newest), "{kept:?}");
    }
    assert_eq!(read["next"], 100);
    let offsets = fields(&read["messages"], "offset");
    assert_eq!(offsets.last().unwrap(), 99, "offsets stay");
}

pub(crate) fn a_repeat_adds_nothing(world: &World) {
    let mut topic = Topic::new(world, "repeat", &json!({"partitions": 2}));
    let body = json!({"messages": [{"body": "a", "key": "k"}, {"body": "b", "key": "k"}]}).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "once")];
    let path = format!("{}/messages", topic.path);
    let first = topic.client.send("POST", &path, &headers, body.as_bytes()).ok(201);
    let second = topic.client.send("POST", &path, &headers, body.as_bytes()).ok(201);
    assert_eq!(fields(&second["messages"], "duplicate"), [true, true]);
    assert_eq!(fields(&first["messages"], "offset"), fields(&second["messages"], "offset"));
    let ends = fields(&topic.describe()["partitions"], "end");
    assert_eq!(ends.iter().map(|end| end.as_u64().unwrap()).sum::<u64>(), 2);
    let raw = [("content-type", "application/octet-stream"), ("recado-partition", "1")];
    topic.client.send("POST", &path, &raw, &[0, 255]).ok(201);
    let read = topic.read(1, "");
    let last = read["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(last["body_base64"], "AP8=");
}

pub(crate) fn a_topic_with_messages_is_not_deleted_unless_forced(world: &World) {
    let mut topic = Topic::new(world, "delete", &Value::Null);
    topic.publish_texts(0, &["kept"]);
    topic.client.delete(&topic.path).refused(409, "topic_not_empty");
    assert_eq!(topic.client.delete(&format!("{}?force=true", topic.path)).ok(200), json!({"messages": 1}));
    topic.client.get(&topic.path).refused(404, "topic_not_found");
    topic.client.put(&topic.path, &Value::Null).ok(201);
    topic.client.put(&format!("{}/subscriptions/s", topic.path), &Value::Null).ok(201);
    topic.client.delete(&topic.path).refused(409, "topic_not_empty");
    topic.client.delete(&format!("{}/subscriptions/s", topic.path));
    assert_eq!(topic.client.delete(&topic.path).ok(200), json!({"messages": 0}));
}

pub(crate) fn an_owner_gives_a_topic_away(world: &World) {
    let mut topic = Topic::new(world, "transfer", &Value::Null);
    let (mut heir, heir_name) = world.user(&[]);
    let transfer = format!("{}/transfer", topic.path);
    heir.post(&transfer, &json!({"owner": heir_name})).refused(403, "forbidden");
    topic.client.post(&transfer, &json!({"owner": "nobody-such"})).refused(404, "user_not_found");
    assert_eq!(topic.client.post(&transfer, &json!({"owner": heir_name})).ok(200)["owner"], heir_name.as_str());
    topic.client.delete(&topic.path).refused(403, "forbidden");
    heir.delete(&topic.path).ok(200);
}

pub(crate) fn a_stream_follows_and_resumes(world: &World) {
    let mut topic = Topic::new(world, "tail", &json!({"partitions": 2}));
    topic.publish_texts(0, &["before"]);
    let path = format!("{}/stream", topic.path);
    let mut events = topic.client.events(&path, &[]).unwrap();
    topic.publish_texts(0, &["a", "b"]);
    topic.publish_texts(1, &["c"]);
    let mut seen = Vec::new();
    let mut place = String::new();
    for _ in 0..3 {
        let event = events.next().unwrap();
        assert_eq!(event.name, "message");
        seen.push(event.data["body"].as_str().unwrap().to_owned());
        place = event.id.unwrap();
    }
    assert!(seen.iter().position(|it| it == "a") < seen.iter().position(|it| it == "b"), "{seen:?}");
    seen.sort_unstable();
    assert_eq!(seen, ["a", "b", "c"], "not what was there before");
    drop(events);
    topic.publish_texts(1, &["while away"]);
    let mut events = topic.client.events(&path, &[("last-event-id", &place)]).unwrap();
    assert_eq!(events.message()["body"], "while away");
    topic.publish_texts(0, &["again"]);
    assert_eq!(events.message()["body"], "again");
    topic.client.events(&path, &[("last-event-id", "x")]).err().unwrap().refused(400, "argument_invalid");
}

pub(crate) fn a_stream_starts_where_it_is_told(world: &World) {
    let mut topic = Topic::new(world, "start", &json!({"partitions": 2}));
    topic.publish_texts(1, &["0", "1", "2"]);
    let path = format!("{}/stream", topic.path);
    let bodies = |query: &str, count: usize| -> Vec<String> {
        let mut events = topic.client.events(&format!("{path}?{query}"), &[]).unwrap();
        (0..count).map(|_| events.message()["body"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(bodies("from=earliest", 3), ["0", "1", "2"]);
    assert_eq!(bodies("partition=1&offset=1", 2), ["1", "2"]);
    assert_eq!(bodies("time=0", 3), ["0", "1", "2"]);
    for bad in ["offset=1", "from=earliest&time=0", "from=middle", "more=1"] {
        let refused = topic.client.events(&format!("{path}?{bad}"), &[]).err().unwrap();
        refused.refused(400, "argument_invalid");
    }
    let refused = topic.client.events(&format!("{path}?partition=2"), &[]).err().unwrap();
    refused.refused(404, "partition_not_found");
}

pub(crate) fn arguments_out_of_range_are_refused(world: &World) {
    let mut topic = Topic::new(world, "range", &Value::Null);
    let publish = format!("{}/messages", topic.path);
    for bad in [json!({"body": "x", "delay_ms": 5}), json!({"body": "x", "deliver_at": 5}), json!({"ttl_ms": 0})] {
        topic.client.post(&publish, &json!({"messages": [bad]})).refused(400, "argument_invalid");
    }
    topic.client.post(&publish, &json!({"messages": []})).refused(400, "batch_size");
    for bad in [
        json!({"partitions": 0}),
        json!({"partitions": 1025}),
        json!({"retention_ms": 0}),
        json!({"retention_bytes": 0}),
        json!({"deduplication_ms": 604_800_001}),
    ] {
        topic.client.put("/v1/topics/never-made", &bad).refused(400, "argument_invalid");
    }
    topic.client.put("/v1/topics/never-made", &json!({"cleanup": "sometimes"})).refused(400, "body_invalid");
    topic.client.get("/v1/topics/never-made").refused(404, "topic_not_found");
}

pub(crate) fn missing_topics_are_told_everywhere(world: &World) {
    let mut admin = world.admin();
    let name = world.name("missing");
    for (method, path, body) in [
        ("GET", "", Value::Null),
        ("PATCH", "", json!({})),
        ("DELETE", "", Value::Null),
        ("POST", "/transfer", json!({"owner": "admin"})),
        ("POST", "/messages", json!({"messages": [{}]})),
        ("GET", "/partitions/0/messages", Value::Null),
        ("GET", "/stream", Value::Null),
        ("GET", "/subscriptions", Value::Null),
        ("PUT", "/subscriptions/s", Value::Null),
    ] {
        let answer = admin.document(method, &format!("/v1/topics/{name}{path}"), &body);
        assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
        answer.refused(404, "topic_not_found");
    }
}
