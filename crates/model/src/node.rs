//! The state of a node as its console, health checks and `recado doctor` see it.

use crate::number::{ByteSize, Epoch, LogIndex, Span, Timestamp};
use crate::queue::Durability;

/// Asks a node for its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescribeNode;

/// Whether a node can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Serves everything.
    Ready,
    /// Loads its state.
    Starting,
    /// Publishes are refused until the disk has room; consuming and deleting go on.
    DiskNearlyFull,
    /// Finishes what it has and takes nothing new.
    Draining,
    /// A disk fault stopped a shard; restart the node after looking at the disk.
    Stopped {
        /// What happened.
        fault: String,
    },
}

/// The state of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardDescription {
    /// Its number, from 0.
    pub shard: u32,
    /// The leadership it works under.
    pub epoch: Epoch,
    /// The newest batch that is applied.
    pub applied: LogIndex,
    /// The newest batch that is flushed here.
    pub durable: LogIndex,
    /// The batch its newest checkpoint covers.
    pub checkpoint: LogIndex,
    /// Segment files.
    pub segments: u64,
    /// Bytes of log on disk.
    pub log_bytes: ByteSize,
    /// Bytes of messages that are still needed.
    pub live_bytes: ByteSize,
    /// Batches flushed since start.
    pub flushes: u64,
    /// Median time of a flush in microseconds, over the recent ones.
    pub flush_micros_p50: u64,
    /// 99th percentile of the same.
    pub flush_micros_p99: u64,
}

/// The state of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeDescription {
    /// The version of the binary.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// How long it has run.
    pub uptime: Span,
    /// Whether it can do its work.
    pub readiness: Readiness,
    /// How a confirmed write is durable.
    pub durability: Durability,
    /// Bytes free on the disk of its data.
    pub disk_free: ByteSize,
    /// Resident memory.
    pub memory: ByteSize,
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
