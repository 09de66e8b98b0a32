//! The state of a node.
//! Invariant: who may not read the state of nodes sees only `Health`.
//! Translated by `translate::node`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Durability;

/// Whether a node can do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Serves everything.
    Ready,
    /// Loads its state.
    Starting,
    /// Publishes are refused until the disk has room; consuming and deleting go on.
    DiskNearlyFull,
    /// Finishes what it has and takes nothing new.
    Draining,
    /// A disk fault stopped a shard.
    Stopped,
}

/// What a health check answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Whether the node can do its work.
    pub status: Readiness,
}

/// That the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// Always true.
    pub live: bool,
}

/// The state of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShardDescription {
    /// Its number, from 0.
    pub shard: u32,
    /// The leadership it works under.
    pub epoch: u64,
    /// The newest batch that is applied.
    pub applied: u64,
    /// The newest batch that is flushed here.
    pub durable: u64,
    /// The batch its newest checkpoint covers.
    pub checkpoint: u64,
    /// Segment files.
    pub segments: u64,
    /// Bytes of log on disk.
    pub log_bytes: u64,
    /// Bytes of messages that are still needed.
    pub live_bytes: u64,
    /// Batches flushed since start.
    pub flushes: u64,
    /// Median time of a flush in microseconds.
    pub flush_micros_p50: u64,
    /// 99th percentile of the same.
    pub flush_micros_p99: u64,
}

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeDescription {
    /// The version of the binary.
    pub version: String,
    /// When it started.
    pub started_at: u64,
    /// How long it has run.
    pub uptime_ms: u64,
    /// Whether it can do its work.
    pub readiness: Readiness,
    /// What happened, when a fault stopped it.
    pub fault: Option<String>,
    /// How a confirmed write is durable.
    pub durability: Durability,
    /// True when this door serves without TLS beyond this machine, by an explicit switch.
    pub insecure_plaintext: bool,
    /// Bytes free on the disk of its data.
    pub disk_free_bytes: u64,
    /// Resident memory.
    pub memory_bytes: u64,
    /// Queues.
    pub queues: u64,
    /// Topics.
    pub topics: u64,
    /// Users.
    pub users: u64,
    /// Messages in all queues.
    pub messages: u64,
    /// Open consumer streams and waiting receives.
    pub consumers: u64,
    /// Its shards.
    pub shards: Vec<ShardDescription>,
}
