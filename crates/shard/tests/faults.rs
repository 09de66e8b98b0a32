//! A disk that fails: no success after it, a fault that says why, and everything confirmed after a restart.
#![allow(clippy::unwrap_used)]

mod world;

use std::io::ErrorKind;

use model::failure::{Failure, Unavailable};
use storage::Operation;
use storage::disk::simulated::{MemoryDisk, PowerCut};
use world::{Answer, Command, SEGMENT_BYTES, keep, message, open};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_flush_nothing_is_confirmed_and_everything_confirmed_is_there() {
    for nth in 1..=12 {
        let disk = MemoryDisk::new();
        let shard = open(&disk).await;
        disk.fail(Operation::Sync, nth, ErrorKind::Other);
        let mut confirmed = Vec::new();
        let mut failed = 0;
        for number in 0..60 {
            match shard.submit(Command::Keep(number, message(number, 900))).await {
                Ok(answer) => {
                    assert_eq!((failed, answer), (0, Answer::Done), "confirmed after a failure");
                    confirmed.push(number);
                }
                Err(Failure::Fault(_)) => failed += 1,
                Err(other) => panic!("a fault was expected: {other}"),
            }
        }
        assert!(failed > 0, "the {nth}. flush did not fail");
        let fault = shard.stopped().await.unwrap();
        assert!(fault.what.contains("Sync failed"), "{}", fault.what);
        assert!(shard.with_machine(|_| ()).is_err());
        for cut in [PowerCut::LoseAll, PowerCut::KeepAll] {
            let again = open(&disk.after_power_cut(cut)).await;
            let kept = again.with_machine(|machine| machine.kept.clone()).unwrap();
            assert!(confirmed.iter().all(|number| kept.contains_key(number)), "{confirmed:?} of {kept:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_of_many_at_once_confirms_none_of_them() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    keep(&shard, 0, 1).await;
    disk.fail(Operation::Write, 1, ErrorKind::Other);
    let commands = (1..100).map(|number| shard.submit(Command::Keep(number, message(number, 1))));
    for outcome in futures_util::future::join_all(commands).await {
        assert!(matches!(outcome, Err(Failure::Fault(_))), "{outcome:?}");
    }
    let again = open(&disk.after_power_cut(PowerCut::LoseAll)).await;
    assert_eq!(again.with_machine(|machine| machine.kept.len()).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_needs_room_and_goes_on_when_there_is_some() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    for number in 0..40 {
        keep(&shard, number, 900).await;
    }
    let free = shard.status().disk_free.unwrap().get();
    let used = (1_u64 << 40) - free;
    disk.set_capacity(Some(used + SEGMENT_BYTES * 3 / 2));
    let refused = shard.submit(Command::Keep(99, message(99, 1))).await;
    assert_eq!(refused, Err(Unavailable::DiskNearlyFull.into()));
    assert_eq!(shard.submit(Command::Take(0)).await, Ok(Answer::Done), "taking goes on");
    disk.set_capacity(Some(used));
    assert_eq!(shard.submit(Command::Take(1)).await, Err(Unavailable::DiskNearlyFull.into()));
    assert_eq!(shard.fault(), None);
    disk.set_capacity(None);
    keep(&shard, 99, 1).await;
}
