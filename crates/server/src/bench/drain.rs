//! Consumers of a benchmark: they take, check the numbers, and settle.
//! Invariant: a message counts once; what comes again or never comes is reported.
//! Called by `bench::scenario`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Deliveries;
use model::backend::Consume;
use model::message::Delivery;
use model::name::{MemberName, QueueRef, Source, SubscriptionRef};
use model::receipt::Receipt;
use tokio::sync::mpsc;

use super::load::head;
use super::measure::{Latencies, Tally};
use crate::exit::{Complaint, Exit};
use crate::local::{Client, joined};

/// Messages that a consumer takes ahead.
const CREDIT: u32 = 2000;
/// Settles whose answers may be waited for.
const SETTLES_MAX: usize = 256;
/// How long nothing may come before a consumer gives up.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// What a consumer saw.
pub(super) struct Seen {
    /// Which numbers.
    pub(super) tally: Tally,
    /// How long after the moments they were meant for.
    pub(super) latencies: Latencies,
    /// Until the last one, from the moment the consumer was opened.
    pub(super) took: Duration,
}

/// A consumer of a queue that is ready for messages.
pub(super) async fn open(client: &Client, queue: QueueRef) -> Result<grpc::RemoteDeliveries, Complaint> {
    let request = Consume::new(Source::Queue(queue), CREDIT);
    Ok(client.backend.deliver(&client.caller, request).await?)
}

/// Takes and settles until so many messages came, or none for a while.
pub(super) async fn queue(client: Client, queue: QueueRef, expected: u64, begun: Instant) -> Result<Seen, Complaint> {
    take(open(&client, queue).await?, expected, begun).await
}

/// Takes from an open consumer and settles until so many messages came, or none for a while.
pub(super) async fn take(
    mut deliveries: grpc::RemoteDeliveries,
    expected: u64,
    begun: Instant,
) -> Result<Seen, Complaint> {
    let settler = deliveries.settler();
    let (acked, mut waiting) = mpsc::channel(SETTLES_MAX);
    let settles = tokio::spawn(async move {
        while let Some(settling) = waiting.recv().await {
            let settling: grpc::Settling = settling;
            settling.await.map_err(Complaint::from)?;
        }
        Ok(())
    });
    let opened = Instant::now();
    let mut seen = Seen { tally: Tally::new(expected), latencies: Latencies::new(), took: Duration::ZERO };
    let mut count = 0;
    while count < expected {
        let Ok(frame) = tokio::time::timeout(SILENCE_MAX, deliveries.next()).await else { break };
        let Some(frame) = frame else { break };
        let frame = frame?;
        count += note(&mut seen, &frame, begun)?;
        deliveries.add_credit(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        let receipts: Vec<Receipt> = frame.iter().filter_map(|delivery| delivery.receipt).collect();
        if acked.send(settler.ack(receipts).await?).await.is_err() {
            break;
        }
    }
    drop(acked);
    // A backlog is drained once the broker has confirmed the last ack.
    joined(settles.await)?;
    seen.took = opened.elapsed();
    Ok(seen)
}

/// Reads a stream subscription until so many messages came, or none for a while.
pub(super) async fn subscription(
    client: Client,
    subscription: Arc<SubscriptionRef>,
    expected: u64,
) -> Result<Seen, Complaint> {
    let source = Source::Subscription((*subscription).clone());
    let member = Some(MemberName::parse("bench")?);
    let request = Consume { member, ..Consume::new(source, CREDIT) };
    let mut deliveries = client.backend.deliver(&client.caller, request).await?;
    let opened = Instant::now();
    let mut seen = Seen { tally: Tally::new(expected), latencies: Latencies::new(), took: Duration::ZERO };
    let mut count = 0;
    while count < expected {
        let Ok(frame) = tokio::time::timeout(SILENCE_MAX, deliveries.next()).await else { break };
        let Some(frame) = frame else { break };
        let frame = frame?;
        count += note(&mut seen, &frame, opened)?;
        deliveries.add_credit(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        seen.took = opened.elapsed();
    }
    Ok(seen)
}

/// Notes what came; answers with how many were new.
fn note(seen: &mut Seen, frame: &[Delivery], begun: Instant) -> Result<u64, Complaint> {
    let now = begun.elapsed();
    let mut fresh = 0;
    for delivery in frame {
        let (number, meant) = head(&delivery.message.body)
            .ok_or_else(|| Complaint::here(Exit::Found, "bench_differs", "a message is not what was published", ""))?;
        seen.latencies.record(now.saturating_sub(meant));
        fresh += u64::from(seen.tally.mark(number));
    }
    Ok(fresh)
}
