//! Exchanges: names to publish to, from which rules lead to queues and topics. They hold no message.
//!
//! Every namespace has, without anybody creating them, the default exchange (its empty name; it leads to the queue
//! that the routing key names, else to the topic of that name) and `amq.direct`, `amq.fanout`, `amq.topic`,
//! `amq.headers` and `amq.match`.
//! Invariant: `check` of settings bounds everything before the log sees it.

use crate::header::{HeaderValue, Headers, check_headers};
use crate::name::{ExchangeName, ExchangeRef, NamespaceName, PolicyName, UserName};
use crate::number::Timestamp;
use crate::page::{Page, PageRequest};
use crate::refusal::Refusal;

/// By what an exchange chooses among its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExchangeKind {
    /// Bindings with the same key.
    Direct,
    /// All bindings.
    Fanout,
    /// Bindings whose pattern fits the key.
    Topic,
    /// Bindings whose arguments fit the headers.
    Headers,
    /// One binding, by a hash of the key, a header or a property; the same hash goes the same way.
    ConsistentHash,
}

impl ExchangeKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Direct, Self::Fanout, Self::Topic, Self::Headers, Self::ConsistentHash];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
            Self::ConsistentHash => "consistent_hash",
        }
    }

    /// The kind that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What an exchange that spreads by hash takes the hash of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HashOn {
    /// The routing key.
    #[default]
    RoutingKey,
    /// A header of this name; a message without it is hashed as if it were empty.
    Header(String),
    /// A property.
    Property(HashProperty),
}

/// A property that can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashProperty {
    /// The producer's id of the message.
    MessageId,
    /// What the message belongs to.
    CorrelationId,
    /// When it was made.
    MadeAt,
}

impl HashProperty {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::MessageId, Self::CorrelationId, Self::MadeAt];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::MessageId => "message_id",
            Self::CorrelationId => "correlation_id",
            Self::MadeAt => "made_at",
        }
    }

    /// The one that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|property| property.word() == word)
    }
}

/// How an exchange behaves. None of it can be altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeSettings {
    /// By what it chooses.
    pub kind: ExchangeKind,
    /// Whether it outlives a restart of the broker.
    pub durable: bool,
    /// Whether it goes with the last binding that leaves it.
    pub auto_delete: bool,
    /// Whether only other exchanges and dead letters reach it.
    pub internal: bool,
    /// Whether the header `x-delay` (milliseconds) delays a message in the queues that it is routed to.
    pub delays: bool,
    /// Where messages go that no rule fits.
    pub alternate: Option<ExchangeName>,
    /// What is hashed, on an exchange that spreads by hash.
    pub hash_on: HashOn,
    /// What a door wants to be remembered beyond that; compared when it is created again, and not looked at.
    pub arguments: Headers,
}

impl ExchangeSettings {
    /// A durable exchange of a kind, and nothing special about it.
    pub const fn of(kind: ExchangeKind) -> Self {
        Self {
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            delays: false,
            alternate: None,
            hash_on: HashOn::RoutingKey,
            arguments: Vec::new(),
        }
    }

    /// Checks what goes together.
    ///
    /// # Errors
    /// `ArgumentInvalid` naming the field.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.hash_on != HashOn::RoutingKey && self.kind != ExchangeKind::ConsistentHash {
            return Err(Refusal::invalid("hash_on", "only an exchange of kind consistent_hash has it"));
        }
        if let HashOn::Header(name) = &self.hash_on {
            check_headers("hash_on", &vec![(name.clone(), HeaderValue::Null)])?;
        }
        check_headers("arguments", &self.arguments)
    }
}

/// Everything about an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeDescription {
    /// Its name.
    pub exchange: ExchangeRef,
    /// Who owns it; `None` for those that are always there, and once that user is deleted.
    pub owner: Option<UserName>,
    /// When it was created; zero for those that are always there.
    pub created_at: Timestamp,
    /// How it behaves.
    pub settings: ExchangeSettings,
    /// Bindings that leave it.
    pub bindings: u64,
    /// The policy that applies to it.
    pub policy: Option<PolicyName>,
}

/// Creates an exchange: done when it is there with equal settings, refused when they differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateExchange {
    /// Its name.
    pub exchange: ExchangeRef,
    /// How it behaves.
    pub settings: ExchangeSettings,
}

/// Describes an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeExchange {
    /// Which.
    pub exchange: ExchangeRef,
}

/// What a delete does about bindings that are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeleteExchangeMode {
    /// Refuse when any leaves it.
    #[default]
    IfUnused,
    /// Delete them too.
    Force,
}

/// Deletes an exchange with the bindings that leave it or lead to it. Only its owner or an administrator may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteExchange {
    /// Which.
    pub exchange: ExchangeRef,
    /// What happens about its bindings.
    pub mode: DeleteExchangeMode,
}

/// Lists exchanges by name, those that are always there included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListExchanges {
    /// Where.
    pub namespace: NamespaceName,
    /// Only names that start with this.
    pub prefix: String,
    /// Which part of the list.
    pub page: PageRequest,
}

/// A page of exchanges.
pub type ExchangePage = Page<ExchangeDescription>;

/// The exchanges that every namespace has, beside the default one.
pub const ALWAYS: [(&str, ExchangeKind); 5] = [
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
    ("amq.topic", ExchangeKind::Topic),
];
