//! Damage of one replica's files: it is noticed, it is mended from the others, and nothing that was confirmed is forgotten.
#![allow(clippy::unwrap_used)]

mod cluster;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, copy, within};
use shard::{Arrival, Damage, Scrubbing, Shard, StateMachine};
use storage::disk::Disk;
use storage::disk::simulated::MemoryDisk;
use storage::{SectionName, SegmentStore};
use world::{FOLDER, Keeper, SEGMENT_BYTES, message};

/// The newest file of a kind.
fn newest(disk: &MemoryDisk, end: &str) -> PathBuf {
    disk.paths().into_iter().rfind(|path| path.display().to_string().ends_with(end)).unwrap()
}

/// Flips a bit of the last byte in use.
fn damage_end(disk: &MemoryDisk, path: &Path) {
    let content = disk.content(path).unwrap();
    let end = content.iter().rposition(|byte| *byte != 0).unwrap();
    assert!(disk.flip_bit(path, u64::try_from(end).unwrap(), 3));
}

/// A node that does not lead.
async fn follower(cluster: &Cluster) -> u64 {
    let leader = cluster.leader().await.group().own;
    cluster.nodes().into_iter().find(|node| *node != leader).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_log_is_damaged_at_its_end_does_not_open_and_comes_back_with_a_copy() {
    let mut cluster = Cluster::of_three().await;
    for number in 50..80 {
        cluster.keep(number).await;
    }
    let victim = follower(&cluster).await;
    let disk = cluster.kill(victim);
    damage_end(&disk, &newest(&disk, ".segment"));
    let damage = Damage::default();
    let refused = cluster.open(victim, &disk, damage.clone()).await.err().unwrap();
    assert_eq!(damage.fault(), Some(refused.clone()), "it is told as damage");
    assert!(refused.what.contains(".segment is damaged at offset"), "{}", refused.what);
    let before = storage::saved_vote(&disk_of(&disk), Path::new(FOLDER)).unwrap();
    copy(&cluster.leader().await, &disk).await;
    assert!(before.is_some() && storage::saved_vote(&disk_of(&disk), Path::new(FOLDER)).unwrap().is_some());
    cluster.start(victim, disk).await;
    cluster.keep(80).await;
    assert_eq!(cluster.agree().await.kept.len(), 81);
}

fn disk_of(disk: &MemoryDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// What a leader has is on a majority only together with the damaged replica: it must be there again when that one votes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_what_its_reader_acknowledged_also_when_nobody_else_has_it() {
    let mut cluster = Cluster::of_three().await;
    let leader = cluster.leader().await;
    let own = leader.group().own;
    let others: Vec<u64> = cluster.nodes().into_iter().filter(|node| *node != own).collect();
    let (victim, away) = (others[0], others[1]);
    let absent = cluster.kill(away);
    for number in 50..60 {
        cluster.keep(number).await;
    }
    let disk = cluster.kill(victim);
    damage_end(&disk, &newest(&disk, ".segment"));
    assert!(cluster.open(victim, &disk, Damage::default()).await.is_err());
    // The leader of these entries still has them, and nobody confirms anything without a majority.
    copy(&leader, &disk).await;
    cluster.kill(own);
    cluster.start(victim, disk).await;
    cluster.start(away, absent).await;
    cluster.keep(60).await;
    assert_eq!(cluster.agree().await.kept.len(), 61, "nothing that was confirmed is lost with its leader");
}

/// Damages a file all over, behind its header.
fn riddle(disk: &MemoryDisk, path: &Path) {
    let content = disk.content(path).unwrap();
    let used = content.iter().rposition(|byte| *byte != 0).unwrap();
    for offset in (80..used).step_by(64) {
        assert!(disk.flip_bit(path, u64::try_from(offset).unwrap(), 1));
    }
}

/// Reads all messages; how many were refused. What is served is right.
async fn refusals(shard: &Shard<Keeper>) -> usize {
    let state = shard.with_replica(Clone::clone);
    let mut refused = 0;
    for (number, (at, _)) in &state.kept {
        match shard.fetch(*at).await {
            Ok(found) => assert_eq!(found, Some(message(*number, 500)), "what is served is right"),
            Err(failure) => {
                refused += 1;
                assert!(matches!(failure, model::Failure::Unavailable(_)), "another node serves it: {failure}");
            }
        }
    }
    refused
}

fn oldest_segment(disk: &MemoryDisk) -> PathBuf {
    disk.paths().into_iter().find(|path| path.display().to_string().ends_with(".segment")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_meets_damage_is_answered_with_the_bytes_of_another_replica() {
    let cluster = Cluster::of_three().await;
    cluster.agree().await;
    for node in cluster.nodes() {
        let (shard, disk) = (cluster.wires.shard(node), &cluster.disks[&node]);
        let segment = oldest_segment(disk);
        let whole = disk.content(&segment).unwrap();
        riddle(disk, &segment);
        assert_eq!(refusals(&shard).await, 0);
        assert_eq!(disk.content(&segment).unwrap(), whole, "the file is the same as before");
        assert_eq!((shard.fault(), shard.upkeep().mended), (None, 1));
    }
    cluster.keep(50).await;
    assert_eq!(cluster.agree().await.kept.len(), 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrub_finds_what_nobody_reads_and_puts_it_right() {
    let mut cluster = Cluster::of_one().await;
    cluster.scrubbing = Some(Scrubbing { bytes_per_second: 1 << 30, pause: Duration::from_millis(20) });
    for number in 0..50 {
        cluster.keep(number).await;
    }
    cluster.join(MemoryDisk::new()).await;
    let victim = cluster.join(MemoryDisk::new()).await;
    cluster.agree().await;
    let (shard, disk) = (cluster.wires.shard(victim), cluster.disks[&victim].clone());
    shard.tidy().await;
    for end in ["/store", "/vote", "/mark", "/purge"] {
        assert!(disk.flip_bit(&newest(&disk, end), 20, 1));
    }
    let checkpoint = newest(&disk, ".checkpoint");
    assert!(disk.flip_bit(&checkpoint, 100, 1));
    let segment = oldest_segment(&disk);
    riddle(&disk, &segment);
    within(async {
        while shard.upkeep().mended < 6 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(shard.fault(), None);
    cluster.keep(50).await;
    cluster.agree().await;
    let disk = cluster.kill(victim);
    let store = storage::Settings { segment_bytes: SEGMENT_BYTES, ..storage::Settings::default() };
    let (store, _) = SegmentStore::open(Arc::new(disk), Path::new(FOLDER), store).unwrap();
    assert_eq!(store.scrub().flat_map(|file| file.faults).collect::<Vec<_>>(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_with_damage_that_nobody_can_mend_in_place_serves_nothing_wrong_and_others_lead() {
    let mut cluster = Cluster::of_three().await;
    let leader = cluster.leader().await;
    let own = leader.group().own;
    let disk = cluster.disks[&own].clone();
    riddle(&disk, &newest(&disk, ".segment"));
    assert!(refusals(&leader).await > 0, "the damage lies where messages are");
    let found = within(cluster.damages[&own].found()).await;
    assert!(found.is_mendable && found.fault.what.contains("is damaged at offset"), "{}", found.fault.what);
    drop(leader.hand_over(None).await);
    drop(leader.close().await);
    drop(leader);
    cluster.forget(own);
    let next = cluster.leader().await;
    assert_ne!(next.group().own, own);
    copy(&next, &disk).await;
    cluster.start(own, disk).await;
    cluster.keep(50).await;
    assert_eq!(cluster.agree().await.kept.len(), 51);
    assert_eq!(refusals(&cluster.wires.shard(own)).await, 0);
}

/// Writes a checkpoint that is whole and wrong in the place of the newest one.
fn falsify(disk: &MemoryDisk) {
    let settings = storage::Settings { segment_bytes: SEGMENT_BYTES, ..storage::Settings::default() };
    let (store, _) = SegmentStore::open(disk_of(disk), Path::new(FOLDER), settings).unwrap();
    let found = store.newest_checkpoint().unwrap().unwrap();
    let mut sections: Vec<_> =
        found.sections.iter().map(|(name, bytes)| (name.as_str().to_owned(), bytes.clone())).collect();
    let mut machine = Keeper::restore(&sections).unwrap();
    machine.ticks += 1_000;
    for (name, bytes) in machine.checkpoint() {
        sections.iter_mut().filter(|(known, _)| *known == name).for_each(|(_, old)| *old = bytes.clone());
    }
    let named = sections.into_iter().map(|(name, bytes)| (SectionName::parse(&name).unwrap(), bytes));
    store.write_checkpoint(found.term, found.index, named).unwrap();
    store.close().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_state_is_not_that_of_the_leader_stops() {
    let mut cluster = Cluster::of_three().await;
    for number in 50..120 {
        cluster.keep(number).await;
    }
    cluster.agree().await;
    let victim = follower(&cluster).await;
    cluster.wires.shard(victim).tidy().await;
    let disk = cluster.kill(victim);
    falsify(&disk);
    cluster.start(victim, disk).await;
    let shard = cluster.wires.shard(victim);
    let mut number = 120;
    let found = within(async {
        loop {
            tokio::select! {
                found = cluster.damages[&victim].found() => return found,
                () = cluster.keep(number) => number += 1,
            }
        }
    })
    .await;
    assert!(!found.is_mendable, "a wrong state is not mended: somebody has to look for its cause");
    assert!(found.fault.what.contains("the state of this replica differs from the leader's"), "{}", found.fault.what);
    assert_eq!(shard.fault(), Some(found.fault));
    for node in cluster.nodes().into_iter().filter(|node| *node != victim) {
        assert_eq!(cluster.wires.shard(node).fault(), None);
    }
    cluster.keep(number).await;
    within(async {
        while cluster.leader().await.upkeep().compared == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_vote_is_damaged_takes_no_copy_and_one_that_does_not_lead_lends_none() {
    let cluster = Cluster::of_three().await;
    let victim = follower(&cluster).await;
    let refused = cluster.wires.shard(victim).lend().await.err().unwrap();
    assert!(refused.what.contains("does not lead"), "{}", refused.what);
    let disk = cluster.kill(victim);
    let vote = newest(&disk, "/vote");
    for copy in [512, 4_096] {
        assert!(disk.flip_bit(&vote, copy, 0));
    }
    let loan = cluster.leader().await.lend().await.unwrap();
    let refused = Arrival::begin(disk_of(&disk), Path::new(FOLDER), loan.terms()).err().unwrap();
    assert!(refused.what.contains("both copies of a synced value are damaged"), "{}", refused.what);
}
