//! What a session asks of the broker, what it is answered, and what it is told to do with deliveries.
//! Words of AMQP only: `desk` and `translate` turn them into those of `model`.
//! Invariant: each `Ask` is answered once, under its ticket.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::caller::Secret;
use model::name::{Source, TopicRef};
use model::receipt::Receipt;

use crate::codec::class::{basic, exchange, queue};
use crate::codec::{Malformed, Properties, ReplyCode, ShortText};

/// Names a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Names a consumer of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConsumerId(pub u64);

/// What the waiting half does for the session, in this order.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "few live at a time, and each is taken apart at once")]
pub enum Action {
    /// Ask the broker.
    Ask(Ticket, Ask),
    /// Let a consumer take so many more.
    Grant(ConsumerId, u32),
    /// Let a consumer take no more; its stream ends once nothing is on its way.
    Stop(ConsumerId),
    /// End a consumer.
    Drop(ConsumerId),
    /// Hand a message to whoever waits for this direct reply.
    Reply(Publication),
}

/// Who somebody says to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// What proves it.
    pub proof: Proof,
    /// The mechanism's name, for the texts.
    pub mechanism: &'static str,
}

/// What proves who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password, or an API token in its place.
    Password(Secret),
    /// The certificate of the connection.
    Certificate,
}

/// A question to the broker.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Proves a user.
    Login(Login),
    /// Opens a virtual host.
    OpenHost(ShortText),
    /// Makes or finds an exchange.
    DeclareExchange(exchange::Declare),
    /// Deletes an exchange.
    DeleteExchange(exchange::Delete),
    /// Binds an exchange to another.
    BindExchange(exchange::Bind),
    /// Takes that back.
    UnbindExchange(exchange::Unbind),
    /// Makes or finds a queue.
    DeclareQueue(queue::Declare),
    /// Binds a queue.
    BindQueue(queue::Bind),
    /// Takes that back.
    UnbindQueue(queue::Unbind),
    /// Deletes the ready messages of a queue.
    PurgeQueue(queue::Purge),
    /// Deletes a queue.
    DeleteQueue(queue::Delete),
    /// Publishes messages, each for itself.
    Publish(Vec<Publication>),
    /// Settles deliveries.
    Settle(Vec<Settle>),
    /// Takes one message.
    Get(basic::Get),
    /// Starts a consumer of a channel with this prefetch; it begins without credit.
    Consume(ConsumerId, basic::Consume, u32),
}

/// A message on its way in.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// The exchange.
    pub exchange: ShortText,
    /// The routing key.
    pub routing_key: ShortText,
    /// Whether it comes back when it reaches no queue.
    pub mandatory: bool,
    /// Its properties.
    pub properties: Properties,
    /// Its body.
    pub body: Bytes,
}

/// What became of a published message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is durable in every queue that it was routed to.
    Kept,
    /// No queue wanted it.
    Unroutable,
    /// A queue refused it.
    Refused,
    /// It could not be published at all.
    Failed(Close),
}

/// How deliveries are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The work is done.
    Ack,
    /// Deliver it again.
    Requeue,
    /// Never again.
    Reject,
    /// The client still has them.
    Keep,
}

/// Deliveries of one source, settled alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Where they came from.
    pub source: Arc<Source>,
    /// Which.
    pub receipts: Vec<Receipt>,
    /// How.
    pub verdict: Verdict,
}

/// A message on its way out.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivered {
    /// Settles it; absent when there is nothing to settle.
    pub receipt: Option<Receipt>,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The exchange it was published to.
    pub exchange: ShortText,
    /// The routing key it was published with.
    pub routing_key: ShortText,
    /// Its properties.
    pub properties: Properties,
    /// Its body.
    pub body: Bytes,
}

/// Where a consumer's messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feed {
    /// They are its own until it settles them.
    Leased(Arc<Source>),
    /// They are read from a topic, and nothing is settled.
    Stream(TopicRef),
    /// The same from several partitions.
    SuperStream(TopicRef),
}

impl Feed {
    /// The name, as clients know it.
    pub fn name(&self) -> &str {
        match self {
            Self::Leased(source) => match &**source {
                Source::Queue(queue) => queue.name.as_str(),
                Source::Subscription(subscription) => subscription.topic.name.as_str(),
            },
            Self::Stream(topic) | Self::SuperStream(topic) => topic.name.as_str(),
        }
    }

    /// What is settled there.
    pub(super) const fn source(&self) -> Option<&Arc<Source>> {
        match self {
            Self::Leased(source) => Some(source),
            Self::Stream(_) | Self::SuperStream(_) => None,
        }
    }
}

/// An answer of the broker.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "few live at a time, and each is taken apart at once")]
pub enum Answer {
    /// The user is proved.
    LoggedIn,
    /// It is done.
    Done,
    /// A queue is there.
    Declared {
        /// Its name.
        queue: ShortText,
        /// Ready messages.
        messages: u32,
        /// Consumers.
        consumers: u32,
    },
    /// So many messages went.
    Removed(u32),
    /// What became of each publication, in order.
    Published(Vec<Fate>),
    /// The message asked for.
    Got {
        /// Where it came from.
        source: Arc<Source>,
        /// The message.
        delivered: Delivered,
        /// Messages that are left.
        left: u32,
        /// How long it may stay unsettled.
        timeout: Option<Duration>,
    },
    /// There is none.
    Empty,
    /// The consumer is started.
    Consuming {
        /// Where its messages come from.
        feed: Feed,
        /// How long each may stay unsettled.
        timeout: Option<Duration>,
    },
}

/// Why a channel or the connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code.
    pub code: ReplyCode,
    /// The text, without the word of the code.
    pub text: String,
}

impl Close {
    /// A close with this text.
    pub fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// The text as it is sent.
    pub fn reply_text(&self) -> ShortText {
        ShortText::cut(format!("{} - {}", self.code.word(), self.text))
    }
}

impl From<Malformed> for Close {
    fn from(malformed: Malformed) -> Self {
        Self { code: malformed.code, text: malformed.why }
    }
}
