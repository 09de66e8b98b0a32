//! The defects of the system that Recado grows from, as tests: by the ten old paths and by `/v1`.
//! Invariant: each promise is checked through the door alone.
//! Run by `seed.rs` and `gateway.rs`; the codes of the old paths stand in `seed_codes`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::world::{Client, Shape, World, texts};

/// Every test of this file.
macro_rules! seed_suite {
    ($shape:ident) => {
        $crate::suite::run!($shape, seed:
            first_in_first_out_after_a_read,
            the_sixth_message_is_kept,
            emoji_come_back_equal,
            creating_twice_changes_nothing,
            a_queue_and_a_topic_share_a_name,
            posting_to_a_missing_name_is_told,
            a_failed_create_does_not_break_the_next_call,
            a_reply_shows_no_other_senders_messages,
            a_stored_script_never_runs,
            only_the_owner_deletes,
            a_topic_keeps_what_was_read,
            producers_and_consumers_share_the_work,
        );
    };
}

pub(crate) use seed_suite;

/// Both ways to post and to take one text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Old,
    New,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Old, Self::New];

    pub(crate) fn create(self, client: &mut Client, queue: &str) {
        match self {
            Self::Old => client.post(&format!("/create_queue/{queue}"), &Value::Null).ok(200),
            Self::New => client.put(&format!("/v1/queues/{queue}"), &Value::Null).ok(201),
        };
    }

    pub(crate) fn post(self, client: &mut Client, queue: &str, text: &str) {
        match self {
            Self::Old => client.post(&format!("/post_to_queue/{queue}"), &json!({"data": text})).ok(200),
            Self::New => {
                client.post(&format!("/v1/queues/{queue}/messages"), &json!({"messages": [{"body": text}]})).ok(201)
            }
        };
    }

    pub(crate) fn take(self, client: &mut Client, queue: &str) -> Option<String> {
        match self {
            Self::Old => {
                let read = client.get(&format!("/read_from_queue/{queue}")).ok(200);
                read["data"].as_str().map(str::to_owned)
            }
            Self::New => {
                let received = client.post(&format!("/v1/queues/{queue}/receive"), &json!({"max": 1})).ok(200);
                let message = received["messages"].get(0)?;
                let receipts = json!({"receipts": [message["receipt"]]});
                client.post(&format!("/v1/queues/{queue}/ack"), &receipts).ok(200);
                message["body"].as_str().map(str::to_owned)
            }
        }
    }
}

pub(crate) fn first_in_first_out_after_a_read(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    for way in Way::BOTH {
        let queue = world.name("fifo");
        way.create(&mut client, &queue);
        way.post(&mut client, &queue, "A");
        way.post(&mut client, &queue, "B");
        assert_eq!(way.take(&mut client, &queue).as_deref(), Some("A"));
        way.post(&mut client, &queue, "C");
        assert_eq!(way.take(&mut client, &queue).as_deref(), Some("B"), "{way:?}");
        assert_eq!(way.take(&mut client, &queue).as_deref(), Some("C"), "{way:?}");
        assert_eq!(way.take(&mut client, &queue), None);
    }
}

pub(crate) fn the_sixth_message_is_kept(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    for way in Way::BOTH {
        let queue = world.name("sixth");
        way.create(&mut client, &queue);
        let sent: Vec<_> = (1..=100).map(|number| format!("message {number}")).collect();
        sent.iter().for_each(|text| way.post(&mut client, &queue, text));
        let taken: Vec<_> = std::iter::from_fn(|| way.take(&mut client, &queue)).collect();
        assert_eq!(taken, sent, "{way:?}");
    }
}

pub(crate) fn emoji_come_back_equal(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let queue = world.name("emoji");
    Way::Old.create(&mut client, &queue);
    let hard =
        ["🦜".repeat(200), "\"quoted\"".to_owned(), String::new(), "línea\n\tdos\u{0}\\".to_owned(), "null".into()];
    for text in hard.iter().chain([&"é".repeat(300_000)]) {
        for post in Way::BOTH {
            for take in Way::BOTH {
                post.post(&mut client, &queue, text);
                assert!(take.take(&mut client, &queue).as_ref() == Some(text), "{post:?} {take:?}");
            }
        }
    }
}

