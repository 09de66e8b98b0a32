//! Who may do what: rights, roles, users, tokens and grants.
//!
//! Default deny. A right comes from a role, from a grant (deny beats allow), or from owning the thing;
//! a token's scopes only take rights away. Decisions depend on nothing a client can set.
//! Invariant: rights attach to the user's id; a recreated name inherits nothing.

use std::fmt;

use crate::caller::Secret;
use crate::limits::NAME_BYTES_MAX;
use crate::name::{NamespaceName, UserName};
use crate::number::{Span, Timestamp, TokenId, UserId};
use crate::page::{Page, PageRequest};
use crate::refusal::Refusal;

/// One thing that may be allowed. The table in `operation` says which operation needs which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Create queues, topics and subscriptions.
    Create,
    /// See that something exists, its settings and counts.
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

impl Right {
    /// Every right, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Create,
        Self::Describe,
        Self::Alter,
        Self::Delete,
        Self::Publish,
        Self::Consume,
        Self::Peek,
        Self::Purge,
        Self::Seek,
        Self::Administer,
        Self::Monitor,
        Self::Audit,
    ];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Describe => "describe",
            Self::Alter => "alter",
            Self::Delete => "delete",
            Self::Publish => "publish",
            Self::Consume => "consume",
            Self::Peek => "peek",
            Self::Purge => "purge",
            Self::Seek => "seek",
            Self::Administer => "administer",
            Self::Monitor => "monitor",
            Self::Audit => "audit",
        }
    }

    /// The right that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.word() == word)
    }

    const fn bit(self) -> u16 {
        match self {
            Self::Create => 1,
            Self::Describe => 1 << 1,
            Self::Alter => 1 << 2,
            Self::Delete => 1 << 3,
            Self::Publish => 1 << 4,
            Self::Consume => 1 << 5,
            Self::Peek => 1 << 6,
            Self::Purge => 1 << 7,
            Self::Seek => 1 << 8,
            Self::Administer => 1 << 9,
            Self::Monitor => 1 << 10,
            Self::Audit => 1 << 11,
        }
    }
}

/// A set of rights.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rights(u16);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// Every right.
    pub const ALL: Self = Self((1 << 12) - 1);

    /// The set of these rights.
    pub const fn of(rights: &[Right]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < rights.len() {
            bits |= rights[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// Whether the set holds a right.
    pub const fn contains(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// The rights in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The rights in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The rights of the set in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.contains(*right))
    }

    /// The set as a number, for encoding.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// The set that a number stands for; unknown bits are dropped.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Right::word)).finish()
    }
}

/// A named set of rights over everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] =
        [Self::Admin, Self::Operator, Self::Developer, Self::Publisher, Self::Consumer, Self::Monitor, Self::Auditor];

    /// What the role allows, everywhere.
    pub const fn rights(self) -> Rights {
        match self {
            Self::Admin => Rights::ALL,
            Self::Operator => Rights::of(&[
                Right::Create,
                Right::Describe,
                Right::Alter,
                Right::Delete,
                Right::Purge,
                Right::Seek,
                Right::Monitor,
            ]),
            Self::Developer => Rights::of(&[Right::Create, Right::Describe]),
            Self::Publisher => Rights::of(&[Right::Describe, Right::Publish]),
            Self::Consumer => Rights::of(&[Right::Describe, Right::Consume, Right::Peek]),
            Self::Monitor => Rights::of(&[Right::Monitor]),
            Self::Auditor => Rights::of(&[Right::Audit]),
        }
    }

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Developer => "developer",
            Self::Publisher => "publisher",
            Self::Consumer => "consumer",
            Self::Monitor => "monitor",
            Self::Auditor => "auditor",
        }
    }

    /// The role that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// What kind of thing a pattern speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Queues.
    Queue,
    /// Topics and their subscriptions.
    Topic,
    /// The broker itself: users, namespaces, nodes, the audit log.
    Broker,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Queue, Self::Topic, Self::Broker];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::Broker => "broker",
        }
    }

    /// The kind that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// Names by themselves or by how they start; never a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamePattern {
    /// Exactly this name.
    Literal(String),
    /// Every name that starts with this; empty means every name.
    Prefix(String),
}

impl NamePattern {
    /// The pattern, when it is no longer than a name can be: a longer one fits nothing and would only be kept.
    ///
    /// # Errors
    /// `ArgumentInvalid` for a longer one.
    pub fn bounded(self) -> Result<Self, Refusal> {
        let (Self::Literal(text) | Self::Prefix(text)) = &self;
        if NAME_BYTES_MAX < text.len() {
            return Err(Refusal::invalid("name", "at most 255 bytes, as names are"));
        }
        Ok(self)
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == name,
            Self::Prefix(prefix) => name.starts_with(prefix.as_str()),
        }
    }
}

