//! Subscriptions of a topic: settings, description, commit and seek.
//! Invariant: fields of the other kind are refused, not ignored.
//! Translated by `translate::subscription`; tests in `translate/tests.rs`.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::object::objects;
use super::{Name, Totals};

/// How a subscription hands out messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionKind {
    /// A lease a message, any number of consumers.
    #[default]
    Shared,
    /// An offset a partition; each partition belongs to one member at a time.
    Stream,
}

/// A place in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartAt {
    /// The oldest message that is kept.
    Earliest,
    /// After the newest message.
    Latest,
    /// This offset; one that was trimmed means the oldest kept.
    Offset(u64),
    /// The first message accepted at or after this time, in milliseconds since 1970.
    Time(u64),
}

impl PartialSchema for StartAt {
    fn schema() -> RefOr<Schema> {
        let number = |name: &str, description: &str| {
            let value = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).description(Some(description));
            ObjectBuilder::new()
                .property(name, value)
                .required(name)
                .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        };
        OneOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["earliest", "latest"])))
            .item(number("offset", "this offset; one that was trimmed means the oldest kept"))
            .item(number("time", "the first message accepted at or after this time, in milliseconds since 1970"))
            .description(Some("A place in a topic: the oldest message, after the newest, an offset or a time."))
            .into()
    }
}

impl ToSchema for StartAt {
    fn name() -> std::borrow::Cow<'static, str> {
        "StartAt".into()
    }
}

/// How a subscription behaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"kind": "shared", "start": "earliest", "delivery_limit": 5}))]
pub struct SubscriptionSettings {
    /// How it hands out messages; left out: `shared`.
    pub kind: SubscriptionKind,
    /// Where it starts; left out: `latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<StartAt>,
    /// Stream: a member that has not asked for this long loses its partitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, default = 30_000)]
    pub session_ms: Option<u64>,
    /// Shared: lease of a receive that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 100, maximum = 43_200_000, default = 30_000)]
    pub lease_ms: Option<u64>,
    /// Shared: deliveries before a message is dead-lettered or dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000, default = 20)]
    pub delivery_limit: Option<u32>,
    /// Shared: where dead letters go, a queue of the topic's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<Name>,
}

/// How far a subscription is in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionProgress {
    /// Which partition.
    pub partition: u32,
    /// The first offset that is not committed (stream) or not settled (shared).
    pub committed: u64,
    /// The end of the partition.
    pub end: u64,
    /// Messages from there to the end that are not done; what was settled out of order is not counted.
    pub lag: u64,
    /// Age of the oldest message in the lag.
    pub lag_ms: u64,
    /// The member it belongs to, on a stream subscription.
    pub member: Option<Name>,
}

/// Everything about a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionDescription {
    /// The namespace of its topic.
    pub namespace: Name,
    /// Its topic.
    pub topic: Name,
    /// Its name there.
    pub name: Name,
    /// Its id; a recreated name gets another.
    pub id: u64,
    /// Who owns it; null once that user is deleted.
    pub owner: Option<Name>,
    /// When it was created.
    pub created_at: u64,
    /// How it behaves.
    pub settings: SubscriptionSettings,
    /// The generation of its assignment, on a stream subscription.
    pub generation: u64,
    /// Live members, on a stream subscription.
    pub members: Vec<Name>,
    /// Progress by partition.
    pub partitions: Vec<PartitionProgress>,
    /// Messages not yet done.
    pub lag: u64,
    /// Age of the oldest message not yet done.
    pub lag_ms: u64,
    /// Messages with consumers, on a shared subscription.
    pub leased: u64,
    /// Totals since the node started.
    pub totals: Totals,
}

/// An offset in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartitionOffset {
    /// Which partition.
    pub partition: u32,
    /// The next offset to read there.
    pub offset: u64,
}

/// Commits offsets of a stream subscription: everything below them is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitRequest {
    /// Who commits; with a member, only partitions assigned to it are accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub member: Option<Name>,
    /// The next offset to read, a partition.
    #[serde(deserialize_with = "objects")]
    #[schema(min_items = 1, max_items = 1024)]
    pub offsets: Vec<PartitionOffset>,
}

/// What is committed now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Committed {
    /// The committed offset of each partition that was named.
    pub offsets: Vec<PartitionOffset>,
}

/// Moves a subscription, backwards or forwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"to": "earliest"}))]
pub struct SeekRequest {
    /// Where to.
    pub to: StartAt,
    /// Only this partition.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(minimum = 0, maximum = 1023)]
    pub partition: Option<u32>,
}

/// Leaves a stream subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveRequest {
    /// Who leaves.
    pub member: Name,
}
