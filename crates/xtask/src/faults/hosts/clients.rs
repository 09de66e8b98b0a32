//! Clients of a cluster: they publish and consume at the gateways while something goes wrong, and drain it afterwards.
//! Invariant: whatever a client does or sees is in the ledger's file before it goes on; a publisher sends a batch again,
//! with the same ids, until it is confirmed, so that its order holds.
//! Used by `field`. Judged by `account`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::faults::account::Account;
use crate::faults::body;
use crate::faults::chance::Chance;
use crate::faults::door::{Delivery, Door, Failed};
use crate::faults::journal::{Journal, now};
use crate::faults::limits::{
    ANSWER_MAX, CLUSTER_LATE_ONE_IN, CLUSTER_LEASE_MS, CLUSTER_PUBLISHERS, DRAIN_BATCH, DRAIN_MAX, KEYS_OF_A_CLUSTER,
    PAUSE, TRAFFIC_BATCH,
};
use crate::faults::process::Home;
use crate::faults::report::{Counts, Report};

const QUEUE: &str = "flow";
const TOPIC: &str = "history";
/// Consumers of the queue.
const CONSUMERS: u64 = 2;

/// The order in which the queue gives its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// That of each key, one message of a key at a time: what the runs of faults have.
    PerKey,
    /// None, so that consumers keep up with publishers.
    None,
}

/// How much clients send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Most messages in a publish.
    pub(super) batch: u64,
    /// Messages a second of each publisher.
    pub(super) each: u64,
    /// Most messages that a consumer takes at once.
    pub(super) take: u64,
}

impl Pace {
    /// What the runs of faults have.
    pub(super) const USUAL: Self = Self { batch: TRAFFIC_BATCH, each: 90, take: 4 * TRAFFIC_BATCH };
}

/// A publish that was confirmed: whose, and when it was confirmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirm {
    pub(super) client: u64,
    pub(super) sent: Instant,
    pub(super) at: Instant,
}

/// The clients of one cluster and their ledger.
pub(super) struct Clients {
    token: String,
    journal: Journal,
    account: Mutex<Account>,
    gateways: Vec<SocketAddr>,
    /// The next number of each key, the keys of a publisher beside each other; behind them that of the topic.
    next: Vec<AtomicU64>,
    topic_read: AtomicU64,
    /// Confirms since the last run began.
    confirms: Mutex<Vec<Confirm>>,
    /// Messages that were confirmed.
    confirmed: AtomicU64,
    forgets: bool,
    order: Order,
}

/// A connection to one gateway, and to the next one when that fails.
struct Way<'a> {
    clients: &'a Clients,
    at: usize,
    door: Door,
}

impl<'a> Way<'a> {
    fn new(clients: &'a Clients, number: u64) -> Self {
        let at = usize::try_from(number).expect("clients are few") % clients.gateways.len();
        Self { clients, at, door: Door::with_token(clients.gateways[at], &clients.token) }
    }

    /// Waits a moment after a failure; goes elsewhere when nobody answered.
    fn pause(&mut self, failed: &Failed) {
        if matches!(failed, Failed::Unknown(_)) {
            self.at = (self.at + 1) % self.clients.gateways.len();
            self.door = Door::with_token(self.clients.gateways[self.at], &self.clients.token);
        }
        thread::sleep(PAUSE);
    }
}

