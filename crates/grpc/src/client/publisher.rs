//! Publishing at a high rate: a window of unconfirmed messages over one stream.
//! Invariants: messages reach the broker in the order of `publish`; each publish is confirmed or failed exactly once;
//! at most a window of messages waits for confirms. After the stream broke every publish fails at once, and what
//! waited is `Unavailable::Unknown`: open another publisher and send the same message ids again.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::failure::{Failure, Unavailable};
use model::limits::PUBLISH_MESSAGES_MAX;
use model::message::NewMessage;
use model::queue::PublishedMessage;
use model::refusal::Refusal;
use model::topic::{PublishedRecord, TopicMessage};
use tokio::sync::{Semaphore, oneshot};

use super::outbox::{Outbox, Outgoing};
use crate::limits::{PUBLISHER_FRAME_BYTES, PUBLISHER_FRAME_MESSAGES};
use crate::proto as pb;
use crate::translate::Wire;

/// What differs between publishing to a queue and to a topic. Sealed: queues and topics are all there is.
pub trait Kind: sealed::Kind {}

pub(crate) mod sealed {
    use super::{NewMessage, Wire, pb};

    #[allow(private_bounds, private_interfaces, reason = "translations are not part of the interface")]
    pub trait Kind: Send + 'static {
        type Message: Wire<Form: Send> + Send + 'static;
        type Place: Wire + Send + 'static;
        type Request: prost::Message + Send + 'static;

        fn content(message: &Self::Message) -> &NewMessage;
        fn request(first: u64, messages: Vec<<Self::Message as Wire>::Form>) -> Self::Request;
    }

    /// One outcome of either kind.
    pub(crate) struct Outcome<P> {
        pub(crate) last: u64,
        pub(crate) problem: Option<pb::Problem>,
        pub(crate) places: Vec<P>,
    }
}

pub(crate) use sealed::Outcome;

/// Publishing to a queue.
#[derive(Debug)]
pub enum ToQueue {}
/// Publishing to a topic.
#[derive(Debug)]
pub enum ToTopic {}

/// A publisher to a queue.
pub type QueuePublisher = Publisher<ToQueue>;
/// A publisher to a topic.
pub type TopicPublisher = Publisher<ToTopic>;

impl Kind for ToQueue {}
impl Kind for ToTopic {}

impl sealed::Kind for ToQueue {
    type Message = NewMessage;
    type Place = PublishedMessage;
    type Request = pb::PublishStreamRequest;

    fn content(message: &NewMessage) -> &NewMessage {
        message
    }

    fn request(first: u64, messages: Vec<pb::NewMessage>) -> pb::PublishStreamRequest {
        pb::PublishStreamRequest { open: None, first, messages }
    }
}

impl sealed::Kind for ToTopic {
    type Message = TopicMessage;
    type Place = PublishedRecord;
    type Request = pb::PublishTopicStreamRequest;

    fn content(message: &TopicMessage) -> &NewMessage {
        &message.message
    }

    fn request(first: u64, messages: Vec<pb::TopicMessage>) -> pb::PublishTopicStreamRequest {
        pb::PublishTopicStreamRequest { open: None, first, messages }
    }
}

/// One publish that waits to be sent.
struct Parcel<K: Kind> {
    forms: Vec<<K::Message as Wire>::Form>,
    bytes: u64,
}

/// One publish that waits for its confirm.
struct Expected<K: Kind> {
    last: u64,
    messages: usize,
    permits: usize,
    confirm: oneshot::Sender<Result<Vec<K::Place>, Failure>>,
}

/// What a publisher has to send and what it waits for.
pub(crate) struct Mail<K: Kind> {
    open: Option<K::Request>,
    /// The number of the next message to be sent.
    sent: u64,
    /// The number of the next message to be published.
    next: u64,
    parcels: VecDeque<Parcel<K>>,
    expected: VecDeque<Expected<K>>,
    closed: Option<Failure>,
}

impl<K: Kind> Mail<K> {
    pub(crate) fn new(open: K::Request) -> Self {
        Self { open: Some(open), sent: 0, next: 0, parcels: VecDeque::new(), expected: VecDeque::new(), closed: None }
    }

    /// Confirms every publish that an outcome covers, and gives back the room they held.
    fn confirm(&mut self, outcome: Outcome<K::Place>) -> usize {
        let mut places = outcome.places.into_iter();
        let mut permits = 0;
        while let Some(expected) = self.expected.pop_front_if(|expected| expected.last <= outcome.last) {
            permits += expected.permits;
            let result = match &outcome.problem {
                Some(problem) => Err(crate::status::failure(problem.clone())),
                None => Ok(places.by_ref().take(expected.messages).collect()),
            };
            // Nobody waits for a confirm that was dropped.
            let _ = expected.confirm.send(result);
        }
        permits
    }
}

impl<K: Kind> Outgoing for Mail<K> {
    type Request = K::Request;

