//! The nodes of a cluster and its gateways, each on a host of its own.
//! Invariant: a process ends with its value; a node that is gone for ever leaves its folder and number behind.
//! Used by `field` and `harm`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use super::network::Host;
use crate::faults::clocks::{self, WallClock};
use crate::faults::device::mount::{Filesystem, Mounted, call};
use crate::faults::limits::{ANSWER_MAX, LEFT_MIB, PAUSE, STOP_MAX};
use crate::faults::process::{Broker, Home, if_there};

/// The address of the first node, in its last number.
pub(super) const FIRST: u8 = 10;
/// The address of the first gateway.
const FIRST_GATEWAY: u8 = 100;

/// The file that takes the room of a disk.
const FILLER: &str = "filler";

/// What nodes are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ground {
    /// The filesystem of their disks, when each has one of its own.
    pub(super) disks: Option<Filesystem>,
    /// Whether each has a clock of its own.
    pub(super) clocks: bool,
}

/// One node.
pub(super) struct Member {
    pub(super) home: Home,
    pub(super) host: Host,
    /// None while it is down.
    pub(super) broker: Option<Broker>,
    /// Whether it stands still, so that nobody asks it.
    pub(super) paused: bool,
    /// What it is on, where the campaign serves that.
    pub(super) disk: Option<Mounted>,
    /// Its wall clock, where the campaign sets that.
    clock: Option<WallClock>,
}

impl Member {
    fn file(&self, name: &str) -> Result<String, String> {
        let path = self.home.data().join("cluster").join(name);
        fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    }

    /// Its number in the cluster.
    pub(super) fn number(&self) -> Option<u64> {
        self.file("node").ok()?.split(' ').next()?.parse().ok()
    }

    /// Whether it runs and answers.
    pub(super) fn is_up(&self) -> bool {
        self.broker.is_some() && !self.paused
    }

    /// `recado cluster`, on the folder of this node.
    pub(super) fn ask(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("timeout");
        command.arg("15").arg(&self.home.binary).arg("cluster").args(words).arg("--data").arg(self.home.data());
        let ended = command.stdin(Stdio::null()).output();
        let ended = ended.map_err(|error| format!("cannot run recado cluster: {error}"))?;
        if ended.status.success() {
            return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
        }
        Err(format!("recado cluster {}: {}", words.join(" "), String::from_utf8_lossy(&ended.stderr).trim()))
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.ask(&["status", "--output", "json"]).ok()?).ok()
    }

    /// Sends a signal by name.
    pub(super) fn signal(&mut self, name: &str) -> Result<(), String> {
        self.paused = name == "STOP";
        self.broker.as_ref().ok_or("the node is down")?.signal(name)
    }

    /// kill -9.
    pub(super) fn kill(&mut self) {
        self.paused = false;
        if let Some(mut broker) = self.broker.take() {
            broker.kill();
        }
    }

    /// The power goes: what its disk did not flush is lost. It comes back with the power of the disk, and is not started.
    pub(super) fn power_back(&mut self) -> Result<(), String> {
        self.kill();
        let disk = self.disk.as_mut().ok_or("the node has no disk whose power could go")?;
        disk.unmount()?;
        disk.mount_again()
    }

    /// Its wall clock is so many seconds ahead of that of this machine. Without a clock of its own it stays right.
    pub(super) fn jump(&self, ahead: i64) -> Result<(), String> {
        match (&self.clock, ahead) {
            (Some(clock), _) => clock.set(ahead),
            (None, 0) => Ok(()),
            (None, _) => Err(String::from("the nodes have no clocks of their own: --clocks")),
        }
    }

    /// Its disk is nearly full.
    pub(super) fn fill_disk(&self) -> Result<(), String> {
        let disk = self.disk.as_ref().ok_or("the nodes have no disks of their own: --disks")?;
        let folder = disk.folder.display().to_string();
        let told = Command::new("df").args(["--output=avail", "-BM", &folder]).stdin(Stdio::null()).output();
        let told = told.map_err(|error| format!("cannot start df: {error}"))?;
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        let free = text.lines().last().and_then(|line| line.trim().trim_end_matches('M').parse::<u64>().ok());
        let taken = free.ok_or_else(|| format!("df says {text}"))?.saturating_sub(LEFT_MIB).max(1);
        call("fallocate", &["-l", &format!("{taken}MiB"), &format!("{folder}/{FILLER}")])
    }

    /// The room of its disk is there again.
    pub(super) fn empty_disk(&self) -> Result<(), String> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let removed = fs::remove_file(disk.folder.join(FILLER));
        if_there(removed).map_err(|error| format!("cannot empty a disk: {error}"))
    }

    /// Starts it and does not wait.
    pub(super) fn launch(&mut self) -> Result<(), String> {
        self.broker = Some(self.home.spawn()?);
        Ok(())
    }

    /// Waits until it is ready.
    pub(super) fn until_ready(&mut self) -> Result<(), String> {
        let name = self.host.address();
        let ended = self.broker.as_mut().map_or(Ok(()), Broker::until_ready);
        ended.map_err(|status| format!("node {name} ended with {status}: {}", last_lines(&self.home)))
    }

    /// Waits until it has ended by itself.
    pub(super) fn until_ended(&mut self) -> Result<String, String> {
        let Some(mut broker) = self.broker.take() else { return Ok(String::from("it was down")) };
        let ended = broker.end_within(STOP_MAX).ok_or_else(|| format!("it does not end within {STOP_MAX:?}"))?;
        Ok(ended.to_string())
    }
}