/// A thing of one kind in one namespace, by pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourcePattern {
    /// Which kind.
    pub kind: ResourceKind,
    /// In which namespace.
    pub namespace: NamespaceName,
    /// Which names there.
    pub name: NamePattern,
}

/// Whether a grant gives or takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Gives the rights.
    Allow,
    /// Takes them, whatever else gives them; owners and administrators are not exempt.
    Deny,
}

/// Rights of one user over the things that fit a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whose.
    pub user: UserName,
    /// Over what.
    pub resource: ResourcePattern,
    /// Which rights.
    pub rights: Rights,
    /// Given or taken.
    pub effect: Effect,
}

/// A user, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserDescription {
    /// The name.
    pub name: UserName,
    /// The id.
    pub id: UserId,
    /// The roles.
    pub roles: Vec<Role>,
    /// A disabled user cannot log in; its tokens do not work.
    pub disabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// Creates a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateUser {
    /// The name; refused when it exists.
    pub name: UserName,
    /// The password: 8 to 1024 bytes.
    pub password: Secret,
    /// The roles; none is a user who can do nothing until something is granted.
    pub roles: Vec<Role>,
}

/// Changes a user; `None` stays as it is. A user may change its own password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterUser {
    /// Who.
    pub name: UserName,
    /// A new password; ends all sessions of the user.
    pub password: Option<Secret>,
    /// New roles.
    pub roles: Option<Vec<Role>>,
    /// Disable or enable.
    pub disabled: Option<bool>,
}

/// Describes a user; everybody may describe itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeUser {
    /// Who.
    pub name: UserName,
}

/// Deletes a user with its tokens and grants; what it owned has no owner then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteUser {
    /// Who.
    pub name: UserName,
}

/// Lists users by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListUsers {
    /// Only names that start with this.
    pub prefix: String,
    /// Which part of the list.
    pub page: PageRequest,
}

/// Adds a grant, or replaces the one of the same user, resource and effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddGrant {
    /// What is granted.
    pub grant: Grant,
}

/// Removes the grant of this user, resource and effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoveGrant {
    /// Whose.
    pub user: UserName,
    /// Over what.
    pub resource: ResourcePattern,
    /// Given or taken.
    pub effect: Effect,
}

/// Lists grants, all or those of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListGrants {
    /// Only of this user.
    pub user: Option<UserName>,
}

/// The grants asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Ordered by user, then resource.
    pub grants: Vec<Grant>,
}

/// What a token may be used for, at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Rights beyond these are not used.
    pub rights: Rights,
    /// Only on things that fit; `None`: on everything.
    pub resource: Option<ResourcePattern>,
}

impl Scope {
    /// Whatever the user may do.
    pub const fn full() -> Self {
        Self { rights: Rights::ALL, resource: None }
    }
}

/// Whether a token came from a login or was made for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// From a login; ends with logout.
    Session,
    /// Made for a program.
    Api,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenDescription {
    /// Names it for revoking.
    pub id: TokenId,
    /// Whose.
    pub user: UserName,
    /// What it was called.
    pub label: String,
    /// Login or program.
    pub kind: TokenKind,
    /// What it may be used for.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Timestamp,
}

/// Makes an API token for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateToken {
    /// What to call it, at most 255 bytes.
    pub label: String,
    /// What it may be used for.
    pub scope: Scope,
    /// How long it works, at most ten years.
    pub lifetime: Span,
}

/// A new token: the only time its secret is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The secret, for `Authorization: Bearer`.
    pub secret: Secret,
    /// The rest.
    pub description: TokenDescription,
}

/// Lists tokens and sessions: the caller's, or with `Administer` anyone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListTokens {
    /// Whose; `None`: the caller's.
    pub user: Option<UserName>,
}

/// The tokens asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Ordered by id.
    pub tokens: Vec<TokenDescription>,
}

/// Revokes a token: the caller's own, or with `Administer` anyone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeToken {
    /// Which.
    pub id: TokenId,
}

/// Makes a session token for the caller, who has just authenticated with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login;

/// Ends the session that the caller authenticated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logout;

/// Says who the caller is and what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhoAmI;

/// Creates a namespace; done when it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateNamespace {
    /// Its name.
    pub name: NamespaceName,
}

/// Deletes a namespace that holds no queue and no topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteNamespace {
    /// Its name; `default` and `$system` stay.
    pub name: NamespaceName,
}

/// Lists namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNamespaces {
    /// Which part of the list.
    pub page: PageRequest,
}

/// A namespace and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceDescription {
    /// Its name.
    pub name: NamespaceName,
    /// Queues in it.
    pub queues: u64,
    /// Topics in it.
    pub topics: u64,
}

/// A page of users.
pub type UserPage = Page<UserDescription>;
/// A page of namespaces.
pub type NamespacePage = Page<NamespaceDescription>;
