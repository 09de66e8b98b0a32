//! Event streams (SSE): deliveries of a queue, and the records of all partitions of a topic.
//! Invariant: at most `STREAM_READ` records a partition wait in memory; a slow client slows the reads.
//! Routed by `rest`; tests in `streaming/tests.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::HeaderMap;
use model::limits::LEASE_MS_DEFAULT;
use model::message::Delivery;
use model::name::{Source, TopicRef};
use model::number::{Offset, Partition, Span};
use model::queue::check_lease;
use model::refusal::Refusal;
use model::topic::{DescribeTopic, ReadPartition, Records, StartAt};
use model::{Caller, Consume, Deliveries};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, interval};

use crate::door::Door;
use crate::extract::{Authenticated, OnlyGet, Query, QueuePath, TopicPath};
use crate::limits::{
    KEEP_ALIVE, SEED_READS_MAX, STREAM_CREDIT_DEFAULT, STREAM_CREDIT_MAX, STREAM_PARTITIONS_MAX, STREAM_READ,
    STREAM_WAIT_MS,
};
use crate::rest::paths::operations;
use crate::streams::Ledger;
use crate::translate::problem::Problem;
use crate::translate::{read_start, record};
use crate::wire;

operations! {
    [stream_queue],
    [stream_topic],
}

fn event(name: &str, document: &impl serde::Serialize) -> Event {
    let text = serde_json::to_string(document).expect("documents hold only strings, numbers and maps");
    Event::default().event(name).data(text)
}

fn failed(problem: impl Into<Problem>) -> Event {
    event("problem", &problem.into().document())
}

/// Stream deliveries of a queue
///
/// Server-sent events: `message` with a delivery, settled by its receipt through ack, nack and extend; `problem` when
/// the stream breaks; `end` when the queue is gone or the node drains.
#[utoipa::path(get, path = "/queues/{queue}/stream", tag = "messages", params(wire::QueueParam, wire::StreamQuery),
    responses((status = 200, description = "events", body = String, content_type = "text/event-stream")))]
async fn stream_queue(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    _: OnlyGet,
    QueuePath(queue): QueuePath,
    Query(query): Query<wire::StreamQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let credit = query.credit.unwrap_or(STREAM_CREDIT_DEFAULT);
    if credit == 0 || credit > STREAM_CREDIT_MAX {
        return Err(Refusal::invalid("credit", "it must lie between 1 and 1000").into());
    }
    let lease = Span::new(query.lease_ms.unwrap_or(LEASE_MS_DEFAULT));
    check_lease(lease)?;
    let place = door.streams().place()?;
    let consume = Consume { lease: Some(lease), ..Consume::new(Source::Queue(queue), credit) };
    let deliveries = door.backend().consume(&caller, consume).await?;
    let events = DeliveryEvents {
        deliveries: Some(deliveries),
        ledger: door.streams().ledger(),
        waiting: VecDeque::new(),
        lease,
        sweep: interval(KEEP_ALIVE),
        _place: place,
    };
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

struct DeliveryEvents {
    /// Absent once the stream has ended.
    deliveries: Option<Box<dyn Deliveries>>,
    ledger: Ledger,
    waiting: VecDeque<Delivery>,
    lease: Span,
    sweep: Interval,
    _place: OwnedSemaphorePermit,
}

impl Stream for DeliveryEvents {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(delivery) = this.waiting.pop_front() {
                return Poll::Ready(Some(Ok(event("message", &wire::Delivery::from(delivery)))));
            }
            let Some(deliveries) = &mut this.deliveries else { return Poll::Ready(None) };
            while this.sweep.poll_tick(context).is_ready() {
                this.ledger.sweep(Instant::now());
            }
            let credit = this.ledger.take(context.waker());
            if credit > 0 {
                deliveries.add_credit(credit);
            }
            match deliveries.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(batch))) => {
                    for receipt in batch.iter().filter_map(|delivery| delivery.receipt) {
                        this.ledger.note(receipt, this.lease);
                    }
                    this.waiting.extend(batch);
                }
                Poll::Ready(Some(Err(failure))) => {
                    this.deliveries = None;
                    return Poll::Ready(Some(Ok(failed(failure))));
                }
                Poll::Ready(None) => {
                    this.deliveries = None;
                    return Poll::Ready(Some(Ok(Event::default().event("end").data("{}"))));
                }
            }
        }
    }
}

/// Follow a topic
///
/// Server-sent events: `message` with a record of any partition, in order within each partition, and an id that holds
/// the place in all of them: a client that sends it back as `Last-Event-ID` goes on where it was. `problem` when the
/// stream breaks. Partitions that are added later are followed by a new stream.
#[utoipa::path(get, path = "/topics/{topic}/stream", tag = "topics",
    params(wire::TopicParam, wire::FollowQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "the id of the last event seen", max_length = 4096,
            pattern = "^[0-9]{1,4}:[0-9]{1,20}(,[0-9]{1,4}:[0-9]{1,20})*$")),
    responses((status = 200, description = "events", body = String, content_type = "text/event-stream")))]
async fn stream_topic(
    State(door): State<Door>,
    Authenticated(caller): Authenticated,
    TopicPath(topic): TopicPath,
    Query(query): Query<wire::FollowQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    follow_topic(door, caller, topic, query, &headers).await
}

