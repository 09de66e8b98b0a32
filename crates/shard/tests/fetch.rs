//! Messages read back from segments, as a consumer does that goes through a backlog.
#![allow(clippy::unwrap_used)]

mod world;

use std::path::PathBuf;
use std::sync::Arc;

use shard::Settings;
use storage::Operation;
use storage::disk::simulated::MemoryDisk;
use world::{FOLDER, keep, message, open_on, settings};

const MESSAGES: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_through_the_log_in_order_is_read_ahead_for_and_who_jumps_is_not() {
    let disk = MemoryDisk::new();
    // Nothing is found in memory but what was read for a consumer.
    let settings = Settings { tail_bytes: 0, ..settings() };
    let shard = open_on(Arc::new(disk.clone()), PathBuf::from(FOLDER), settings).await;
    for number in 0..MESSAGES {
        keep(&shard, number, 500).await;
    }
    let places = shard.with_machine(|machine| machine.kept.clone()).unwrap();
    let before = disk.calls(Operation::Read);
    for (number, (at, _)) in &places {
        assert_eq!(shard.fetch(*at).await.unwrap(), Some(message(*number, 500)));
    }
    let in_order = disk.calls(Operation::Read) - before;
    assert!(in_order < MESSAGES / 3, "{in_order} reads for {MESSAGES} messages in order");

    let shard = open_on(Arc::new(disk.after_kill()), PathBuf::from(FOLDER), world::settings()).await;
    for (number, (at, _)) in places.iter().rev().step_by(7) {
        assert_eq!(shard.fetch(*at).await.unwrap(), Some(message(*number, 500)));
    }
}
