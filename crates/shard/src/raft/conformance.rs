//! The adapter against the conformance suite of the consensus library, on the real store.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use storage::SegmentStore;
use storage::disk::simulated::MemoryDisk;

use super::log::Log;
use super::state::State;
use super::types::Types;
use crate::hands::Hands;
use crate::health::Health;
use crate::world::Keeper;

struct Builder;

impl StoreBuilder<Types, Log, State<Keeper>> for Builder {
    async fn build(&self) -> Result<((), Log, State<Keeper>), StorageError<Types>> {
        let settings =
            storage::Settings { segment_bytes: storage::limits::SEGMENT_BYTES_MIN, ..storage::Settings::default() };
        let opened = SegmentStore::open(Arc::new(MemoryDisk::new()), Path::new("shard"), settings);
        let (store, recovered) = opened.unwrap();
        let log = Log::new(store, recovered, 1 << 12, Health::default(), Hands::default()).unwrap();
        let state = State::open(log.clone(), Box::new(|_, _| {})).unwrap();
        Ok(((), log, state))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_and_the_state_machine_pass_the_suite() {
    Suite::<Types, Log, State<Keeper>, Builder, ()>::test_all(Builder).await.unwrap();
}
