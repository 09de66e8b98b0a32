//! Three shards in one process with a network in memory: what was confirmed is on a majority, whoever leads.
#![allow(clippy::unwrap_used)]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use model::failure::Failure;
use shard::{Answer, Arrival, GroupChange, Peers, Shard, Unreached};
use storage::disk::Disk;
use storage::disk::simulated::MemoryDisk;
use world::{Command, FOLDER, Keeper, SEGMENT_BYTES, message, settings};

/// A test waits this long for what must come; the machine may be busy with others.
const PATIENCE: Duration = Duration::from_secs(120);

/// The network of a test: who can be reached.
#[derive(Default)]
struct Wires {
    shards: Mutex<BTreeMap<u64, Shard<Keeper>>>,
    cut: Mutex<BTreeSet<u64>>,
    /// One that sends, and gets no answer.
    deaf: Mutex<Option<u64>>,
}

impl Wires {
    fn shard(&self, node: u64) -> Shard<Keeper> {
        self.shards.lock().unwrap().get(&node).unwrap().clone()
    }

    fn reach(&self, from: u64, to: u64) -> Option<Shard<Keeper>> {
        let is_cut = {
            let cut = self.cut.lock().unwrap();
            cut.contains(&from) || cut.contains(&to)
        };
        if is_cut {
            return None;
        }
        self.shards.lock().unwrap().get(&to).cloned()
    }
}

/// What one node sees of the network. Weak: shards hold it and it holds shards.
struct Plug {
    own: u64,
    /// False once the node was killed: what still runs of it is heard of no more.
    alive: Arc<AtomicBool>,
    wires: Weak<Wires>,
}

impl Peers for Plug {
    fn send(&self, node: u64, address: &str, message: Bytes, within: Duration) -> Answer {
        let unreached = move |why: String| Unreached { node, address: format!("wire-{node}"), why };
        assert_eq!(address, format!("wire-{node}"));
        let (own, wires, alive) = (self.own, self.wires.clone(), Arc::clone(&self.alive));
        Box::pin(async move {
            let wires = || wires.upgrade().filter(|_| alive.load(Ordering::SeqCst));
            let reach = || wires().and_then(|wires| wires.reach(own, node));
            let to = reach().ok_or_else(|| unreached("cut off".to_owned()))?;
            let answer = tokio::time::timeout(within, to.answer(message)).await;
            let answer = answer.map_err(|_| unreached("too late".to_owned()))?;
            if wires().is_none_or(|wires| *wires.deaf.lock().unwrap() == Some(own)) {
                let _never = tokio::time::timeout(within, std::future::pending::<()>()).await;
            }
            // The answer gets lost when the wire was cut meanwhile.
            reach().ok_or_else(|| unreached("cut off".to_owned()))?;
            answer.map_err(|failure| unreached(failure.to_string()))
        })
    }
}

/// Three nodes, each with a disk.
struct Cluster {
    wires: Arc<Wires>,
    disks: BTreeMap<u64, MemoryDisk>,
    alive: BTreeMap<u64, Arc<AtomicBool>>,
}

impl Cluster {
    async fn of_one() -> Self {
        let mut cluster = Self { wires: Arc::default(), disks: BTreeMap::new(), alive: BTreeMap::new() };
        cluster.start(1, MemoryDisk::new()).await;
        let first = cluster.wires.shard(1);
        first.ready().await.unwrap();
        let here = GroupChange::Follow { node: 1, address: "wire-1".to_owned() };
        first.change_group(&here).await.unwrap();
        cluster
    }

    async fn of_three() -> Self {
        let mut cluster = Self::of_one().await;
        for number in 0..50 {
            cluster.keep(number).await;
        }
        cluster.join(MemoryDisk::new()).await;
        cluster.join(MemoryDisk::new()).await;
        cluster
    }

    async fn start(&mut self, node: u64, disk: MemoryDisk) {
        let alive = Arc::new(AtomicBool::new(true));
        let plug = Plug { own: node, alive: Arc::clone(&alive), wires: Arc::downgrade(&self.wires) };
        self.alive.insert(node, alive);
        let lag_bytes = 2 * SEGMENT_BYTES;
        let settings = shard::Settings { node, peers: Some(Arc::new(plug)), lag_bytes, ..settings() };
        let opened = Shard::open(Arc::new(disk.clone()), PathBuf::from(FOLDER), settings, Box::new(|_, _| {})).await;
        self.wires.shards.lock().unwrap().insert(node, opened.unwrap());
        self.disks.insert(node, disk);
    }

