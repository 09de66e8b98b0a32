//! Three nodes of one cluster, as processes on this machine: one with data grows into three, and what was confirmed is
//! there whoever is killed, at whichever door.

#![allow(clippy::unwrap_used, reason = "a test that meets the impossible stops there")]

mod support;
mod world;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use world::{Client, Node, PASSWORD, Process, texts};

/// Longest wait for what must come: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

/// A node and what it runs as.
struct Place {
    node: Node,
    process: Option<Process>,
}

struct Nodes {
    places: Vec<Place>,
    /// The first of the addresses that its nodes have.
    range: u8,
    // Last: the folder goes after the processes.
    home: TempDir,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (at, Place { node, process }) in self.places.iter().enumerate() {
                let state = if process.is_some() { "running" } else { "stopped" };
                let text = format!("--- node {at} ({state})\n{}\n", node.log());
                std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
            }
        }
    }
}

impl Nodes {
    /// A broker without a cluster that holds a queue with these messages, stopped again.
    fn alone(bodies: std::ops::Range<u64>) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        static RANGES: AtomicU8 = AtomicU8::new(1);
        let range = RANGES.fetch_add(16, Ordering::Relaxed);
        let mut nodes = Self { places: Vec::new(), range, home };
        let at = nodes.add();
        nodes.places[at].process = Some(nodes.node(at).start(&[]));
        let mut client = nodes.client(0);
        client.put("/v1/queues/orders", &Value::Null).ok(201);
        for body in bodies {
            publish(&mut client, body);
        }
        nodes.stop(0);
        nodes
    }

    /// The same, as the first node of a cluster.
    fn first(bodies: std::ops::Range<u64>) -> Self {
        let mut nodes = Self::alone(bodies);
        nodes.places[0].process = Some(nodes.node(0).found());
        nodes
    }

    /// Three nodes, grown from that one.
    fn three(bodies: std::ops::Range<u64>) -> Self {
        let mut nodes = Self::first(bodies);
        nodes.join();
        nodes.join();
        nodes
    }

    fn add(&mut self) -> usize {
        let at = self.places.len();
        let node = Node::new(self.home.path(), at, self.range + u8::try_from(at).unwrap());
        self.places.push(Place { node, process: None });
        at
    }

    fn node(&self, at: usize) -> &Node {
        &self.places[at].node
    }

    fn process(&self, at: usize) -> &Process {
        self.places[at].process.as_ref().unwrap()
    }

    fn start_again(&mut self, at: usize) {
        self.places[at].process = Some(self.node(at).start_again());
    }

    /// A new node joins through the first one that runs, and votes.
    fn join(&mut self) -> usize {
        let (through, at) = (self.running()[0], self.add());
        self.places[at].process = Some(self.node(at).join(self.node(through)));
        eventually("the new node votes", || self.node(at).votes());
        at
    }

    fn number(&self, at: usize) -> u64 {
        self.node(at).number()
    }

    fn running(&self) -> Vec<usize> {
        (0..self.places.len()).filter(|at| self.places[*at].process.is_some()).collect()
    }

    fn cluster(&self, at: usize, words: &[&str]) -> String {
        self.node(at).cluster(words).unwrap_or_else(|said| panic!("{words:?}: {said}"))
    }

    /// What a start says that is refused.
    fn refused(&self, at: usize) -> String {
        let (data, peer) = (self.node(at).data(), self.node(at).peer());
        let words = ["serve", "--data", data.to_str().unwrap(), "--peer-address", &peer];
        let refused =
            support::run(self.home.path(), &[&words[..], &["--http", "127.0.0.1:0", "--grpc", "none"]].concat());
        support::stderr(&refused)
    }

    /// The node that leads, as all that run say.
    fn leader(&self) -> usize {
        eventually("all agree on a leader that runs", || {
            let running = self.running();
            let told: BTreeSet<_> =
                running.iter().map(|at| self.node(*at).status()?["leader"].as_u64()).collect::<Option<_>>()?;
            let leader = told.iter().next().copied().filter(|_| told.len() == 1)?;
            running.into_iter().find(|at| self.number(*at) == leader)
        })
    }

    fn follower(&self) -> usize {
        let leader = self.leader();
        self.running().into_iter().find(|at| *at != leader).unwrap()
    }

    /// The administrator at the door of a node.
    fn client(&self, at: usize) -> Client {
        let nobody = Client::nobody(self.process(at).http.unwrap());
        let login = json!({"username": "admin", "password": PASSWORD});
        let session = eventually("somebody lets us in", || {
            let answer = nobody.clone().post("/v1/session", &login);
            (answer.status == 201).then(|| answer.json())
        });
        nobody.with_token(session["token"].as_str().unwrap())
    }

    fn stop(&mut self, at: usize) {
        let mut process = self.places[at].process.take().unwrap();
        process.terminate();
        process.ended_well();
    }

    fn kill(&mut self, at: usize) {
        self.places[at].process.take().unwrap().kill();
    }

    fn pause(&self, at: usize) {
        self.process(at).pause();
    }

    fn resume(&self, at: usize) {
        self.process(at).resume();
    }
}

