//! The broker and its node at a glance.
//! Invariant: who may not monitor sees what is open to everybody here, and no figures.
//! Routed by `door`.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use model::Caller;
use model::node::{DescribeNode, NodeDescription, Readiness};
use model::number::ByteSize;
use serde_json::{Value, json};

use crate::answer::{Answer, Trouble, document};
use crate::caller::Authenticated;
use crate::door::{Door, Listener};
use crate::lists::Kept;
use crate::queues::rate;
use crate::{connections, lists};

/// The version that this API speaks, as the AMQP door does: `docs/adr/0011-amqp-says-rabbitmq.md`.
pub(crate) const VERSION: &str = "4.1.0";
/// The name of the cluster.
pub(crate) const CLUSTER: &str = "recado";
/// What runs in the place of Erlang.
const RUNTIME: &str = concat!("Recado ", env!("CARGO_PKG_VERSION"));

pub(crate) fn routes() -> Router<Door> {
    Router::new()
        .route("/overview", get(overview))
        .route("/cluster-name", get(cluster_name))
        .route("/nodes", get(nodes))
        .route("/nodes/{name}", get(node))
        .route("/nodes/{name}/memory", get(memory))
        .route("/extensions", get(extensions))
        .route("/auth", get(auth))
}

/// Sums over everything that the caller may see.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) queues: u64,
    pub(crate) exchanges: u64,
    pub(crate) ready: u64,
    pub(crate) unacknowledged: u64,
    pub(crate) consumers: u64,
    pub(crate) published: u64,
    pub(crate) delivered: u64,
    pub(crate) acknowledged: u64,
    pub(crate) redelivered: u64,
}

impl Sums {
    fn add(&mut self, kept: &Kept) {
        self.queues += 1;
        match kept {
            Kept::Queue(queue) => {
                self.ready += queue.counts.ready;
                self.unacknowledged += queue.counts.leased;
                self.consumers += u64::from(queue.consumers);
                self.published += queue.totals.published;
                self.delivered += queue.totals.delivered;
                self.acknowledged += queue.totals.acknowledged;
                self.redelivered += queue.totals.redelivered;
            }
            Kept::Stream(topic) => {
                self.ready += topic.partitions.iter().map(|partition| partition.messages).sum::<u64>();
                self.published += topic.totals.published;
            }
        }
    }
}

/// Adds everything up.
pub(crate) async fn sums(door: &Door, caller: &Caller) -> Result<Sums, Trouble> {
    let mut sums = Sums::default();
    for namespace in lists::namespaces(door, caller).await? {
        let add = |kept: Kept| {
            sums.add(&kept);
            Ok(())
        };
        lists::each_queue(door, caller, &namespace, add).await?;
        let one = |_| {
            sums.exchanges += 1;
            Ok(())
        };
        lists::each_exchange(door, caller, &namespace, one).await?;
    }
    Ok(sums)
}

pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn listener(door: &Door, listener: &Listener) -> Value {
    json!({
        "node": door.settings().node,
        "protocol": listener.protocol,
        "ip_address": listener.address.ip().to_string(),
        "port": listener.address.port(),
        "socket_opts": {},
    })
}

