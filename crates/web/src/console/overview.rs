//! The overview: the node's state, what a confirmation means, rates, disk, flushes, and what needs attention.
//! Invariant: without the right to monitor the page shows what the caller may see and says what is missing.
//! Tests in `tests.rs`.

use axum::Json;
use axum::Router;
use axum::routing::get;
use maud::{Markup, html};
use model::access::{ListNamespaces, NamespaceDescription, NamespacePage};
use model::limits::PAGE_ITEMS_MAX;
use model::node::{DescribeNode, NodeDescription, Readiness, ShardDescription};
use model::page::PageRequest;
use model::queue::{ListQueues, Totals};
use model::topic::ListTopics;
use serde::Serialize;

use super::address::Address;
use super::page::{Tab, Turned, fact, notice, rates};
use super::session::Visitor;
use super::words;
use crate::door::Door;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/", get(overview)).route("/console/rates", get(totals))
}

/// Totals since the node started, from which the page makes rates.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Reading {
    at: u64,
    published: u64,
    delivered: u64,
    acknowledged: u64,
}

impl Reading {
    /// The reading of some totals, now.
    pub(super) fn of(totals: impl Iterator<Item = Totals>) -> Json<Self> {
        let none = Self { at: words::now().get(), ..Self::default() };
        Json(totals.fold(none, |sum, each| Self {
            at: sum.at,
            published: sum.published.saturating_add(each.published),
            delivered: sum.delivered.saturating_add(each.delivered),
            acknowledged: sum.acknowledged.saturating_add(each.acknowledged),
        }))
    }
}

/// The first page of queues and topics: a chart is a look, and must not cost more the more there is.
async fn totals(visitor: Visitor) -> Result<Json<Reading>, Turned> {
    let page = PageRequest { limit: PAGE_ITEMS_MAX, cursor: None };
    let namespace = visitor.namespace.clone();
    let queues = ListQueues { namespace: namespace.clone(), prefix: String::new(), page: page.clone() };
    let topics = ListTopics { namespace, prefix: String::new(), page };
    let (queues, topics) = (visitor.call(queues).await?, visitor.call(topics).await?);
    let queues = queues.items.into_iter().map(|queue| queue.totals);
    Ok(Reading::of(queues.chain(topics.items.into_iter().map(|topic| topic.totals))))
}

async fn overview(visitor: Visitor) -> Result<Markup, Turned> {
    let node = visitor.call_if_allowed(DescribeNode).await?;
    let page = PageRequest { limit: PAGE_ITEMS_MAX, cursor: None };
    let namespaces = visitor.call_if_allowed(ListNamespaces { page }).await?;
    let chart = Address::of("/console/rates").within(&visitor.namespace);
    let label = format!("Messages a second in {}, up to 1000 queues and topics", visitor.namespace);
    let content = html! {
        (notice(&visitor.query))
        @match &node {
            Some(node) => div #live hx-get=(Address::of("/").within(&visitor.namespace)) hx-trigger="every 2s"
                hx-select="#live" hx-swap="outerHTML" { (node_view(node)) },
            None => p.notice { "The state of the node needs the right to monitor." },
        }
        (rates(&chart, &label))
        @if let Some(node) = &node { (shards_view(&node.shards)) }
        @if let Some(namespaces) = &namespaces { (namespaces_view(namespaces)) }
    };
    Ok(visitor.frame.page("Overview", Tab::Overview, &content))
}

fn state(readiness: &Readiness) -> (&'static str, &'static str, &'static str) {
    match readiness {
        Readiness::Ready => ("ok", "ready", "It serves everything."),
        Readiness::Starting => ("warn", "starting", "It loads its state and answers soon."),
        Readiness::DiskNearlyFull => {
            ("bad", "disk nearly full", "Publishes are refused until the disk has room; consuming and deleting go on.")
        }
        Readiness::Draining => ("warn", "draining", "It finishes what it has and takes nothing new."),
        Readiness::Stopped { .. } => {
            ("bad", "stopped", "A fault stopped a shard: look at the disk, then restart the node.")
        }
    }
}

/// The state of the node.
pub(super) fn node_view(node: &NodeDescription) -> Markup {
    let (class, word, meaning) = state(&node.readiness);
    let p50 = node.shards.iter().map(|shard| shard.flush_micros_p50).max().unwrap_or_default();
    let p99 = node.shards.iter().map(|shard| shard.flush_micros_p99).max().unwrap_or_default();
    let log = node.shards.iter().fold(model::number::ByteSize::new(0), |sum, shard| sum.plus(shard.log_bytes));
    html! {
        div.state {
            p { span class={"badge " (class)} { (word) } " " (meaning) }
            @if let Readiness::Stopped { fault } = &node.readiness { p.notice.problem role="alert" { (fault) } }
            p.muted { (words::durability(node.durability)) }
        }
        dl.facts {
            (fact("Messages queued", words::count(node.messages)))
            (fact("Queues", words::count(node.queues)))
            (fact("Topics", words::count(node.topics)))
            (fact("Consumers", words::count(node.consumers)))
            (fact("Flush p50", words::micros(p50)))
            (fact("Flush p99", words::micros(p99)))
            (fact("Disk free", words::size(node.disk_free)))
            (fact("Log on disk", words::size(log)))
            (fact("Memory", words::size(node.memory)))
            (fact("Up for", words::span(node.uptime)))
            (fact("Users", words::count(node.users)))
            (fact("Version", &node.version))
        }
    }
}

fn shards_view(shards: &[ShardDescription]) -> Markup {
    html! {
        div.scroll { table {
            caption { "Shards" }
            thead { tr {
                th scope="col" { "Shard" } th.n scope="col" { "Epoch" } th.n scope="col" { "Applied" }
                th.n scope="col" { "Durable" } th.n scope="col" { "Checkpoint" } th.n scope="col" { "Segments" }
                th.n scope="col" { "Log" } th.n scope="col" { "Still needed" } th.n scope="col" { "Flushes" }
            } }
            tbody { @for shard in shards { tr {
                th scope="row" { (shard.shard) } td.n { (shard.epoch) } td.n { (shard.applied) }
                td.n { (shard.durable) } td.n { (shard.checkpoint) } td.n { (shard.segments) }
                td.n { (words::size(shard.log_bytes)) } td.n { (words::size(shard.live_bytes)) }
                td.n { (words::count(shard.flushes)) }
            } } }
        } }
    }
}

fn namespaces_view(page: &NamespacePage) -> Markup {
    let row = |one: &NamespaceDescription| {
        html! { tr {
            th scope="row" { a href=(Address::of("/").within(&one.name)) { (one.name) } }
            td.n { a href=(Address::of("/console/queues").within(&one.name)) { (words::count(one.queues)) } }
            td.n { a href=(Address::of("/console/topics").within(&one.name)) { (words::count(one.topics)) } }
        } }
    };
    html! {
        div.scroll { table {
            caption { "Namespaces" }
            thead { tr { th scope="col" { "Name" } th.n scope="col" { "Queues" } th.n scope="col" { "Topics" } } }
            tbody { @for one in &page.items { (row(one)) } }
        } }
    }
}
