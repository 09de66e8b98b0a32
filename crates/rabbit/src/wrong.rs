//! Why a declare is refused before the broker sees it.
//! Invariant: the text is RabbitMQ's where RabbitMQ has one.
//! Each door puts it into its own words for a failure.

use std::fmt;

use model::Refusal;

/// Something that a declare asks for and cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// An argument or flag, in RabbitMQ's words.
    Argument(String),
    /// What the broker itself would refuse.
    Refused(Refusal),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(text) => f.write_str(text),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
