//! The state of nodes between the model and the contract.

use model::Refusal;
use model::node::{DescribeNode, NodeDescription, Readiness, ShardDescription};

use super::{Required, Wire, messages, missing};
use crate::proto as pb;

messages! {
    DescribeNode = DescribeNodeRequest {}
    ShardDescription = ShardDescription {
        shard = shard;
        epoch = epoch;
        applied = applied;
        durable = durable;
        checkpoint = checkpoint;
        segments = segments;
        log_bytes = log_bytes;
        live_bytes = live_bytes;
        flushes = flushes;
        flush_micros_p50 = flush_micros_p50;
        flush_micros_p99 = flush_micros_p99;
    }
    NodeDescription = NodeDescription {
        version = version;
        started_at = started_at_ms;
        uptime = uptime_ms;
        readiness = readiness, Required;
        durability = durability;
        disk_free = disk_free;
        memory = memory;
        queues = queues;
        topics = topics;
        users = users;
        messages = messages;
        consumers = consumers;
        shards = shards;
    }
}

impl Wire for Readiness {
    type Form = pb::Readiness;

    fn to_wire(self) -> pb::Readiness {
        let (state, fault) = match self {
            Self::Ready => (pb::ReadinessState::Ready, String::new()),
            Self::Starting => (pb::ReadinessState::Starting, String::new()),
            Self::DiskNearlyFull => (pb::ReadinessState::DiskNearlyFull, String::new()),
            Self::Draining => (pb::ReadinessState::Draining, String::new()),
            Self::Stopped { fault } => (pb::ReadinessState::Stopped, fault),
        };
        pb::Readiness { state: i32::from(state), fault }
    }

    fn from_wire(form: pb::Readiness) -> Result<Self, Refusal> {
        match pb::ReadinessState::try_from(form.state) {
            Ok(pb::ReadinessState::Ready) => Ok(Self::Ready),
            Ok(pb::ReadinessState::Starting) => Ok(Self::Starting),
            Ok(pb::ReadinessState::DiskNearlyFull) => Ok(Self::DiskNearlyFull),
            Ok(pb::ReadinessState::Draining) => Ok(Self::Draining),
            Ok(pb::ReadinessState::Stopped) => Ok(Self::Stopped { fault: form.fault }),
            Ok(pb::ReadinessState::Unspecified) | Err(_) => Err(missing("readiness")),
        }
    }
}
