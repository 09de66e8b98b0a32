//! Campaign: three nodes of one cluster, of which one at a time, or all, are killed, stopped or asked to end, under load
//! that comes through a gateway.
//! Invariant checked: nothing confirmed is lost, nothing wrong is served, and work goes on once a majority runs.
//! Called by `faults`.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::chance::Chance;
use super::door::Door;
use super::hosts;
use super::limits::{ANSWER_MAX, BEFORE_FAULT, CLUSTER_AWAY_MS, CLUSTER_GAP_MS, CLUSTER_NODES, PAUSE};
use super::options::Options;
use super::process::{Broker, Home};
use super::report::Report;
use super::traffic::Traffic;
use super::{median_and_most, milliseconds};

const RUNS: u64 = 10;

/// What happens to nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// kill -9 of the leader.
    KillLeader,
    /// kill -9 of any node.
    Kill,
    /// SIGSTOP of the leader, for a while.
    PauseLeader,
    /// SIGTERM of the leader.
    StopLeader,
    /// kill -9 of all.
    KillAll,
}

impl Fault {
    const ALL: [Self; 5] = [Self::KillLeader, Self::Kill, Self::PauseLeader, Self::StopLeader, Self::KillAll];

    const fn words(self) -> &'static str {
        match self {
            Self::KillLeader => "kill -9 of the leader",
            Self::Kill => "kill -9 of a node",
            Self::PauseLeader => "SIGSTOP of the leader",
            Self::StopLeader => "SIGTERM of the leader",
            Self::KillAll => "kill -9 of all",
        }
    }
}

pub(super) struct Node {
    pub(super) home: Home,
    /// None while it is down.
    pub(super) broker: Option<Broker>,
}

/// The nodes of one cluster.
pub(super) struct Nodes(pub(super) Vec<Node>);

impl Nodes {
    /// Three nodes, grown from one.
    fn grow(home: &Home) -> Result<Self, String> {
        Self::grow_with(home, &[])
    }

    /// Three nodes, each with these words behind the others.
    pub(super) fn grow_with(home: &Home, words: &[&str]) -> Result<Self, String> {
        let mut nodes = Self(Vec::new());
        for number in 0..CLUSTER_NODES {
            let mut own = home.with_data(home.folder.join(format!("node-{number}")));
            own.grpc = true;
            own.words = ["--peer-address", "127.0.0.1:0"].map(String::from).to_vec();
            own.words.extend(words.iter().copied().map(String::from));
            if let Some(first) = nodes.0.first() {
                let token = first.ask(&["join-token"])?;
                let through = first.address()?;
                own.words.extend(["--join", &through, "--join-token", token.trim()].map(String::from));
            }
            let broker = own.start()?;
            let grpc = broker.grpc.ok_or("a node without gRPC")?.to_string();
            let mut node = Node { home: own, broker: Some(broker) };
            node.home.words = vec![String::from("--peer-address"), node.address()?, String::from("--grpc"), grpc];
            node.home.words.extend(words.iter().copied().map(String::from));
            nodes.0.push(node);
            nodes.until_all_vote()?;
        }
        Ok(nodes)
    }

    fn until_all_vote(&self) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < ANSWER_MAX {
            let status: serde_json::Value = serde_json::from_str(&self.status()).unwrap_or_default();
            let voters =
                status["nodes"].as_array().map_or(0, |nodes| nodes.iter().filter(|node| node["votes"] == true).count());
            if voters == self.0.len() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Err(format!("{} nodes do not all vote within {ANSWER_MAX:?}", self.0.len()))
    }

    /// What a node that runs says about all of them; empty while none does.
    fn status(&self) -> String {
        let running = self.0.iter().filter(|node| node.broker.is_some());
        running.filter_map(|node| node.ask(&["status", "--output", "json"]).ok()).next().unwrap_or_default()
    }

    /// The place of the node that leads.
    pub(super) fn leader(&self) -> Result<usize, String> {
        let start = Instant::now();
        while start.elapsed() < ANSWER_MAX {
            let status: serde_json::Value = serde_json::from_str(&self.status()).unwrap_or_default();
            let leader = status["leader"].as_u64();
            let leads = |node: &Node| node.broker.is_some() && node.number() == leader && leader.is_some();
            if let Some(place) = self.0.iter().position(leads) {
                return Ok(place);
            }
            thread::sleep(PAUSE);
        }
        Err(format!("nobody leads within {ANSWER_MAX:?}"))
    }

    pub(super) fn start(&mut self, place: usize) -> Result<(), String> {
        let node = &mut self.0[place];
        node.broker = Some(node.home.start()?);
        Ok(())
    }

    pub(super) fn kill(&mut self, place: usize) {
        if let Some(mut broker) = self.0[place].broker.take() {
            broker.kill();
        }
    }

