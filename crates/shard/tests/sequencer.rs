//! Batches: many commands share a flush, answers go to whom they belong, and the time never goes back.
#![allow(clippy::unwrap_used)]

mod world;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use broker::place::MessageRef;
use futures_util::FutureExt;
use model::failure::Unavailable;
use shard::limits::{BATCH_COMMANDS_MAX, GROUP_BYTES_MAX, INBOX_COMMANDS_MAX};
use shard::{Settings, Shard};
use storage::Operation;
use storage::disk::simulated::{MemoryDisk, PowerCut};
use world::{Answer, Command, FOLDER, Hand, Keeper, Kept, keep, message, open, open_on, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_submissions_at_once_share_few_flushes() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    let before = disk.calls(Operation::Sync);
    // The first batch waits on the disk while the others come.
    disk.hold_syncs();
    let waiting: Vec<_> = (0..1000)
        .map(|number| {
            let shard = shard.clone();
            tokio::spawn(async move { shard.submit(Command::Keep(number, message(number, 8))).await })
        })
        .collect();
    let held = disk.clone();
    tokio::task::spawn_blocking(move || held.await_held_sync()).await.unwrap();
    disk.release_syncs();
    for outcome in futures_util::future::join_all(waiting).await {
        assert_eq!(outcome.unwrap(), Ok(Answer::Done));
    }
    let flushes = disk.calls(Operation::Sync) - before;
    assert!(flushes < 100, "{flushes} flushes for 1000 submissions");
    assert_eq!(shard.with_machine(|machine| machine.kept.len()).unwrap(), 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_submitted_together_share_a_batch_and_hear_their_own_answers() {
    let shard = open(&MemoryDisk::new()).await;
    keep(&shard, 1, 1).await;
    let commands = vec![Command::Take(1), Command::Take(1), Command::Keep(2, message(2, 1)), Command::Take(7)];
    let answers = shard.submit_many(commands).await.unwrap();
    assert_eq!(answers, [Answer::Done, Answer::Missing, Answer::Done, Answer::Missing]);
    assert_eq!(shard.submit_many(Vec::new()).await, Ok(Vec::new()));
    let many = vec![Command::Tick; BATCH_COMMANDS_MAX];
    let before = shard.with_machine(|machine| machine.batches).unwrap();
    assert_eq!(shard.submit_many(many.clone()).await.unwrap().len(), BATCH_COMMANDS_MAX);
    assert_eq!(shard.with_machine(|machine| machine.batches).unwrap(), before + 1);
    let more = [many, vec![Command::Tick]].concat();
    assert_eq!(shard.submit_many(more).await, Err(Unavailable::Busy.into()));
    let large = Command::Keep(3, message(3, GROUP_BYTES_MAX));
    assert_eq!(shard.submit(large).await, Err(Unavailable::MemoryFull.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_inbox_holds_is_busy_and_the_rest_is_done() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    disk.hold_syncs();
    let groups = INBOX_COMMANDS_MAX / BATCH_COMMANDS_MAX + 4;
    let waiting: Vec<_> = (0..groups)
        .map(|_| {
            let shard = shard.clone();
            tokio::spawn(async move { shard.submit_many(vec![Command::Tick; BATCH_COMMANDS_MAX]).await })
        })
        .collect();
    // Two batches are in flight, the inbox is full, two groups are refused at once.
    let (busy, waiting): (Vec<_>, Vec<_>) = {
        let mut busy = Vec::new();
        let mut waiting = futures_util::future::select_all(waiting);
        loop {
            let (outcome, _, others) = waiting.await;
            busy.push(outcome.unwrap());
            if busy.len() == 2 {
                break (busy, others);
            }
            waiting = futures_util::future::select_all(others);
        }
    };
    assert!(busy.iter().all(|outcome| *outcome == Err(Unavailable::Busy.into())));
    disk.release_syncs();
    for outcome in futures_util::future::join_all(waiting).await {
        assert_eq!(outcome.unwrap().unwrap().len(), BATCH_COMMANDS_MAX);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_of_batches_never_goes_back_even_over_a_restart() {
    let disk = MemoryDisk::new();
    let clock = Arc::new(Hand::default());
    let with_clock = || Settings { clock: clock.clone(), ..settings() };
    clock.set(5000);
    let shard = open_on(Arc::new(disk.clone()), PathBuf::from(FOLDER), with_clock()).await;
    clock.set(6000);
    keep(&shard, 1, 1).await;
    clock.set(10);
    keep(&shard, 2, 1).await;
    assert_eq!(shard.now().get(), 6000);
    // After a power cut not even the committed hint is there: the tail is applied when the leadership begins.
    let cut = disk.after_power_cut(PowerCut::LoseAll);
    let after_cut = open_on(Arc::new(cut), PathBuf::from(FOLDER), with_clock()).await;
    keep(&after_cut, 3, 1).await;
    assert_eq!(after_cut.now().get(), 6000);
    let again = open_on(Arc::new(disk.after_kill()), PathBuf::from(FOLDER), with_clock()).await;
    keep(&again, 3, 1).await;
    assert_eq!(again.now().get(), 6000);
    clock.set(6001);
    keep(&again, 4, 1).await;
    assert_eq!(again.now().get(), 6001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_batch_opens_the_epoch_and_effects_come_in_order_before_the_answers() {
    let seen: Arc<Mutex<Vec<Kept>>> = Arc::default();
    let sink = {
        let seen = Arc::clone(&seen);
        Box::new(move |_, effects| seen.lock().unwrap().extend::<Vec<Kept>>(effects))
    };
    let shard: Shard<Keeper> =
        Shard::open(Arc::new(MemoryDisk::new()), PathBuf::from(FOLDER), settings(), sink).await.unwrap();
    let early = shard.submit(Command::Tick).await;
    assert!(matches!(&early, Ok(_) | Err(model::Failure::Unavailable(Unavailable::Starting))), "{early:?}");
    let epoch = shard.ready().await.unwrap();
    assert_eq!(shard.with_machine(|machine| machine.epoch).unwrap(), epoch.get());
    for number in 0..10 {
        keep(&shard, number, 1).await;
        assert_eq!(seen.lock().unwrap().last(), Some(&Kept(number)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_answers_what_was_taken_and_takes_nothing_new() {
    let disk = MemoryDisk::new();
    let shard = open(&disk).await;
    disk.hold_syncs();
    let taken: Vec<_> = (0..10)
        .map(|number| {
            let shard = shard.clone();
            tokio::spawn(async move { shard.submit(Command::Keep(number, message(number, 1))).await })
        })
        .collect();
    let held = disk.clone();
    tokio::task::spawn_blocking(move || held.await_held_sync()).await.unwrap();
    let closing = {
        let shard = shard.clone();
        tokio::spawn(async move { shard.close().await })
    };
    // Nothing that is let in is answered while the disk waits; what is not let in is answered at once.
    while shard.submit(Command::Tick).now_or_never() != Some(Err(Unavailable::Draining.into())) {
        tokio::task::yield_now().await;
    }
    disk.release_syncs();
    for outcome in futures_util::future::join_all(taken).await {
        assert!(matches!(outcome.unwrap(), Ok(Answer::Done) | Err(model::Failure::Unavailable(Unavailable::Draining))));
    }
    closing.await.unwrap().unwrap();
    assert!(matches!(shard.submit(Command::Tick).await, Err(model::Failure::Unavailable(Unavailable::Draining))));
    let gone = MessageRef { index: model::number::LogIndex::new(9999), position: 0 };
    assert_eq!(shard.fetch(gone).await, Ok(None));
}
