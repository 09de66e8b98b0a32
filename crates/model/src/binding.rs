//! Bindings: rules by which messages leave an exchange for a queue, a topic or another exchange.
//! Invariant: source and destination of a binding are of the same namespace; two bindings with the same source,
//! destination, key and arguments are one.

use std::fmt;
use std::sync::Arc;

use crate::header::{HeaderValue, Headers, check_headers};
use crate::limits::{EXTRA_KEYS_MAX, ROUTING_KEY_BYTES_MAX};
use crate::message::{MessageId, NewMessage};
use crate::name::{ExchangeName, ExchangeRef, NamespaceName, QueueName, TopicName};
use crate::number::LogIndex;
use crate::page::{Page, PageRequest};
use crate::queue::Durability;
use crate::refusal::Refusal;

/// What a message is routed by: text of at most 255 bytes, which may be empty. On an exchange of kind topic it
/// is words with points between them, and that of a binding a pattern: `*` is one word, `#` any number of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutingKey(Arc<str>);

impl RoutingKey {
    /// Checks the length.
    ///
    /// # Errors
    /// `ArgumentInvalid` above 255 bytes.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > ROUTING_KEY_BYTES_MAX {
            return Err(Refusal::invalid("routing_key", "at most 255 bytes"));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RoutingKey {
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl std::borrow::Borrow<str> for RoutingKey {
    /// Keys order and compare as their text does, so maps of keys can be asked with text.
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoutingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a binding leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// To a queue.
    Queue(QueueName),
    /// To a topic.
    Topic(TopicName),
    /// To another exchange.
    Exchange(ExchangeName),
}

impl Destination {
    /// The kind of thing, in a stable word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Topic(_) => "topic",
            Self::Exchange(_) => "exchange",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Queue(name) => name.as_str(),
            Self::Topic(name) => name.as_str(),
            Self::Exchange(name) => name.word(),
        }
    }

    /// The destination of this kind and name.
    ///
    /// # Errors
    /// `ArgumentInvalid` for another kind, `NameInvalid` for a name that is none.
    pub fn parse(word: &str, name: &str) -> Result<Self, Refusal> {
        match word {
            "queue" => QueueName::parse(name).map(Self::Queue),
            "topic" => TopicName::parse(name).map(Self::Topic),
            "exchange" => ExchangeName::parse_word(name).map(Self::Exchange),
            _ => Err(Refusal::invalid("destination", "its kind is queue, topic or exchange")),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.word(), self.name())
    }
}

/// A rule of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The exchange that messages leave.
    pub source: ExchangeRef,
    /// Where they go, in the same namespace.
    pub destination: Destination,
    /// The key, or the pattern on an exchange of kind topic, or the weight on one that spreads by hash.
    pub routing_key: RoutingKey,
    /// What an exchange of kind headers looks at, with `x-match`; any other keeps them and does not look.
    pub arguments: Headers,
}

impl Binding {
    /// Checks the arguments.
    ///
    /// # Errors
    /// `ArgumentInvalid` naming the bound.
    pub fn check(&self) -> Result<(), Refusal> {
        check_headers("arguments", &self.arguments)
    }
}

/// Adds a binding; done when it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// What is added.
    pub binding: Binding,
}

/// Removes a binding; done when it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbind {
    /// What is removed.
    pub binding: Binding,
}

/// Whether a bind or unbind changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebound {
    /// False when it was so already.
    pub changed: bool,
}

/// Lists bindings, by source, destination, key and arguments. Shown are those between things that the caller
/// may describe. The default exchange's are not listed: each queue has one, by its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListBindings {
    /// Where.
    pub namespace: NamespaceName,
    /// Only those of this exchange.
    pub source: Option<ExchangeName>,
    /// Only those to this destination.
    pub destination: Option<Destination>,
    /// Which part of the list; a cursor is opaque.
    pub page: PageRequest,
}

/// A page of bindings.
pub type BindingPage = Page<Binding>;