pub(crate) fn creating_twice_changes_nothing(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let name = world.name("twice");
    for kind in ["queue", "topic"] {
        let made = client.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        assert_eq!(made, json!({"name": name}));
        client.post(&format!("/post_to_{kind}/{name}"), &json!({"data": "kept"})).ok(200);
        let before = client.get(&format!("/v1/{kind}s/{name}")).ok(200);
        client.post(&format!("/create_{kind}/{name}"), &Value::Null).refused(409, &format!("{kind}_exists"));
        let other = json!({"deduplication_ms": 1});
        client.put(&format!("/v1/{kind}s/{name}"), &other).refused(409, &format!("{kind}_exists"));
        client.put(&format!("/v1/{kind}s/{name}"), &Value::Null).ok(200);
        assert_eq!(client.get(&format!("/v1/{kind}s/{name}")).ok(200), before);
        let listed = client.get(&format!("/list_{kind}s")).ok(200);
        let names = listed[format!("{kind}s")].as_array().unwrap();
        assert_eq!(names.iter().filter(|known| **known == name.as_str()).count(), 1);
        assert_eq!(client.get(&format!("/read_from_{kind}/{name}")).ok(200)["data"], "kept");
    }
}

pub(crate) fn a_queue_and_a_topic_share_a_name(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let name = world.name("both");
    for kind in ["queue", "topic"] {
        client.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        client.post(&format!("/post_to_{kind}/{name}"), &json!({"data": format!("to the {kind}")})).ok(200);
    }
    client.post(&format!("/delete_queue/{name}"), &Value::Null).ok(200);
    client.get(&format!("/read_from_queue/{name}")).refused(404, "queue_not_found");
    assert_eq!(client.get(&format!("/read_from_topic/{name}")).ok(200)["data"], "to the topic");
}

pub(crate) fn posting_to_a_missing_name_is_told(world: &World) {
    let (mut client, _) = world.user(&["developer", "publisher"]);
    let name = world.name("missing");
    for kind in ["queue", "topic"] {
        let code = format!("{kind}_not_found");
        client.post(&format!("/post_to_{kind}/{name}"), &json!({"data": "lost?"})).refused(404, &code);
        let publish = json!({"messages": [{"body": "lost?"}]});
        client.post(&format!("/v1/{kind}s/{name}/messages"), &publish).refused(404, &code);
        let names = client.get(&format!("/list_{kind}s")).ok(200);
        assert!(!names[format!("{kind}s")].as_array().unwrap().contains(&json!(name)));
    }
}

pub(crate) fn a_failed_create_does_not_break_the_next_call(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let name = world.name("after");
    for kind in ["queue", "topic"] {
        client.post(&format!("/create_{kind}/%3Cscript%3E"), &Value::Null).refused(400, "name_invalid");
        client.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        client.post(&format!("/create_{kind}/{name}"), &Value::Null).refused(409, &format!("{kind}_exists"));
        client.get(&format!("/list_{kind}s")).ok(200);
        client.post(&format!("/post_to_{kind}/{name}"), &json!({"data": "works"})).ok(200);
        assert_eq!(client.get(&format!("/read_from_{kind}/{name}")).ok(200)["data"], "works");
    }
}

pub(crate) fn a_reply_shows_no_other_senders_messages(world: &World) {
    let (mut owner, _) = world.user(&["developer"]);
    let (mut ann, ann_name) = world.user(&["publisher"]);
    let (mut bob, bob_name) = world.user(&["publisher"]);
    let name = world.name("replies");
    for kind in ["queue", "topic"] {
        owner.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        let path = format!("/post_to_{kind}/{name}");
        let first = ann.post(&path, &json!({"data": "the secret of ann"}));
        let second = bob.post(&path, &json!({"data": "bob"}));
        assert_eq!(second.ok(200).as_object().unwrap().keys().collect::<Vec<_>>(), ["id"]);
        assert_ne!(first.json()["id"], second.json()["id"]);
        let publish = json!({"messages": [{"body": "bob again"}]});
        let third = bob.post(&format!("/v1/{kind}s/{name}/messages"), &publish);
        third.ok(201);
        assert!(!second.text().contains("secret") && !third.text().contains("secret"));
        // A publisher may not read them either, and the sender is who proved to be it.
        bob.get(&format!("/read_from_{kind}/{name}")).refused(403, "forbidden");
        let read = owner.get(&format!("/read_from_{kind}/{name}")).ok(200);
        let expected = if kind == "queue" { &ann_name } else { &bob_name };
        assert_eq!(read["sender"], expected.as_str());
    }
}

