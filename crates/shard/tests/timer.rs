//! The machine gets a batch when it asked for one, and not before.
#![allow(clippy::unwrap_used)]

mod world;

use std::path::PathBuf;
use std::sync::Arc;

use shard::Settings;
use storage::disk::simulated::MemoryDisk;
use world::{Command, FOLDER, Hand, keep, open_on, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_has_passed_brings_a_batch_although_nobody_submits() {
    let disk = MemoryDisk::new();
    let clock = Arc::new(Hand::default());
    clock.set(1000);
    let with_clock = Settings { clock: clock.clone(), ..settings() };
    let shard = open_on(Arc::new(disk.clone()), PathBuf::from(FOLDER), with_clock).await;
    shard.submit(Command::Wake(5000)).await.unwrap();
    for number in 0..20 {
        keep(&shard, number, 1).await;
    }
    assert_eq!(shard.with_machine(|machine| machine.ticks).unwrap(), 0, "before the deadline nothing happens");
    let clock_after_restart = Arc::new(Hand::default());
    clock_after_restart.set(9000);
    let again = Settings { clock: clock_after_restart, ..settings() };
    shard.submit(Command::Wake(8000)).await.unwrap();
    let again = open_on(Arc::new(disk.after_kill()), PathBuf::from(FOLDER), again).await;
    while again.with_machine(shard::StateMachine::next_deadline).unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(again.now().get(), 9000);
    // A deadline that comes while the timer sleeps wakes it.
    shard.submit(Command::Wake(2000)).await.unwrap();
    clock.set(8000);
    shard.submit(Command::Wake(1)).await.unwrap();
    while shard.with_machine(shard::StateMachine::next_deadline).unwrap().is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_put_right_is_noticed_soon_although_nobody_submits() {
    let clock = Arc::new(Hand::default());
    clock.set(10_000_000);
    let with_clock = Settings { clock: clock.clone(), ..settings() };
    let shard = open_on(Arc::new(MemoryDisk::new()), PathBuf::from(FOLDER), with_clock).await;
    // The clock goes back by hours while something is due in a second, and a timer begins to wait for hours.
    clock.set(1000);
    shard.submit(Command::Wake(10_001_000)).await.unwrap();
    clock.set(10_002_000);
    let noticed = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        while shard.with_machine(shard::StateMachine::next_deadline).unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    });
    noticed.await.expect("it is noticed within seconds");
}
