//! A message: what a producer gives, what the log keeps, what a consumer gets.
//! Invariant: a `NewMessage` that passed `check` is within every limit, whichever door it came through.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::header::{check_headers, headers_size};
use crate::limits::{CONTENT_TYPE_BYTES_MAX, DELAY_MS_MAX, KEY_BYTES_MAX, MESSAGE_BYTES_MAX, MESSAGE_ID_BYTES_MAX};
use crate::name::ExchangeName;
use crate::number::{Attempt, Offset, Partition, Priority, Sequence, Span, Timestamp};
use crate::receipt::Receipt;
use crate::refusal::Refusal;

pub use crate::header::{HeaderValue, Headers, Narrow};
pub use crate::properties::{Persistence, Properties, Routed};

/// The id of a message: the producer's, or one that the broker made. At most 128 bytes of text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Arc<str>);

impl MessageId {
    /// Checks length and characters.
    ///
    /// # Errors
    /// `ArgumentInvalid` when empty, longer than 128 bytes or holding control characters.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.len() > MESSAGE_ID_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(Refusal::invalid("id", "it must be 1 to 128 bytes of text without control characters"));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// When a message becomes available.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Availability {
    /// At once.
    #[default]
    Now,
    /// After this long, counted from its place in the log.
    After(Span),
    /// At this time; at once if it has passed.
    At(Timestamp),
}

/// A message as a producer gives it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct NewMessage {
    /// The payload, any bytes, also none.
    pub body: Bytes,
    /// Named values beside the payload.
    pub headers: Headers,
    /// The media type of the payload.
    pub content_type: Option<String>,
    /// Orders and places messages: same key, same partition; with per-key order one at a time.
    pub key: Option<Bytes>,
    /// Urgency on a queue; topics keep it and do not act on it.
    pub priority: Priority,
    /// How long the message may wait; after that it expires.
    pub ttl: Option<Span>,
    /// When a queue may deliver it; topics refuse anything but `Now`.
    pub availability: Availability,
    /// The producer's id: a second message with it inside the deduplication window is the same message.
    pub id: Option<MessageId>,
    /// What else the producer says about it; kept and handed out.
    pub properties: Option<Box<Properties>>,
}

impl NewMessage {
    /// A message with this body and nothing else.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..Self::default() }
    }

    /// Body, headers, key and properties together, in bytes.
    pub fn size(&self) -> usize {
        self.body.len()
            + headers_size(&self.headers)
            + self.properties.as_ref().map_or(0, |properties| properties.size())
            + self.key.as_ref().map_or(0, Bytes::len)
            + self.content_type.as_ref().map_or(0, String::len)
            + self.id.as_ref().map_or(0, |id| id.as_str().len())
    }

    /// Checks every limit of a single message.
    ///
    /// # Errors
    /// `MessageTooLarge` or `ArgumentInvalid` naming the part that is out of range.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.size() > MESSAGE_BYTES_MAX {
            return Err(Refusal::MessageTooLarge { bytes: self.size(), limit: MESSAGE_BYTES_MAX });
        }
        check_headers("headers", &self.headers)?;
        self.properties.as_ref().map_or(Ok(()), |properties| properties.check())?;
        if self.key.as_ref().is_some_and(|key| key.len() > KEY_BYTES_MAX) {
            return Err(Refusal::invalid("key", "a key is at most 1024 bytes"));
        }
        if self
            .content_type
            .as_ref()
            .is_some_and(|text| text.len() > CONTENT_TYPE_BYTES_MAX || text.chars().any(char::is_control))
        {
            return Err(Refusal::invalid("content_type", "at most 255 bytes without control characters"));
        }
        if let Availability::After(delay) = self.availability
            && delay.get() > DELAY_MS_MAX
        {
            return Err(Refusal::invalid("delay_ms", "a delay is at most ten years"));
        }
        Ok(())
    }
}

