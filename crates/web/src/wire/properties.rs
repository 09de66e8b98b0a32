//! What a message carries beside body and headers: properties, the way by which it came, its moves as a dead letter.
//! Translated by `translate::header`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::DeadLetterReason;

/// What a producer asked for as to durability. The broker makes every message durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Persistence {
    /// It could be lost at a restart.
    Transient,
    /// It must survive.
    Persistent,
}

/// What a producer may say about a message beside its headers. All of it is kept, none of it is acted on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    /// The coding of the payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255, example = "gzip")]
    pub content_encoding: Option<String>,
    /// What the message belongs to, such as the request that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub correlation_id: Option<String>,
    /// Where an answer should go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub reply_to: Option<String>,
    /// The producer's own id, which may repeat: unlike `id` it takes no part in deduplication.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub message_id: Option<String>,
    /// When it was made, by the producer's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_at: Option<u64>,
    /// What kind of message it is, in the application's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub kind: Option<String>,
    /// The user as the producer names it; the proven one is `sender`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub user_id: Option<String>,
    /// The application that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub application: Option<String>,
    /// A field that AMQP keeps and nobody uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 255)]
    pub cluster_id: Option<String>,
    /// What the producer asked for as to durability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
}

/// The exchange that a message was published to, and the routing key that came with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Routed {
    /// The exchange; `amq.default` is the one without a name.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
}

/// A queue that gave a message up, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Death {
    /// Why.
    pub reason: DeadLetterReason,
    /// The queue.
    #[schema(example = "queue default/orders")]
    pub origin: String,
    /// How often.
    pub count: u32,
    /// When, the first time.
    pub at: u64,
    /// The exchange by which it had come there; absent when it had come straight there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub exchange: Option<String>,
    /// The routing keys by which it had come there.
    pub routing_keys: Vec<String>,
    /// The lifetime that its producer had given it, when it expired by that one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ttl_ms: Option<u64>,
}