fn last_lines(home: &Home) -> String {
    let log = home.log();
    let lines: Vec<&str> = log.lines().rev().take(3).collect();
    lines.join(" | ")
}

/// All nodes that the cluster has.
pub(super) struct Members {
    pub(super) all: Vec<Member>,
    home: Home,
    ground: Ground,
    /// Folders that were given out.
    made: u64,
}

impl Members {
    /// A cluster of one node.
    pub(super) fn first(home: &Home, ground: Ground) -> Result<Self, String> {
        let mut members = Self { all: Vec::new(), home: home.with_data(home.folder.clone()), ground, made: 0 };
        let first = members.started(Host::new(FIRST)?, &[])?;
        members.all.push(first);
        members.until_voting(1)?;
        Ok(members)
    }

    /// A cluster of so many nodes, grown from one.
    pub(super) fn grow(home: &Home, nodes: u64, ground: Ground) -> Result<Self, String> {
        let mut members = Self::first(home, ground)?;
        for number in (FIRST + 1..).take(usize::try_from(nodes - 1).expect("nodes are few")) {
            members.join(Host::new(number)?)?;
        }
        Ok(members)
    }

    /// A new node on this host, that is ready.
    fn started(&mut self, host: Host, words: &[String]) -> Result<Member, String> {
        let address = host.address();
        let mut home = Home::new(self.home.folder.join(format!("node{}", self.made)), &self.home.binary)?;
        self.made += 1;
        let disk =
            self.ground.disks.map(|filesystem| Mounted::new(filesystem, &home.folder.join("disk"))).transpose()?;
        if let Some(disk) = &disk {
            home = home.with_data(disk.folder.join("data"));
        }
        let clock = self.ground.clocks.then(|| WallClock::new(home.folder.join("clock"))).transpose()?;
        let under = clock.as_ref().map(|clock| Ok::<_, String>(clock.words(&clocks::library()?))).transpose()?;
        home.below = [host.words(), under.unwrap_or_default(), self.home.below.clone()].concat();
        let doors = [("--http", 8080), ("--grpc", 8081), ("--peer-address", 7000)];
        let doors = doors.into_iter().flat_map(|(flag, port)| [flag.to_owned(), format!("{address}:{port}")]);
        let standing: Vec<String> = doors.chain([String::from("--insecure-plaintext")]).collect();
        home.words = [standing.clone(), words.to_vec()].concat();
        let mut member = Member { home, host, broker: None, paused: false, disk, clock };
        member.launch()?;
        member.until_ready()?;
        member.home.words = standing;
        Ok(member)
    }

    /// A new node joins, and votes.
    pub(super) fn join(&mut self, host: Host) -> Result<(), String> {
        let through = self.leader()?;
        let token = self.all[through].ask(&["join-token"])?;
        let address = format!("{}:7000", self.all[through].host.address());
        let words = ["--join", &address, "--join-token", token.trim()].map(String::from);
        let member = self.started(host, &words)?;
        self.all.push(member);
        self.until_voting(self.all.len())
    }

    /// Takes a node out for ever, and ends it; its host.
    pub(super) fn remove(&mut self, place: usize) -> Result<Host, String> {
        let number = self.all[place].number().ok_or("the node has no number")?.to_string();
        let start = Instant::now();
        loop {
            let asked = self.all.iter().enumerate().find(|(at, member)| *at != place && member.is_up());
            let (_, asked) = asked.ok_or("nobody is there to be asked")?;
            match asked.ask(&["remove", &number]) {
                Ok(_) => break,
                Err(why) if ANSWER_MAX < start.elapsed() => return Err(why),
                Err(_) => thread::sleep(PAUSE),
            }
        }
        let mut gone = self.all.remove(place);
        gone.kill();
        drop(gone.disk.take());
        let removed = fs::remove_dir_all(&gone.home.folder);
        removed.map_err(|error| format!("cannot remove the folder of a node: {error}"))?;
        Ok(gone.host)
    }

