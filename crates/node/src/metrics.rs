//! Counters of the node in the text format of Prometheus (exposition format 0.0.4).
//! Bounded: nothing is counted by name of a queue, topic or user. Names are listed in `docs/metrics.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use model::code::Code;
use model::node::{NodeDescription, Readiness};
use model::operation::OperationKind;
use shard::Upkeep;

/// What the node counts.
pub(crate) struct Metrics {
    operations: BTreeMap<OperationKind, AtomicU64>,
    failures: BTreeMap<Code, AtomicU64>,
    published: AtomicU64,
    published_bytes: AtomicU64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            operations: OperationKind::ALL.iter().map(|kind| (*kind, AtomicU64::new(0))).collect(),
            failures: Code::ALL.iter().map(|code| (*code, AtomicU64::new(0))).collect(),
            published: AtomicU64::new(0),
            published_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn operation(&self, kind: OperationKind) {
        if let Some(count) = self.operations.get(&kind) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn failure(&self, code: Code) {
        if let Some(count) = self.failures.get(&code) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn published(&self, messages: usize, bytes: usize) {
        self.published.fetch_add(u64::try_from(messages).unwrap_or(0), Ordering::Relaxed);
        self.published_bytes.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    /// The text that a scraper reads.
    pub(crate) fn render(&self, node: &NodeDescription, audit_lost: u64, upkeep: &Upkeep) -> String {
        let mut page = Page(String::with_capacity(8192));
        page.head("recado_operations_total", "counter", "Operations that were asked for.");
        for (kind, count) in &self.operations {
            page.row("recado_operations_total", &format!("operation=\"{}\"", kind.name()), load(count));
        }
        page.head("recado_failures_total", "counter", "Operations that failed, by code.");
        for (code, count) in &self.failures {
            page.row("recado_failures_total", &format!("code=\"{}\"", code.word()), load(count));
        }
        page.counter("recado_published_messages_total", "Messages confirmed as durable.", load(&self.published));
        page.counter("recado_published_bytes_total", "Bytes of those messages.", load(&self.published_bytes));
        page.counter("recado_audit_lost_total", "Audit entries that found the log full.", audit_lost);
        describe(&mut page, node);
        tell_upkeep(&mut page, upkeep);
        page.0
    }
}

fn describe(page: &mut Page, node: &NodeDescription) {
    let ready = u64::from(node.readiness == Readiness::Ready);
    page.gauge("recado_ready", "1 when the node serves everything.", ready);
    page.gauge("recado_uptime_seconds", "Time since start.", node.uptime.get() / 1000);
    page.gauge("recado_disk_free_bytes", "Bytes free on the disk of the data.", node.disk_free.get());
    page.gauge("recado_memory_bytes", "Resident memory.", node.memory.get());
    page.gauge("recado_queues", "Queues.", node.queues);
    page.gauge("recado_topics", "Topics.", node.topics);
    page.gauge("recado_queue_messages", "Messages in all queues.", node.messages);
    page.gauge("recado_consumers", "Consumer streams and waiting receives.", node.consumers);
    for shard in &node.shards {
        let label = format!("shard=\"{}\"", shard.shard);
        let rows = [
            ("recado_shard_applied_index", "gauge", "Newest batch applied.", shard.applied.get()),
            ("recado_shard_durable_index", "gauge", "Newest batch flushed.", shard.durable.get()),
            ("recado_shard_segments", "gauge", "Segment files.", shard.segments),
            ("recado_shard_log_bytes", "gauge", "Bytes of log on disk.", shard.log_bytes.get()),
            ("recado_shard_live_bytes", "gauge", "Bytes of messages still needed.", shard.live_bytes.get()),
            ("recado_shard_flushes_total", "counter", "Flushes to disk.", shard.flushes),
            ("recado_shard_flush_p50_microseconds", "gauge", "Median flush, recently.", shard.flush_micros_p50),
            ("recado_shard_flush_p99_microseconds", "gauge", "99th percentile.", shard.flush_micros_p99),
        ];
        for (name, kind, help, value) in rows {
            page.head(name, kind, help);
            page.row(name, &label, value);
        }
    }
}

fn tell_upkeep(page: &mut Page, upkeep: &Upkeep) {
    let rows = [
        ("recado_scrubbed_bytes_total", "Stored bytes that were read again to find damage.", upkeep.scrubbed_bytes),
        ("recado_scrubs_total", "How often all stored data was read again.", upkeep.scrubs),
        ("recado_damaged_files_total", "Files that were found damaged.", upkeep.damaged),
        ("recado_mended_files_total", "Damaged files that were put right in their place.", upkeep.mended),
        ("recado_states_compared_total", "Comparisons of a replica's state with the leader's.", upkeep.compared),
        ("recado_states_differing_total", "Comparisons that found another state.", upkeep.differing),
    ];
    for (name, help, value) in rows {
        page.counter(name, help, value);
    }
}

fn load(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a string takes everything");
    }

    fn row(&mut self, name: &str, labels: &str, value: u64) {
        writeln!(self.0, "{name}{{{labels}}} {value}").expect("a string takes everything");
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "counter", help);
        writeln!(self.0, "{name} {value}").expect("a string takes everything");
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, "gauge", help);
        writeln!(self.0, "{name} {value}").expect("a string takes everything");
    }
}
