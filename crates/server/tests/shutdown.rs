//! How a broker ends: asked to, with everybody answered; and by force, with nothing lost that was confirmed.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]
#![allow(clippy::print_stderr, reason = "the measured times are what a reader of the output wants")]

mod suite;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use model::backend::Consume;
use model::name::{NamespaceName, QueueName, QueueRef, Source};
use model::number::Span;
use model::queue::Receive;
use model::{Failure, Unavailable};
use serde_json::{Value, json};

use world::{Client, Report, Shape, World, eventually, fields, texts};

/// How long requests may go on after SIGTERM; nothing here needs it.
const DRAIN: Duration = Duration::from_secs(10);

/// Producers, and as many consumers.
const PRODUCERS: usize = 8;

/// Times that the broker is killed.
const KILLS: usize = 3;

/// Messages that must have been confirmed between two kills.
const BETWEEN_KILLS: usize = 600;

#[test]
fn whatever_waits_in_a_broker_is_answered_before_the_end() {
    whatever_waits_is_answered(Shape::Serve);
}

#[test]
fn whatever_waits_in_a_gateway_is_answered_before_the_end() {
    whatever_waits_is_answered(Shape::Gateway);
}

fn quiet() -> Source {
    Source::Queue(QueueRef { namespace: NamespaceName::default(), name: QueueName::parse("quiet").unwrap() })
}

/// Long polls are sent away, streams end, and nothing that was confirmed is gone after the next start.
fn whatever_waits_is_answered(shape: Shape) {
    let mut world = World::new(shape);
    let (mut client, _) = world.user(&["developer"]);
    client.put("/v1/queues/quiet", &Value::Null).ok(201);
    client.put("/v1/queues/kept", &Value::Null).ok(201);
    client.put("/v1/topics/kept", &Value::Null).ok(201);
    for kind in ["queues", "topics"] {
        client.post(&format!("/v1/{kind}/kept/messages"), &json!({"messages": [{"body": "kept"}]})).ok(201);
    }
    let mut deliveries = client.events("/v1/queues/quiet/stream", &[]).unwrap();
    let mut tail = client.events("/v1/topics/kept/stream?from=earliest", &[]).unwrap();
    assert_eq!(tail.message()["body"], "kept");
    let mut waiting = client.clone();
    let poll = std::thread::spawn(move || waiting.post("/v1/queues/quiet/receive", &json!({"wait_ms": 60_000})));
    let grpc = world.through_grpc(&client);
    let mut streaming = grpc.consume(Consume::new(quiet(), 1)).unwrap();
    let receive = Receive { source: quiet(), max: 1, wait: Span::new(60_000), lease: None, member: None };
    let receive = std::thread::spawn(move || grpc.call(receive));
    eventually("all consumers", || (client.get("/v1/queues/quiet").json()["consumers"] == 4).then_some(()));
    let asked = Instant::now();
    world.stop();
    eprintln!("{shape:?} ended {} ms after SIGTERM", asked.elapsed().as_millis());
    assert!(asked.elapsed() < DRAIN, "something waited for the end of its time");
    let sent_away = poll.join().unwrap();
    let wait = sent_away.refused(503, "draining")["retry_after_ms"].clone();
    assert!(wait.is_u64() && sent_away.header("retry-after").is_some(), "it says when to come back");
    assert_eq!(receive.join().unwrap(), Err(Unavailable::Draining.into()));
    let last = streaming.next();
    assert!(matches!(last, None | Some(Err(Failure::Unavailable(Unavailable::Draining)))), "{last:?}");
    let last = deliveries.next().map(|event| event.name);
    assert!(matches!(last.as_deref(), Some("end" | "problem")), "{last:?}");
    assert!(deliveries.next().is_none());
    while let Some(event) = tail.next() {
        assert!(["end", "problem"].contains(&event.name.as_str()), "{event:?}");
    }
    world.start_again();
    let _report = Report(&world);
    let mut client = world.nobody().with_token(client.token());
    assert_eq!(texts(&client.post("/v1/queues/kept/receive", &Value::Null).ok(200)["messages"], "body"), ["kept"]);
    let kept = client.get("/v1/topics/kept/partitions/0/messages").ok(200);
    assert_eq!(texts(&kept["messages"], "body"), ["kept"]);
}

#[test]
fn leases_and_receipts_outlive_a_restart() {
    let mut world = World::new(Shape::Serve);
    let (mut client, _) = world.user(&["developer"]);
    client.put("/v1/queues/held", &Value::Null).ok(201);
    let three = json!({"messages": [{"body": "a"}, {"body": "b"}, {"body": "late", "delay_ms": 3_600_000}]});
    client.post("/v1/queues/held/messages", &three).ok(201);
    let held = client.post("/v1/queues/held/receive", &json!({"max": 1, "lease_ms": 3_600_000})).ok(200);
    eventually("the lease", || (client.get("/v1/queues/held").json()["counts"]["leased"] == 1).then_some(()));
    world.stop();
    world.start_again();
    let _report = Report(&world);
    let mut client = world.nobody().with_token(client.token());
    let counts = client.get("/v1/queues/held").ok(200)["counts"].clone();
    assert_eq!(fields(&json!([counts]), "leased"), [1], "{counts}");
    assert_eq!((&counts["ready"], &counts["delayed"]), (&json!(1), &json!(1)));
    let receipts = json!({"receipts": fields(&held["messages"], "receipt")});
    client.post("/v1/queues/held/ack", &receipts).ok(200);
    assert_eq!(texts(&client.post("/v1/queues/held/receive", &Value::Null).ok(200)["messages"], "body"), ["b"]);
}