fn eventually<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = seen() {
            return found;
        }
        assert!(Instant::now() < deadline, "never seen: {what}");
        std::thread::yield_now();
    }
}

/// Publishes until it is confirmed: a message may be there twice, and is there once at least.
fn publish(client: &mut Client, body: u64) {
    let message = json!({"messages": [{"body": format!("order {body}")}]}).to_string();
    eventually("a publish is confirmed", || {
        let headers = [("content-type", "application/json")];
        let answer = client.attempt("POST", "/v1/queues/orders/messages", &headers, message.as_bytes()).ok()?;
        assert!([201, 503].contains(&answer.status), "{}", answer.text());
        (answer.status == 201).then_some(())
    });
}

/// Takes and settles messages until all of these were seen.
fn drain(client: &mut Client, bodies: std::ops::Range<u64>) {
    let mut missing: BTreeSet<String> = bodies.map(|body| format!("order {body}")).collect();
    eventually("every confirmed message", || {
        let answer = client.post("/v1/queues/orders/receive", &json!({"max": 100, "lease_ms": 600_000}));
        if answer.status != 200 {
            return None;
        }
        let messages = answer.json()["messages"].clone();
        for body in texts(&messages, "body") {
            missing.remove(&body);
        }
        let receipts = texts(&messages, "receipt");
        if !receipts.is_empty() {
            client.post("/v1/queues/orders/ack", &json!({ "receipts": receipts }));
        }
        missing.is_empty().then_some(())
    });
}

#[test]
fn one_with_data_grows_to_three_and_a_killed_leader_loses_nothing() {
    let mut nodes = Nodes::three(0..20);
    let mut client = nodes.client(nodes.follower());
    for body in 20..80 {
        publish(&mut client, body);
    }
    let dead = nodes.leader();
    let mut client = nodes.client(nodes.follower());
    nodes.kill(dead);
    for body in 80..120 {
        publish(&mut client, body);
    }
    nodes.start_again(dead);
    assert_ne!(nodes.leader(), dead);
    drain(&mut nodes.client(dead), 0..120);
}

#[test]
fn all_three_are_killed_and_a_lost_disk_comes_back_as_a_new_node() {
    let mut nodes = Nodes::three(0..5);
    publish(&mut nodes.client(1), 5);
    for at in nodes.running() {
        nodes.kill(at);
    }
    for at in 0..3 {
        nodes.start_again(at);
    }
    publish(&mut nodes.client(2), 6);
    let lost = nodes.follower();
    let gone = nodes.number(lost);
    nodes.kill(lost);
    std::fs::remove_dir_all(nodes.node(lost).data().join("shard-0")).unwrap();
    let refused = nodes.refused(lost);
    assert!(refused.contains("the store of node"), "{refused}");
    let leader = nodes.leader();
    nodes.cluster(leader, &["remove", &gone.to_string()]);
    let new = nodes.join();
    assert!(gone < nodes.number(new), "a number is never given twice");
    publish(&mut nodes.client(new), 7);
    drain(&mut nodes.client(new), 0..8);
}

#[test]
fn a_leader_that_stood_still_confirms_and_tells_nothing_old() {
    let nodes = Nodes::three(0..10);
    let old = nodes.leader();
    let other = nodes.follower();
    let mut there = nodes.client(old);
    let process = nodes.process(old);
    // What a client of the paused node sent before it went on meets a leader that was replaced.
    process.pause();
    let mut client = nodes.client(other);
    drain(&mut client, 0..10);
    publish(&mut client, 10);
    process.resume();
    let queue = there.get("/v1/queues/orders").ok(200);
    assert_eq!(queue["counts"]["ready"], 1, "{queue}");
    publish(&mut there, 11);
    drain(&mut client, 10..12);
}