    /// A new node on an empty disk: gets a number, takes a copy, follows, votes.
    async fn join(&mut self, disk: MemoryDisk) -> u64 {
        let leader = self.leader().await;
        let node = leader.new_node().await.unwrap();
        copy(&leader, &disk).await;
        self.start(node, disk).await;
        self.change(&GroupChange::Follow { node, address: format!("wire-{node}") }).await;
        self.change(&GroupChange::Vote { node }).await;
        node
    }

    async fn change(&self, change: &GroupChange) {
        within(async {
            while self.leader().await.change_group(change).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The one that leads and serves.
    async fn leader(&self) -> Shard<Keeper> {
        let cut = self.wires.cut.lock().unwrap().clone();
        let all = self.wires.shards.lock().unwrap().clone();
        let shards: Vec<_> = all.into_iter().filter(|(node, _)| !cut.contains(node)).map(|(_, shard)| shard).collect();
        let ready = shards.iter().map(|shard| Box::pin(shard.ready()));
        within(futures_util::future::select_ok(ready)).await.unwrap();
        // After an election the old one may not know yet that it does not lead any more.
        let leads = shards.iter().filter(|shard| shard.epoch().is_some());
        leads.max_by_key(|shard| shard.group().term).unwrap_or(&shards[0]).clone()
    }

    /// Keeps a message, on whichever node leads, until it is confirmed.
    async fn keep(&self, number: u64) {
        within(async {
            while self.leader().await.submit(Command::Keep(number, message(number, 500))).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Kills a node; what it synced and wrote is on the disk that comes back.
    fn kill(&self, node: u64) -> MemoryDisk {
        self.alive[&node].store(false, Ordering::SeqCst);
        self.wires.shards.lock().unwrap().remove(&node);
        self.disks[&node].after_kill()
    }

    fn nodes(&self) -> Vec<u64> {
        self.wires.shards.lock().unwrap().keys().copied().collect()
    }

    /// Waits until all have applied the same, and compares their states.
    async fn agree(&self) -> Keeper {
        let leader = self.leader().await;
        for node in self.nodes() {
            let shard = self.wires.shard(node);
            within(async {
                loop {
                    let (expected, seen) = (leader.with_replica(Keeper::clone), shard.with_replica(Keeper::clone));
                    if expected.batches == seen.batches {
                        assert_eq!(seen, expected, "node {node}");
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        leader.with_replica(Keeper::clone)
    }
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("what must come did not come in two minutes")
}

/// Brings a copy of the store onto a disk.
async fn copy(from: &Shard<Keeper>, disk: &MemoryDisk) {
    let loan = from.lend().await.unwrap();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut arrival = Arrival::begin(disk, Path::new(FOLDER), loan.terms()).unwrap();
    for file in &loan.terms().files.clone() {
        let mut offset = 0;
        while offset < file.bytes {
            let piece = loan.read(file, offset).await.unwrap();
            arrival.write(file, offset, &piece).unwrap();
            offset += u64::try_from(piece.len()).unwrap();
        }
        arrival.finish_file(file).unwrap();
    }
    arrival.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_grows_to_three_and_all_have_the_same() {
    let cluster = Cluster::of_three().await;
    for number in 50..120 {
        cluster.keep(number).await;
    }
    let state = cluster.agree().await;
    assert_eq!(state.kept.len(), 120);
    let group = cluster.leader().await.group();
    assert_eq!(group.members.iter().filter(|member| member.votes).count(), 3);
    assert!(state.rolls() > 1, "the log rolls");
    // What a follower holds can be read there, also what was there before it came.
    let last = *cluster.nodes().last().unwrap();
    for (number, (at, _)) in &state.kept {
        assert_eq!(cluster.wires.shard(last).fetch(*at).await.unwrap(), Some(message(*number, 500)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_outlives_its_leader() {
    let cluster = Cluster::of_three().await;
    let first = cluster.leader().await.group().own;
    for number in 50..80 {
        cluster.keep(number).await;
    }
    cluster.kill(first);
    for number in 80..110 {
        cluster.keep(number).await;
    }
    let state = cluster.agree().await;
    assert_eq!(state.kept.len(), 110);
    assert_ne!(cluster.leader().await.group().own, first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_confirms_nothing_and_forgets_what_it_promised_to_nobody() {
    let cluster = Cluster::of_three().await;
    let old = cluster.leader().await;
    let own = old.group().own;
    cluster.wires.cut.lock().unwrap().insert(own);
    let lonely = tokio::spawn({
        let old = old.clone();
        async move { old.submit(Command::Keep(1_000, message(1_000, 10))).await }
    });
    for number in 50..60 {
        cluster.keep(number).await;
    }
    cluster.wires.cut.lock().unwrap().clear();
    // It hears of the new leader, and its own entry goes.
    let refused = within(lonely).await.unwrap();
    assert!(matches!(refused, Err(Failure::Unavailable(_))), "{refused:?}");
    cluster.keep(60).await;
    let state = cluster.agree().await;
    assert!(!state.kept.contains_key(&1_000));
    assert_eq!(state.kept.len(), 61);
}

/// The leader sends and hears nothing: its followers believe in it, so it has to let go by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_hears_nobody_answers_who_waits_and_lets_another_one_lead() {
    let cluster = Cluster::of_three().await;
    let old = cluster.leader().await;
    let own = old.group().own;
    *cluster.wires.deaf.lock().unwrap() = Some(own);
    let waiting = within(old.submit(Command::Keep(1_000, message(1_000, 10)))).await;
    assert!(matches!(waiting, Err(Failure::Unavailable(_))), "{waiting:?}");
    let others: Vec<u64> = cluster.nodes().into_iter().filter(|node| *node != own).collect();
    within(async {
        while !others.iter().any(|node| cluster.wires.shard(*node).epoch().is_some()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    *cluster.wires.deaf.lock().unwrap() = None;
    cluster.keep(51).await;
    assert!(cluster.agree().await.kept.contains_key(&51));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_catches_up_by_the_log_and_one_that_was_away_too_long_by_a_copy() {
    let mut cluster = Cluster::of_three().await;
    let leader = cluster.leader().await;
    let away = cluster.nodes().into_iter().find(|node| *node != leader.group().own).unwrap();
    let disk = cluster.kill(away);
    for number in 50..90 {
        cluster.keep(number).await;
    }
    cluster.start(away, disk).await;
    cluster.agree().await;

    let disk = cluster.kill(away);
    for number in 90..200 {
        cluster.keep(number).await;
    }
    // More than is kept for one that lags: two rounds give the log up that it needs.
    let leader = cluster.leader().await;
    leader.tidy().await;
    cluster.keep(200).await;
    leader.tidy().await;
    cluster.start(away, disk).await;
    let behind = cluster.wires.shard(away);
    within(behind.lacks()).await;
    behind.close().await.unwrap();
    let disk = cluster.disks[&away].clone();
    copy(&cluster.leader().await, &disk).await;
    cluster.start(away, disk).await;
    cluster.keep(201).await;
    assert_eq!(cluster.agree().await.kept.len(), 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_come_back_after_all_were_killed_and_a_lost_disk_comes_back_as_a_new_node() {
    let mut cluster = Cluster::of_three().await;
    let nodes = cluster.nodes();
    let disks: Vec<_> = nodes.iter().map(|node| (*node, cluster.kill(*node))).collect();
    for (node, disk) in disks {
        cluster.start(node, disk).await;
    }
    cluster.keep(50).await;
    let lost = *nodes.last().unwrap();
    cluster.kill(lost);
    cluster.change(&GroupChange::Leave { node: lost }).await;
    let new = cluster.join(MemoryDisk::new()).await;
    assert!(!nodes.contains(&new));
    cluster.keep(51).await;
    assert_eq!(cluster.agree().await.kept.len(), 52);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leadership_is_handed_over_when_asked() {
    let cluster = Cluster::of_three().await;
    let old = cluster.leader().await;
    within(async {
        while old.group().leader == Some(old.group().own) {
            // Whoever is chosen may be a moment behind.
            drop(old.hand_over(None).await);
        }
    })
    .await;
    cluster.keep(50).await;
    assert_eq!(cluster.agree().await.kept.len(), 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_store_is_gone_forms_no_group_of_its_own() {
    let cluster = Cluster::of_one().await;
    let alive = Arc::new(AtomicBool::new(true));
    let plug = Plug { own: 7, alive, wires: Arc::downgrade(&cluster.wires) };
    let settings = shard::Settings { node: 7, peers: Some(Arc::new(plug)), ..settings() };
    let disk = Arc::new(MemoryDisk::new());
    let opened = Shard::<Keeper>::open(disk, PathBuf::from(FOLDER), settings, Box::new(|_, _| {})).await;
    let what = opened.err().unwrap().what;
    assert!(what.contains("the store of node 7 is gone"), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_change_of_the_group_rests_when_the_replica_has_stopped() {
    let cluster = Cluster::of_one().await;
    let shard = cluster.wires.shard(1);
    within(shard.close()).await.unwrap();
    // It was over at once, and whoever asked in a loop never let go of the thread.
    let over = tokio::time::timeout(Duration::from_millis(50), shard.regrouped(&shard.group())).await;
    assert!(over.is_err());
}
