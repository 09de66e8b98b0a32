//! Clients that publish and consume while something goes wrong, and the drain that comes after it.
//! Invariant: whatever a client does or sees is in the ledger's file before it goes on.
//! Used by the campaigns of power cuts, pauses, clocks and disks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::account::Account;
use super::body;
use super::chance::Chance;
use super::door::{Delivery, Door, Failed, message};
use super::journal::Journal;
use super::limits::{DRAIN_BATCH, DRAIN_MAX, PAUSE, TRAFFIC_BATCH, TRAFFIC_LEASE_MS, TRAFFIC_PUBLISHERS};
use super::process::Home;
use super::report::{Counts, Report};

/// The queue that is published to and consumed.
pub(super) const QUEUE: &str = "flow";
/// The topic that is published to, and read from the start at the end.
pub(super) const TOPIC: &str = "history";
/// What forgetful clients forget.
const FORGOTTEN: u64 = 3;

/// One campaign's clients and their ledger.
pub(super) struct Traffic {
    pub(super) token: String,
    journal: Journal,
    account: Mutex<Account>,
    queue_next: AtomicU64,
    topic_next: AtomicU64,
    /// The offset from which the topic is read on.
    topic_read: AtomicU64,
    /// The newest epoch of a receipt, and the port of the process that gave it.
    epoch: Mutex<(u16, u64)>,
    forgets: bool,
}

impl Traffic {
    /// Makes the queue and the topic of a broker, and a ledger beside its log.
    pub(super) fn new(home: &Home, address: SocketAddr, name: &str) -> Result<Self, String> {
        let journal = Journal::new(&home.folder.join(format!("ledger-{name}")))?;
        let account = Mutex::new(Account::new(&journal.path));
        let token = Door::log_in(address)?;
        let mut door = Door::with_token(address, &token);
        door.create(QUEUE, &json!({"lease_ms": TRAFFIC_LEASE_MS, "delivery_limit": 1_000_000}))?;
        let made = door.ask("PUT", &format!("/v1/topics/{TOPIC}"), &json!({}));
        made.map_err(|failed| format!("cannot create {TOPIC}: {failed}"))?;
        let zero = || AtomicU64::new(0);
        let (queue_next, topic_next, topic_read) = (zero(), zero(), zero());
        let epoch = Mutex::new((0, 0));
        Ok(Self { token, journal, account, queue_next, topic_next, topic_read, epoch, forgets: home.forgets })
    }

    pub(super) fn counts(&self) -> Result<Counts, String> {
        let mut account = self.account.lock().expect("no client panics");
        account.read_on()?;
        Ok(account.counts())
    }

    /// The refusals so far, by code.
    pub(super) fn codes(&self) -> BTreeMap<String, u64> {
        self.account.lock().expect("no client panics").codes.clone()
    }

    /// When the latest publish was sent that has been confirmed, in microseconds.
    pub(super) fn last_confirmed_sent(&self) -> Result<u64, String> {
        let mut account = self.account.lock().expect("no client panics");
        account.read_on()?;
        Ok(account.last_confirmed_sent)
    }

