//! Damage of one replica's files: it is noticed, it is mended from the others, and nothing that was confirmed is forgotten.
#![allow(clippy::unwrap_used)]

mod cluster;
mod world;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster::{Cluster, copy, within};
use shard::{Arrival, Damage};
use storage::disk::Disk;
use storage::disk::simulated::MemoryDisk;
use world::{FOLDER, message};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_meets_damage_answers_nothing_wrong_and_others_lead() {
    let mut cluster = Cluster::of_three().await;
    let leader = cluster.leader().await;
    let own = leader.group().own;
    let state = leader.with_replica(Clone::clone);
    let disk = cluster.disks[&own].clone();
    let first = disk.paths().into_iter().find(|path| path.display().to_string().ends_with(".segment")).unwrap();
    let content = disk.content(&first).unwrap();
    for offset in (4_096..content.len()).step_by(64) {
        disk.flip_bit(&first, u64::try_from(offset).unwrap(), 1);
    }
    let mut refusals = 0;
    for (number, (at, _)) in &state.kept {
        match leader.fetch(*at).await {
            Ok(found) => assert_eq!(found, Some(message(*number, 500)), "what is served is right"),
            Err(failure) => {
                refusals += 1;
                assert!(matches!(failure, model::Failure::Unavailable(_)), "another node serves it: {failure}");
            }
        }
    }
    assert!(refusals > 0, "the damage lies where messages are");
    let fault = within(cluster.damages[&own].found()).await;
    assert!(fault.what.contains("is damaged at offset"), "{}", fault.what);
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
    for (number, (at, _)) in &state.kept {
        assert_eq!(cluster.wires.shard(own).fetch(*at).await.unwrap(), Some(message(*number, 500)));
    }
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