/// The stream itself, for whoever proved the caller: REST by its header, the console by its cookie.
pub(crate) async fn follow_topic(
    door: Door,
    caller: Caller,
    topic: TopicRef,
    query: wire::FollowQuery,
    headers: &HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Problem> {
    let resumed = headers.get("last-event-id").map(|value| resume(value.as_bytes())).transpose()?.unwrap_or_default();
    let start = follow_start(&query)?;
    let place = door.streams().place()?;
    let found = door.call(&caller, DescribeTopic { topic: topic.clone() }).await?;
    let known = found.partitions.iter().map(|extent| extent.partition);
    let partitions: Vec<_> = match query.partition.map(Partition::new) {
        Some(wanted) => known.filter(|partition| *partition == wanted).collect(),
        None => known.collect(),
    };
    if let (Some(wanted), []) = (query.partition, partitions.as_slice()) {
        let name = topic.name.as_str().to_owned();
        return Err(Refusal::PartitionNotFound { name, partition: Partition::new(wanted) }.into());
    }
    if partitions.len() > STREAM_PARTITIONS_MAX {
        return Err(Refusal::invalid("partition", "name one: a stream follows at most 64 partitions at once").into());
    }
    let mut follow = Follow {
        door,
        caller,
        topic,
        _place: place,
        next: BTreeMap::new(),
        reads: FuturesUnordered::new(),
        waiting: VecDeque::new(),
    };
    // The first reads do not wait: they fix where each partition begins and find out what is refused.
    let first = partitions.into_iter().map(|partition| {
        let start = resumed.get(&partition).map_or(start, |offset| StartAt::Offset(*offset));
        follow.read(partition, start, Span::new(0))
    });
    let first: Vec<_> = first.collect();
    let first: Vec<_> = stream::iter(first).buffer_unordered(SEED_READS_MAX).try_collect().await?;
    for (partition, records) in &first {
        follow.next.insert(*partition, beginning(records));
    }
    for (partition, records) in first {
        follow.took(partition, records);
    }
    Ok(Sse::new(follow.events()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn beginning(records: &Records) -> Offset {
    records.records.first().map_or(records.next, |record| record.offset)
}

fn follow_start(query: &wire::FollowQuery) -> Result<StartAt, Refusal> {
    let named = read_start(query.offset, query.time)?;
    if query.offset.is_some() && query.partition.is_none() {
        return Err(Refusal::invalid("offset", "it needs partition: offsets count in each partition by themselves"));
    }
    match (named, query.from) {
        (Some(_), Some(_)) => Err(Refusal::invalid("from", "give from, offset or time, not two of them")),
        (Some(named), None) => Ok(named),
        (None, from) => Ok(from.unwrap_or_default().into()),
    }
}

type Read = BoxFuture<'static, Result<(Partition, Records), Problem>>;

struct Follow {
    door: Door,
    caller: Caller,
    topic: TopicRef,
    _place: OwnedSemaphorePermit,
    next: BTreeMap<Partition, Offset>,
    reads: FuturesUnordered<Read>,
    waiting: VecDeque<Event>,
}

impl Follow {
    fn read(&self, partition: Partition, start: StartAt, wait: Span) -> Read {
        let (door, caller, topic) = (self.door.clone(), self.caller.clone(), self.topic.clone());
        Box::pin(async move {
            let read = ReadPartition { topic, partition, start, limit: STREAM_READ, wait };
            Ok((partition, door.call(&caller, read).await?))
        })
    }

    /// Turns what was read into events, and reads on.
    fn took(&mut self, partition: Partition, records: Records) {
        let next = records.next;
        for found in records.records {
            self.next.insert(partition, found.offset.next());
            let id = place_text(&self.next);
            self.waiting.push_back(event("message", &record(partition, found)).id(id));
        }
        self.next.insert(partition, next);
        self.reads.push(self.read(partition, StartAt::Offset(next), Span::new(STREAM_WAIT_MS)));
    }

    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(Some(self), |follow| async move {
            let mut follow = follow?;
            loop {
                if let Some(event) = follow.waiting.pop_front() {
                    return Some((Ok(event), Some(follow)));
                }
                match follow.reads.next().await {
                    Some(Ok((partition, records))) => follow.took(partition, records),
                    Some(Err(problem)) => return Some((Ok(failed(problem)), None)),
                    None => return None,
                }
            }
        })
    }
}

fn place_text(next: &BTreeMap<Partition, Offset>) -> String {
    let parts: Vec<_> = next.iter().map(|(partition, offset)| format!("{partition}:{offset}")).collect();
    parts.join(",")
}

fn resume(text: &[u8]) -> Result<BTreeMap<Partition, Offset>, Refusal> {
    let refuse = || Refusal::invalid("Last-Event-ID", "it must be the id of an event of this stream");
    let text = std::str::from_utf8(text).map_err(|_| refuse())?;
    let mut places = BTreeMap::new();
    for part in text.split(',').take(STREAM_PARTITIONS_MAX + 1) {
        let (partition, offset) = part.split_once(':').ok_or_else(refuse)?;
        let partition = Partition::new(partition.parse().map_err(|_| refuse())?);
        places.insert(partition, Offset::new(offset.parse().map_err(|_| refuse())?));
    }
    if places.len() > STREAM_PARTITIONS_MAX {
        return Err(refuse());
    }
    Ok(places)
}

#[cfg(test)]
mod tests;
