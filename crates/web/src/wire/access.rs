//! Users, sessions, tokens, grants and namespaces.
//! Invariant: a password or claim token is a `SecretText`, which no debug print shows.
//! Translated by `translate::access`; tests in `translate/tests.rs`.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Name;
use super::object::{object, object_or_null};

/// Text that a debug print does not show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Password)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// Logs in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The user.
    #[schema(max_length = 255)]
    pub username: String,
    /// Its password.
    #[schema(value_type = String, format = Password, max_length = 1024)]
    pub password: SecretText,
}

/// Makes the first administrator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The token that the first start printed.
    #[schema(value_type = String, format = Password, max_length = 1024)]
    pub token: SecretText,
    /// The administrator's name.
    #[schema(max_length = 255)]
    pub username: String,
    /// The administrator's password: 8 to 1024 bytes.
    #[schema(value_type = String, format = Password, max_length = 1024)]
    pub password: SecretText,
}

/// One thing that may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Create queues, topics and subscriptions.
    Create,
    /// See settings and counts.
    Describe,
    /// Change settings.
    Alter,
    /// Delete, beyond owning it.
    Delete,
    /// Publish messages.
    Publish,
    /// Receive messages, read partitions, commit.
    Consume,
    /// Look at payloads without taking them.
    Peek,
    /// Delete, cancel and redrive messages in bulk.
    Purge,
    /// Move a subscription.
    Seek,
    /// Manage users, tokens of others, grants and namespaces.
    Administer,
    /// Read metrics and the state of nodes.
    Monitor,
    /// Read the audit log.
    Audit,
}

/// A named set of rights over everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Everything but payloads, users and grants.
    Operator,
    /// Create things and see all; what one creates is one's own.
    Developer,
    /// Publish anywhere.
    Publisher,
    /// Consume anywhere.
    Consumer,
    /// Metrics and the state of nodes only.
    Monitor,
    /// The audit log only.
    Auditor,
}

/// What kind of thing a pattern speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// Queues.
    Queue,
    /// Topics and their subscriptions.
    Topic,
    /// Exchanges and the bindings that leave them.
    Exchange,
    /// The broker itself.
    Broker,
}

/// How a pattern compares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatternKind {
    /// Exactly this name.
    #[default]
    Literal,
    /// Every name that starts with this; empty means every name.
    Prefix,
}

/// Whether a grant gives or takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Gives the rights.
    #[default]
    Allow,
    /// Takes them, whatever else gives them.
    Deny,
}

/// A thing of one kind in one namespace, by pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcePattern {
    /// Which kind.
    pub kind: ResourceKind,
    /// In which namespace; left out: `default`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub namespace: Option<Name>,
    /// The name or its start.
    #[schema(max_length = 255)]
    pub name: String,
    /// How the name is compared; left out: `literal`.
    #[serde(default)]
    pub pattern: PatternKind,
}

/// Rights of one user over the things that fit a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "user": "billing", "resource": {"kind": "queue", "name": "orders.", "pattern": "prefix"}, "rights": ["consume"]
}))]
pub struct Grant {
    /// Whose.
    pub user: Name,
    /// Over what.
    #[serde(deserialize_with = "object")]
    pub resource: ResourcePattern,
    /// Which rights.
    #[schema(min_items = 1, max_items = 12)]
    pub rights: Vec<Right>,
    /// Given or taken; left out: `allow`.
    #[serde(default)]
    pub effect: Effect,
}

/// The grants asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Grants {
    /// Ordered by user, then resource.
    pub grants: Vec<Grant>,
}

/// Names one grant to remove.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct GrantQuery {
    /// Whose.
    #[param(value_type = Name)]
    pub user: String,
    /// Over which kind of thing.
    #[param(inline)]
    pub kind: ResourceKind,
    /// In which namespace; left out: `default`.
    #[serde(default)]
    #[param(value_type = Option<Name>)]
    pub namespace: Option<String>,
    /// The name or its start.
    #[param(max_length = 255)]
    pub name: String,
    /// How the name is compared; left out: `literal`.
    #[serde(default)]
    #[param(inline)]
    pub pattern: PatternKind,
    /// Given or taken; left out: `allow`.
    #[serde(default)]
    #[param(inline)]
    pub effect: Effect,
}

/// Whose tokens or grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub struct OfUserQuery {
    /// Only of this user.
    #[param(value_type = Option<Name>)]
    pub user: Option<String>,
}

/// A user, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserDescription {
    /// The name.
    pub name: Name,
    /// The id; a recreated name gets another.
    pub id: u64,
    /// The roles.
    pub roles: Vec<Role>,
    /// A disabled user cannot log in.
    pub disabled: bool,
    /// When it was created.
    pub created_at: u64,
}

/// Creates a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUserRequest {
    /// The password: 8 to 1024 bytes.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024)]
    pub password: SecretText,
    /// The roles; none is a user who can do nothing until something is granted.
    #[serde(default)]
    #[schema(max_items = 7)]
    pub roles: Vec<Role>,
}

/// Changes a user; an absent field stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlterUserRequest {
    /// A new password; ends all sessions of the user.
    #[schema(value_type = Option<String>, format = Password, max_length = 1024)]
    pub password: Option<SecretText>,
    /// New roles.
    #[schema(max_items = 7)]
    pub roles: Option<Vec<Role>>,
    /// Disable or enable.
    pub disabled: Option<bool>,
}

/// Whether a token came from a login or was made for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// From a login; ends with logout.
    Session,
    /// Made for a program.
    Api,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenDescription {
    /// Names it for revoking.
    pub id: u64,
    /// Whose.
    pub user: Name,
    /// What it was called.
    pub label: String,
    /// Login or program.
    pub kind: TokenKind,
    /// Rights beyond these are not used.
    pub rights: Vec<Right>,
    /// Only on things that fit; null: on everything.
    pub resource: Option<ResourcePattern>,
    /// When it was made.
    pub created_at: u64,
    /// When it stops working.
    pub expires_at: u64,
}

/// The tokens asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tokens {
    /// Ordered by id.
    pub tokens: Vec<TokenDescription>,
}

/// Makes an API token for the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"label": "nightly", "rights": ["publish"], "lifetime_ms": 2_592_000_000_u64}))]
pub struct CreateTokenRequest {
    /// What to call it.
    #[schema(max_length = 255)]
    pub label: String,
    /// Rights beyond these are not used; left out: every right of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 12)]
    pub rights: Option<Vec<Right>>,
    /// Only on things that fit; left out: on everything.
    #[serde(default, deserialize_with = "object_or_null", skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourcePattern>,
    /// How long it works, at most ten years.
    #[schema(minimum = 1, maximum = 316_224_000_000_u64)]
    pub lifetime_ms: u64,
}

/// A new token or session: the only time its secret is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// Send it as `Authorization: Bearer TOKEN`.
    #[schema(value_type = String, format = Password, max_length = 1024)]
    pub token: SecretText,
    /// The rest.
    pub description: TokenDescription,
}

/// A namespace and what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NamespaceDescription {
    /// Its name.
    pub name: Name,
    /// Queues in it.
    pub queues: u64,
    /// Topics in it.
    pub topics: u64,
}