/// What producers and consumers know, across kills.
#[derive(Default)]
struct Ledger {
    /// Messages that the broker confirmed.
    confirmed: Mutex<BTreeSet<String>>,
    /// Messages that consumers got, in the order of each key; a repeat is one that was got before.
    got: Mutex<BTreeMap<String, Vec<u64>>>,
    /// Producers end.
    enough: AtomicBool,
    /// Consumers end.
    done: AtomicBool,
    confirmations: AtomicUsize,
}

/// Publishes the messages of one key, each until it is confirmed, so that the order of the key is known.
fn produce(mut client: Client, place: &Mutex<Client>, producer: usize, ledger: &Ledger) {
    let mut number = 0_u64;
    while !ledger.enough.load(Ordering::Relaxed) {
        let body = format!("{producer} {number}");
        let message = json!({"messages": [{"body": body, "key": producer.to_string(), "id": body}]});
        let headers = [("content-type", "application/json")];
        match client.attempt("POST", "/v1/queues/work/messages", &headers, message.to_string().as_bytes()) {
            Ok(answer) if answer.status == 201 => {
                ledger.confirmed.lock().unwrap().insert(body);
                ledger.confirmations.fetch_add(1, Ordering::Relaxed);
                number += 1;
            }
            Ok(answer) => panic!("{}", answer.text()),
            // The outcome is unknown: the same id again adds nothing if it was taken.
            Err(_) => client = place.lock().unwrap().clone(),
        }
    }
}

/// Takes and settles messages until nothing is left of them.
fn consume(mut client: Client, place: &Mutex<Client>, ledger: &Ledger) {
    let headers = [("content-type", "application/json")];
    let receive = json!({"max": 5, "wait_ms": 200, "lease_ms": 1000}).to_string();
    while !ledger.done.load(Ordering::Relaxed) {
        let Ok(answer) = client.attempt("POST", "/v1/queues/work/receive", &headers, receive.as_bytes()) else {
            client = place.lock().unwrap().clone();
            continue;
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
        let messages = answer.json()["messages"].clone();
        if messages == json!([]) {
            continue;
        }
        // Noted before they are settled: a later message of a key is handed out only after that.
        for body in texts(&messages, "body") {
            let (key, number) = body.split_once(' ').unwrap();
            ledger.got.lock().unwrap().entry(key.to_owned()).or_default().push(number.parse().unwrap());
        }
        // Without an answer the message may come again, which is a repeat and no loss.
        let receipts = json!({"receipts": fields(&messages, "receipt")}).to_string();
        if client.attempt("POST", "/v1/queues/work/ack", &headers, receipts.as_bytes()).is_err() {
            client = place.lock().unwrap().clone();
        }
    }
}

#[test]
fn nothing_confirmed_is_lost_when_the_broker_is_killed_at_work() {
    let mut world = World::new(Shape::Serve);
    let (mut owner, _) = world.user(&["developer"]);
    owner.put("/v1/queues/work", &json!({"order": "per_key", "delivery_limit": 1_000_000})).ok(201);
    let (ledger, place) = (Arc::new(Ledger::default()), Arc::new(Mutex::new(owner.clone())));
    let mut workers = Vec::new();
    for number in 0..PRODUCERS {
        let mine = || (owner.clone(), Arc::clone(&place), Arc::clone(&ledger));
        let (client, place, ledger) = mine();
        workers.push(std::thread::spawn(move || produce(client, &place, number, &ledger)));
        let (client, place, ledger) = mine();
        workers.push(std::thread::spawn(move || consume(client, &place, &ledger)));
    }
    let confirmed = |more: usize| {
        let target = ledger.confirmations.load(Ordering::Relaxed) + more;
        eventually("work to go on", || {
            std::thread::yield_now();
            (ledger.confirmations.load(Ordering::Relaxed) >= target).then_some(())
        });
    };
    for kill in 1..=KILLS {
        confirmed(BETWEEN_KILLS);
        // Workers that lost their connection wait here until there is a broker again.
        let mut place = place.lock().unwrap();
        world.kill();
        let took = world.start_again();
        *place = world.nobody().with_token(owner.token());
        eprintln!("kill {kill}: serving again after {} ms", took.as_millis());
    }
    confirmed(BETWEEN_KILLS);
    ledger.enough.store(true, Ordering::Relaxed);
    let _report = Report(&world);
    let mut owner = world.nobody().with_token(owner.token());
    eventually("the last message to be settled", || {
        let counts = owner.get("/v1/queues/work").ok(200)["counts"].clone();
        ["ready", "delayed", "leased"].iter().all(|state| counts[*state] == 0).then_some(())
    });
    ledger.done.store(true, Ordering::Relaxed);
    workers.into_iter().for_each(|worker| worker.join().unwrap());

    let (confirmed, got) = (ledger.confirmed.lock().unwrap(), ledger.got.lock().unwrap());
    let seen: BTreeSet<_> =
        got.iter().flat_map(|(key, numbers)| numbers.iter().map(move |number| format!("{key} {number}"))).collect();
    let lost: Vec<_> = confirmed.difference(&seen).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), confirmed.len());
    for (key, numbers) in got.iter() {
        // Without the repeats, which a kill between delivery and settling makes, a key is in order and has no gap.
        let mut first = BTreeSet::new();
        let order: Vec<_> = numbers.iter().filter(|number| first.insert(**number)).collect();
        assert!(order.is_sorted(), "key {key}: {order:?}");
    }
    let deliveries: usize = got.values().map(Vec::len).sum();
    eprintln!("{} confirmed, {} deliveries, {} repeats", confirmed.len(), deliveries, deliveries - seen.len());
}