/// A message on its way through an exchange.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutedMessage {
    /// The message.
    pub message: NewMessage,
    /// What it is routed by.
    pub routing_key: RoutingKey,
    /// Keys that it is routed by as well: AMQP's `CC` and `BCC`. They are not kept.
    pub extra_keys: Vec<RoutingKey>,
    /// What becomes of it when no rule fits.
    pub unroutable: Unroutable,
}

/// What becomes of a message that no rule fits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unroutable {
    /// It is dropped.
    #[default]
    Drop,
    /// It is given back to the producer: AMQP's `mandatory`.
    Return,
}

impl RoutedMessage {
    /// Checks the message and the number of keys.
    ///
    /// # Errors
    /// Those of the message, or `ArgumentInvalid`.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.extra_keys.len() > EXTRA_KEYS_MAX {
            return Err(Refusal::invalid("extra_keys", "there are at most 256"));
        }
        self.message.check()
    }
}

/// Publishes messages through an exchange. Each is routed for itself; all that was accepted is durable when the
/// answer comes.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishExchange {
    /// Which.
    pub exchange: ExchangeRef,
    /// What: 1 to 4096.
    pub messages: Vec<RoutedMessage>,
}

/// What became of a message that went through an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Every queue and topic that it was routed to took it, or had it already.
    Taken,
    /// No rule fitted and it was dropped.
    Dropped,
    /// No rule fitted and it is the producer's again: `Unroutable::Return`.
    Returned,
    /// At least one queue that it was routed to was full and refused it; others may have taken it.
    Refused,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 4] = [Self::Taken, Self::Dropped, Self::Returned, Self::Refused];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Dropped => "dropped",
            Self::Returned => "returned",
            Self::Refused => "refused",
        }
    }

    /// The fate that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fate| fate.word() == word)
    }
}

/// What became of one message that went through an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedPlace {
    /// Its id: the producer's or a new one.
    pub id: MessageId,
    /// In a word.
    pub fate: Fate,
    /// How many queues and topics took it.
    pub taken: u32,
    /// How many had a message with its id already.
    pub duplicates: u32,
    /// How many were full and refused it.
    pub refused: u32,
}

/// The confirmation of a publish through an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutedPlaces {
    /// In the order of the request.
    pub messages: Vec<RoutedPlace>,
    /// How what was taken was made durable.
    pub durability: Durability,
    /// Where in the log it lies.
    pub position: LogIndex,
}

/// The argument of a binding that says how the others are taken: `all`, `any`, `all-with-x` or `any-with-x`.
pub const MATCH_ARGUMENT: &str = "x-match";

/// How the arguments of a binding are compared with the headers of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeaderMatch {
    /// All must be there and equal, those that start with `x-` aside.
    #[default]
    All,
    /// One is enough, those that start with `x-` aside.
    Any,
    /// All must be there and equal.
    AllWithX,
    /// One is enough.
    AnyWithX,
}

impl HeaderMatch {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// `ArgumentInvalid` for a word that is none.
    pub fn of(arguments: &Headers) -> Result<Self, Refusal> {
        let wrong = || Refusal::invalid(MATCH_ARGUMENT, "it is all, any, all-with-x or any-with-x");
        match crate::header::header(arguments, MATCH_ARGUMENT) {
            None => Ok(Self::All),
            Some(value) => match value.as_text().ok_or_else(wrong)? {
                "all" => Ok(Self::All),
                "any" => Ok(Self::Any),
                "all-with-x" => Ok(Self::AllWithX),
                "any-with-x" => Ok(Self::AnyWithX),
                _ => Err(wrong()),
            },
        }
    }

    /// Whether an argument is compared at all.
    pub fn compares(self, name: &str) -> bool {
        match self {
            Self::All | Self::Any => !name.starts_with("x-"),
            Self::AllWithX | Self::AnyWithX => name != MATCH_ARGUMENT,
        }
    }
}

/// Whether the argument of a binding fits the header of a message: equal, whole numbers by value whatever their
/// width, and an argument without value fits any.
pub fn fits(argument: &HeaderValue, header: &HeaderValue) -> bool {
    match (argument.as_integer(), header.as_integer()) {
        (Some(one), Some(two)) => one == two,
        _ => *argument == HeaderValue::Null || argument == header,
    }
}
