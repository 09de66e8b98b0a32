//! Campaign: what was published through one door is drained through another, with a kill in between.
//! Invariant checked: nothing confirmed over gRPC is missing over REST, nor the other way round.
//! Called by `faults`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::chance::Chance;
use super::door::Door;
use super::grpc::GrpcDoor;
use super::limits::{DOORS_BATCH, DRAIN_TURNS_MAX, LIFE_MS, TRAFFIC_PUBLISHERS};
use super::options::Options;
use super::process::{Broker, Home};
use super::report::Report;
use super::traffic::{QUEUE, Traffic, a_while};

const RUNS: u64 = 10;

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    let mut home = home.below(&[]);
    home.grpc = true;
    let mut broker = home.start()?;
    let traffic = Traffic::new(&home, broker.address, "doors")?;
    let mut chance = Chance::new(options.seed);
    let runs = options.runs.unwrap_or(RUNS);
    for run in 1..=runs {
        let before = traffic.counts()?.confirmed;
        let over_grpc = run % 2 == 1;
        if over_grpc {
            publish_over_grpc(&home, &traffic, &mut broker, &mut chance)?;
        } else {
            traffic.during(broker.address, chance.next(), || {
                a_while(&mut chance, LIFE_MS);
                broker.kill();
            })?;
        }
        broker = home.start().map_err(|why| format!("run {run}: {why}"))?;
        if !over_grpc {
            drain_over_grpc(&home, &traffic, &broker)?;
        }
        traffic.check(broker.address, &format!("run {run}"), report)?;
        let confirmed = traffic.counts()?.confirmed - before;
        let (from, to) = if over_grpc { ("gRPC", "REST") } else { ("REST", "gRPC") };
        report.line(format_args!("  run {run}: {confirmed} confirmed over {from}, killed, drained over {to}"));
        if confirmed == 0 {
            report.violation(format_args!("run {run}: nothing was confirmed: it proves nothing"));
        }
    }
    traffic.check_from_the_start(broker.address, "at the end", report)?;
    report.total("published and drained apart", runs, traffic.counts()?);
    broker.stop().map(drop)
}

fn open(home: &Home, traffic: &Traffic, broker: &Broker) -> Result<GrpcDoor, String> {
    let address = broker.grpc.ok_or("the banner names no gRPC door")?;
    GrpcDoor::new(home, address, &traffic.token)
}

/// Publishes until the broker is killed.
fn publish_over_grpc(home: &Home, traffic: &Traffic, broker: &mut Broker, chance: &mut Chance) -> Result<(), String> {
    let (door, over) = (open(home, traffic, broker)?, AtomicBool::new(false));
    let work = || -> Result<(), String> {
        while !over.load(Ordering::Relaxed) {
            let _outcome_is_in_the_ledger = traffic.to_queue_by(DOORS_BATCH, |bodies| door.publish(QUEUE, bodies))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..TRAFFIC_PUBLISHERS).map(|_| scope.spawn(work)).collect();
        a_while(chance, LIFE_MS);
        broker.kill();
        over.store(true, Ordering::Relaxed);
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))
    })
}

/// Takes everything over gRPC, up to what is leased to clients that are gone.
fn drain_over_grpc(home: &Home, traffic: &Traffic, broker: &Broker) -> Result<(), String> {
    let door = open(home, traffic, broker)?;
    let mut rest = Door::with_token(broker.address, &traffic.token);
    for _ in 0..DRAIN_TURNS_MAX {
        let bodies = door.take(QUEUE).map_err(|failed| format!("a receive over gRPC: {failed}"))?;
        traffic.settled_elsewhere(bodies.iter().map(String::as_str))?;
        if bodies.is_empty() && rest.counts(QUEUE)? == (0, 0) {
            return Ok(());
        }
    }
    Err(String::from("a drain over gRPC does not come to an end"))
}
