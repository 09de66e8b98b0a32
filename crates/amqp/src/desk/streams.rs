//! Streams: topics, as AMQP sees them. A queue of the name comes first; `NAME-2` is partition 2 of the topic `NAME` where
//! nothing else is of that name, as the parts of RabbitMQ's super streams are called.
//! Invariant: what RabbitMQ's streams do not do is refused in its words.

use std::time::{SystemTime, UNIX_EPOCH};

use model::access::Right;
use model::name::{QueueRef, TopicName, TopicRef};
use model::number::{Offset, Partition, Span, Timestamp};
use model::queue::{DeleteMode, DescribeQueue};
use model::topic::{
    CreateTopic, DeleteTopic, DescribeTopic, PartitionExtent, ReadPartition, StartAt, TopicDescription, TopicSettings,
};
use model::{Call, Failure, Refusal};

use super::reading::TopicReader;
use super::{Brought, Errand, Outcome, all};
use crate::codec::class::{basic, queue};
use crate::codec::{ReplyCode, ShortText};
use crate::session::{Answer, Close, ConsumerId, Feed};
use crate::translate::{self, StreamOffset};

/// What lies between the name of a topic and the number of a partition.
const PARTITION_SIGN: char = '-';

/// A topic under the name of a queue.
pub(super) struct Stream {
    topic: TopicRef,
    description: TopicDescription,
    /// When only this one of several is meant.
    partition: Option<Partition>,
}

impl Errand {
    fn topic(&self, name: &str) -> Option<TopicRef> {
        let name = TopicName::parse(name).ok()?;
        Some(TopicRef { namespace: self.namespace.clone(), name })
    }

    /// The stream of this name, for whoever may see it.
    pub(super) async fn stream(&self, name: &ShortText) -> Option<Stream> {
        let topic = self.topic(name.as_str())?;
        if let Ok(description) = self.call(DescribeTopic { topic: topic.clone() }).await {
            return Some(Stream { topic, description, partition: None });
        }
        let (whole, number) = name.as_str().rsplit_once(PARTITION_SIGN)?;
        let partition = Partition::new(number.parse().ok()?);
        let topic = self.topic(whole)?;
        let description = self.call(DescribeTopic { topic: topic.clone() }).await.ok()?;
        let is_there = description.partitions.iter().any(|extent| extent.partition == partition);
        (is_there && description.partitions.len() > 1).then_some(Stream {
            topic,
            description,
            partition: Some(partition),
        })
    }

    fn shown(&self, name: &ShortText) -> String {
        format!("queue '{name}' in vhost '{}'", self.host())
    }

    /// Refuses what streams do not do, when the name is one of a stream and of no queue.
    pub(super) async fn demand_no_stream(&self, name: &ShortText, what: &str, failure: &Failure) -> Result<(), Close> {
        if is_no_queue(failure) && self.stream(name).await.is_some() {
            let text = format!("{what} not supported by stream {}", self.shown(name));
            return Err(Close::new(ReplyCode::NotImplemented, text));
        }
        Ok(())
    }

    /// A stream that was asked for by its name alone.
    pub(super) async fn declared_stream(&self, name: &ShortText) -> Option<Answer> {
        let stream = self.stream(name).await?;
        let Stream { description, partition, .. } = stream;
        let part = |extent: &&PartitionExtent| partition.is_none_or(|only| only == extent.partition);
        Some(declared(name, description.partitions.iter().filter(part)))
    }

    /// Declares a queue of the type stream: a topic with one partition.
    pub(super) async fn declare_stream(&self, declare: &queue::Declare, queue: QueueRef) -> Result<Answer, Close> {
        let name = &declare.queue;
        let topic = self.topic(name.as_str()).ok_or_else(|| self.no_queue(name))?;
        let settings = translate::stream_settings(declare, &self.namespace)?;
        if let Ok(there) = self.call(DescribeQueue { queue }).await {
            return Err(translate::not_a_stream(declare, &there.settings, self.host()));
        }
        match self.call(CreateTopic { topic: topic.clone(), settings: settings.clone() }).await {
            Ok(created) => Ok(declared(name, created.description.partitions.iter())),
            Err(Failure::Refused(Refusal::TopicExists { .. })) => {
                let there =
                    self.call(DescribeTopic { topic }).await.map_err(|failure| self.topic_failure(name, &failure))?;
                // AMQP has no words for the rest: topics made elsewhere may be declared.
                if same_words(&settings, &there.settings) {
                    return Ok(declared(name, there.partitions.iter()));
                }
                Err(translate::stream_inequivalence(declare, &settings, &there.settings, self.host()))
            }
            Err(failure) => Err(self.topic_failure(name, &failure)),
        }
    }