    /// What the node of the newest term says about all of them.
    fn status(&self) -> Value {
        let told = self.all.iter().filter(|member| member.is_up()).filter_map(Member::status);
        told.max_by_key(|status| status["term"].as_u64()).unwrap_or_default()
    }

    fn until_voting(&self, voters: usize) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < ANSWER_MAX {
            let status = self.status();
            let nodes = status["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
            if nodes.iter().filter(|node| node["votes"] == true).count() == voters {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Err(format!("{voters} nodes do not all vote within {ANSWER_MAX:?}"))
    }

    /// The place of the node that leads.
    pub(super) fn leader(&self) -> Result<usize, String> {
        let start = Instant::now();
        while start.elapsed() < ANSWER_MAX {
            let leader = self.status()["leader"].as_u64();
            let leads = |member: &Member| member.is_up() && member.number() == leader && leader.is_some();
            if let Some(place) = self.all.iter().position(leads) {
                return Ok(place);
            }
            thread::sleep(PAUSE);
        }
        Err(format!("nobody leads within {ANSWER_MAX:?}"))
    }

    /// The network of every host is whole again.
    pub(super) fn heal(&self) -> Result<(), String> {
        self.all.iter().try_for_each(|member| member.host.heal())
    }

    /// Starts all that are down, at once: some wait for each other.
    pub(super) fn start_all(&mut self) -> Result<(), String> {
        let down: Vec<usize> = (0..self.all.len()).filter(|at| self.all[*at].broker.is_none()).collect();
        down.iter().try_for_each(|at| self.all[*at].launch())?;
        down.iter().try_for_each(|at| self.all[*at].until_ready())
    }

    /// Asks all of them to end.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        for member in &mut self.all {
            if let Some(broker) = member.broker.take() {
                broker.stop()?;
            }
        }
        Ok(())
    }
}

/// A gateway, on a host of its own.
pub(super) struct Gateway {
    pub(super) host: Host,
    words: Vec<String>,
    home: Home,
    broker: Option<Broker>,
}

impl Gateway {
    /// The one of this number, in front of so many nodes: also of those that come later.
    pub(super) fn start(home: &Home, number: u8, nodes: u64) -> Result<Self, String> {
        let host = Host::new(FIRST_GATEWAY + number)?;
        let address = host.address();
        let numbers = (FIRST..).take(usize::try_from(nodes).expect("nodes are few"));
        let mut doors: Vec<String> =
            numbers.map(|number| format!("http://{}:8081", Host::address_of(number))).collect();
        // Each comes in through another node, so that one at least does not lead.
        let first = usize::from(number) % doors.len();
        doors.rotate_left(first);
        let (brokers, http) = (doors.join(","), format!("{address}:8080"));
        let words = ["gateway", "--brokers", &brokers, "--http", &http, "--grpc", "none", "--amqp", "none"];
        let program = [home.binary.display().to_string()];
        let insecure = [String::from("--insecure-plaintext")];
        let words = [host.words(), program.to_vec(), words.map(String::from).to_vec(), insecure.to_vec()].concat();
        let folder = home.folder.join(format!("gateway{number}"));
        fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let home = home.with_data(folder);
        let mut gateway = Self { host, words, home, broker: None };
        gateway.again()?;
        Ok(gateway)
    }

    /// Starts it once more.
    pub(super) fn again(&mut self) -> Result<(), String> {
        let file = self.home.data().join("log");
        let log = File::options().create(true).append(true).open(file);
        let mut broker = Broker::spawn(&self.words, log.map_err(|error| format!("cannot write the log: {error}"))?)?;
        broker.until_ready().map_err(|status| format!("a gateway ended with {status}"))?;
        self.broker = Some(broker);
        Ok(())
    }

    /// kill -9.
    pub(super) fn kill(&mut self) {
        if let Some(mut broker) = self.broker.take() {
            broker.kill();
        }
    }

    /// Where clients find it.
    pub(super) fn door(&self) -> Result<SocketAddr, String> {
        self.broker.as_ref().map(|broker| broker.address).ok_or_else(|| String::from("the gateway is down"))
    }
}
