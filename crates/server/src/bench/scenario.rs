//! The scenarios: each runs once against one server and yields a sample.
//! Invariant: each uses queues and topics of its own, so that repetitions do not meet.
//! Called by `bench`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use grpc::PublisherSettings;
use model::name::{NamespaceName, QueueName, QueueRef, SubscriptionName, SubscriptionRef, TopicName, TopicRef};
use model::queue::{CreateQueue, DeleteMode, DeleteQueue, QueueSettings};
use model::subscription::{CreateSubscription, SubscriptionKind, SubscriptionSettings};
use model::topic::{CreateTopic, DeleteTopic, StartAt, TopicSettings};
use tokio::task::JoinSet;

use super::drain::{self, Seen};
use super::load::{self, Load};
use super::measure::{Sample, Tally};
use super::rest;
use super::server::Child;
use crate::exit::{Complaint, Exit};
use crate::local::{Client, joined};

/// Subscriptions of the fan-out.
pub(super) const FAN_OUT: u64 = 8;
/// Partitions of its topic.
const PARTITIONS: u32 = 4;

/// A server under measurement.
pub(super) struct Target<'a> {
    /// Its process.
    pub(super) child: &'a Child,
    /// A session with it.
    pub(super) client: &'a Client,
    /// Bytes of each message.
    pub(super) size: usize,
    /// Whether it keeps messages, so that they can be taken again and counted.
    pub(super) keeps: bool,
}

