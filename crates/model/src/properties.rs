//! What protocols say about a message beside its headers, and by which way it came.
//!
//! The broker keeps properties and hands them out as they came; none changes what it does. What it does act on
//! (id, key, priority, lifetime, delay) are fields of the message itself.
//! Invariant: properties that passed `check` hold no text above 255 bytes.
//! Tests: the round trips of each door.

use crate::binding::RoutingKey;
use crate::limits::PROPERTY_BYTES_MAX;
use crate::name::ExchangeName;
use crate::number::Timestamp;
use crate::refusal::Refusal;

/// What the producer asked for as to durability. The broker makes every message durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Persistence {
    /// It could be lost at a restart.
    Transient,
    /// It must survive.
    Persistent,
}

impl Persistence {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Transient, Self::Persistent];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Persistent => "persistent",
        }
    }

    /// The one that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }
}

/// What a producer may say about a message. All of it is kept, none of it is acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// The coding of the payload, such as `gzip` or `utf-8`.
    pub content_encoding: Option<String>,
    /// What the message belongs to, such as the request that it answers.
    pub correlation_id: Option<String>,
    /// Where an answer should go.
    pub reply_to: Option<String>,
    /// The producer's own id, which may repeat: unlike `id` it takes no part in deduplication.
    pub message_id: Option<String>,
    /// When it was made, by the producer's clock.
    pub made_at: Option<Timestamp>,
    /// What kind of message it is, in the application's words.
    pub kind: Option<String>,
    /// The user as the producer names it. The proven one is the sender.
    pub user_id: Option<String>,
    /// The application that made it.
    pub application: Option<String>,
    /// A field that AMQP keeps and nobody uses.
    pub cluster_id: Option<String>,
    /// What the producer asked for as to durability.
    pub persistence: Option<Persistence>,
}

impl Properties {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn texts(&self) -> [(&'static str, Option<&String>); 8] {
        [
            ("content_encoding", self.content_encoding.as_ref()),
            ("correlation_id", self.correlation_id.as_ref()),
            ("reply_to", self.reply_to.as_ref()),
            ("message_id", self.message_id.as_ref()),
            ("kind", self.kind.as_ref()),
            ("user_id", self.user_id.as_ref()),
            ("application", self.application.as_ref()),
            ("cluster_id", self.cluster_id.as_ref()),
        ]
    }

    /// How many bytes they hold, as messages are measured.
    pub fn size(&self) -> usize {
        self.texts().iter().filter_map(|(_, text)| text.map(String::len)).sum::<usize>() + 9
    }

    /// Checks the length of every text.
    ///
    /// # Errors
    /// `ArgumentInvalid` naming the property.
    pub fn check(&self) -> Result<(), Refusal> {
        match self.texts().into_iter().find(|(_, text)| text.is_some_and(|text| text.len() > PROPERTY_BYTES_MAX)) {
            Some((name, _)) => Err(Refusal::invalid(format!("properties.{name}"), "at most 255 bytes")),
            None => Ok(()),
        }
    }
}

/// The exchange that a message was published to, and the routing key that came with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Routed {
    /// The exchange.
    pub exchange: ExchangeName,
    /// The routing key, without those that only copies went by.
    pub routing_key: RoutingKey,
}
