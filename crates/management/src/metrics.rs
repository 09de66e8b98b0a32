//! Metrics under the names that dashboards for RabbitMQ ask for, as Prometheus text.
//! Invariant: they need the right to monitor; single queues are told only to who may see them.
//! Routed by `door`. The broker's own metrics are at the HTTP door.

use std::fmt::Write;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use model::node::{DescribeNode, NodeDescription, Readiness};
use model::queue::QueueDescription;

use crate::answer::Trouble;
use crate::caller::Authenticated;
use crate::door::Door;
use crate::lists;
use crate::overview::{CLUSTER, Sums, VERSION, count, sums};

pub(crate) fn routes() -> Router<Door> {
    Router::new().route("/metrics", get(all)).route("/metrics/per-object", get(per_object))
}

struct Page(String);

impl Page {
    fn put(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        writeln!(self.0, "{name} {value}").expect("a string takes everything");
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}").expect("a string takes everything");
    }

    fn row(&mut self, name: &str, labels: &str, value: u64) {
        writeln!(self.0, "{name}{{{labels}}} {value}").expect("a string takes everything");
    }

    fn answer(self) -> Response {
        let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        ([(CONTENT_TYPE, kind)], self.0).into_response()
    }
}

async fn all(State(door): State<Door>, Authenticated(caller): Authenticated) -> Result<Response, Trouble> {
    let node = door.call(&caller, DescribeNode).await?;
    let sums = sums(&door, &caller).await?;
    let mut page = about_node(&door, &node);
    let connections = door.connections().list();
    let channels = connections.iter().map(|connection| count(connection.channels.len())).sum();
    page.put("rabbitmq_connections", "gauge", "Connections currently open", count(connections.len()));
    page.put("rabbitmq_channels", "gauge", "Channels currently open", channels);
    about_all(&mut page, &sums);
    Ok(page.answer())
}

fn about_node(door: &Door, node: &NodeDescription) -> Page {
    let mut page = Page(String::with_capacity(8192));
    let name = &door.settings().node;
    page.head("rabbitmq_identity_info", "untyped", "RabbitMQ node & cluster identity info");
    page.row("rabbitmq_identity_info", &format!("rabbitmq_node=\"{name}\",rabbitmq_cluster=\"{CLUSTER}\""), 1);
    page.head("rabbitmq_build_info", "untyped", "RabbitMQ & Erlang/OTP version info");
    let labels = format!("rabbitmq_version=\"{VERSION}\",product_name=\"RabbitMQ\",product_version=\"{VERSION}\"");
    page.row("rabbitmq_build_info", &labels, 1);
    let disk = u64::from(node.readiness == Readiness::DiskNearlyFull);
    for (name, kind, help, value) in [
        ("rabbitmq_process_resident_memory_bytes", "gauge", "Memory used in bytes", node.memory.get()),
        ("rabbitmq_disk_space_available_bytes", "gauge", "Disk space available in bytes", node.disk_free.get()),
        ("rabbitmq_erlang_uptime_seconds", "gauge", "Node uptime", node.uptime.get() / 1000),
        (
            "rabbitmq_alarms_free_disk_space_watermark",
            "untyped",
            "Is 1 if the free disk space alarm is in effect",
            disk,
        ),
        ("rabbitmq_alarms_memory_used_watermark", "untyped", "Is 1 if the memory alarm is in effect", 0),
    ] {
        page.put(name, kind, help, value);
    }
    page
}

fn about_all(page: &mut Page, sums: &Sums) {
    for (name, kind, help, value) in [
        ("rabbitmq_queues", "gauge", "Queues available", sums.queues),
        ("rabbitmq_consumers", "gauge", "Consumers currently connected", sums.consumers),
        ("rabbitmq_queue_consumers", "gauge", "Consumers on a queue", sums.consumers),
        ("rabbitmq_queue_messages_ready", "gauge", "Messages ready to be delivered to consumers", sums.ready),
        (
            "rabbitmq_queue_messages_unacked",
            "gauge",
            "Messages delivered to consumers but not yet acknowledged",
            sums.unacknowledged,
        ),
        (
            "rabbitmq_queue_messages",
            "gauge",
            "Sum of ready and unacknowledged messages",
            sums.ready + sums.unacknowledged,
        ),
        ("rabbitmq_global_messages_received_total", "counter", "Total number of messages received", sums.published),
        ("rabbitmq_global_messages_delivered_total", "counter", "Total number of messages delivered", sums.delivered),
        (
            "rabbitmq_global_messages_acknowledged_total",
            "counter",
            "Total number of messages acknowledged",
            sums.acknowledged,
        ),
        (
            "rabbitmq_global_messages_redelivered_total",
            "counter",
            "Total number of messages redelivered",
            sums.redelivered,
        ),
    ] {
        page.put(name, kind, help, value);
    }
}

/// One family of series of queues.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    value: fn(&QueueDescription) -> u64,
}

const FAMILIES: [Family; 7] = [
    Family {
        name: "rabbitmq_queue_messages_ready",
        kind: "gauge",
        help: "Messages ready to be delivered to consumers",
        value: |queue| queue.counts.ready,
    },
    Family {
        name: "rabbitmq_queue_messages_unacked",
        kind: "gauge",
        help: "Messages delivered to consumers but not yet acknowledged",
        value: |queue| queue.counts.leased,
    },
    Family {
        name: "rabbitmq_queue_messages",
        kind: "gauge",
        help: "Sum of ready and unacknowledged messages",
        value: |queue| queue.counts.ready + queue.counts.leased,
    },
    Family {
        name: "rabbitmq_queue_messages_bytes",
        kind: "gauge",
        help: "Size in bytes of ready and unacknowledged messages",
        value: |queue| queue.counts.bytes.get(),
    },
    Family {
        name: "rabbitmq_queue_consumers",
        kind: "gauge",
        help: "Consumers on a queue",
        value: |queue| u64::from(queue.consumers),
    },
    Family {
        name: "rabbitmq_queue_messages_published_total",
        kind: "counter",
        help: "Total number of messages published to this queue",
        value: |queue| queue.totals.published,
    },
    Family {
        name: "rabbitmq_queue_messages_acked_total",
        kind: "counter",
        help: "Total number of messages acknowledged by consumers",
        value: |queue| queue.totals.acknowledged,
    },
];

async fn per_object(State(door): State<Door>, Authenticated(caller): Authenticated) -> Result<Response, Trouble> {
    let node = door.call(&caller, DescribeNode).await?;
    let mut queues = Vec::new();
    for namespace in lists::namespaces(&door, &caller).await? {
        queues.extend(lists::if_there(lists::queues(&door, &caller, &namespace).await)?);
    }
    let mut page = about_node(&door, &node);
    for family in &FAMILIES {
        page.head(family.name, family.kind, family.help);
        for queue in &queues {
            // Names hold no character that a label would have to escape.
            let (host, name) = (rabbit::host(&queue.queue.namespace), queue.queue.name.as_str());
            page.row(family.name, &format!("vhost=\"{host}\",queue=\"{name}\""), (family.value)(queue));
        }
    }
    Ok(page.answer())
}
