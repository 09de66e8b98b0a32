//! Three shards in one process with a network in memory: what was confirmed is on a majority, whoever leads.
#![allow(clippy::unwrap_used)]

mod cluster;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cluster, Plug, copy, within};
use model::failure::Failure;
use shard::{GroupChange, Shard};
use storage::disk::simulated::MemoryDisk;
use world::{Command, FOLDER, Keeper, message, settings};

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
    let settings = shard::Settings { node: 7, peers: Some(Plug::of(7, &cluster.wires)), ..settings() };
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

/// A caller that goes away in the middle of a change leaves it half done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_voters_that_was_left_half_done_is_completed() {
    let mut cluster = Cluster::of_three().await;
    let leader = cluster.leader().await;
    let node = leader.new_node().await.unwrap();
    let disk = MemoryDisk::new();
    copy(&leader, &disk).await;
    cluster.start(node, disk).await;
    cluster.change(&GroupChange::Follow { node, address: format!("wire-{node}") }).await;
    loop {
        let leader = cluster.leader().await;
        // No answer comes, so that it is not decided before whoever asked has gone.
        *cluster.wires.deaf.lock().unwrap() = Some(leader.group().own);
        let asking = tokio::spawn({
            let leader = leader.clone();
            async move { leader.change_group(&GroupChange::Vote { node }).await }
        });
        within(async {
            while !asking.is_finished() && !leader.group().is_changing {
                tokio::task::yield_now().await;
            }
        })
        .await;
        asking.abort();
        *cluster.wires.deaf.lock().unwrap() = None;
        within(async {
            while cluster.leader().await.group().is_changing {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // It was not even begun, or was lost with its leader, where another one was elected meanwhile.
        let group = cluster.leader().await.group();
        if group.members.iter().filter(|member| member.votes).count() == 4 {
            return;
        }
    }
}

/// Whoever takes the leadership is elected without waiting until the old leader falls silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_offered_the_leadership_answers_no_reads() {
    let cluster = Cluster::of_three().await;
    let old = cluster.leader().await;
    within(async {
        while !old.is_heard() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut handing = Box::pin(old.hand_over(None));
    // As far as it goes at once.
    tokio::select! {
        biased;
        handed = &mut handing => drop(handed),
        () = std::future::ready(()) => {}
    }
    assert!(!old.is_heard(), "there may be a successor at any time");
    drop(handing.await);
    cluster.keep(50).await;
    assert_eq!(cluster.agree().await.kept.len(), 51);
}

/// Two of three are left, and one of them needs a copy: without it nothing is decided, nor what housekeeping asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_lent_while_housekeeping_waits_for_a_majority() {
    let mut cluster = Cluster::of_three().await;
    let leader = cluster.leader().await;
    let others: Vec<u64> = cluster.nodes().into_iter().filter(|node| *node != leader.group().own).collect();
    let disk = cluster.kill(others[0]);
    for number in 50..160 {
        cluster.keep(number).await;
    }
    leader.tidy().await;
    cluster.keep(160).await;
    leader.tidy().await;
    // Segments in which nothing is live any more: housekeeping will ask for their end.
    for number in 0..150 {
        leader.submit(Command::Take(number)).await.unwrap();
    }
    cluster.start(others[0], disk).await;
    within(cluster.wires.shard(others[0]).lacks()).await;
    cluster.kill(others[1]);
    let copied = MemoryDisk::new();
    within(async { tokio::join!(biased; leader.tidy(), copy(&leader, &copied)) }).await;
    cluster.wires.shard(others[0]).close().await.unwrap();
    let disk = cluster.disks[&others[0]].clone();
    copy(&leader, &disk).await;
    cluster.start(others[0], disk).await;
    cluster.keep(161).await;
    assert_eq!(cluster.agree().await.kept.len(), 12);
}

/// A leader counts on what a follower answered it, for a while; the follower forgets that with its process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_votes_for_nobody_at_first() {
    let mut cluster = Cluster::of_three().await;
    let first = cluster.leader().await.group().own;
    cluster.kill(first);
    cluster.keep(50).await;
    cluster.agree().await;
    let leader = cluster.leader().await.group().own;
    let voter = cluster.nodes().into_iter().find(|node| *node != leader).unwrap();
    let message = cluster.wires.vote.lock().unwrap().clone().unwrap();
    within(async {
        loop {
            let disk = cluster.kill(voter);
            cluster.start(voter, disk).await;
            // Whoever was asked is named in front, behind the version.
            let mut message = message.to_vec();
            message[1..9].copy_from_slice(&voter.to_le_bytes());
            // On a slow machine the time may be over.
            if cluster.wires.shard(voter).answer(message.into()).await.is_err() {
                return;
            }
        }
    })
    .await;
    cluster.keep(51).await;
    assert_eq!(cluster.agree().await.kept.len(), 52);
}