async fn overview(State(door): State<Door>, Authenticated(caller): Authenticated) -> Answer {
    let sums = sums(&door, &caller).await?;
    let connections = connections::visible(&door, &caller).await?;
    let channels: usize = connections.iter().map(|connection| connection.channels.len()).sum();
    let node = &door.settings().node;
    let kinds = ["direct", "fanout", "headers", "topic", "x-consistent-hash", "x-delayed-message"];
    let kinds = kinds.map(|name| json!({"name": name, "description": "", "enabled": true}));
    let listeners: Vec<Value> = door.settings().listeners.iter().map(|one| listener(&door, one)).collect();
    Ok(document(&json!({
        "management_version": VERSION,
        "rabbitmq_version": VERSION,
        "product_version": VERSION,
        "product_name": "RabbitMQ",
        "platform": RUNTIME,
        "erlang_version": RUNTIME,
        "erlang_full_version": RUNTIME,
        "crypto_lib_version": "ring",
        "cluster_name": CLUSTER,
        "cluster_tags": {},
        "node_tags": {},
        "node": node,
        "rates_mode": "none",
        "default_queue_type": "classic",
        "release_series_support_status": "supported",
        "exchange_types": kinds,
        "listeners": listeners,
        "contexts": [],
        "statistics_db_event_queue": 0,
        "churn_rates": {},
        "message_stats": {
            "publish": sums.published,
            "publish_details": rate(),
            "deliver_get": sums.delivered,
            "deliver_get_details": rate(),
            "ack": sums.acknowledged,
            "ack_details": rate(),
            "redeliver": sums.redelivered,
            "redeliver_details": rate(),
        },
        "queue_totals": {
            "messages": sums.ready + sums.unacknowledged,
            "messages_details": rate(),
            "messages_ready": sums.ready,
            "messages_ready_details": rate(),
            "messages_unacknowledged": sums.unacknowledged,
            "messages_unacknowledged_details": rate(),
        },
        "object_totals": {
            "queues": sums.queues,
            "exchanges": sums.exchanges,
            "consumers": sums.consumers,
            "connections": connections.len(),
            "channels": channels,
        },
    })))
}

async fn cluster_name(Authenticated(_): Authenticated) -> Answer {
    Ok(document(&json!({"name": CLUSTER})))
}

async fn extensions(Authenticated(_): Authenticated) -> Answer {
    Ok(document(&json!([])))
}

async fn auth() -> Answer {
    Ok(document(&json!({"oauth_enabled": false})))
}

/// The node as RabbitMQ tells of it.
fn shown(door: &Door, node: &NodeDescription) -> Value {
    let disk_alarm = node.readiness == Readiness::DiskNearlyFull;
    json!({
        "name": door.settings().node,
        "type": "disc",
        "running": true,
        "being_drained": node.readiness == Readiness::Draining,
        "uptime": u32::try_from(node.uptime.get()).unwrap_or(u32::MAX),
        "os_pid": std::process::id().to_string(),
        "mem_used": node.memory.get(),
        "mem_limit": 0,
        "mem_alarm": false,
        "disk_free": node.disk_free.get(),
        "disk_free_limit": 0,
        "disk_free_alarm": disk_alarm,
        "fd_used": 0,
        "fd_total": 0,
        "sockets_used": 0,
        "sockets_total": 0,
        "proc_used": 0,
        "proc_total": 0,
        "run_queue": 0,
        "processors": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "rates_mode": "none",
        "net_ticktime": 60,
        "partitions": [],
        "enabled_plugins": ["rabbitmq_management", "rabbitmq_prometheus"],
        "applications": [{"name": "rabbit", "description": RUNTIME, "version": VERSION}],
        "exchange_types": [],
        "auth_mechanisms": [],
        "log_files": [],
        "config_files": [],
        "rabbitmq_version": VERSION,
        "erlang_version": RUNTIME,
        "queues": node.queues + node.topics,
        "messages": node.messages,
    })
}

async fn nodes(State(door): State<Door>, Authenticated(caller): Authenticated) -> Answer {
    let node = door.call(&caller, DescribeNode).await?;
    Ok(document(&json!([shown(&door, &node)])))
}

fn demand_own(door: &Door, name: &str) -> Result<(), Trouble> {
    if name == door.settings().node { Ok(()) } else { Err(Trouble::not_found()) }
}

async fn node(State(door): State<Door>, Authenticated(caller): Authenticated, Path(name): Path<String>) -> Answer {
    demand_own(&door, &name)?;
    Ok(document(&shown(&door, &door.call(&caller, DescribeNode).await?)))
}

async fn memory(State(door): State<Door>, Authenticated(caller): Authenticated, Path(name): Path<String>) -> Answer {
    demand_own(&door, &name)?;
    let ByteSize { .. } = door.call(&caller, DescribeNode).await?.memory;
    Ok(document(&json!({"memory": "not_available"})))
}