/// A message as the log keeps it, with what the broker added.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The producer's id or the broker's.
    pub id: MessageId,
    /// The payload.
    pub body: Bytes,
    /// The producer's headers.
    pub headers: Headers,
    /// The media type of the payload.
    pub content_type: Option<String>,
    /// The key.
    pub key: Option<Bytes>,
    /// The urgency.
    pub priority: Priority,
    /// When it was accepted, by the leader's clock.
    pub published_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// The authenticated user who sent it; clients cannot set this.
    pub sender: Arc<str>,
    /// The lifetime that its producer gave it.
    pub ttl: Option<Span>,
    /// What else the producer said about it.
    pub properties: Option<Box<Properties>>,
    /// The exchange that it was published to; `None` when it went straight to a queue or topic.
    pub routed: Option<Box<Routed>>,
}

/// Why a message was moved to the dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadLetterReason {
    /// It was delivered as often as the limit allows.
    DeliveryLimit,
    /// A consumer rejected it for good.
    Rejected,
    /// It expired before anyone took it.
    Expired,
    /// The queue was full and drops its oldest.
    Overflow,
}

impl DeadLetterReason {
    /// Every reason, for filters and docs.
    pub const ALL: [Self; 4] = [Self::DeliveryLimit, Self::Rejected, Self::Expired, Self::Overflow];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::DeliveryLimit => "delivery_limit",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Overflow => "overflow",
        }
    }

    /// The reason that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// The history that a dead-lettered message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why it was moved, the last time.
    pub reason: DeadLetterReason,
    /// Where it came from, as text: `queue default/orders`.
    pub origin: String,
    /// How often it had been delivered there.
    pub attempts: Attempt,
    /// How often it has been dead-lettered in all.
    pub count: u32,
    /// When it was moved, the last time.
    pub at: Timestamp,
    /// Every different move, newest first; one of the same queue for the same reason is counted, not repeated.
    pub deaths: Vec<Death>,
    /// By which way it came here, when that was not the message's own.
    pub routed: Option<Routed>,
}

/// A queue that gave a message up, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// Why.
    pub reason: DeadLetterReason,
    /// The queue, as text: `queue default/orders`.
    pub origin: String,
    /// How often.
    pub count: u32,
    /// When, the first time.
    pub at: Timestamp,
    /// The exchange by which it had come there; `None`: it had come straight there.
    pub exchange: Option<ExchangeName>,
    /// The routing keys by which it had come there.
    pub routing_keys: Vec<String>,
    /// The lifetime that its producer had given it, when it expired by that one.
    pub ttl: Option<Span>,
}

/// One delivery of a message to a consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Settles exactly this delivery; absent on a stream subscription, which commits offsets.
    pub receipt: Option<Receipt>,
    /// Which delivery of the message this is, from 1.
    pub attempt: Attempt,
    /// The partition it lies in.
    pub partition: Partition,
    /// Its offset, on a subscription.
    pub offset: Option<Offset>,
    /// When the lease ends; absent when it lasts as long as the connection.
    pub leased_until: Option<Timestamp>,
    /// Set when it comes from a dead-letter queue.
    pub dead_letter: Option<Box<DeadLetter>>,
}

/// A message of a topic partition, read without a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: Offset,
    /// The message.
    pub message: Message,
}

/// Where a message of a queue is in its life. Settled messages are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageState {
    /// Waits for a consumer.
    Ready,
    /// Waits for its time.
    Delayed,
    /// Is with a consumer.
    Leased,
}

impl MessageState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Delayed, Self::Leased];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Leased => "leased",
        }
    }

    /// The state that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A message of a queue, looked at without taking it.
#[derive(Clone, Debug, PartialEq)]
pub struct Peeked {
    /// The message.
    pub message: Message,
    /// The queue partition it lies in.
    pub partition: Partition,
    /// Its place there; names it for cancel and redrive.
    pub sequence: Sequence,
    /// Where it is in its life.
    pub state: MessageState,
    /// Deliveries so far.
    pub attempts: Attempt,
    /// When it becomes available or its lease ends.
    pub due_at: Option<Timestamp>,
    /// Set on a dead-letter queue.
    pub dead_letter: Option<DeadLetter>,
}

/// Names one message of a queue for cancel and redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessagePlace {
    /// The queue partition.
    pub partition: Partition,
    /// The place there.
    pub sequence: Sequence,
}