    /// Does harm for a while; how long it took until a publish was confirmed again.
    fn harm(&mut self, fault: Fault, away: Duration, any: usize, load: &Load<'_>) -> Result<u64, String> {
        thread::sleep(BEFORE_FAULT);
        let victim = if fault == Fault::Kill { any } else { self.leader()? };
        let start = Instant::now();
        match fault {
            Fault::KillLeader | Fault::Kill => self.kill(victim),
            Fault::PauseLeader => self.signal(victim, "STOP")?,
            Fault::StopLeader => {
                let broker = self.0[victim].broker.take().ok_or("the leader is down")?;
                broker.stop()?;
            }
            Fault::KillAll => {
                (0..self.0.len()).for_each(|place| self.kill(place));
                // They wait for each other: none is ready alone.
                for node in &mut self.0 {
                    node.broker = Some(node.home.spawn()?);
                }
                for node in &mut self.0 {
                    node.broker.as_mut().map_or(Ok(()), Broker::until_ready)?;
                }
                return load.until_confirmed(start);
            }
        }
        let gap = load.until_confirmed(start)?;
        thread::sleep(away.saturating_sub(start.elapsed()));
        if fault == Fault::PauseLeader {
            self.signal(victim, "CONT")?
        } else {
            self.start(victim)?
        }
        Ok(gap)
    }

    fn signal(&self, place: usize, name: &str) -> Result<(), String> {
        self.0[place].broker.as_ref().ok_or("the node is down")?.signal(name)
    }
}

impl Node {
    fn file(&self, name: &str) -> Result<String, String> {
        let path = self.home.data().join("cluster").join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }

    fn address(&self) -> Result<String, String> {
        self.file("address")
    }

    pub(super) fn number(&self) -> Option<u64> {
        self.file("node").ok()?.split(' ').next()?.parse().ok()
    }

    pub(super) fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.home.binary);
        command.arg("cluster").args(words).arg("--data").arg(self.home.data());
        let ended = command.output().map_err(|error| format!("cannot run recado cluster: {error}"))?;
        if !ended.status.success() {
            return Err(String::from_utf8_lossy(&ended.stderr).into_owned());
        }
        Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
    }
}

/// The clients, at the door of the gateway.
pub(super) struct Load<'a> {
    pub(super) traffic: &'a Traffic,
    pub(super) gateway: SocketAddr,
}

impl Load<'_> {
    /// Milliseconds from `start` until a publish is confirmed that began after it.
    fn until_confirmed(&self, start: Instant) -> Result<u64, String> {
        let mut door = Door::with_token(self.gateway, &self.traffic.token);
        while self.traffic.to_queue(&mut door, 1)?.is_err() {
            if ANSWER_MAX < start.elapsed() {
                return Err(format!("nothing is confirmed within {ANSWER_MAX:?} of the fault"));
            }
            thread::sleep(PAUSE);
        }
        Ok(milliseconds(start.elapsed()))
    }
}

/// Starts the gateway that the clients use, so that they need not know who leads.
pub(super) fn gateway(home: &Home, nodes: &Nodes) -> Result<Broker, String> {
    let doors = nodes.0.iter().filter_map(|node| node.broker.as_ref()?.grpc).map(|grpc| format!("http://{grpc}"));
    let brokers = doors.collect::<Vec<_>>().join(",");
    let words = ["gateway", "--brokers", &brokers, "--http", "127.0.0.1:0", "--grpc", "none", "--amqp", "none"];
    let mut all = vec![home.binary.display().to_string()];
    all.extend(words.map(String::from));
    let log = std::fs::File::create(home.folder.join("gateway.log"));
    let mut gateway = Broker::spawn(&all, log.map_err(|error| format!("cannot write the log: {error}"))?)?;
    gateway.until_ready()?;
    Ok(gateway)
}

/// Runs the campaign.
pub(super) fn run(options: &Options, home: &Home, report: &mut Report) -> Result<(), String> {
    if options.field.namespaces {
        return hosts::run(options, home, report);
    }
    let mut nodes = Nodes::grow(home)?;
    let gateway = gateway(home, &nodes)?;
    let traffic = Traffic::new(home, gateway.address, "cluster")?;
    let load = Load { traffic: &traffic, gateway: gateway.address };
    let mut chance = Chance::new(options.seed);
    let (mut gaps, runs) = (Vec::new(), options.runs.unwrap_or(RUNS));
    for (run, fault) in (1..=runs).zip(Fault::ALL.into_iter().cycle()) {
        if !report.begins_a_run() {
            break;
        }
        let away = Duration::from_millis(chance.between(CLUSTER_AWAY_MS));
        let any = usize::try_from(chance.below(CLUSTER_NODES)).expect("nodes are few");
        let before = traffic.counts()?;
        let gap = traffic.during(gateway.address, chance.next(), || nodes.harm(fault, away, any, &load))??;
        let during = traffic.counts()?;
        let when = format!("run {run}, {}", fault.words());
        traffic.check(gateway.address, &when, report)?;
        let confirmed = during.confirmed - before.confirmed;
        report.line(format_args!("  {when}: {confirmed} confirmed beside it, the first {gap} ms after it"));
        if fault != Fault::KillAll {
            gaps.push(gap);
        }
    }
    traffic.check_from_the_start(gateway.address, "after all runs", report)?;
    let (median, most) = median_and_most(gaps);
    report.line(format_args!("  until a publish is confirmed: median {median} ms"));
    report.at_most("first confirmation while a majority runs, most", most, CLUSTER_GAP_MS, "ms");
    report.total("faults of three nodes", runs, traffic.counts()?);
    report.line(format_args!("  refusals by code: {:?}", traffic.codes()));
    gateway.stop()?;
    for node in nodes.0 {
        node.broker.map_or(Ok(()), |broker| broker.stop().map(drop))?;
    }
    Ok(())
}
