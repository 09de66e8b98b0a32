//! What a restart finds: on the disk of this machine, and on a simulated one after kills and power cuts.
#![allow(clippy::unwrap_used)]

mod world;

use std::path::PathBuf;
use std::sync::Arc;

use model::failure::Failure;
use shard::{Shard, StateMachine};
use storage::disk::simulated::{MemoryDisk, PowerCut};
use storage::disk::{Disk, OpenMode, RealDisk};
use world::{Command, FOLDER, Keeper, essence, keep, message, open, open_on, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_on_a_real_disk_keeps_what_it_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FOLDER);
    let shard = open_on(Arc::new(RealDisk), path.clone(), settings()).await;
    let first_epoch = shard.epoch().unwrap();
    for number in 0..200 {
        keep(&shard, number, 500).await;
    }
    let before = shard.with_machine(essence).unwrap();
    shard.close().await.unwrap();
    drop(shard);
    let shard = open_on(Arc::new(RealDisk), path, settings()).await;
    assert!(first_epoch < shard.epoch().unwrap());
    assert_eq!(shard.with_machine(essence).unwrap(), before);
    for (number, (at, _)) in &before.kept {
        assert_eq!(shard.fetch(*at).await.unwrap(), Some(message(*number, 500)));
    }
    shard.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_voter_applies_again_what_was_committed_and_not_saved() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for number in 0..20 {
        keep(&shard, number, 10).await;
    }
    let before = shard.with_machine(essence).unwrap();
    let again = open(&disk.after_kill()).await;
    assert_eq!(again.with_machine(essence).unwrap(), before);
    assert_eq!(again.status().checkpoint.get(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_and_the_rest_of_the_log_give_what_the_whole_log_gives() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for number in 0..30 {
        keep(&shard, number, 1).await;
    }
    let whole_log = disk.after_kill();
    shard.tidy().await;
    assert!(shard.status().checkpoint.get() > 0);
    for number in 0..10 {
        let taken = Command::Take(number);
        shard.submit(taken.clone()).await.unwrap();
    }
    let from_checkpoint = open(&disk.after_kill()).await;
    let replayed = open(&whole_log).await;
    for number in 0..10 {
        replayed.submit(Command::Take(number)).await.unwrap();
    }
    assert_eq!(from_checkpoint.with_machine(essence).unwrap(), replayed.with_machine(essence).unwrap());
    let saved = from_checkpoint.with_machine(|machine| machine.checkpoint()).unwrap();
    let restored = world::Keeper::restore(&saved).unwrap();
    assert_eq!(from_checkpoint.with_machine(world::Keeper::clone).unwrap(), restored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_power_cut_leaves_all_that_was_confirmed() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    let mut cuts = Vec::new();
    for number in 0..60 {
        let message = message(number, 700);
        let submitting = shard.submit(Command::Keep(number, message));
        if number % 5 == 0 {
            // Cut while the next one is under way.
            let under_way = disk.clone();
            let cut = tokio::task::spawn_blocking(move || under_way.after_power_cut(PowerCut::Torn { seed: number }));
            let (_, cut) = tokio::join!(submitting, cut);
            cuts.push((number, cut.unwrap()));
        } else {
            submitting.await.unwrap();
        }
        for cut in [PowerCut::LoseAll, PowerCut::LoseHeads, PowerCut::Torn { seed: number }] {
            if number % 7 == 0 {
                cuts.push((number + 1, disk.after_power_cut(cut)));
            }
        }
    }
    for (confirmed, disk) in cuts {
        let again = open(&disk).await;
        let kept = again.with_machine(|machine| machine.kept.clone()).unwrap();
        let numbers: Vec<u64> = kept.keys().copied().collect();
        assert!(numbers.iter().copied().eq(0..u64::try_from(numbers.len()).unwrap()), "no gaps in {numbers:?}");
        assert!(confirmed <= u64::try_from(numbers.len()).unwrap(), "{confirmed} of {numbers:?}");
        for (number, (at, _)) in kept {
            assert_eq!(again.fetch(at).await.unwrap(), Some(message(number, 700)));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_segment_with_live_messages_is_a_fault_that_names_its_file() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for number in 0..100 {
        keep(&shard, number, 1000).await;
    }
    for _ in 0..3 {
        shard.submit(Command::Tick).await.unwrap();
        shard.tidy().await;
    }
    shard.close().await.unwrap();
    let folder = PathBuf::from(FOLDER);
    let mut names = disk.list(&folder).unwrap();
    names.retain(|name| name.ends_with(".segment"));
    names.sort();
    assert!(names.len() > 2, "{names:?}");
    disk.remove(&folder.join(&names[0])).unwrap();
    let shard = Shard::<Keeper>::open(Arc::new(disk), folder, settings(), Box::new(|_, _| {})).await.unwrap();
    let Err(Failure::Fault(fault)) = shard.ready().await else { panic!("a log with a hole is served") };
    assert!(fault.what.contains(&names[0]), "{fault:?}");
}

/// Puts the bytes of one disk's vote file in the place of another's.
fn copy_vote(from: &MemoryDisk, to: &MemoryDisk) {
    let path = PathBuf::from(FOLDER).join("vote");
    let file = to.open(&path, OpenMode::ReadWrite).unwrap();
    file.write_at(0, &from.content(&path).unwrap()).unwrap();
    file.sync().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_that_is_older_than_the_log_was_lost_and_nothing_is_served() {
    let disk = MemoryDisk::new();
    let store = storage::SegmentStore::open(Arc::new(disk.clone()), &PathBuf::from(FOLDER), settings().storage);
    store.unwrap().0.close().unwrap();
    let without_vote = disk.after_kill();
    let shard = open(&disk).await;
    keep(&shard, 1, 10).await;
    let killed = disk.after_kill();
    copy_vote(&without_vote, &killed);
    let folder = PathBuf::from(FOLDER);
    let opened =
        Shard::<Keeper>::open(Arc::new(killed), folder.clone(), settings(), Box::new(|_, _| {})).await.map(drop);
    let what = opened.unwrap_err().what;
    let file = folder.join("vote");
    assert!(what.starts_with(&*file.to_string_lossy()) && what.contains("older than the log"), "{what}");
}
