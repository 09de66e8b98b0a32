//! A cluster that grows and shrinks while it has much to do: one node, three, five, and three again.
//! Invariant checked: nothing confirmed is lost, and no client waits long for a confirm.
//! Called by the root of this folder for `--growth`.

use std::thread;
use std::time::Instant;

use super::clients::{Clients, Order, Pace};
use super::findings::Finding;
use super::harm::Harm;
use super::members::{FIRST, Gateway, Ground, Members};
use super::network::Host;
use crate::faults::chance::Chance;
use crate::faults::limits::{
    CLUSTER_GATEWAYS, DRAIN_BATCH, GROWTH_BATCH, GROWTH_EACH, GROWTH_GAP_MS, GROWTH_PAUSE, GROWTH_RATE,
};
use crate::faults::milliseconds;
use crate::faults::process::Home;
use crate::faults::report::Report;

/// Most nodes.
const NODES: u8 = 5;

/// Grows one cluster and lets it shrink.
pub(super) fn run(home: &Home, ground: Ground, chance: &mut Chance, report: &mut Report) -> Result<(), String> {
    let mut members = Members::first(home, ground)?;
    // The hosts are there before their nodes: a gateway is refused there, and does not wait.
    let mut hosts = (FIRST + 1..FIRST + NODES).map(Host::new).collect::<Result<Vec<_>, String>>()?.into_iter();
    let mut gateways = Vec::new();
    for number in 0..CLUSTER_GATEWAYS {
        gateways.push(Gateway::start(home, number, u64::from(NODES))?);
    }
    let doors = gateways.iter().map(Gateway::door).collect::<Result<Vec<_>, String>>()?;
    let clients = Clients::new(home, doors, Order::None)?;
    let pace = Pace { batch: GROWTH_BATCH, each: GROWTH_EACH, take: DRAIN_BATCH };
    let mut begun = Instant::now();
    let mut took = begun;
    let seed = chance.next();
    clients.during(pace, seed, || -> Result<(), String> {
        thread::sleep(GROWTH_PAUSE);
        begun = Instant::now();
        for (step, grows) in [("one to three", true), ("three to five", true), ("five to three", false)] {
            let start = Instant::now();
            for _ in 0..2 {
                if grows {
                    members.join(hosts.next().ok_or("there are no more hosts")?)?;
                } else {
                    let _host = members.remove(members.all.len() - 1)?;
                }
            }
            report.line(format_args!("  {step} nodes in {} ms", milliseconds(start.elapsed())));
            thread::sleep(GROWTH_PAUSE);
        }
        took = Instant::now();
        Ok(())
    })??;
    let rate = clients.confirmed() * 1000 / milliseconds(took - begun + GROWTH_PAUSE).max(1);
    let (confirms, confirmed) = (clients.confirms(), clients.confirmed());
    let finding = Finding::new(Harm::Replace, (rate, rate), confirmed, &confirms, (begun, begun, took));
    report.line(format_args!("  {}", finding.line()));
    report.at_most("growth: longest silence of a client", finding.longest_silence(), GROWTH_GAP_MS, "ms");
    let short = GROWTH_RATE.saturating_sub(rate);
    report.at_most(&format!("growth: below {GROWTH_RATE} confirmed a second by"), short, 0, "a second");
    clients.check_from_the_start("after growth", report)?;
    gateways.iter_mut().for_each(Gateway::kill);
    let (counts, _) = clients.counts()?;
    report.total("one to three to five to three", 1, counts);
    members.stop()
}
