//! Exchanges and bindings: settings, descriptions, publishes that are routed.
//! Invariant: a request refuses unknown fields; the default exchange is called `amq.default` here.
//! Translated by `translate::exchange`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::object::{object, objects};
use super::{Durability, Headers, Name, NewMessage};

/// By what an exchange chooses among its bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeKind {
    /// Bindings with the same key.
    Direct,
    /// All bindings.
    Fanout,
    /// Bindings whose pattern fits the key: `*` is one word, `#` any number of them.
    Topic,
    /// Bindings whose arguments fit the headers.
    Headers,
    /// One binding, by a hash; the key of a binding is its weight, 1 to 1000.
    ConsistentHash,
}

/// A property that can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashProperty {
    /// The producer's id of the message.
    MessageId,
    /// What the message belongs to.
    CorrelationId,
    /// When it was made.
    MadeAt,
}

/// What an exchange that spreads by hash takes the hash of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashOn {
    /// The routing key.
    #[default]
    RoutingKey,
    /// The header of this name.
    Header(String),
    /// This property.
    Property(HashProperty),
}

const fn yes() -> bool {
    true
}

/// How an exchange behaves; all of it is fixed at creation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"kind": "topic"}))]
pub struct ExchangeSettings {
    /// By what it chooses.
    pub kind: ExchangeKind,
    /// Whether it outlives a restart of the broker.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub durable: bool,
    /// Whether it goes with the last binding that leaves it.
    #[serde(default)]
    pub auto_delete: bool,
    /// Whether only other exchanges and dead letters reach it.
    #[serde(default)]
    pub internal: bool,
    /// Whether the header `x-delay` (milliseconds) delays a message in the queues that it is routed to.
    #[serde(default)]
    pub delays: bool,
    /// Where messages go that no rule fits.
    #[serde(default)]
    pub alternate: Option<Name>,
    /// What is hashed, on an exchange of kind `consistent_hash`.
    #[serde(default)]
    pub hash_on: HashOn,
    /// What a door wants to be remembered beyond that.
    #[serde(default)]
    pub arguments: Headers,
}

/// Everything about an exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExchangeDescription {
    /// Its namespace.
    pub namespace: Name,
    /// Its name there.
    pub name: Name,
    /// Who owns it; null for those that are always there, and once that user is deleted.
    pub owner: Option<Name>,
    /// When it was created.
    pub created_at: u64,
    /// How it behaves.
    pub settings: ExchangeSettings,
    /// Bindings that leave it.
    pub bindings: u64,
    /// The policy that applies to it.
    pub policy: Option<Name>,
}

/// What kind of thing a binding leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DestinationKind {
    /// A queue.
    Queue,
    /// A topic.
    Topic,
    /// Another exchange.
    Exchange,
}

/// Where a binding leads, in the namespace of its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// What kind of thing.
    pub kind: DestinationKind,
    /// Its name.
    pub name: Name,
}

/// A rule of an exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "source": "orders", "destination": {"kind": "queue", "name": "orders.eu"}, "routing_key": "eu.*"
}))]
pub struct Binding {
    /// The exchange that messages leave.
    pub source: Name,
    /// Where they go.
    #[serde(deserialize_with = "object")]
    pub destination: Destination,
    /// The key, or the pattern on an exchange of kind topic, or the weight on one that spreads by hash.
    #[serde(default)]
    #[schema(max_length = 255)]
    pub routing_key: String,
    /// What an exchange of kind headers looks at, with `x-match`.
    #[serde(default)]
    pub arguments: Headers,
}

/// Which bindings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct BindingsQuery {
    /// Only those of this exchange.
    #[param(max_length = 255)]
    pub source: Option<String>,
    /// Only those to this queue.
    #[param(max_length = 255)]
    pub queue: Option<String>,
    /// Only those to this topic.
    #[param(max_length = 255)]
    pub topic: Option<String>,
    /// Only those to this exchange.
    #[param(max_length = 255)]
    pub exchange: Option<String>,
    /// At most this many.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[param(max_length = 255)]
    pub cursor: Option<String>,
}

/// Whether a binding was added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rebound {
    /// False when it was so already.
    pub changed: bool,
}

/// A message on its way through an exchange.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"routing_key": "eu.paris", "message": {"body": "hello"}}))]
pub struct RoutedMessage {
    /// What it is routed by.
    #[schema(max_length = 255)]
    pub routing_key: String,
    /// Keys that it is routed by as well.
    #[schema(max_items = 256)]
    pub extra_keys: Vec<String>,
    /// Whether it is answered as `returned` and not as `dropped` when no rule fits.
    pub mandatory: bool,
    /// The message.
    #[serde(deserialize_with = "object")]
    pub message: NewMessage,
}

/// Messages to publish through an exchange, each routed for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishRoutedRequest {
    /// The messages, in order.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 4096)]
    pub messages: Vec<RoutedMessage>,
}

/// What became of a message that went through an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Every queue and topic that it was routed to took it, or had it already.
    Taken,
    /// No rule fitted and it was dropped.
    Dropped,
    /// No rule fitted and it is the producer's again.
    Returned,
    /// At least one queue was full and refused it; others may have taken it.
    Refused,
}

/// What became of one message that went through an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoutedPlace {
    /// Its id: the producer's or a new one.
    pub id: String,
    /// In a word.
    pub fate: Fate,
    /// How many queues and topics took it.
    pub taken: u32,
    /// How many had a message with its id already.
    pub duplicates: u32,
    /// How many refused it.
    pub refused: u32,
}

/// The confirmation of a publish through an exchange: all that was taken is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoutedPlaces {
    /// In the order of the request.
    pub messages: Vec<RoutedPlace>,
    /// How what was taken was made durable.
    pub durability: Durability,
    /// Where in the log it lies.
    pub position: u64,
}

/// An exchange in the path.
#[derive(Clone, Debug, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct ExchangeParam {
    /// The exchange; `amq.default` is the one without a name.
    pub exchange: Name,
}
