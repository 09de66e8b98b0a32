//! Reads that need more than the machine: payloads fetched, partitions waited for, the node described.

use std::sync::Arc;
use std::time::Duration;

use broker::command::Principal;
use broker::machine::{Answer, Census, ReadPlace};
use model::access::Right;
use model::failure::Failure;
use model::limits::{READ_MESSAGES_MAX, WAIT_MS_MAX};
use model::name::Source;
use model::node::{NodeDescription, Readiness, ShardDescription};
use model::number::{ByteSize, Epoch, Offset, Span};
use model::operation::{Request, Response};
use model::queue::{Durability, Peek, PeekedMessages, QueueDescription};
use model::refusal::Refusal;
use model::topic::{PartitionExtent, ReadPartition, Records, StartAt};

use crate::node::Core;
use crate::payload;

impl Core {
    /// Answers a request that changes nothing.
    pub(crate) async fn read(self: Arc<Self>, by: Principal, request: Request) -> Result<Response, Failure> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "every other read is the machine's alone")]
        match request {
            Request::Peek(request) => self.peek(&by, request).await.map(Response::Peek),
            Request::ReadPartition(request) => self.read_partition(&by, request).await.map(Response::ReadPartition),
            Request::DescribeNode(_) => {
                self.log.read(|machine| machine.access().demand_broker(&by, Right::Monitor))??;
                Ok(Response::DescribeNode(self.describe()))
            }
            request => {
                let answer = self.log.read(|machine| machine.read(&by, &request))??;
                match answer {
                    Answer::Response(response) => Ok(self.with_consumers(*response)),
                    Answer::Peeked { .. } | Answer::Read { .. } => {
                        unreachable!("peeks and reads of partitions are handled above")
                    }
                }
            }
        }
    }

    /// Adds what only the leader's runtime knows.
    fn with_consumers(&self, mut response: Response) -> Response {
        let count = |queue: &mut QueueDescription| {
            let source = broker::place::SourceId::Queue(queue.id);
            queue.consumers = self.runtime.consumers_of(source);
            // Their leases are in no batch yet, but somebody has them.
            let on_the_way = self.runtime.on_the_way(source).min(queue.counts.ready);
            queue.counts.ready -= on_the_way;
            queue.counts.leased += on_the_way;
        };
        #[allow(clippy::wildcard_enum_match_arm, reason = "only queues have consumers in their description")]
        match &mut response {
            Response::DescribeQueue(queue) => count(queue),
            Response::ListQueues(page) => page.items.iter_mut().for_each(count),
            _ => {}
        }
        response
    }

    async fn peek(&self, by: &Principal, request: Peek) -> Result<PeekedMessages, Failure> {
        check_limit(request.limit)?;
        let request = Request::Peek(request);
        let look = || {
            let answer = self.log.read(|machine| machine.read(by, &request))??;
            let Answer::Peeked { queue, places, next } = answer else { unreachable!("a peek is answered with places") };
            Ok::<_, Failure>((queue, places, next))
        };
        // A message that was handed out before the peek is leased, as the counts say, and not ready.
        let (queue, ..) = look()?;
        self.runtime.landed(broker::place::SourceId::Queue(queue)).await;
        let (_, places, next) = look()?;
        let at: Vec<_> = places.iter().map(|place| place.stored.at).collect();
        let records = self.log.fetch(&at).await?;
        let there = places.into_iter().zip(records).filter_map(|(place, record)| Some((place, record?)));
        let messages = there.map(|(place, record)| payload::peeked(place, record)).collect::<Result<_, _>>()?;
        Ok(PeekedMessages { messages, next })
    }

    async fn read_partition(&self, by: &Principal, request: ReadPartition) -> Result<Records, Failure> {
        check_limit(request.limit)?;
        if request.wait > Span::new(WAIT_MS_MAX) {
            return Err(Refusal::invalid("wait_ms", "a wait is at most 60000").into());
        }
        // A follower asks again after each wait: an empty answer at once would keep it asking until the end.
        if request.wait > Span::new(0) {
            self.refuse_when_draining()?;
        }
        let until = tokio::time::Instant::now() + Duration::from_millis(request.wait.get());
        let mut request = request;
        loop {
            let (topic, places, next, extent) = self.places(by, &request)?;
            if !places.is_empty() {
                return self.records(places, next, extent).await;
            }
            let growth = self.runtime.growth(topic);
            let mut grown = std::pin::pin!(growth.notified());
            grown.as_mut().enable();
            // What came between the look and the listening is seen by a second look.
            let (_, places, next, extent) = self.places(by, &request)?;
            if !places.is_empty() {
                return self.records(places, next, extent).await;
            }
            if self.admission.is_draining() || tokio::time::timeout_at(until, grown).await.is_err() {
                return Ok(Records { records: Vec::new(), next, extent });
            }
            // `Latest` means the end at the time of the request, not after each wait.
            request.start = StartAt::Offset(next);
        }
    }

    fn places(
        &self,
        by: &Principal,
        request: &ReadPartition,
    ) -> Result<(model::number::TopicId, Vec<ReadPlace>, Offset, PartitionExtent), Failure> {
        let request = Request::ReadPartition(request.clone());
        match self.log.read(|machine| machine.read(by, &request))?? {
            Answer::Read { topic, places, next, extent } => Ok((topic, places, next, extent)),
            Answer::Response(_) | Answer::Peeked { .. } => unreachable!("a read is answered with places"),
        }
    }

    async fn records(&self, places: Vec<ReadPlace>, next: Offset, extent: PartitionExtent) -> Result<Records, Failure> {
        let at: Vec<_> = places.iter().map(|place| place.stored.at).collect();
        let found = self.log.fetch(&at).await?;
        let there = places.iter().zip(found).filter_map(|(place, record)| Some((place, record?)));
        let records = there.map(|(place, record)| payload::record_at(place, record)).collect::<Result<_, _>>()?;
        Ok(Records { records, next, extent })
    }

    /// The state of the node, also while its shard is stopped.
    pub(crate) fn describe(&self) -> NodeDescription {
        let census = self.log.read(broker::Machine::census).unwrap_or_default();
        let Census { queues, topics, users, messages } = census;
        NodeDescription {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started_at,
            uptime: self.log.now().since(self.started_at),
            readiness: self.readiness(),
            durability: Durability::Fsync,
            disk_free: self.admission.free(),
            memory: resident_memory(),
            queues,
            topics,
            users,
            messages,
            consumers: self.runtime.consumers(),
            shards: vec![self.describe_shard()],
        }
    }

    fn describe_shard(&self) -> ShardDescription {
        let status = self.log.shard().status();
        let live_bytes = self.log.read(broker::Machine::live_bytes).unwrap_or_default();
        ShardDescription {
            shard: 0,
            epoch: status.epoch.unwrap_or(Epoch::new(0)),
            applied: status.applied,
            durable: status.durable,
            checkpoint: status.checkpoint,
            segments: status.segments,
            log_bytes: status.log_bytes,
            live_bytes,
            flushes: status.flushes,
            flush_micros_p50: status.flush_micros_p50,
            flush_micros_p99: status.flush_micros_p99,
        }
    }

    /// Whether the node can do its work.
    pub(crate) fn readiness(&self) -> Readiness {
        if let Some(fault) = self.log.shard().fault() {
            return Readiness::Stopped { fault: fault.what };
        }
        if self.admission.is_draining() {
            return Readiness::Draining;
        }
        let shard = self.log.shard();
        // A replica that knows its leader serves too: the leader answers.
        if shard.epoch().is_none() && shard.group().leader.is_none_or(|leader| leader == shard.group().own) {
            return Readiness::Starting;
        }
        if self.admission.is_nearly_full() { Readiness::DiskNearlyFull } else { Readiness::Ready }
    }
}

