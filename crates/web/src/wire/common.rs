//! Parts of many documents: names, pages, path and query parameters.
//! Invariant: a `Name` here is text as it came; `translate` checks it.
//! Used by the other files of `wire`; tests in `translate/tests.rs`.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// A name as it came, not yet checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(pub String);

impl PartialSchema for Name {
    fn schema() -> RefOr<Schema> {
        let words = "[A-Za-z0-9._:/@+=~,-]";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(model::limits::NAME_BYTES_MAX))
            .pattern(Some(format!("^\\$?{words}([A-Za-z0-9._:/@+=~, -]*{words})?$")))
            .description(Some(
                "1 to 255 letters, digits and . _ - : / @ + = ~ , with spaces only inside; neither `.` nor `..`. \
                 A leading $ marks what belongs to the system. In a path, write / as %2F.",
            ))
            .examples(["orders"])
            .build()
            .into()
    }
}

impl ToSchema for Name {
    fn name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T: ToSchema> {
    /// The items, ordered by name.
    pub items: Vec<T>,
    /// Send this as `cursor` to get the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// Which part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    /// Only names that start with this.
    #[param(max_length = 255)]
    pub prefix: String,
    /// At most this many items.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[param(max_length = 255)]
    pub cursor: Option<String>,
}

/// How a delete treats what is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct DeleteQuery {
    /// Delete messages and subscriptions too; without it, a delete is refused while there are any.
    pub force: bool,
}

/// Parameters of a path below a queue.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct QueueParam {
    /// The queue.
    pub queue: Name,
}

/// Parameters of a path below a topic.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct TopicParam {
    /// The topic.
    pub topic: Name,
}

/// Parameters of a path below a partition.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct PartitionParam {
    /// The topic.
    pub topic: Name,
    /// The partition, counted from 0.
    #[param(minimum = 0, maximum = 1023)]
    pub partition: u32,
}

/// Parameters of a path below a subscription.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct SubscriptionParam {
    /// The topic.
    pub topic: Name,
    /// The subscription.
    pub subscription: Name,
}

/// Parameters of a path below a user.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct UserParam {
    /// The user.
    pub user: Name,
}

/// Parameters of the path of a token.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct TokenParam {
    /// The id of the token.
    pub token: u64,
}

/// Parameters of the path of a namespace.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "describes the path; `extract::path` reads it")]
pub struct NamespaceParam {
    /// The namespace.
    pub namespace: Name,
}

/// How many messages went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// Messages deleted.
    pub messages: u64,
}

/// Gives a queue or topic to another user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferRequest {
    /// The new owner.
    pub owner: Name,
}

/// Reads a field of a patch whose null removes a bound: absent stays `None`, null becomes `Some(None)`.
pub(super) fn present<'de, T, D>(input: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(input).map(Some)
}

/// Which part of a list that has no prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct PlainPageQuery {
    /// At most this many items.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// Where the page before ended.
    #[param(max_length = 255)]
    pub cursor: Option<String>,
}
