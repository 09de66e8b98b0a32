//! A refusal: the deterministic no that is part of the contract. The same state gives the same refusal.
//! Doors translate each variant by an exhaustive match, so that a new one breaks the build there.
//! `code()` ties each to its stable code, with the page that `recado explain` prints.

use thiserror::Error;

use crate::access::Right;
use crate::code::Code;
use crate::name::NameKind;
use crate::number::{Attempt, Partition, Span};

/// Why a request was refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A name breaks the grammar.
    #[error("the {} name is not valid: {why}", kind.word())]
    NameInvalid {
        /// What the name is for.
        kind: NameKind,
        /// What is wrong.
        why: &'static str,
    },
    /// A value is out of range or does not fit another.
    #[error("{field} is not valid: {why}")]
    ArgumentInvalid {
        /// The field, as the doors call it.
        field: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// A receipt is not one.
    #[error("this is not the text of a receipt")]
    ReceiptInvalid,
    /// A message is too large.
    #[error("the message has {bytes} bytes, {limit} are allowed")]
    MessageTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest allowed.
        limit: usize,
    },
    /// A publish, receive or settle names too many or no items.
    #[error("{count} items in one request, 1 to {limit} are allowed")]
    BatchSize {
        /// How many.
        count: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Nobody is logged in, or the credentials are wrong; both look the same.
    #[error("the credentials are missing or wrong")]
    Unauthenticated,
    /// The caller may not do this.
    #[error("this needs the right to {} here", right.word())]
    Forbidden {
        /// The right that is missing.
        right: Right,
    },
    /// Too many failed logins.
    #[error("too many failed logins, wait {} ms", wait.get())]
    LoginThrottled {
        /// How long to wait.
        wait: Span,
    },
    /// The broker has no administrator yet.
    #[error("this broker has no administrator yet")]
    NotClaimed,
    /// The claim token is wrong, used or too old.
    #[error("the claim token is wrong, used or expired")]
    ClaimInvalid,
    /// There is no such namespace.
    #[error("there is no namespace {name}")]
    NamespaceNotFound {
        /// Its name.
        name: String,
    },
    /// The namespace still holds something.
    #[error("the namespace {name} is not empty")]
    NamespaceNotEmpty {
        /// Its name.
        name: String,
    },
    /// There is no such queue.
    #[error("there is no queue {name}")]
    QueueNotFound {
        /// Its name.
        name: String,
    },
    /// A queue of this name has other settings.
    #[error("the queue {name} exists with other settings: {difference}")]
    QueueExists {
        /// Its name.
        name: String,
        /// The first setting that differs.
        difference: String,
    },
    /// The queue still holds messages.
    #[error("the queue {name} holds {messages} messages")]
    QueueNotEmpty {
        /// Its name.
        name: String,
        /// How many.
        messages: u64,
    },
    /// The queue is at its bound and refuses more.
    #[error("the queue {name} is full: {bound}")]
    QueueFull {
        /// Its name.
        name: String,
        /// Which bound, with its value.
        bound: String,
    },
    /// The queue is used as a dead-letter queue.
    #[error("the queue {name} takes the dead letters of {user}")]
    QueueInUse {
        /// Its name.
        name: String,
        /// By what.
        user: String,
    },
    /// There is no such topic.
    #[error("there is no topic {name}")]
    TopicNotFound {
        /// Its name.
        name: String,
    },
    /// A topic of this name has other settings.
    #[error("the topic {name} exists with other settings: {difference}")]
    TopicExists {
        /// Its name.
        name: String,
        /// The first setting that differs.
        difference: String,
    },
    /// The topic still holds messages or subscriptions.
    #[error("the topic {name} holds {messages} messages and {subscriptions} subscriptions")]
    TopicNotEmpty {
        /// Its name.
        name: String,
        /// Messages.
        messages: u64,
        /// Subscriptions.
        subscriptions: u64,
    },
    /// The topic has no such partition.
    #[error("the topic {name} has no partition {partition}")]
    PartitionNotFound {
        /// The topic's name.
        name: String,
        /// The partition.
        partition: Partition,
    },
    /// Partitions can grow, not shrink.
    #[error("the topic {name} has {partitions} partitions, which cannot become fewer")]
    PartitionsShrink {
        /// The topic's name.
        name: String,
        /// How many it has.
        partitions: u32,
    },
    /// There is no such subscription.
    #[error("there is no subscription {name}")]
    SubscriptionNotFound {
        /// Its name.
        name: String,
    },
    /// A subscription of this name has other settings.
    #[error("the subscription {name} exists with other settings: {difference}")]
    SubscriptionExists {
        /// Its name.
        name: String,
        /// The first setting that differs.
        difference: String,
    },
    /// The operation does not fit the kind of the subscription.
    #[error("the subscription {name} is {kind}: {why}")]
    SubscriptionKind {
        /// Its name.
        name: String,
        /// `stream` or `shared`.
        kind: &'static str,
        /// What to use instead.
        why: &'static str,
    },
    /// A commit names a partition that belongs to another member now.
    #[error("partition {partition} does not belong to member {member}")]
    NotAssigned {
        /// Who asked.
        member: String,
        /// Which partition.
        partition: Partition,
    },
    /// There is no such exchange.
    #[error("there is no exchange {name}")]
    ExchangeNotFound {
        /// Its name.
        name: String,
    },
    /// An exchange of this name has other settings.
    #[error("the exchange {name} exists with other settings: {difference}")]
    ExchangeExists {
        /// Its name.
        name: String,
        /// The first setting that differs.
        difference: String,
    },
    /// Bindings leave the exchange.
    #[error("{bindings} bindings leave the exchange {name}")]
    ExchangeInUse {
        /// Its name.
        name: String,
        /// How many.
        bindings: u64,
    },
    /// Only other exchanges and dead letters reach the exchange.
    #[error("the exchange {name} is internal")]
    ExchangeInternal {
        /// Its name.
        name: String,
    },
    /// The exchange is the broker's: it is always there, or its name is kept for those that are.
    #[error("the exchange {name} is the broker's own")]
    ExchangeReserved {
        /// Its name.
        name: String,
    },
    /// A consumer has the queue for itself, or wants it so while there are others.
    #[error("the queue {name} has a consumer that does not share it")]
    ConsumerAlone {
        /// The queue.
        name: String,
    },
    /// There is no such user.
    #[error("there is no user {name}")]
    UserNotFound {
        /// The name.
        name: String,
    },
    /// A user of this name exists.
    #[error("the user {name} exists")]
    UserExists {
        /// The name.
        name: String,
    },
    /// The last administrator cannot be deleted, disabled or demoted.
    #[error("{name} is the last administrator")]
    LastAdministrator {
        /// The name.
        name: String,
    },
    /// There is no such token.
    #[error("there is no such token")]
    TokenNotFound,
    /// There is no such grant.
    #[error("there is no such grant")]
    GrantNotFound,
    /// A bound on the number of things is reached.
    #[error("no more than {limit} {what}")]
    LimitReached {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// A redrive runs on the queue already.
    #[error("a redrive of the queue {name} is running")]
    RedriveRunning {
        /// Its name.
        name: String,
    },
    /// A poison message was about to be handed out once too often.
    #[error("the message was delivered {attempts} times, which is its limit")]
    DeliveryLimitReached {
        /// How often.
        attempts: Attempt,
    },
    /// The idempotency key was used with another request.
    #[error("this idempotency key was used with another request")]
    IdempotencyMismatch,
}

impl Refusal {
    /// An argument out of range.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::ArgumentInvalid { field: field.into(), why: why.into() }
    }

    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::NameInvalid { .. } => Code::NameInvalid,
            Self::ArgumentInvalid { .. } => Code::ArgumentInvalid,
            Self::ReceiptInvalid => Code::ReceiptInvalid,
            Self::MessageTooLarge { .. } => Code::MessageTooLarge,
            Self::BatchSize { .. } => Code::BatchSize,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden { .. } => Code::Forbidden,
            Self::LoginThrottled { .. } => Code::LoginThrottled,
            Self::NotClaimed => Code::NotClaimed,
            Self::ClaimInvalid => Code::ClaimInvalid,
            Self::NamespaceNotFound { .. } => Code::NamespaceNotFound,
            Self::NamespaceNotEmpty { .. } => Code::NamespaceNotEmpty,
            Self::QueueNotFound { .. } => Code::QueueNotFound,
            Self::QueueExists { .. } => Code::QueueExists,
            Self::QueueNotEmpty { .. } => Code::QueueNotEmpty,
            Self::QueueFull { .. } => Code::QueueFull,
            Self::QueueInUse { .. } => Code::QueueInUse,
            Self::TopicNotFound { .. } => Code::TopicNotFound,
            Self::TopicExists { .. } => Code::TopicExists,
            Self::TopicNotEmpty { .. } => Code::TopicNotEmpty,
            Self::PartitionNotFound { .. } => Code::PartitionNotFound,
            Self::PartitionsShrink { .. } => Code::PartitionsShrink,
            Self::SubscriptionNotFound { .. } => Code::SubscriptionNotFound,
            Self::SubscriptionExists { .. } => Code::SubscriptionExists,
            Self::SubscriptionKind { .. } => Code::SubscriptionKind,
            Self::NotAssigned { .. } => Code::NotAssigned,
            Self::ExchangeNotFound { .. } => Code::ExchangeNotFound,
            Self::ExchangeExists { .. } => Code::ExchangeExists,
            Self::ExchangeInUse { .. } => Code::ExchangeInUse,
            Self::ExchangeInternal { .. } => Code::ExchangeInternal,
            Self::ExchangeReserved { .. } => Code::ExchangeReserved,
            Self::ConsumerAlone { .. } => Code::ConsumerAlone,
            Self::UserNotFound { .. } => Code::UserNotFound,
            Self::UserExists { .. } => Code::UserExists,
            Self::LastAdministrator { .. } => Code::LastAdministrator,
            Self::TokenNotFound => Code::TokenNotFound,
            Self::GrantNotFound => Code::GrantNotFound,
            Self::LimitReached { .. } => Code::LimitReached,
            Self::RedriveRunning { .. } => Code::RedriveRunning,
            Self::DeliveryLimitReached { .. } => Code::DeliveryLimitReached,
            Self::IdempotencyMismatch => Code::IdempotencyMismatch,
        }
    }
}