#[test]
fn a_node_that_its_leader_does_not_answer_sends_clients_elsewhere() {
    let mut nodes = Nodes::first(0..1);
    nodes.join();
    let leader = nodes.leader();
    let mut client = nodes.client(nodes.follower());
    client.get("/v1/queues/orders").ok(200);
    // Of two nodes the other one can lead alone as little as one that the others still hear.
    nodes.pause(leader);
    let refused = client.get("/v1/queues/orders");
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("no_leader")), "{}", refused.text());
    refuses_at_once(&mut client);
    nodes.resume(leader);
    publish(&mut client, 1);
    drain(&mut client, 0..2);
    // A leader alone, that is not heard, knows as little whether it has a successor.
    let leader = nodes.leader();
    let other = nodes.follower();
    let mut client = nodes.client(leader);
    nodes.pause(other);
    eventually("it does not serve alone", || (client.get("/v1/queues/orders").status == 503).then_some(()));
    refuses_at_once(&mut client);
    nodes.resume(other);
    publish(&mut client, 2);
    drain(&mut client, 2..3);
}

/// A node refuses many reads: if each of them waited for a leader it would take half an hour.
fn refuses_at_once(client: &mut Client) {
    let asked = Instant::now();
    for _ in 0..200 {
        assert_eq!(client.get("/v1/queues/orders").status, 503);
        assert!(asked.elapsed() < PATIENCE, "each waits");
    }
}

#[test]
fn a_leader_that_is_asked_to_stop_hands_over_first() {
    let mut nodes = Nodes::three(0..1);
    let old = nodes.leader();
    let mut client = nodes.client(nodes.follower());
    let asked = Instant::now();
    nodes.stop(old);
    publish(&mut client, 1);
    assert!(asked.elapsed() < PATIENCE);
    let next = nodes.leader();
    assert_ne!(next, old);
    nodes.start_again(old);
    nodes.cluster(next, &["transfer", &nodes.number(old).to_string()]);
    assert_eq!(nodes.leader(), old);
    drain(&mut nodes.client(old), 0..2);
}

/// The file of a node's shard whose name ends so; the newest where there are several.
fn file_of(nodes: &Nodes, at: usize, end: &str) -> PathBuf {
    let folder = std::fs::read_dir(nodes.node(at).data().join("shard-0")).unwrap();
    folder.map(|entry| entry.unwrap().path()).filter(|path| path.to_str().unwrap().ends_with(end)).max().unwrap()
}

fn flip(file: &std::path::Path, at: &[usize]) {
    let mut bytes = std::fs::read(file).unwrap();
    at.iter().for_each(|at| bytes[*at] ^= 4);
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_node_with_a_damaged_log_copies_it_from_the_others_and_one_with_a_damaged_vote_is_refused() {
    let mut nodes = Nodes::three(0..10);
    let victim = nodes.follower();
    publish(&mut nodes.client(victim), 10);
    nodes.kill(victim);
    publish(&mut nodes.client(nodes.follower()), 11);
    let segment = file_of(&nodes, victim, ".segment");
    let used = std::fs::read(&segment).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    flip(&segment, &[used]);
    nodes.start_again(victim);
    let metrics = String::from_utf8(nodes.client(victim).get("/metrics").body).unwrap();
    assert!(metrics.contains("recado_cluster_repairs_total 1"), "{metrics}");
    // It counts for the majority again.
    let other = nodes.running().into_iter().find(|at| *at != victim && *at != nodes.leader()).unwrap();
    nodes.kill(other);
    publish(&mut nodes.client(victim), 12);
    nodes.start_again(other);
    drain(&mut nodes.client(victim), 0..13);

    nodes.kill(victim);
    flip(&file_of(&nodes, victim, "/vote"), &[512, 4096]);
    let segment = file_of(&nodes, victim, ".segment");
    flip(&segment, &[100]);
    let (refused, number) = (nodes.refused(victim), nodes.number(victim));
    assert!(refused.contains(&format!("node {number} may have voted and does not know how")), "{refused}");
    assert!(refused.contains("join as a new node"), "{refused}");
}