impl Clients {
    /// Makes the queue and the topic, and a ledger.
    pub(super) fn new(home: &Home, gateways: Vec<SocketAddr>, order: Order) -> Result<Self, String> {
        let journal = Journal::new(&home.folder.join("ledger"))?;
        let account = Mutex::new(Account::new(&journal.path));
        let first = *gateways.first().ok_or("a cluster without a gateway")?;
        let token = Door::log_in(first)?;
        let mut door = Door::with_token(first, &token);
        let mut settings = json!({"lease_ms": CLUSTER_LEASE_MS, "delivery_limit": 1_000_000});
        if order == Order::PerKey {
            settings["order"] = json!("per_key");
        }
        door.create(QUEUE, &settings)?;
        let made = door.ask("PUT", &format!("/v1/topics/{TOPIC}"), &json!({}));
        made.map_err(|failed| format!("cannot create {TOPIC}: {failed}"))?;
        let next = (0..CLUSTER_PUBLISHERS * KEYS_OF_A_CLUSTER).map(|_| AtomicU64::new(0)).collect();
        let (topic_read, confirmed) = (AtomicU64::new(0), AtomicU64::new(0));
        let (confirms, forgets) = (Mutex::new(Vec::new()), home.forgets);
        Ok(Self { token, journal, account, gateways, next, topic_read, confirms, confirmed, forgets, order })
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().expect("no client panics")
    }

    /// Messages that were confirmed so far.
    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    /// What the ledger has counted, and how many acks were confirmed.
    pub(super) fn counts(&self) -> Result<(Counts, u64), String> {
        let mut account = self.account();
        account.read_on()?;
        Ok((account.counts(), account.settled))
    }

    /// The refusals so far, by code.
    pub(super) fn codes(&self) -> BTreeMap<String, u64> {
        self.account().codes.clone()
    }

    /// The confirms since the last run began.
    pub(super) fn confirms(&self) -> Vec<Confirm> {
        self.confirms.lock().expect("no client panics").clone()
    }