pub(crate) fn a_stored_script_never_runs(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let name = world.name("script");
    let script = "<script>alert(document.cookie)</script>";
    for kind in ["queue", "topic"] {
        client.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        client.post(&format!("/post_to_{kind}/{name}"), &json!({"data": script})).ok(200);
        let accept = [("accept", "text/html")];
        let mut answers = vec![
            client.send("GET", &format!("/list_{kind}s"), &accept, &[]),
            client.send("GET", &format!("/v1/{kind}s/{name}"), &accept, &[]),
            client.send("GET", &format!("/read_from_{kind}/{name}"), &accept, &[]),
            client.send("GET", &format!("/read_from_{kind}/%3Cscript%3E"), &accept, &[]),
            client.send("POST", &format!("/create_{kind}/%3Cscript%3E"), &accept, &[]),
        ];
        if kind == "topic" {
            answers.push(client.send("GET", &format!("/v1/topics/{name}/partitions/0/messages"), &accept, &[]));
        }
        assert_eq!(answers[2].json()["data"], script);
        for answer in answers {
            let media = answer.header("content-type").unwrap();
            assert!(media == "application/json" || media == "application/problem+json", "{media}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        }
    }
    // The pages that are HTML say nothing of what the caller sent.
    let page = client.send("GET", "/errors/queue_not_found", &[("accept", "text/html")], &[]);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let page = client.send("GET", "/errors/%3Cscript%3E", &[("accept", "text/html")], &[]);
    page.refused(404, "path_not_found");
    assert!(!page.text().contains("<script>"));
}

pub(crate) fn only_the_owner_deletes(world: &World) {
    let (mut owner, owner_name) = world.user(&["developer"]);
    let (mut other, _) = world.user(&["developer", "publisher", "consumer"]);
    let name = world.name("owned");
    for kind in ["queue", "topic"] {
        owner.post(&format!("/create_{kind}/{name}"), &Value::Null).ok(200);
        other.post(&format!("/delete_{kind}/{name}"), &Value::Null).refused(403, "forbidden");
        other.delete(&format!("/v1/{kind}s/{name}?force=true")).refused(403, "forbidden");
        assert_eq!(owner.get(&format!("/v1/{kind}s/{name}")).ok(200)["owner"], owner_name.as_str());
        owner.post(&format!("/post_to_{kind}/{name}"), &json!({"data": "x"})).ok(200);
        let gone = owner.post(&format!("/delete_{kind}/{name}"), &Value::Null).ok(200);
        assert_eq!(gone, json!({"name": name, "messages": 1}));
        owner.post(&format!("/delete_{kind}/{name}"), &Value::Null).refused(404, &format!("{kind}_not_found"));
    }
}

pub(crate) fn a_topic_keeps_what_was_read(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let topic = world.name("latest");
    client.post(&format!("/create_topic/{topic}"), &Value::Null).ok(200);
    let read = format!("/read_from_topic/{topic}");
    assert_eq!(client.get(&read).ok(200), json!({"data": null}));
    for text in ["first", "second"] {
        client.post(&format!("/post_to_topic/{topic}"), &json!({"data": text})).ok(200);
        assert_eq!(client.get(&read).ok(200)["data"], text);
        assert_eq!(client.get(&read).ok(200)["data"], text);
    }
    let all = client.get(&format!("/v1/topics/{topic}/partitions/0/messages")).ok(200);
    assert_eq!(texts(&all["messages"], "body"), ["first", "second"]);
}

/// Posts of the work-sharing test in all: fewer where every hop costs twice.
fn posts(world: &World) -> usize {
    if world.shape() == Shape::Serve { 12_000 } else { 2_000 }
}

pub(crate) fn producers_and_consumers_share_the_work(world: &World) {
    let (mut client, _) = world.user(&["developer"]);
    let queue = world.name("shared");
    Way::Old.create(&mut client, &queue);
    let each = posts(world) / 4;
    let (left, taken) = (AtomicUsize::new(each * 4), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for producer in 0..4 {
            let (mut client, queue) = (client.clone(), &queue);
            scope.spawn(move || {
                (0..each).for_each(|at| Way::Old.post(&mut client, queue, &format!("{producer} {at}")));
            });
        }
        for _ in 0..4 {
            let (mut client, queue, left, taken) = (client.clone(), &queue, &left, &taken);
            scope.spawn(move || {
                let mut mine = Vec::new();
                while left.load(Ordering::Relaxed) > 0 {
                    if let Some(text) = Way::Old.take(&mut client, queue) {
                        left.fetch_sub(1, Ordering::Relaxed);
                        mine.push(text);
                    }
                }
                // Each consumer sees the messages of each producer in their order.
                let mut last = BTreeMap::new();
                for text in &mine {
                    let (producer, at) = text.split_once(' ').unwrap();
                    let at: usize = at.parse().unwrap();
                    assert!(last.insert(producer.to_owned(), at).is_none_or(|before| before < at), "{text}");
                }
                taken.lock().unwrap().extend(mine);
            });
        }
    });
    let mut taken = taken.into_inner().unwrap();
    let delivered = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!((delivered, taken.len()), (each * 4, each * 4), "each once");
    assert_eq!(Way::Old.take(&mut client, &queue), None);
}
