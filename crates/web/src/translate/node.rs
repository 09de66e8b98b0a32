//! The state of a node.
//! Invariant: the open health check shows the word of the state and nothing else.
//! Used by `rest::health`; tests in `translate/tests.rs`.

use model::node::{NodeDescription, Readiness, ShardDescription};
use model::{Fault, Unavailable};

use super::problem::Problem;
use crate::wire;

impl From<&Readiness> for wire::Readiness {
    fn from(readiness: &Readiness) -> Self {
        match readiness {
            Readiness::Ready => Self::Ready,
            Readiness::Starting => Self::Starting,
            Readiness::DiskNearlyFull => Self::DiskNearlyFull,
            Readiness::Draining => Self::Draining,
            Readiness::Stopped { .. } => Self::Stopped,
        }
    }
}

/// The answer of a readiness check. A nearly full disk is still ready: consuming and deleting must go on.
pub(crate) fn readiness(readiness: &Readiness) -> Result<wire::Health, Problem> {
    match readiness {
        Readiness::Ready | Readiness::DiskNearlyFull => Ok(wire::Health { status: readiness.into() }),
        Readiness::Starting => Err(Unavailable::Starting.into()),
        Readiness::Draining => Err(Unavailable::Draining.into()),
        Readiness::Stopped { fault } => {
            let stopped = model::Failure::Fault(Fault { what: fault.clone() });
            Err(Problem::from(stopped).answered_with(http::StatusCode::SERVICE_UNAVAILABLE))
        }
    }
}

impl From<ShardDescription> for wire::ShardDescription {
    fn from(shard: ShardDescription) -> Self {
        Self {
            shard: shard.shard,
            epoch: shard.epoch.get(),
            applied: shard.applied.get(),
            durable: shard.durable.get(),
            checkpoint: shard.checkpoint.get(),
            segments: shard.segments,
            log_bytes: shard.log_bytes.get(),
            live_bytes: shard.live_bytes.get(),
            flushes: shard.flushes,
            flush_micros_p50: shard.flush_micros_p50,
            flush_micros_p99: shard.flush_micros_p99,
        }
    }
}

impl wire::NodeDescription {
    /// The node as its backend describes it, with what only the door knows.
    pub(crate) fn of(node: NodeDescription, insecure_plaintext: bool) -> Self {
        let fault = match &node.readiness {
            Readiness::Stopped { fault } => Some(fault.clone()),
            Readiness::Ready | Readiness::Starting | Readiness::DiskNearlyFull | Readiness::Draining => None,
        };
        Self {
            version: node.version,
            started_at: node.started_at.get(),
            uptime_ms: node.uptime.get(),
            readiness: (&node.readiness).into(),
            fault,
            durability: node.durability.into(),
            insecure_plaintext,
            disk_free_bytes: node.disk_free.get(),
            memory_bytes: node.memory.get(),
            queues: node.queues,
            topics: node.topics,
            users: node.users,
            messages: node.messages,
            consumers: node.consumers,
            shards: node.shards.into_iter().map(wire::ShardDescription::from).collect(),
        }
    }
}
