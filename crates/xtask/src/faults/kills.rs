//! Campaign: the broker is killed under load, again and again, with a backlog beside it.
//! Invariant checked: what was confirmed arrives, in the order of its key, unchanged; what was acked stays away.
//! Called by `faults`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::body;
use super::chance::Chance;
use super::door::{Door, Failed};
use super::ledger::Ledger;
use super::limits::{DRAIN_MAX, KEYS_PER_PRODUCER, KILL_BATCH, KILL_WORKERS, LIFE_MS, PAUSE, RESTART_MS};
use super::options::Options;
use super::process::Home;
use super::report::{Counts, Report};
use super::{backlog, median_and_most, milliseconds};

const BACKLOG: &str = "backlog";
const QUEUE: &str = "ordered";
const RUNS: u64 = 20;

/// What the threads of a campaign share.
struct Load {
    /// Where the broker is now; none while it is down.
    place: Mutex<Option<SocketAddr>>,
    token: String,
    ledger: Mutex<Ledger>,
    /// Producers go on until this is set.
    sent: AtomicBool,
    /// Consumers go on until this is set.
    seen: AtomicBool,
    /// Refusals that a restart does not explain.
    refused: Mutex<Vec<String>>,
}

impl Load {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no worker panics")
    }

    fn place(&self, now: Option<SocketAddr>) {
        *self.place.lock().expect("no worker panics") = now;
    }

    /// A connection to where the broker is now: the one at hand, or a new one. None while it is down.
    fn door(&self, known: Option<Door>) -> Option<Door> {
        let address = *self.place.lock().expect("no worker panics");
        let address = address?;
        match known {
            Some(door) if door.address() == address => Some(door),
            Some(_) | None => Some(Door::with_token(address, &self.token)),
        }
    }

    /// Waits after a failure; a refusal is noted unless it is one that asks to come back.
    fn pause(&self, doing: &str, failed: &Failed) {
        if let Failed::Refused(code) = failed
            && !matches!(code.as_str(), "busy" | "unavailable" | "not_leader" | "draining" | "timeout")
        {
            self.refused.lock().expect("no worker panics").push(format!("{doing}: {code}"));
        }
        thread::sleep(PAUSE);
    }
}

/// Publishes numbered messages of its own keys, each batch until it is confirmed.
fn produce(load: &Load, producer: u64, mut chance: Chance) {
    let mut door = None;
    while !load.sent.load(Ordering::Relaxed) {
        let mut numbers = Vec::new();
        for _ in 0..chance.between((1, KILL_BATCH)) {
            let key = producer * KEYS_PER_PRODUCER + chance.below(KEYS_PER_PRODUCER);
            let place = usize::try_from(key).expect("keys are few");
            numbers.push((place, load.ledger().take(place)));
        }
        let messages: Vec<String> = numbers
            .iter()
            .map(|(key, number)| {
                let body = body::body(&key.to_string(), *number);
                format!("{{\"body\":\"{body}\",\"key\":\"{key}\",\"id\":\"{key}-{number}\"}}")
            })
            .collect();
        loop {
            if load.seen.load(Ordering::Relaxed) {
                return;
            }
            door = load.door(door);
            let Some(open) = &mut door else {
                thread::sleep(PAUSE);
                continue;
            };
            match open.publish(QUEUE, &messages) {
                Ok(()) => break,
                Err(failed) => load.pause("publish", &failed),
            }
        }
        let mut ledger = load.ledger();
        numbers.iter().for_each(|(key, number)| ledger.confirm(*key, *number));
    }
}