    /// Packs as many whole publishes as fit into one request.
    fn next_request(&mut self) -> Option<K::Request> {
        if let Some(open) = self.open.take() {
            return Some(open);
        }
        let Parcel { mut forms, mut bytes } = self.parcels.pop_front()?;
        while let Some(next) = self.parcels.pop_front_if(|next| {
            forms.len() + next.forms.len() <= PUBLISHER_FRAME_MESSAGES && bytes + next.bytes <= PUBLISHER_FRAME_BYTES
        }) {
            bytes += next.bytes;
            forms.extend(next.forms);
        }
        let first = self.sent;
        self.sent += u64::try_from(forms.len()).unwrap_or(u64::MAX);
        Some(K::request(first, forms))
    }
}

/// Publishes over one stream with a window. Dropping it sends what waits and then ends the stream.
pub struct Publisher<K: Kind> {
    outbox: Outbox<Mail<K>>,
    window: Arc<Semaphore>,
    window_messages: usize,
}

impl<K: Kind> Publisher<K> {
    pub(crate) fn new(outbox: Outbox<Mail<K>>, window_messages: usize) -> Self {
        Self { outbox, window: Arc::new(Semaphore::new(window_messages)), window_messages }
    }

    pub(crate) fn receiver(&self) -> Receiver<K> {
        Receiver { outbox: self.outbox.clone(), window: Arc::clone(&self.window) }
    }

    /// Sends messages, waiting until the window has room for them, and answers with their confirm to come. They are
    /// accepted all or none, perhaps together with others of this publisher.
    ///
    /// # Errors
    /// A refusal when they are none or too many or one is impossible; otherwise why the stream ended.
    pub async fn publish(&self, messages: Vec<K::Message>) -> Result<Confirm<K::Place>, Failure> {
        let count = messages.len();
        if count == 0 || count > PUBLISH_MESSAGES_MAX {
            return Err(Refusal::BatchSize { count, limit: PUBLISH_MESSAGES_MAX }.into());
        }
        let mut bytes = 0_u64;
        for message in &messages {
            K::content(message).check()?;
            bytes = bytes.saturating_add(u64::try_from(K::content(message).size()).unwrap_or(u64::MAX));
        }
        let permits = count.min(self.window_messages);
        let asked = u32::try_from(permits).unwrap_or(u32::MAX);
        match self.window.acquire_many(asked).await {
            Ok(room) => room.forget(),
            Err(_) => return Err(self.closed()),
        }
        let forms = messages.to_wire();
        let (confirm, confirmed) = oneshot::channel();
        self.outbox.write(|mail| {
            if let Some(failure) = &mail.closed {
                return Err(failure.clone());
            }
            mail.next += u64::try_from(count).unwrap_or(u64::MAX);
            mail.expected.push_back(Expected { last: mail.next - 1, messages: count, permits, confirm });
            mail.parcels.push_back(Parcel { forms, bytes });
            Ok(())
        })?;
        Ok(Confirm(confirmed))
    }

    /// How many messages may wait for their confirm.
    pub const fn window_messages(&self) -> usize {
        self.window_messages
    }

    fn closed(&self) -> Failure {
        self.outbox.write(|mail| mail.closed.clone()).unwrap_or(Failure::Unavailable(Unavailable::Unreachable))
    }
}

impl<K: Kind> Drop for Publisher<K> {
    fn drop(&mut self) {
        self.outbox.finish();
    }
}

/// Where the answers of the stream go.
pub(crate) struct Receiver<K: Kind> {
    outbox: Outbox<Mail<K>>,
    window: Arc<Semaphore>,
}

impl<K: Kind> Receiver<K> {
    pub(crate) fn outcomes(&self, outcomes: Vec<Outcome<K::Place>>) {
        let permits = self.outbox.write(|mail| outcomes.into_iter().map(|outcome| mail.confirm(outcome)).sum());
        self.window.add_permits(permits);
    }

    /// The stream ended: what waits is unknown, and nothing more is taken.
    pub(crate) fn close(&self, failure: Failure) {
        let waiting = self.outbox.write(|mail| {
            mail.closed = Some(failure);
            mail.parcels.clear();
            std::mem::take(&mut mail.expected)
        });
        self.window.close();
        self.outbox.finish();
        for expected in waiting {
            // Nobody waits for a confirm that was dropped.
            let _ = expected.confirm.send(Err(Unavailable::Unknown.into()));
        }
    }
}

/// A confirm to come: the places of the messages when they were asked for, otherwise nothing, once they are durable.
#[must_use = "only a confirm says that the messages are durable"]
pub struct Confirm<P>(oneshot::Receiver<Result<Vec<P>, Failure>>);

impl<P> Future for Confirm<P> {
    type Output = Result<Vec<P>, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|result| result.unwrap_or(Err(Failure::Unavailable(Unavailable::Unknown))))
    }
}
