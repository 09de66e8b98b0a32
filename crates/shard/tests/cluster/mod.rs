//! Three shards in one process with a network in memory, for the tests of replicas and of what mends them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use model::failure::Fault;
use shard::{Answer, Arrival, Damage, GroupChange, Peers, Scrubbing, Shard, Unreached};
use storage::disk::Disk;
use storage::disk::simulated::MemoryDisk;

use super::world::{Command, FOLDER, Keeper, SEGMENT_BYTES, message, settings};

/// A test waits this long for what must come; the machine may be busy with others.
const PATIENCE: Duration = Duration::from_secs(120);

/// The network of a test: who can be reached.
#[derive(Default)]
pub struct Wires {
    pub shards: Mutex<BTreeMap<u64, Shard<Keeper>>>,
    pub cut: Mutex<BTreeSet<u64>>,
    /// One that sends, and gets no answer.
    pub deaf: Mutex<Option<u64>>,
    /// The newest request for a vote.
    pub vote: Mutex<Option<Bytes>>,
}

impl Wires {
    pub fn shard(&self, node: u64) -> Shard<Keeper> {
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
pub struct Plug {
    own: u64,
    /// False once the node was killed: what still runs of it is heard of no more.
    alive: Arc<AtomicBool>,
    wires: Weak<Wires>,
}

impl Plug {
    /// What a node sees that nobody killed.
    pub fn of(own: u64, wires: &Arc<Wires>) -> Arc<Self> {
        Arc::new(Self { own, alive: Arc::new(AtomicBool::new(true)), wires: Arc::downgrade(wires) })
    }
}

impl Peers for Plug {
    fn send(&self, node: u64, address: &str, message: Bytes, within: Duration) -> Answer {
        let unreached = move |why: String| Unreached { node, address: format!("wire-{node}"), why };
        assert_eq!(address, format!("wire-{node}"));
        let (own, wires, alive) = (self.own, self.wires.clone(), Arc::clone(&self.alive));
        if let Some(wires) = wires.upgrade().filter(|_| shard::asks_for_vote(message.clone())) {
            *wires.vote.lock().unwrap() = Some(message.clone());
        }
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
pub struct Cluster {
    pub wires: Arc<Wires>,
    pub disks: BTreeMap<u64, MemoryDisk>,
    alive: BTreeMap<u64, Arc<AtomicBool>>,
    pub damages: BTreeMap<u64, Damage>,
    /// Of the nodes that are started next.
    pub scrubbing: Option<Scrubbing>,
}

impl Cluster {
    pub async fn of_one() -> Self {
        let mut cluster = Self {
            wires: Arc::default(),
            disks: BTreeMap::new(),
            alive: BTreeMap::new(),
            damages: BTreeMap::new(),
            scrubbing: None,
        };
        cluster.start(1, MemoryDisk::new()).await;
        let first = cluster.wires.shard(1);
        first.ready().await.unwrap();
        let here = GroupChange::Follow { node: 1, address: "wire-1".to_owned() };
        first.change_group(&here).await.unwrap();
        cluster
    }

    pub async fn of_three() -> Self {
        let mut cluster = Self::of_one().await;
        for number in 0..50 {
            cluster.keep(number).await;
        }
        cluster.join(MemoryDisk::new()).await;
        cluster.join(MemoryDisk::new()).await;
        cluster
    }

    pub async fn start(&mut self, node: u64, disk: MemoryDisk) {
        self.open(node, &disk, Damage::default()).await.unwrap();
        self.disks.insert(node, disk);
    }

    /// Opens a node on a disk, if it opens.
    pub async fn open(&mut self, node: u64, disk: &MemoryDisk, damage: Damage) -> Result<(), Fault> {
        let alive = Arc::new(AtomicBool::new(true));
        let plug = Plug { own: node, alive: Arc::clone(&alive), wires: Arc::downgrade(&self.wires) };
        let lag_bytes = 2 * SEGMENT_BYTES;
        let peers: Option<Arc<dyn Peers>> = Some(Arc::new(plug));
        let settings = shard::Settings {
            node,
            peers,
            lag_bytes,
            damage: damage.clone(),
            tail_bytes: 4096,
            decoded_bytes: 4096,
            scrubbing: self.scrubbing,
            ..settings()
        };
        let opened = Shard::open(Arc::new(disk.clone()), PathBuf::from(FOLDER), settings, Box::new(|_, _| {})).await?;
        self.wires.shards.lock().unwrap().insert(node, opened);
        self.alive.insert(node, alive);
        self.damages.insert(node, damage);
        Ok(())
    }

    /// A node that was closed is reached no more.
    pub fn forget(&self, node: u64) {
        self.wires.shards.lock().unwrap().remove(&node);
    }

    /// A new node on an empty disk: gets a number, takes a copy, follows, votes.
    pub async fn join(&mut self, disk: MemoryDisk) -> u64 {
        let leader = self.leader().await;
        let node = leader.new_node().await.unwrap();
        copy(&leader, &disk).await;
        self.start(node, disk).await;
        self.change(&GroupChange::Follow { node, address: format!("wire-{node}") }).await;
        self.change(&GroupChange::Vote { node }).await;
        node
    }

    pub async fn change(&self, change: &GroupChange) {
        within(async {
            while self.leader().await.change_group(change).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The one that leads and serves.
    pub async fn leader(&self) -> Shard<Keeper> {
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
    pub async fn keep(&self, number: u64) {
        within(async {
            while self.leader().await.submit(Command::Keep(number, message(number, 500))).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// Kills a node; what it synced and wrote is on the disk that comes back.
    pub fn kill(&self, node: u64) -> MemoryDisk {
        self.alive[&node].store(false, Ordering::SeqCst);
        self.wires.shards.lock().unwrap().remove(&node);
        self.disks[&node].after_kill()
    }

    pub fn nodes(&self) -> Vec<u64> {
        self.wires.shards.lock().unwrap().keys().copied().collect()
    }

    /// Waits until all have applied the same, and compares their states.
    pub async fn agree(&self) -> Keeper {
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

pub async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("what must come did not come in two minutes")
}

/// Brings a copy of the store onto a disk.
pub async fn copy(from: &Shard<Keeper>, disk: &MemoryDisk) {
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
