//! Disk comes back when messages go, and nothing that is needed goes with it.
#![allow(clippy::unwrap_used)]

mod world;

use std::path::PathBuf;

use shard::Shard;
use storage::disk::simulated::{MemoryDisk, PowerCut};
use world::{Command, Keeper, essence, keep, message, open};

const MESSAGE_BYTES: usize = 1000;

async fn take(shard: &Shard<Keeper>, numbers: impl Iterator<Item = u64>) {
    let commands: Vec<_> = numbers.map(Command::Take).collect();
    shard.submit_many(commands).await.unwrap();
}

/// Rounds until two checkpoints lie behind everything before.
async fn settle(shard: &Shard<Keeper>) {
    for _ in 0..3 {
        shard.submit(Command::Tick).await.unwrap();
        shard.tidy().await;
    }
}

async fn assert_readable(shard: &Shard<Keeper>) {
    let kept = shard.with_machine(|machine| machine.kept.clone()).unwrap();
    for (number, (at, _)) in kept {
        assert_eq!(shard.fetch(at).await.unwrap(), Some(message(number, MESSAGE_BYTES)), "message {number}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn segments_go_when_their_last_message_goes() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for number in 0..100 {
        keep(&shard, number, MESSAGE_BYTES).await;
    }
    settle(&shard).await;
    let full = shard.status().segments;
    assert!(full >= 6, "{full} segments");
    assert_readable(&shard).await;
    take(&shard, 0..100).await;
    settle(&shard).await;
    let left = shard.status().segments;
    assert!(left <= 2, "{left} of {full} segments are left");
    let again = open(&disk.after_power_cut(PowerCut::LoseAll)).await;
    assert!(again.with_machine(|machine| machine.kept.is_empty()).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_old_message_does_not_hold_the_disk() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for number in 0..100 {
        keep(&shard, number, MESSAGE_BYTES).await;
    }
    let old = shard.with_machine(|machine| machine.kept[&3].0).unwrap();
    take(&shard, (0..100).filter(|number| *number != 3)).await;
    for _ in 0..8 {
        settle(&shard).await;
    }
    assert!(shard.status().segments <= 3, "{} segments are left", shard.status().segments);
    assert_ne!(shard.with_machine(|machine| machine.kept[&3].0).unwrap(), old);
    assert_readable(&shard).await;
    let before = shard.with_machine(essence).unwrap();
    let again = open(&disk.after_power_cut(PowerCut::LoseAll)).await;
    assert_eq!(again.with_machine(essence).unwrap(), before);
    assert_readable(&again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_moment_of_housekeeping_leaves_a_log_that_starts_again() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for round in 0..6 {
        for number in round * 30..(round + 1) * 30 {
            keep(&shard, number, MESSAGE_BYTES).await;
        }
        take(&shard, round * 30..round * 30 + 25).await;
        settle(&shard).await;
    }
    let before = shard.with_machine(essence).unwrap();
    shard.close().await.unwrap();
    let journal = disk.journal();
    let confirmed: Vec<u64> = before.kept.keys().copied().collect();
    // Every state of the disk along the way opens, and the last ones hold everything.
    for length in (1..=journal.len()).rev().step_by(97) {
        let disk = MemoryDisk::replayed(&journal[..length]).after_power_cut(PowerCut::LoseAll);
        let again = open(&disk).await;
        assert_readable(&again).await;
        if length == journal.len() {
            let kept = again.with_machine(|machine| machine.kept.keys().copied().collect::<Vec<_>>()).unwrap();
            assert_eq!(kept, confirmed);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_checkpoint_costs_nothing_because_the_one_before_is_there() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for number in 0..100 {
        keep(&shard, number, MESSAGE_BYTES).await;
        if number % 20 == 0 {
            shard.tidy().await;
        }
    }
    take(&shard, 0..60).await;
    settle(&shard).await;
    // Segments whose messages are gone already, between the checkpoint that will be damaged and the one before.
    for number in 100..160 {
        keep(&shard, number, MESSAGE_BYTES).await;
    }
    take(&shard, 100..160).await;
    shard.tidy().await;
    keep(&shard, 200, MESSAGE_BYTES).await;
    let before = shard.with_machine(essence).unwrap();
    let found = disk.after_kill();
    let checkpoints = found.paths().into_iter().filter(|path| path.extension().is_some_and(|end| end == "checkpoint"));
    let newest = checkpoints.max().unwrap();
    assert!(found.flip_bit(&newest, 200, 3));
    let again = open(&found).await;
    assert_eq!(again.with_machine(essence).unwrap(), before);
    assert_readable(&again).await;
}

/// The checkpoints that were written to a disk.
fn checkpoints(disk: &MemoryDisk) -> Vec<PathBuf> {
    let paths = disk.paths().into_iter();
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "checkpoint")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_makes_a_checkpoint_only_when_the_log_has_rolled_since_the_newest() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for number in 0..40 {
        keep(&shard, number, 900).await;
    }
    shard.tidy().await;
    let segments = shard.status().segments;
    keep(&shard, 40, 1).await;

    let killed = disk.after_kill();
    let newest = checkpoints(&killed);
    let again = open(&killed).await;
    keep(&again, 41, 1).await;
    assert!(segments > 1 && again.status().segments == segments, "the last messages make no roll");
    assert_eq!(checkpoints(&killed), newest, "the log goes on where the checkpoint was made");

    for number in 42..2000 {
        keep(&again, number, 900).await;
        if checkpoints(&killed) != newest {
            return;
        }
    }
    panic!("no round of housekeeping comes although the log rolls")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_that_follows_at_once_is_not_stuck_behind_the_one_before() {
    // The first checkpoint of a log is followed by no purge that would take its time.
    for log in 0..100 {
        let shard = open(&MemoryDisk::new()).await;
        for number in 0..4 {
            keep(&shard, number, 1).await;
            let round = tokio::time::timeout(shard::limits::PATIENCE / 3, shard.tidy()).await;
            assert!(round.is_ok(), "round {number} of log {log}");
        }
    }
}