/// Receives and acks.
fn consume(load: &Load) {
    let mut door = None;
    while !load.seen.load(Ordering::Relaxed) {
        door = load.door(door);
        let Some(open) = &mut door else {
            thread::sleep(PAUSE);
            continue;
        };
        let deliveries = match open.receive(QUEUE, &json!({"max": 100, "wait_ms": 200})) {
            Ok(deliveries) => deliveries,
            Err(failed) => {
                load.pause("receive", &failed);
                continue;
            }
        };
        if deliveries.is_empty() {
            continue;
        }
        let parsed = |text: &str| body::parse(text).and_then(|(key, number)| Some((key.parse().ok()?, number)));
        let names: Vec<Option<(usize, u64)>> = deliveries.iter().map(|one| parsed(&one.body)).collect();
        let mut ledger = load.ledger();
        for (name, delivery) in names.iter().zip(&deliveries) {
            match name {
                Some((key, number)) => ledger.deliver(*key, *number),
                None => ledger.wrong_bodies.push(delivery.body.chars().take(40).collect()),
            }
        }
        drop(ledger);
        match open.settle(QUEUE, &deliveries) {
            Ok(results) => {
                let mut ledger = load.ledger();
                let settled = names.iter().zip(results).filter(|(_, settled)| *settled);
                settled.filter_map(|(name, _)| *name).for_each(|(key, number)| ledger.settle(key, number));
            }
            Err(failed) => load.pause("ack", &failed),
        }
    }
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut broker = home.start()?;
    let token = Door::log_in(broker.address)?;
    let mut door = Door::with_token(broker.address, &token);
    door.create(BACKLOG, &json!({}))?;
    // A lease that was handed to a dead connection must end soon, and no message may run out of deliveries.
    door.create(QUEUE, &json!({"order": "per_key", "lease_ms": 3000, "delivery_limit": 1_000_000}))?;
    let start = Instant::now();
    backlog::fill(broker.address, &token, BACKLOG, options.backlog)?;
    report.line(format_args!("  backlog of {} stored after {} s", options.backlog, start.elapsed().as_secs()));

    let keys = usize::try_from(KILL_WORKERS * KEYS_PER_PRODUCER).expect("keys are few");
    let load = Load {
        place: Mutex::new(Some(broker.address)),
        token,
        ledger: Mutex::new(Ledger::new(keys)),
        sent: AtomicBool::new(false),
        seen: AtomicBool::new(false),
        refused: Mutex::new(Vec::new()),
    };
    let mut chance = Chance::new(options.seed);
    let restarts = thread::scope(|scope| {
        let mut producers = Vec::new();
        for producer in 0..KILL_WORKERS {
            let (load, chance) = (&load, Chance::new(chance.next()));
            producers.push(scope.spawn(move || produce(load, producer, chance)));
            scope.spawn(move || consume(load));
        }
        let restarts = kill_again_and_again(options, home, report, &load, &mut broker, &mut chance);
        load.sent.store(true, Ordering::Relaxed);
        // A campaign that failed has no broker to confirm the last batches: let go of them.
        load.seen.store(restarts.is_err(), Ordering::Relaxed);
        producers.into_iter().for_each(|producer| producer.join().expect("a producer does not panic"));
        let drained = restarts.and_then(|restarts| until_drained(&load, broker.address).map(|()| restarts));
        load.seen.store(true, Ordering::Relaxed);
        drained
    })?;
    judge(options, report, &load, broker.address)?;
    let (median, most) = median_and_most(restarts);
    report.at_most("restart after a kill, median", median, RESTART_MS, "ms");
    report.at_most("restart after a kill, most", most, RESTART_MS, "ms");
    broker.stop().map(drop)
}

fn kill_again_and_again(
    options: &Options,
    home: &Home,
    report: &mut Report,
    load: &Load,
    broker: &mut super::process::Broker,
    chance: &mut Chance,
) -> Result<Vec<u64>, String> {
    let mut restarts = Vec::new();
    for run in 1..=options.runs.unwrap_or(RUNS) {
        if !report.begins_a_run() {
            break;
        }
        let before = load.ledger().confirmed();
        let life = chance.between(LIFE_MS);
        thread::sleep(Duration::from_millis(life));
        load.place(None);
        broker.kill();
        let confirmed = load.ledger().confirmed() - before;
        *broker = home.start()?;
        load.place(Some(broker.address));
        let took = milliseconds(broker.ready_after);
        restarts.push(took);
        let (waiting, leased) = Door::with_token(broker.address, &load.token).counts(BACKLOG)?;
        report.line(format_args!(
            "  kill {run} of seed {}: lived {life} ms, {confirmed} confirmed, ready after {took} ms",
            options.seed
        ));
        if waiting + leased != options.backlog {
            report.violation(format_args!("the backlog holds {} of {}", waiting + leased, options.backlog));
        }
    }
    Ok(restarts)
}

/// Waits until every message of the load has been consumed.
fn until_drained(load: &Load, address: SocketAddr) -> Result<(), String> {
    let start = Instant::now();
    let mut door = Door::with_token(address, &load.token);
    loop {
        let left = door.counts(QUEUE)?;
        if left == (0, 0) {
            return Ok(());
        }
        if DRAIN_MAX < start.elapsed() {
            return Err(format!("not drained within {DRAIN_MAX:?}: {left:?} wait and are with consumers"));
        }
        thread::sleep(PAUSE * 5);
    }
}

fn judge(options: &Options, report: &mut Report, load: &Load, address: SocketAddr) -> Result<(), String> {
    let drained = backlog::drain(address, &load.token, BACKLOG, options.backlog)?;
    report.violations("messages of the backlog lost", &drained.missing_from(0));
    report.violations("messages of the backlog that nobody sent", &drained.wrong);
    let refused = load.refused.lock().expect("no worker panics");
    if !refused.is_empty() {
        let shown: Vec<&String> = refused.iter().take(3).collect();
        report.line(format_args!("  {} refusals during restarts, such as {shown:?}", refused.len()));
    }
    let ledger = load.ledger();
    report.violations("confirmed messages lost", &ledger.lost());
    report.violations("bodies that nobody sent", &ledger.wrong_bodies);
    report.violations("messages never sent", &ledger.never_sent);
    report.violations("first deliveries out of order", &ledger.wrong_order);
    report.violations("deliveries after a confirmed ack", &ledger.after_ack);
    report.line(format_args!(
        "  {} confirmed, {} deliveries, {} of them again; backlog of {} drained, {} again",
        ledger.confirmed(),
        ledger.deliveries,
        ledger.again,
        options.backlog,
        drained.again
    ));
    let lost = ledger.lost_count();
    let counts = Counts {
        intended: ledger.sent(),
        confirmed: ledger.confirmed(),
        unknown: ledger.sent() - ledger.confirmed(),
        delivered: ledger.deliveries,
        again: ledger.again,
        lost,
        ..Counts::default()
    };
    report.total("kills under load", options.runs.unwrap_or(RUNS), counts);
    if ledger.confirmed() == 0 {
        report.violation("nothing was confirmed: the campaign proves nothing");
    }
    Ok(())
}