    /// Has clients at work while `fault` runs; they end with it.
    pub(super) fn during<T>(&self, address: SocketAddr, seed: u64, fault: impl FnOnce() -> T) -> Result<T, String> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut clients = Vec::new();
            for client in 0..TRAFFIC_PUBLISHERS {
                let over = &over;
                let chance = Chance::new(seed.wrapping_add(client));
                clients.push(scope.spawn(move || self.publish(address, client == 0, chance, over)));
            }
            clients.push(scope.spawn(|| self.consume(address, &over)));
            let done = fault();
            over.store(true, Ordering::Relaxed);
            for client in clients {
                client.join().expect("a client does not panic")?;
            }
            Ok(done)
        })
    }

    fn publish(
        &self,
        address: SocketAddr,
        to_topic: bool,
        mut chance: Chance,
        over: &AtomicBool,
    ) -> Result<(), String> {
        let mut door = Door::with_token(address, &self.token);
        while !over.load(Ordering::Relaxed) {
            let count = chance.between((1, TRAFFIC_BATCH));
            let done = if to_topic { self.to_topic(&mut door, count) } else { self.to_queue(&mut door, count) };
            if done?.is_err() {
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Publishes the next messages to the queue.
    pub(super) fn to_queue(&self, door: &mut Door, count: u64) -> Result<Result<(), Failed>, String> {
        self.to_queue_by(count, |bodies| {
            let messages: Vec<String> = bodies.iter().map(|body| message(body)).collect();
            door.publish(QUEUE, &messages)
        })
    }

    /// Publishes the next messages to the queue, in a way of one's own.
    pub(super) fn to_queue_by(
        &self,
        count: u64,
        publish: impl FnOnce(&[String]) -> Result<(), Failed>,
    ) -> Result<Result<(), Failed>, String> {
        let first = self.queue_next.fetch_add(count, Ordering::Relaxed);
        let range = (first, first + count - 1);
        let bodies: Vec<String> = (first..first + count).map(|number| body::body(QUEUE, number)).collect();
        self.journal.intend(QUEUE, range)?;
        let outcome = publish(&bodies);
        self.journal.outcome(QUEUE, range, &outcome)?;
        Ok(outcome)
    }

    fn to_topic(&self, door: &mut Door, count: u64) -> Result<Result<(), Failed>, String> {
        let first = self.topic_next.fetch_add(count, Ordering::Relaxed);
        let range = (first, first + count - 1);
        let messages: Vec<Value> = (first..first + count).map(|n| json!({"body": body::body(TOPIC, n)})).collect();
        self.journal.intend(TOPIC, range)?;
        let outcome = door.ask("POST", &format!("/v1/topics/{TOPIC}/messages"), &json!({"messages": messages}));
        let outcome = outcome.map(drop);
        self.journal.outcome(TOPIC, range, &outcome)?;
        Ok(outcome)
    }

    /// Takes a few messages at a time, so that there are always some that wait, some that are leased, some that
    /// are gone.
    fn consume(&self, address: SocketAddr, over: &AtomicBool) -> Result<(), String> {
        let mut door = Door::with_token(address, &self.token);
        while !over.load(Ordering::Relaxed) {
            match door.receive(QUEUE, &json!({"max": TRAFFIC_BATCH / 2, "wait_ms": 50})) {
                Ok(deliveries) => self.take(&mut door, &deliveries).map(drop)?,
                Err(_) => thread::sleep(PAUSE),
            }
        }
        Ok(())
    }

    /// Notes deliveries and settles them.
    pub(super) fn take(&self, door: &mut Door, deliveries: &[Delivery]) -> Result<Result<(), Failed>, String> {
        let numbers = self.note(QUEUE, deliveries.iter().map(|one| one.body.as_str()))?;
        let Some(first) = deliveries.first() else { return Ok(Ok(())) };
        self.note_epoch(door.address().port(), first)?;
        match door.settle(QUEUE, deliveries) {
            Ok(results) => {
                let settled = numbers.iter().zip(results).filter(|(_, settled)| *settled);
                let settled: Vec<u64> = settled.filter_map(|(number, _)| *number).collect();
                self.journal.settled(QUEUE, &settled)?;
                Ok(Ok(()))
            }
            Err(failed) => Ok(Err(failed)),
        }
    }

    /// Notes messages that were received and settled in a way of one's own.
    pub(super) fn settled_elsewhere<'a>(&self, bodies: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let numbers: Vec<u64> = self.note(QUEUE, bodies)?.into_iter().flatten().collect();
        self.journal.settled(QUEUE, &numbers)
    }

    /// Notes deliveries that are kept for now; their numbers.
    pub(super) fn hold(&self, deliveries: &[Delivery]) -> Result<Vec<u64>, String> {
        Ok(self.note(QUEUE, deliveries.iter().map(|one| one.body.as_str()))?.into_iter().flatten().collect())
    }

    /// Settles what was held for too long; the numbers for which that counted.
    pub(super) fn settle_late(
        &self,
        door: &mut Door,
        held: &[Delivery],
        numbers: &[u64],
    ) -> Result<BTreeSet<u64>, String> {
        let results = door.settle(QUEUE, held).map_err(|failed| format!("a late ack: {failed}"))?;
        let settled = numbers.iter().zip(results).filter(|(_, settled)| *settled);
        let settled: BTreeSet<u64> = settled.map(|(number, _)| *number).collect();
        self.journal.settled(QUEUE, &settled.iter().copied().collect::<Vec<u64>>())?;
        Ok(settled)
    }

    /// Which of these messages the ledger knows as settled.
    pub(super) fn settled_of(&self, numbers: &[u64]) -> Result<BTreeSet<u64>, String> {
        let mut account = self.account.lock().expect("no client panics");
        account.read_on()?;
        Ok(numbers.iter().copied().filter(|number| account.is_settled(QUEUE, *number)).collect())
    }

    /// Writes down which messages came.
    fn note<'a>(&self, label: &str, bodies: impl Iterator<Item = &'a str>) -> Result<Vec<Option<u64>>, String> {
        let mut numbers = Vec::new();
        for text in bodies {
            match body::parse(text) {
                Some((known, number)) if known == label => numbers.push(Some(number)),
                Some(_) | None => {
                    numbers.push(None);
                    self.journal.wrong(label, text)?;
                }
            }
        }
        let mut known: Vec<u64> = numbers.iter().copied().flatten().collect();
        known.retain(|number| !self.forgets || *number != FORGOTTEN);
        self.journal.delivered(label, &known)?;
        Ok(numbers)
    }

    /// Writes down which leadership gave a receipt, once.
    fn note_epoch(&self, port: u16, delivery: &Delivery) -> Result<(), String> {
        let epoch = delivery.epoch().ok_or("a receipt without an epoch")?;
        let mut known = self.epoch.lock().expect("no client panics");
        if *known != (port, epoch) {
            *known = (port, epoch);
            self.journal.epoch(QUEUE, port, epoch)?;
        }
        Ok(())
    }

    /// Drains the queue, reads the topic on, and says what the ledger misses.
    pub(super) fn check(&self, address: SocketAddr, when: &str, report: &mut Report) -> Result<(), String> {
        let mut door = Door::with_token(address, &self.token);
        self.drain(&mut door).map_err(|what| format!("{when}: {what}"))?;
        self.read_topic(&mut door).map_err(|what| format!("{when}: {what}"))?;
        self.judge(when, report)
    }

    /// Reads the topic from its first offset, then checks as ever: what was read once must be there still.
    pub(super) fn check_from_the_start(
        &self,
        address: SocketAddr,
        when: &str,
        report: &mut Report,
    ) -> Result<(), String> {
        let before = self.topic_read.swap(0, Ordering::Relaxed);
        self.check(address, when, report)?;
        let after = self.topic_read.load(Ordering::Relaxed);
        if after < before {
            report.violation(format_args!("{when}: the topic ends at {after}, and had been read up to {before}"));
        }
        Ok(())
    }

    pub(super) fn judge(&self, when: &str, report: &mut Report) -> Result<(), String> {
        let mut account = self.account.lock().expect("no client panics");
        account.read_on()?;
        for label in [QUEUE, TOPIC] {
            account.judge(label, when, report);
        }
        Ok(())
    }

    fn drain(&self, door: &mut Door) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let deliveries = door.receive(QUEUE, &json!({"max": DRAIN_BATCH, "wait_ms": 100, "lease_ms": 30_000}));
            let deliveries = deliveries.map_err(|failed| format!("a receive of a drain: {failed}"))?;
            if deliveries.is_empty() && door.counts(QUEUE)? == (0, 0) {
                return Ok(());
            }
            self.take(door, &deliveries)?.map_err(|failed| format!("an ack of a drain: {failed}"))?;
            if DRAIN_MAX < start.elapsed() {
                return Err(format!("{QUEUE} is not drained within {DRAIN_MAX:?}"));
            }
        }
    }

    fn read_topic(&self, door: &mut Door) -> Result<(), String> {
        loop {
            let from = self.topic_read.load(Ordering::Relaxed);
            let path = format!("/v1/topics/{TOPIC}/partitions/0/messages?limit=1000&offset={from}");
            let page = door.ask("GET", &path, &Value::Null);
            let page = page.map_err(|failed| format!("a read of the topic from {from}: {failed}"))?;
            let records = page["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
            if records.is_empty() {
                return Ok(());
            }
            self.note(TOPIC, records.iter().map(|record| record["body"].as_str().unwrap_or_default()))?;
            let offsets = records.iter().map(|record| record["offset"].as_u64());
            for (place, offset) in (from..).zip(offsets) {
                if offset != Some(place) {
                    return Err(format!("the topic has offset {offset:?} where {place} belongs"));
                }
            }
            let read = u64::try_from(records.len()).expect("a page is short");
            self.topic_read.store(from + read, Ordering::Relaxed);
        }
    }
}

/// A pause under load whose length is drawn.
pub(super) fn a_while(chance: &mut Chance, bounds: (u64, u64)) -> u64 {
    let milliseconds = chance.between(bounds);
    thread::sleep(Duration::from_millis(milliseconds));
    milliseconds
}
