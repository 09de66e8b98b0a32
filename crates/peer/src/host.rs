//! What a node answers to the others of its cluster.
//! Invariant: a refusal says what to do, and whether another node would answer otherwise.
//! Implemented by the binary over its node; called by `service`.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use tonic::{Code, Status};

use crate::proto::{Cluster, File, Terms};

/// An answer on its way.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refused>> + Send + 'a>>;

/// A node does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not now or not here: ask again, or ask the leader.
    #[error("{0}")]
    Unavailable(String),
    /// It would be refused again.
    #[error("{0}")]
    Never(String),
    /// No certificate of the cluster, or a token that is not good.
    #[error("{0}")]
    Unknown(String),
}

impl Refused {
    pub(crate) fn status(&self) -> Status {
        let code = match self {
            Self::Unavailable(_) => Code::Unavailable,
            Self::Never(_) => Code::FailedPrecondition,
            Self::Unknown(_) => Code::Unauthenticated,
        };
        Status::new(code, self.to_string())
    }

    pub(crate) fn from_status(status: &Status) -> Self {
        let why = std::error::Error::source(status)
            .map_or_else(|| status.message().to_owned(), |cause| format!("{}: {}", status.message(), chain(cause)));
        #[allow(clippy::wildcard_enum_match_arm, reason = "everything else is the network's, and passes")]
        match status.code() {
            Code::FailedPrecondition | Code::Unimplemented => Self::Never(why),
            Code::Unauthenticated => Self::Unknown(why),
            _ => Self::Unavailable(why),
        }
    }
}

/// An error with everything that it came from.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A copy of the store while it is lent.
pub trait Lender: Send + Sync {
    /// What is lent.
    fn terms(&self) -> Terms;

    /// The next piece of a file.
    fn read<'a>(&'a self, file: &'a File, offset: u64) -> Reply<'a, Bytes>;
}

/// A node, as the others of its cluster see it.
pub trait Host: Send + Sync + 'static {
    /// Answers a message between replicas.
    fn exchange(&self, message: Bytes) -> Reply<'_, Bytes>;

    /// Lends a copy of the store.
    fn lend(&self) -> Reply<'_, Box<dyn Lender>>;

    /// Tells who is in the cluster.
    fn describe(&self) -> Reply<'_, Cluster>;

    /// Gives a number to a new node.
    fn number(&self) -> Reply<'_, u64>;

    /// Takes a node in: it follows first and votes then.
    fn enter(&self, node: u64, address: String) -> Reply<'_, ()>;

    /// Takes a node out.
    fn remove(&self, node: u64) -> Reply<'_, ()>;

    /// Hands the leadership over.
    fn transfer(&self, node: Option<u64>) -> Reply<'_, ()>;
}