    /// A queue is not declared where a stream is, unless it is there beside it.
    pub(super) async fn demand_no_topic(&self, declare: &queue::Declare) -> Result<(), Close> {
        let Some(topic) = self.topic(declare.queue.as_str()) else { return Ok(()) };
        if self.call(DescribeTopic { topic }).await.is_err() {
            return Ok(());
        }
        let queue = self.queue(&declare.queue)?;
        match self.call(DescribeQueue { queue }).await {
            Err(Failure::Refused(Refusal::QueueNotFound { .. })) => Err(translate::not_a_queue(declare, self.host())),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn topic_failure(&self, name: &ShortText, failure: &Failure) -> Close {
        #[allow(clippy::wildcard_enum_match_arm, reason = "the rest has no words of RabbitMQ")]
        match failure {
            Failure::Refused(Refusal::TopicNotFound { .. } | Refusal::PartitionNotFound { .. }) => self.no_queue(name),
            Failure::Refused(Refusal::Forbidden { right }) => self.forbidden(*right, "queue", name),
            failure => translate::close(failure),
        }
    }

    /// Deletes the stream of a name that is no queue's; what is not there is deleted already.
    pub(super) async fn delete_stream(&self, delete: &queue::Delete, failure: Failure) -> Result<Answer, Close> {
        let name = &delete.queue;
        let is_missing = matches!(failure, Failure::Refused(Refusal::QueueNotFound { .. }));
        let Some(topic) = self.topic(name.as_str()).filter(|_| is_no_queue(&failure)) else {
            return Err(self.queue_failure(name, &failure));
        };
        for (is_asked, flag) in [(delete.if_unused, "if-unused"), (delete.if_empty, "if-empty")] {
            if is_asked && self.stream(name).await.is_some() {
                let shown = self.shown(name);
                let text = format!(
                    "cannot delete {shown}. queue.delete operations with {flag} flag set are not supported by stream queues"
                );
                return Err(Close::new(ReplyCode::NotImplemented, text));
            }
        }
        match self.call(DeleteTopic { topic, mode: DeleteMode::Force }).await {
            Ok(removed) => Ok(Answer::Removed(translate::count(removed.messages))),
            Err(Failure::Refused(Refusal::TopicNotFound { .. })) if is_missing => Ok(Answer::Removed(0)),
            Err(Failure::Refused(Refusal::TopicNotFound { .. })) => Err(self.queue_failure(name, &failure)),
            // A queue that is not there may be deleted by everybody.
            Err(Failure::Refused(Refusal::Forbidden { right: Right::Delete })) if is_missing => {
                if self.stream(name).await.is_some() {
                    Err(self.forbidden(Right::Delete, "queue", name))
                } else {
                    Ok(Answer::Removed(0))
                }
            }
            Err(failure) => Err(self.topic_failure(name, &failure)),
        }
    }

    /// Starts to read a stream.
    pub(super) async fn consume_stream(
        &self,
        id: ConsumerId,
        consume: &basic::Consume,
        stream: Stream,
        prefetch: u32,
    ) -> Result<Outcome, Close> {
        let shown = self.shown(&consume.queue);
        if consume.no_ack {
            let text = format!("automatic acknowledgement not supported by stream {shown}");
            return Err(Close::new(ReplyCode::NotImplemented, text));
        }
        if prefetch == 0 {
            let text = format!("consumer prefetch count is not set for stream {shown}");
            return Err(Close::new(ReplyCode::PreconditionFailed, text));
        }
        let offset = translate::stream_offset(&consume.arguments)?;
        let Stream { topic, description, partition } = stream;
        let partitions = description.partitions.iter().map(|extent| extent.partition);
        let partitions: Vec<_> = partitions.filter(|one| partition.is_none_or(|only| only == *one)).collect();
        let starts = self.starts(&topic, &partitions, offset).await;
        let starts = starts.map_err(|failure| self.topic_failure(&consume.queue, &failure))?;
        let is_whole = partition.is_none();
        let feed = match partitions.len() {
            1 => Feed::Stream(topic.clone()),
            _ => Feed::SuperStream(topic.clone()),
        };
        let reader = if is_whole {
            TopicReader::of_topic(self.clone(), topic, starts)
        } else {
            TopicReader::of_partitions(self.clone(), topic, starts)
        };
        Ok(Outcome {
            answer: Ok(Answer::Consuming { feed: feed.clone(), timeout: None }),
            brought: Brought::Deliveries(id, feed, Box::new(reader)),
        })
    }

    /// Where each partition is read from: what `next` and `last` mean is what they mean now.
    async fn starts(
        &self,
        topic: &TopicRef,
        partitions: &[Partition],
        offset: StreamOffset,
    ) -> Result<Vec<(Partition, StartAt)>, Failure> {
        let look = |&partition: &Partition| {
            let (topic, start, wait) = (topic.clone(), StartAt::Latest, Span::new(0));
            let request = ReadPartition { topic, partition, start, limit: 1, wait };
            self.shared.backend.submit(&self.caller, request.into())
        };
        let looks = all(partitions.iter().map(look).collect()).await;
        let mut starts = Vec::new();
        for (partition, look) in partitions.iter().zip(looks) {
            let extent = ReadPartition::reply(look?).expect("a read is answered with records").extent;
            let start = match offset {
                StreamOffset::First => StartAt::Earliest,
                StreamOffset::Next => StartAt::Offset(extent.end),
                StreamOffset::Last => StartAt::Offset(Offset::new(extent.end.get().saturating_sub(1))),
                StreamOffset::At(offset) => StartAt::Offset(offset),
                StreamOffset::Since(time) => StartAt::Time(time),
                StreamOffset::Ago(span) => StartAt::Time(ago(span)),
            };
            starts.push((*partition, start));
        }
        Ok(starts)
    }
}

/// The moment so long ago, by the clock of this machine.
fn ago(span: Span) -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    Timestamp::new(now.saturating_sub(span.get()))
}

/// Whether a name may be one of a stream, by what was said of the queue.
pub(super) const fn is_no_queue(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(Refusal::QueueNotFound { .. } | Refusal::Forbidden { .. }))
}

/// Whether two topics are the same in all that a declare can say.
fn same_words(asked: &TopicSettings, there: &TopicSettings) -> bool {
    asked.retention == there.retention && asked.retention_bytes == there.retention_bytes
}

fn declared<'a>(name: &ShortText, partitions: impl Iterator<Item = &'a PartitionExtent>) -> Answer {
    let messages = partitions.map(|extent| extent.messages).sum();
    Answer::Declared { queue: name.clone(), messages: translate::count(messages), consumers: 0 }
}
