//! Counters of the HTTP door by route, method and class of status, and a histogram of the time taken.
//! Invariant: labels come from the route table, never from what a client sent, so their number is bounded.
//! Filled by `layers::measure`, printed by `rest::health`; tests below.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::node::Readiness;

/// Where the door gets what it does not know itself: the node behind it.
pub trait MetricsSource: Send + Sync + 'static {
    /// The node's metrics as Prometheus text.
    fn render(&self) -> String;

    /// Whether the node can do its work, for the open health checks.
    fn readiness(&self) -> Readiness;
}

/// Upper bounds of the histogram's buckets, in microseconds, with their text in seconds.
const BUCKETS: [(u64, &str); 12] = [
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (30_000_000, "30"),
];

#[derive(Default)]
struct Series {
    classes: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS.len()],
    count: u64,
    micros: u64,
}

/// The counters.
#[derive(Default)]
pub(crate) struct HttpMetrics(Mutex<BTreeMap<(String, &'static str), Series>>);

impl HttpMetrics {
    pub(crate) fn record(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let series = all.entry((route.to_owned(), method)).or_default();
        *series.classes.entry(status / 100).or_default() += 1;
        series.count += 1;
        series.micros = series.micros.saturating_add(micros);
        if let Some(at) = BUCKETS.iter().position(|(bound, _)| micros <= *bound) {
            series.buckets[at] += 1;
        }
    }

    pub(crate) fn render(&self) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from(
            "# HELP recado_http_requests_total Requests answered, by route, method and class of status.\n\
             # TYPE recado_http_requests_total counter\n",
        );
        for ((route, method), series) in all.iter() {
            for (class, count) in &series.classes {
                put(
                    &mut text,
                    format_args!(
                        "recado_http_requests_total{{route=\"{route}\",method=\"{method}\",status=\"{class}xx\"}} {count}\n"
                    ),
                );
            }
        }
        text.push_str(
            "# HELP recado_http_request_duration_seconds Time from the head of a request to the head of its answer.\n\
             # TYPE recado_http_request_duration_seconds histogram\n",
        );
        for ((route, method), series) in all.iter() {
            render_histogram(&mut text, &format!("route=\"{route}\",method=\"{method}\""), series);
        }
        text
    }
}

fn render_histogram(text: &mut String, labels: &str, series: &Series) {
    const NAME: &str = "recado_http_request_duration_seconds";
    let mut below = 0;
    for ((_, bound), count) in BUCKETS.iter().zip(series.buckets) {
        below += count;
        put(text, format_args!("{NAME}_bucket{{{labels},le=\"{bound}\"}} {below}\n"));
    }
    put(text, format_args!("{NAME}_bucket{{{labels},le=\"+Inf\"}} {}\n", series.count));
    let (whole, rest) = (series.micros / 1_000_000, series.micros % 1_000_000);
    put(text, format_args!("{NAME}_sum{{{labels}}} {whole}.{rest:06}\n"));
    put(text, format_args!("{NAME}_count{{{labels}}} {}\n", series.count));
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.write_fmt(line).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_every_request_once() {
        let metrics = HttpMetrics::default();
        for micros in [100, 500, 501, 40_000_000] {
            metrics.record("/v1/queues", "GET", 200, Duration::from_micros(micros));
        }
        metrics.record("/v1/queues", "GET", 404, Duration::from_micros(1));
        let text = metrics.render();
        for line in [
            "recado_http_requests_total{route=\"/v1/queues\",method=\"GET\",status=\"2xx\"} 4",
            "recado_http_requests_total{route=\"/v1/queues\",method=\"GET\",status=\"4xx\"} 1",
            "recado_http_request_duration_seconds_bucket{route=\"/v1/queues\",method=\"GET\",le=\"0.0005\"} 3",
            "recado_http_request_duration_seconds_bucket{route=\"/v1/queues\",method=\"GET\",le=\"30\"} 4",
            "recado_http_request_duration_seconds_bucket{route=\"/v1/queues\",method=\"GET\",le=\"+Inf\"} 5",
            "recado_http_request_duration_seconds_sum{route=\"/v1/queues\",method=\"GET\"} 40.001102",
            "recado_http_request_duration_seconds_count{route=\"/v1/queues\",method=\"GET\"} 5",
        ] {
            assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
        }
    }
}
