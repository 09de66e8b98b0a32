//! The cells of the matrix of access: rows are people, columns are things, and each is asked through every door
//! that has a word for it.
//! Invariant: `rules` knows nothing of the product, `rest`, `grpc` and `amqp` know nothing of the rules.
//! Used by `matrix`.

#![allow(clippy::unwrap_used, dead_code, reason = "a test that meets the impossible stops there")]

pub(crate) mod amqp;
pub(crate) mod grpc;
pub(crate) mod people;
pub(crate) mod rest;
pub(crate) mod rules;
pub(crate) mod things;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Rest,
    Grpc,
}

impl Door {
    /// The name of the subscription that is there to be deleted through it.
    pub(crate) fn gone(self) -> &'static str {
        match self {
            Self::Rest => "gone-rest",
            Self::Grpc => "gone-grpc",
        }
    }
}

/// Which subscription of a subject an operation is asked for.
pub(crate) fn subscription(operation: model::OperationKind, start: &str, door: Door) -> String {
    use model::OperationKind::{Commit, DeleteSubscription, LeaveSubscription};
    match operation {
        DeleteSubscription => format!("{start}{}", door.gone()),
        Commit | LeaveSubscription => format!("{start}stream"),
        _ => format!("{start}shared"),
    }
}