fn check_limit(limit: u32) -> Result<(), Refusal> {
    if (1..=READ_MESSAGES_MAX).contains(&limit) {
        return Ok(());
    }
    Err(Refusal::invalid("limit", "it must lie between 1 and 1000"))
}

/// The thing that a request is about, for the audit log.
pub(crate) fn subject(request: &Request) -> String {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the rest is about the caller or the broker")]
    match request {
        Request::CreateQueue(request) => request.queue.to_string(),
        Request::AlterQueue(request) => request.queue.to_string(),
        Request::DeleteQueue(request) => request.queue.to_string(),
        Request::PurgeQueue(request) => request.queue.to_string(),
        Request::TransferQueue(request) => format!("{} to {}", request.queue, request.owner),
        Request::Publish(request) => request.queue.to_string(),
        Request::Peek(request) => request.queue.to_string(),
        Request::CancelMessages(request) => request.queue.to_string(),
        Request::Redrive(request) => request.queue.to_string(),
        Request::Receive(request) => source(&request.source),
        Request::Ack(request) => source(&request.source),
        Request::Nack(request) => source(&request.source),
        Request::Extend(request) => source(&request.source),
        Request::CreateTopic(request) => request.topic.to_string(),
        Request::AlterTopic(request) => request.topic.to_string(),
        Request::DeleteTopic(request) => request.topic.to_string(),
        Request::TransferTopic(request) => format!("{} to {}", request.topic, request.owner),
        Request::PublishTopic(request) => request.topic.to_string(),
        Request::ReadPartition(request) => request.topic.to_string(),
        Request::CreateExchange(request) => request.exchange.to_string(),
        Request::DeleteExchange(request) => request.exchange.to_string(),
        Request::PublishExchange(request) => request.exchange.to_string(),
        Request::Bind(request) => bound(&request.binding),
        Request::Unbind(request) => bound(&request.binding),
        Request::SetPolicy(request) => format!("{}/{}", request.policy.namespace, request.policy.name),
        Request::DeletePolicy(request) => format!("{}/{}", request.namespace, request.name),
        Request::CreateSubscription(request) => request.subscription.to_string(),
        Request::DeleteSubscription(request) => request.subscription.to_string(),
        Request::Seek(request) => request.subscription.to_string(),
        Request::CreateUser(request) => request.name.to_string(),
        Request::AlterUser(request) => request.name.to_string(),
        Request::DeleteUser(request) => request.name.to_string(),
        Request::AddGrant(request) => {
            format!("{:?} {:?} to {}", request.grant.effect, request.grant.rights, request.grant.user)
        }
        Request::RemoveGrant(request) => request.user.to_string(),
        Request::CreateToken(request) => request.label.clone(),
        Request::RevokeToken(request) => request.id.to_string(),
        Request::CreateNamespace(request) => request.name.to_string(),
        Request::DeleteNamespace(request) => request.name.to_string(),
        _ => String::new(),
    }
}

fn bound(binding: &model::binding::Binding) -> String {
    format!("{} to {} by {:?}", binding.source, binding.destination, binding.routing_key.as_str())
}

fn source(source: &Source) -> String {
    source.to_string()
}

/// The resident memory of this process, as Linux tells it; zero elsewhere.
fn resident_memory() -> ByteSize {
    let Ok(statistics) = std::fs::read_to_string("/proc/self/statm") else { return ByteSize::new(0) };
    let pages = statistics.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    ByteSize::new(pages.unwrap_or(0).saturating_mul(4096))
}
