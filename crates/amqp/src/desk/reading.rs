//! Reads a topic for a consumer, as a stream is read: from an offset on, in order, and nothing is settled.
//!
//! Invariants: of each partition every message from its start comes once and in its order; nothing is read while a
//! consumer wants nothing, and no more at once than it wants.
//! Made by `streams`, polled by `serve::connection`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use model::failure::{Failure, Retry, Unavailable};
use model::message::Delivery;
use model::name::TopicRef;
use model::number::{Attempt, Partition, Span};
use model::topic::{DescribeTopic, ReadPartition, Records, StartAt};
use model::{Call, Deliveries, Refusal, Reply, Response};
use tokio::time::{Sleep, sleep};

use super::Errand;
use crate::limits::{STREAM_LOOK_EVERY, STREAM_READ_MAX, STREAM_WAIT_MS};

/// One partition and how far it is read.
struct Reader {
    partition: Partition,
    from: StartAt,
    state: Reading,
}

/// What a reader does.
enum Reading {
    Idle,
    /// A read is under way; it waits for what is not there yet.
    Asked(Reply<Response>),
    /// The broker had no time.
    Paused(Pin<Box<Sleep>>),
}

/// When partitions that are new are looked for.
enum Look {
    /// All that is read is one partition.
    Never,
    At(Pin<Box<Sleep>>),
    Asked(Reply<Response>),
}

/// A consumer of a topic.
pub(super) struct TopicReader {
    errand: Errand,
    topic: TopicRef,
    readers: Vec<Reader>,
    look: Look,
    ready: VecDeque<Delivery>,
    credit: u32,
    is_stopped: bool,
    waker: Option<Waker>,
}

impl TopicReader {
    /// Reads these partitions from these places.
    pub(super) fn of_partitions(errand: Errand, topic: TopicRef, starts: Vec<(Partition, StartAt)>) -> Self {
        let reader = |(partition, from)| Reader { partition, from, state: Reading::Idle };
        Self {
            errand,
            topic,
            readers: starts.into_iter().map(reader).collect(),
            look: Look::Never,
            ready: VecDeque::new(),
            credit: 0,
            is_stopped: false,
            waker: None,
        }
    }

    /// Reads all partitions, those that come later too.
    pub(super) fn of_topic(errand: Errand, topic: TopicRef, starts: Vec<(Partition, StartAt)>) -> Self {
        let look = Look::At(Box::pin(sleep(STREAM_LOOK_EVERY)));
        Self { look, ..Self::of_partitions(errand, topic, starts) }
    }

    fn ask<C: Call>(errand: &Errand, request: C) -> Reply<Response> {
        errand.shared.backend.submit(&errand.caller, request.into())
    }

    /// Lets one reader go on: whether it did, or the failure that ends all.
    fn read(&mut self, place: usize, context: &mut Context<'_>) -> Result<bool, Failure> {
        let share = self.credit / u32::try_from(self.readers.len()).unwrap_or(u32::MAX).max(1);
        let reader = &mut self.readers[place];
        match &mut reader.state {
            Reading::Idle if self.ready.is_empty() => {
                let limit = share.clamp(1, STREAM_READ_MAX);
                let (topic, partition, start) = (self.topic.clone(), reader.partition, reader.from);
                let request = ReadPartition { topic, partition, start, limit, wait: Span::new(STREAM_WAIT_MS) };
                reader.state = Reading::Asked(Self::ask(&self.errand, request));
                Ok(true)
            }
            Reading::Idle => Ok(false),
            Reading::Paused(pause) => {
                let is_over = pause.as_mut().poll(context).is_ready();
                if is_over {
                    reader.state = Reading::Idle;
                }
                Ok(is_over)
            }
            Reading::Asked(reply) => {
                let Poll::Ready(answer) = reply.as_mut().poll(context) else { return Ok(false) };
                reader.state = Reading::Idle;
                match answer.map(|response| ReadPartition::reply(response).expect("a read is answered with records")) {
                    Ok(Records { records, next, .. }) => {
                        reader.from = StartAt::Offset(next);
                        let partition = reader.partition;
                        self.ready.extend(records.into_iter().map(|record| delivery(record, partition)));
                    }
                    Err(failure) => reader.state = Reading::Paused(pause(failure)?),
                }
                Ok(true)
            }
        }
    }

    /// Looks for partitions that are new.
    fn look(&mut self, context: &mut Context<'_>) -> Result<bool, Failure> {
        match &mut self.look {
            Look::Never => Ok(false),
            Look::At(time) => {
                let is_time = time.as_mut().poll(context).is_ready();
                if is_time {
                    self.look = Look::Asked(Self::ask(&self.errand, DescribeTopic { topic: self.topic.clone() }));
                }
                Ok(is_time)
            }
            Look::Asked(reply) => {
                let Poll::Ready(answer) = reply.as_mut().poll(context) else { return Ok(false) };
                self.look = Look::At(Box::pin(sleep(STREAM_LOOK_EVERY)));
                let description = answer.map(DescribeTopic::reply).map(|reply| reply.expect("its own answer"));
                match description {
                    Ok(description) => {
                        // Partitions are numbered from zero and never go.
                        for extent in description.partitions.into_iter().skip(self.readers.len()) {
                            let (partition, state) = (extent.partition, Reading::Idle);
                            self.readers.push(Reader { partition, from: StartAt::Earliest, state });
                        }
                    }
                    Err(failure) => drop(pause(failure)?),
                }
                Ok(true)
            }
        }
    }
}

/// The time until the next try, or the failure when there is none to be made.
fn pause(failure: Failure) -> Result<Pin<Box<Sleep>>, Failure> {
    match failure {
        Failure::Unavailable(unavailable @ (Unavailable::Busy | Unavailable::NoLeader | Unavailable::Unreachable)) => {
            let wait = match unavailable.retry() {
                Retry::After(wait) => wait.get(),
                Retry::Never => STREAM_WAIT_MS,
            };
            Ok(Box::pin(sleep(Duration::from_millis(wait))))
        }
        failure @ (Failure::Unavailable(_) | Failure::Refused(_) | Failure::Fault(_)) => Err(failure),
    }
}

fn delivery(record: model::message::Record, partition: Partition) -> Delivery {
    Delivery {
        message: record.message,
        receipt: None,
        attempt: Attempt::new(1),
        partition,
        offset: Some(record.offset),
        leased_until: None,
        dead_letter: None,
    }
}

impl Deliveries for TopicReader {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        self.waker = Some(context.waker().clone());
        loop {
            if self.is_stopped {
                return Poll::Ready(None);
            }
            let wanted = usize::try_from(self.credit).unwrap_or(usize::MAX).min(self.ready.len());
            if wanted > 0 {
                self.credit -= u32::try_from(wanted).unwrap_or(self.credit);
                return Poll::Ready(Some(Ok(self.ready.drain(..wanted).collect())));
            }
            if self.credit == 0 {
                return Poll::Pending;
            }
            let mut moved = self.look(context);
            for place in 0..self.readers.len() {
                moved = moved.and_then(|moved| Ok(self.read(place, context)? || moved));
            }
            match moved {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                // A topic that is deleted is the end, as it is of a queue.
                Err(Failure::Refused(Refusal::TopicNotFound { .. })) => return Poll::Ready(None),
                Err(failure) => return Poll::Ready(Some(Err(failure))),
            }
        }
    }

    fn add_credit(&mut self, messages: u32) {
        self.credit = self.credit.saturating_add(messages);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn stop(&mut self) {
        self.is_stopped = true;
        self.waker.take().into_iter().for_each(Waker::wake);
    }
}
