//! Rights, and the roles that are named sets of them.
//! Invariant: the bit of a right never changes; sets are stored as numbers.
//! Used by every door and by the machine. Tests: the matrix of the binary.

use std::fmt;

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
