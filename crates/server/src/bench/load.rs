//! The load of a benchmark: messages with a number and the moment they were meant for, and publishers that send them.
//! Invariant: the number and the moment are the first sixteen bytes of every body.
//! Called by `bench::scenario`; tests below.

use std::time::{Duration, Instant};

use bytes::Bytes;
use grpc::{PublisherSettings, QueuePublisher, TopicPublisher};
use model::message::NewMessage;
use model::name::QueueRef;
use model::topic::TopicMessage;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::measure::Latencies;
use crate::exit::Complaint;
use crate::local::{Client, joined};

/// Bytes of number and moment.
pub(super) const HEAD_BYTES: usize = 16;

/// Messages that are due and not sent: more only delays saying so, each carries the moment it was meant for.
const AHEAD_MAX: usize = 65_536;

/// A body of `size` bytes with its number and moment.
pub(super) fn body(number: u64, meant: Duration, size: usize) -> Bytes {
    let mut body = vec![b'.'; size.max(HEAD_BYTES)];
    body[..8].copy_from_slice(&number.to_be_bytes());
    let nanos = u64::try_from(meant.as_nanos()).unwrap_or(u64::MAX);
    body[8..HEAD_BYTES].copy_from_slice(&nanos.to_be_bytes());
    Bytes::from(body)
}

/// The number and moment of a body; `None` when it is not one of ours.
pub(super) fn head(body: &[u8]) -> Option<(u64, Duration)> {
    let (number, rest) = body.split_first_chunk::<8>()?;
    let (nanos, _) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), Duration::from_nanos(u64::from_be_bytes(*nanos))))
}

/// What producers send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Messages in all.
    pub(super) messages: u64,
    /// Bytes of each.
    pub(super) size: usize,
    /// Unconfirmed messages of each producer.
    pub(super) window: usize,
    /// Producers, each over connections of its own.
    pub(super) producers: u64,
}

/// Publishes as fast as confirms come; answers with the time until the last confirm.
pub(super) async fn publish(
    client: &Client,
    endpoint: &str,
    queue: &QueueRef,
    load: Load,
) -> Result<Duration, Complaint> {
    let settings = PublisherSettings { window_messages: load.window, places: false };
    let mut publishers = Vec::new();
    for _ in 0..load.producers {
        let another = client.another(endpoint)?;
        publishers.push(another.backend.publisher(&another.caller, queue.clone(), settings).await?);
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (at, publisher) in publishers.into_iter().enumerate() {
        tasks.spawn(produce(publisher, u64::try_from(at).unwrap_or(u64::MAX), load));
    }
    while let Some(ended) = tasks.join_next().await {
        joined(ended)?;
    }
    Ok(begun.elapsed())
}

/// One producer: the numbers `first`, `first + producers`, … each confirmed by itself.
async fn produce(publisher: QueuePublisher, first: u64, load: Load) -> Result<(), Complaint> {
    let (sent, mut waiting) = mpsc::channel(load.window.max(1));
    let confirms = tokio::spawn(async move {
        while let Some(confirm) = waiting.recv().await {
            let confirm: grpc::Confirm<_> = confirm;
            confirm.await.map_err(Complaint::from)?;
        }
        Ok(())
    });
    let mut number = first;
    while number < load.messages {
        let message = NewMessage::new(body(number, Duration::ZERO, load.size));
        let confirm = publisher.publish(vec![message]).await?;
        if sent.send(confirm).await.is_err() {
            break;
        }
        number += load.producers.max(1);
    }
    drop(sent);
    joined(confirms.await)
}

/// One message at a time, each after the confirm of the one before.
pub(super) async fn one_at_a_time(
    publisher: &QueuePublisher,
    messages: u64,
    size: usize,
    lasts: Duration,
) -> Result<(u64, Duration, Latencies), Complaint> {
    let mut latencies = Latencies::new();
    let begun = Instant::now();
    let mut number = 0;
    while number < messages && begun.elapsed() < lasts {
        let start = Instant::now();
        publisher.publish(vec![NewMessage::new(body(number, Duration::ZERO, size))]).await?.await?;
        latencies.record(start.elapsed());
        number += 1;
    }
    Ok((number, begun.elapsed(), latencies))
}

/// A fixed rate: message `n` is meant for `n / rate` seconds after `begun`, and carries that moment however late it is sent.
pub(super) async fn at_rate(
    publisher: QueuePublisher,
    begun: Instant,
    messages: u64,
    rate: u64,
    size: usize,
) -> Result<(), Complaint> {
    let (sent, mut waiting) = mpsc::channel(publisher.window_messages().min(1 << 16));
    let confirms = tokio::spawn(async move {
        while let Some(confirm) = waiting.recv().await {
            let confirm: grpc::Confirm<_> = confirm;
            confirm.await.map_err(Complaint::from)?;
        }
        Ok(())
    });
    let mut due = paced(begun, messages, rate);
    while let Some((number, meant)) = due.recv().await {
        let confirm = publisher.publish(vec![NewMessage::new(body(number, meant, size))]).await?;
        if sent.send(confirm).await.is_err() {
            break;
        }
    }
    drop(sent);
    joined(confirms.await)
}

/// Says when each message is due, from a thread of its own: the timers of the runtime are too coarse, with one
/// millisecond, for latencies of half of that.
fn paced(begun: Instant, messages: u64, rate: u64) -> mpsc::Receiver<(u64, Duration)> {
    let (due, waiting) = mpsc::channel(AHEAD_MAX);
    std::thread::spawn(move || {
        for number in 0..messages {
            let meant = Duration::from_nanos(number.saturating_mul(1_000_000_000) / rate.max(1));
            std::thread::sleep(meant.saturating_sub(begun.elapsed()));
            if due.blocking_send((number, meant)).is_err() {
                return;
            }
        }
    });
    waiting
}

/// Publishes to a topic in groups; answers when all is confirmed.
pub(super) async fn publish_topic(publisher: &TopicPublisher, messages: u64, size: usize) -> Result<(), Complaint> {
    const TOGETHER: u64 = 100;
    let mut confirms = Vec::new();
    let mut number = 0;
    while number < messages {
        let group = number..messages.min(number + TOGETHER);
        number = group.end;
        let group = group.map(|number| TopicMessage {
            message: NewMessage::new(body(number, Duration::ZERO, size)),
            partition: None,
        });
        confirms.push(publisher.publish(group.collect()).await?);
    }
    for confirm in confirms {
        confirm.await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_carries_its_number_and_moment() {
        let moment = Duration::from_micros(1500);
        let found = body(u64::MAX, moment, 1024);
        assert_eq!((found.len(), head(&found)), (1024, Some((u64::MAX, moment))));
        assert_eq!(body(1, moment, 0).len(), HEAD_BYTES);
        assert_eq!(head(b"short"), None);
    }
}