impl Target<'_> {
    async fn queue(&self, name: &str) -> Result<QueueRef, Complaint> {
        let queue = QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name)? };
        let settings = QueueSettings { deduplication: model::number::Span::new(0), ..QueueSettings::default() };
        self.client.call(CreateQueue { queue: queue.clone(), settings }).await?;
        Ok(queue)
    }

    /// Takes everything again and counts it; a server that keeps nothing cannot be asked.
    async fn verify(&self, queue: &QueueRef, messages: u64) -> Result<Tally, Complaint> {
        if !self.keeps {
            return Ok(Tally::full());
        }
        let client = self.client.another(&self.child.grpc)?;
        let seen = drain::queue(client, queue.clone(), messages, Instant::now()).await?;
        self.delete(queue).await?;
        Ok(seen.tally)
    }

    async fn delete(&self, queue: &QueueRef) -> Result<(), Complaint> {
        self.client.call(DeleteQueue { queue: queue.clone(), mode: DeleteMode::Force }).await.map(|_| ())
    }

    /// Publishing with confirms, a window of unconfirmed messages a producer.
    pub(super) async fn publish(&self, name: &str, load: Load) -> Result<Sample, Complaint> {
        let queue = self.queue(name).await?;
        let before = self.child.cpu();
        let took = load::publish(self.client, &self.child.grpc, &queue, load).await?;
        let cpu = self.child.cpu().saturating_sub(before);
        let tally = self.verify(&queue, load.messages).await?;
        Ok(sample(load.messages, took, cpu, &tally))
    }

    /// One message at a time: the time of a confirm.
    pub(super) async fn one_at_a_time(&self, name: &str, messages: u64, lasts: Duration) -> Result<Sample, Complaint> {
        let queue = self.queue(name).await?;
        let publisher =
            self.client.backend.publisher(&self.client.caller, queue.clone(), PublisherSettings::default()).await?;
        let before = self.child.cpu();
        let (sent, took, latencies) = load::one_at_a_time(&publisher, messages, self.size, lasts).await?;
        let cpu = self.child.cpu().saturating_sub(before);
        let tally = self.verify(&queue, sent).await?;
        Ok(Sample { latency: Some(latencies.percentiles()), ..sample(sent, took, cpu, &tally) })
    }

    /// Publishing over REST, one message a request.
    pub(super) async fn rest(
        &self,
        name: &str,
        messages: u64,
        together: usize,
        lasts: Duration,
    ) -> Result<Sample, Complaint> {
        let queue = self.queue(name).await?;
        let http = self
            .child
            .http
            .as_deref()
            .ok_or_else(|| Complaint::here(Exit::Fault, "internal", "this server has no HTTP door", ""))?;
        let before = self.child.cpu();
        let published = rest::publish(self.client, http, name, (messages, self.size), (together, lasts)).await?;
        let (sent, took, latencies) = published;
        let cpu = self.child.cpu().saturating_sub(before);
        let tally = self.verify(&queue, sent).await?;
        Ok(Sample { latency: Some(latencies.percentiles()), ..sample(sent, took, cpu, &tally) })
    }

    /// From the moment a message is meant to be sent until a consumer has it, at a fixed rate.
    pub(super) async fn end_to_end(&self, name: &str, rate: u64, lasts: Duration) -> Result<Sample, Complaint> {
        let queue = self.queue(name).await?;
        let messages = rate.saturating_mul(lasts.as_secs().max(1));
        let publisher =
            self.client.backend.publisher(&self.client.caller, queue.clone(), PublisherSettings::default()).await?;
        let another = self.client.another(&self.child.grpc)?;
        let deliveries = drain::open(&another, queue.clone()).await?;
        let before = self.child.cpu();
        let begun = Instant::now();
        let consumer = tokio::spawn(drain::take(deliveries, messages, begun));
        load::at_rate(publisher, begun, messages, rate, self.size).await?;
        let seen: Seen = joined(consumer.await)?;
        let cpu = self.child.cpu().saturating_sub(before);
        self.delete(&queue).await?;
        let latency = Some(seen.latencies.percentiles());
        Ok(Sample { latency, ..sample(messages, begun.elapsed(), cpu, &seen.tally) })
    }

    /// Taking and settling a backlog.
    pub(super) async fn drain(&self, name: &str, load: Load) -> Result<Sample, Complaint> {
        let queue = self.queue(name).await?;
        load::publish(self.client, &self.child.grpc, &queue, load).await?;
        let before = self.child.cpu();
        let client = self.client.another(&self.child.grpc)?;
        let seen = drain::queue(client, queue.clone(), load.messages, Instant::now()).await?;
        let cpu = self.child.cpu().saturating_sub(before);
        self.delete(&queue).await?;
        Ok(sample(load.messages, seen.took, cpu, &seen.tally))
    }

    /// One publisher to a topic, every message to every subscription; counted in deliveries.
    pub(super) async fn fan_out(&self, name: &str, messages: u64) -> Result<Sample, Complaint> {
        let topic = TopicRef { namespace: NamespaceName::default(), name: TopicName::parse(name)? };
        let settings = TopicSettings {
            partitions: PARTITIONS,
            deduplication: model::number::Span::new(0),
            ..TopicSettings::default()
        };
        self.client.call(CreateTopic { topic: topic.clone(), settings }).await?;
        let mut readers = JoinSet::new();
        let before = self.child.cpu();
        let begun = Instant::now();
        for number in 0..FAN_OUT {
            let name = SubscriptionName::parse(&format!("s{number}"))?;
            let subscription = SubscriptionRef { topic: topic.clone(), name };
            let settings = SubscriptionSettings { kind: SubscriptionKind::stream(), start: StartAt::Earliest };
            self.client.call(CreateSubscription { subscription: subscription.clone(), settings }).await?;
            let client = self.client.another(&self.child.grpc)?;
            readers.spawn(drain::subscription(client, Arc::new(subscription), messages));
        }
        let settings = PublisherSettings::default();
        let publisher = self.client.backend.topic_publisher(&self.client.caller, topic.clone(), settings).await?;
        load::publish_topic(&publisher, messages, self.size).await?;
        let mut total = sample(messages.saturating_mul(FAN_OUT), Duration::ZERO, Duration::ZERO, &Tally::full());
        while let Some(ended) = readers.join_next().await {
            let seen: Seen = joined(ended)?;
            total.missing += seen.tally.missing();
            total.doubled += seen.tally.doubled();
        }
        total.took = begun.elapsed();
        total.cpu = self.child.cpu().saturating_sub(before);
        self.client.call(DeleteTopic { topic, mode: DeleteMode::Force }).await?;
        Ok(total)
    }
}

fn sample(messages: u64, took: Duration, cpu: Duration, tally: &Tally) -> Sample {
    Sample { messages, took, latency: None, cpu, missing: tally.missing(), doubled: tally.doubled() }
}