    /// Has clients at work while `fault` runs; they end with it.
    pub(super) fn during<T>(&self, pace: Pace, seed: u64, fault: impl FnOnce() -> T) -> Result<T, String> {
        self.confirms.lock().expect("no client panics").clear();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut clients = Vec::new();
            for client in 0..CLUSTER_PUBLISHERS {
                let (over, chance) = (&over, Chance::new(seed.wrapping_add(client)));
                clients.push(scope.spawn(move || self.publish(client, pace, chance, over)));
            }
            for client in 0..CONSUMERS {
                let (over, chance) = (&over, Chance::new(seed.wrapping_sub(client + 1)));
                clients.push(scope.spawn(move || self.consume(client, pace, chance, over)));
            }
            let done = fault();
            over.store(true, Ordering::Relaxed);
            for client in clients {
                client.join().expect("a client does not panic")?;
            }
            Ok(done)
        })
    }

    /// Publishes batches, each of one key; one key of the first publisher goes to the topic.
    fn publish(&self, client: u64, pace: Pace, mut chance: Chance, over: &AtomicBool) -> Result<(), String> {
        let mut way = Way::new(self, client);
        let mut due = Instant::now();
        while !over.load(Ordering::Relaxed) {
            let (key, count) = (chance.below(KEYS_OF_A_CLUSTER), chance.between((1, pace.batch)));
            let place = usize::try_from(client * KEYS_OF_A_CLUSTER + key).expect("keys are few");
            let first = self.next[place].fetch_add(count, Ordering::Relaxed);
            let range = (first, first + count - 1);
            let to_topic = client == 0 && key == 0;
            let label = if to_topic { String::from(TOPIC) } else { format!("{QUEUE}-{client}-{key}") };
            self.journal.intend(&label, range)?;
            self.until_confirmed(&mut way, client, (&label, range), over)?;
            let share = Duration::from_millis(count * 1000 / pace.each.max(1));
            due = due.max(Instant::now().checked_sub(share).unwrap_or(due)) + share;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(())
    }

    /// Sends a batch until it is confirmed. A topic knows no ids: what was sent to it is not sent again.
    fn until_confirmed(
        &self,
        way: &mut Way<'_>,
        client: u64,
        (label, range): (&str, (u64, u64)),
        over: &AtomicBool,
    ) -> Result<(), String> {
        let mut last_try = None;
        loop {
            let sent = Instant::now();
            let outcome = if label == TOPIC { to_topic(way, range) } else { to_queue(way, label, range) };
            self.journal.outcome(label, range, &outcome)?;
            match outcome {
                Ok(()) => {
                    self.confirmed.fetch_add(range.1 - range.0 + 1, Ordering::Relaxed);
                    let confirm = Confirm { client, sent, at: Instant::now() };
                    self.confirms.lock().expect("no client panics").push(confirm);
                    return Ok(());
                }
                Err(failed) => way.pause(&failed),
            }
            if label == TOPIC {
                return Ok(());
            }
            if over.load(Ordering::Relaxed) {
                let since = *last_try.get_or_insert_with(Instant::now);
                if ANSWER_MAX < since.elapsed() {
                    return Err(format!("a publish of {label} is not confirmed {ANSWER_MAX:?} after the end of a run"));
                }
            }
        }
    }

    /// Takes messages and settles most of them at once, and some when their lease is over.
    fn consume(&self, client: u64, pace: Pace, mut chance: Chance, over: &AtomicBool) -> Result<(), String> {
        let mut way = Way::new(self, client);
        let mut late: Vec<(Instant, Vec<Delivery>)> = Vec::new();
        while !over.load(Ordering::Relaxed) {
            match self.receive(&mut way.door, &json!({"max": pace.take, "wait_ms": 200}), CLUSTER_LEASE_MS)? {
                Ok(deliveries) if deliveries.is_empty() => {}
                Ok(deliveries) if chance.below(CLUSTER_LATE_ONE_IN) == 0 => {
                    late.push((Instant::now() + Duration::from_millis(CLUSTER_LEASE_MS + 300), deliveries));
                }
                Ok(deliveries) => self.settle(&mut way, &deliveries)?,
                Err(failed) => way.pause(&failed),
            }
            let due = late.iter().position(|(due, _)| *due <= Instant::now());
            if let Some((_, deliveries)) = due.map(|at| late.swap_remove(at)) {
                self.settle(&mut way, &deliveries)?;
            }
        }
        Ok(())
    }

    /// Receives messages and notes them.
    fn receive(
        &self,
        door: &mut Door,
        request: &Value,
        lease_ms: u64,
    ) -> Result<Result<Vec<Delivery>, Failed>, String> {
        let asked = now();
        let deliveries = match door.receive(QUEUE, request) {
            Ok(deliveries) => deliveries,
            Err(failed) => return Ok(Err(failed)),
        };
        let came = now();
        let epoch = deliveries.first().and_then(Delivery::epoch).unwrap_or_default();
        for (label, numbers) in self.sorted(&deliveries)? {
            self.journal.leased(&label, (asked, came, lease_ms * 1000, epoch), &numbers)?;
        }
        Ok(Ok(deliveries))
    }

    fn settle(&self, way: &mut Way<'_>, deliveries: &[Delivery]) -> Result<(), String> {
        match way.door.settle(QUEUE, deliveries) {
            Ok(results) => {
                let settled = deliveries.iter().zip(results).filter(|(_, settled)| *settled).map(|(one, _)| one);
                let at = now();
                for (label, numbers) in self.sorted(settled)? {
                    self.journal.acked(&label, at, &numbers)?;
                }
            }
            Err(failed) => way.pause(&failed),
        }
        Ok(())
    }

    /// Which messages these are, by their key, in the order in which they came.
    fn sorted<'b>(
        &self,
        deliveries: impl IntoIterator<Item = &'b Delivery>,
    ) -> Result<BTreeMap<String, Vec<u64>>, String> {
        let mut sorted = BTreeMap::<String, Vec<u64>>::new();
        for delivery in deliveries {
            match body::parse(&delivery.body) {
                Some((_, number)) if self.forgets && number == 3 => {}
                Some((label, number)) => sorted.entry(label.to_owned()).or_default().push(number),
                None => self.journal.wrong(QUEUE, &delivery.body)?,
            }
        }
        Ok(sorted)
    }

    /// Drains the queue, reads the topic on, and says what the ledger misses.
    pub(super) fn check(&self, when: &str, report: &mut Report) -> Result<(), String> {
        let mut way = Way::new(self, 0);
        self.drain(&mut way).map_err(|what| format!("{when}: {what}"))?;
        self.read_topic(&mut way).map_err(|what| format!("{when}: {what}"))?;
        let mut account = self.account();
        account.read_on()?;
        for label in account.labels() {
            account.judge(&label, when, report);
            if self.order == Order::PerKey {
                account.judge_order(&label, when, report);
            }
        }
        Ok(())
    }

    /// Checks the whole topic once more: what was read must be there still.
    pub(super) fn check_from_the_start(&self, when: &str, report: &mut Report) -> Result<(), String> {
        let before = self.topic_read.swap(0, Ordering::Relaxed);
        self.check(when, report)?;
        let after = self.topic_read.load(Ordering::Relaxed);
        if after < before {
            report.violation(format_args!("{when}: the topic ends at {after}, and had been read up to {before}"));
        }
        Ok(())
    }

    fn drain(&self, way: &mut Way<'_>) -> Result<(), String> {
        const LEASE_MS: u64 = 5_000;
        let start = Instant::now();
        let mut last = String::from("messages are left");
        while start.elapsed() < DRAIN_MAX {
            let request = json!({"max": DRAIN_BATCH, "wait_ms": 100, "lease_ms": LEASE_MS});
            match self.receive(&mut way.door, &request, LEASE_MS)? {
                Ok(deliveries) if deliveries.is_empty() => match way.door.counts(QUEUE) {
                    Ok((0, 0)) => return Ok(()),
                    Ok((waiting, leased)) => last = format!("{waiting} wait and {leased} are with consumers"),
                    Err(why) => last = why,
                },
                Ok(deliveries) => self.settle(way, &deliveries)?,
                Err(failed) => {
                    last = failed.to_string();
                    way.pause(&failed);
                }
            }
        }
        Err(format!("{QUEUE} is not drained within {DRAIN_MAX:?}: {last}"))
    }

    fn read_topic(&self, way: &mut Way<'_>) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let from = self.topic_read.load(Ordering::Relaxed);
            let path = format!("/v1/topics/{TOPIC}/partitions/0/messages?limit=1000&offset={from}");
            let page = match way.door.ask("GET", &path, &Value::Null) {
                Ok(page) => page,
                Err(failed) if DRAIN_MAX < start.elapsed() => {
                    return Err(format!("a read of the topic from {from}: {failed}"));
                }
                Err(failed) => {
                    way.pause(&failed);
                    continue;
                }
            };
            let records = page["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
            if records.is_empty() {
                return Ok(());
            }
            let text = |record: &Value| record["body"].as_str().unwrap_or_default().to_owned();
            let found: Vec<Delivery> =
                records.iter().map(|record| Delivery { body: text(record), receipt: String::new() }).collect();
            for (label, numbers) in self.sorted(&found)? {
                self.journal.delivered(&label, &numbers)?;
            }
            for (place, offset) in (from..).zip(records.iter().map(|record| record["offset"].as_u64())) {
                if offset != Some(place) {
                    return Err(format!("the topic has offset {offset:?} where {place} belongs"));
                }
            }
            self.topic_read.store(from + u64::try_from(records.len()).expect("a page is short"), Ordering::Relaxed);
        }
    }
}

fn to_queue(way: &mut Way<'_>, label: &str, (first, last): (u64, u64)) -> Result<(), Failed> {
    let message = |number: u64| {
        let body = body::body(label, number);
        format!("{{\"body\":\"{body}\",\"key\":\"{label}\",\"id\":\"{label}-{number}\"}}")
    };
    let messages: Vec<String> = (first..=last).map(message).collect();
    way.door.publish(QUEUE, &messages)
}

fn to_topic(way: &mut Way<'_>, (first, last): (u64, u64)) -> Result<(), Failed> {
    let messages: Vec<Value> = (first..=last).map(|number| json!({"body": body::body(TOPIC, number)})).collect();
    let path = format!("/v1/topics/{TOPIC}/messages");
    way.door.ask("POST", &path, &json!({ "messages": messages })).map(drop)
}
