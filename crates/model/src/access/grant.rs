//! Grants: rights of one user over the things that fit a pattern, given or taken.
//! Invariant: a pattern is a name or how names start, never more.
//! Used by every door and by the machine. Tests: the matrix of the binary.

use super::Rights;
use crate::limits::NAME_BYTES_MAX;
use crate::name::{NamespaceName, UserName};
use crate::refusal::Refusal;

/// What kind of thing a pattern speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Queues.
    Queue,
    /// Topics and their subscriptions.
    Topic,
    /// The broker itself: users, namespaces, nodes, the audit log.
    Broker,
    /// Exchanges and the bindings that leave them.
    Exchange,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Queue, Self::Topic, Self::Exchange, Self::Broker];

    /// The stable word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::Broker => "broker",
            Self::Exchange => "exchange",
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
