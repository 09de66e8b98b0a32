//! Publishing over REST: one message a request, so many requests at the same time.
//! Invariant: every request is answered with a confirm, or the measurement fails.
//! Called by `bench::scenario`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_client::client::legacy::Client as Http;
use hyper_client::client::legacy::connect::HttpConnector;
use hyper_client::rt::TokioExecutor;
use model::caller::Credentials;
use tokio::task::JoinSet;

use super::load::body;
use super::measure::Latencies;
use crate::exit::{Complaint, Exit};
use crate::local::{Client, joined};

fn broken(what: impl std::fmt::Display) -> Complaint {
    Complaint::here(Exit::Unavailable, "rest", format!("a publish over REST failed: {what}"), "")
}

struct Sender {
    http: Http<HttpConnector, Full<Bytes>>,
    address: Uri,
    token: String,
    next: AtomicU64,
    messages: u64,
    size: usize,
    deadline: Instant,
}

/// Publishes raw bodies to a queue; answers with how many, how long, and the latencies.
pub(super) async fn publish(
    client: &Client,
    http: &str,
    queue: &str,
    (messages, size): (u64, usize),
    (together, lasts): (usize, Duration),
) -> Result<(u64, Duration, Latencies), Complaint> {
    let Credentials::Token(token) = &client.caller.credentials else { return Err(broken("there is no token")) };
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let begun = Instant::now();
    let sender = Arc::new(Sender {
        http: Http::builder(TokioExecutor::new()).build(connector),
        address: format!("{http}/v1/queues/{queue}/messages").parse().map_err(broken)?,
        token: format!("Bearer {}", token.reveal()),
        next: AtomicU64::new(0),
        messages,
        size,
        deadline: begun + lasts,
    });
    let mut tasks = JoinSet::new();
    for _ in 0..together {
        tasks.spawn(send(Arc::clone(&sender)));
    }
    let mut all = Latencies::new();
    while let Some(ended) = tasks.join_next().await {
        all.add(&joined(ended)?);
    }
    let sent = all.count();
    Ok((sent, begun.elapsed(), all))
}

async fn send(sender: Arc<Sender>) -> Result<Latencies, Complaint> {
    let mut latencies = Latencies::new();
    // A number is taken only once there is time to send it: what is sent has no gaps.
    while Instant::now() < sender.deadline {
        let number = sender.next.fetch_add(1, Ordering::Relaxed);
        if number >= sender.messages {
            break;
        }
        let start = Instant::now();
        let request = Request::post(sender.address.clone())
            .header(AUTHORIZATION, &sender.token)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Full::new(body(number, Duration::ZERO, sender.size)))
            .map_err(broken)?;
        let answer = sender.http.request(request).await.map_err(broken)?;
        let status = answer.status();
        let text = answer.into_body().collect().await.map_err(broken)?.to_bytes();
        if status != StatusCode::OK && status != StatusCode::CREATED {
            return Err(broken(format!("{status} {}", String::from_utf8_lossy(&text))));
        }
        latencies.record(start.elapsed());
    }
    Ok(latencies)
}
