//! Everything that can be answered instead of a result: refused, unavailable, or a fault.
//! `Unavailable` says where or when to retry; after a `Fault` the shard stops and the operator looks at the disk.

use thiserror::Error;

use crate::code::Code;
use crate::number::Span;
use crate::refusal::Refusal;

/// The request was not answered with a result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// A deterministic no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Not now or not here.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The broker or its disk is broken.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Failure {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Unavailable(unavailable) => unavailable.code(),
            Self::Fault(_) => Code::Fault,
        }
    }

    /// When a retry makes sense.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Refused(Refusal::LoginThrottled { wait }) => Retry::After(*wait),
            Self::Refused(_) | Self::Fault(_) => Retry::Never,
            Self::Unavailable(unavailable) => unavailable.retry(),
        }
    }
}

/// Whether and when the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It would be answered the same.
    Never,
    /// After this long.
    After(Span),
}

/// Not now or not here. Unless it says otherwise, nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// The node loads its state.
    #[error("the node is starting")]
    Starting,
    /// The node finishes what it has.
    #[error("the node is shutting down")]
    Draining,
    /// Too many requests are waiting.
    #[error("too many requests are waiting")]
    Busy,
    /// The disk is nearly full: publishes are refused, consuming and deleting go on.
    #[error("the disk is nearly full, publishes are refused until there is room")]
    DiskNearlyFull,
    /// Memory for waiting requests is used up.
    #[error("the memory for requests in flight is used up")]
    MemoryFull,
    /// The shard has no leader at the moment.
    #[error("the shard has no leader at the moment")]
    NoLeader,
    /// The broker behind the gateway cannot be reached.
    #[error("no broker can be reached")]
    Unreachable,
    /// The outcome is unknown: it may or may not have been done.
    #[error("the outcome is unknown: the request may have been done")]
    Unknown,
}

impl Unavailable {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::Starting => Code::Starting,
            Self::Draining => Code::Draining,
            Self::Busy => Code::Busy,
            Self::DiskNearlyFull => Code::DiskNearlyFull,
            Self::MemoryFull => Code::MemoryFull,
            Self::NoLeader => Code::NoLeader,
            Self::Unreachable => Code::Unreachable,
            Self::Unknown => Code::OutcomeUnknown,
        }
    }

    /// When to try again.
    pub const fn retry(&self) -> Retry {
        Retry::After(Span::new(match self {
            Self::Busy | Self::MemoryFull => 100,
            Self::NoLeader => 200,
            Self::Starting | Self::Draining | Self::Unreachable | Self::Unknown => 1000,
            Self::DiskNearlyFull => 5000,
        }))
    }
}

/// A defect of the disk or of the broker. The shard answers nothing more until it is restarted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the shard is stopped by a fault: {what}")]
pub struct Fault {
    /// What happened, with file and offset where there is one; for the operator.
    pub what: String,
}
