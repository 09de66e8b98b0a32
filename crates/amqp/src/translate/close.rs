//! Failures as the end of a channel or connection: code and text.
//! Invariant: exhaustive, so that a new refusal breaks the build here; the stable code stands at the end of each text.

use model::failure::{Failure, Unavailable};
use model::refusal::Refusal;

use crate::codec::ReplyCode;
use crate::session::Close;

/// A failure as a close.
pub(crate) fn close(failure: &Failure) -> Close {
    let code = match failure {
        Failure::Refused(refusal) => refused(refusal),
        Failure::Unavailable(unavailable) => self::unavailable(unavailable),
        Failure::Fault(_) => ReplyCode::InternalError,
    };
    Close::new(code, format!("{failure} ({})", failure.code().word()))
}

const fn unavailable(unavailable: &Unavailable) -> ReplyCode {
    match unavailable {
        Unavailable::Starting | Unavailable::Draining | Unavailable::NoLeader | Unavailable::Unreachable => {
            ReplyCode::ConnectionForced
        }
        Unavailable::Busy | Unavailable::DiskNearlyFull | Unavailable::MemoryFull => ReplyCode::ResourceError,
        Unavailable::Unknown => ReplyCode::InternalError,
    }
}

/// The code of a refusal.
const fn refused(refusal: &Refusal) -> ReplyCode {
    match refusal {
        Refusal::Unauthenticated
        | Refusal::Forbidden { .. }
        | Refusal::LoginThrottled { .. }
        | Refusal::NotClaimed
        | Refusal::ClaimInvalid
        | Refusal::ExchangeInternal { .. }
        | Refusal::ExchangeReserved { .. }
        | Refusal::ConsumerAlone { .. } => ReplyCode::AccessRefused,
        Refusal::NamespaceNotFound { .. }
        | Refusal::QueueNotFound { .. }
        | Refusal::ExchangeNotFound { .. }
        | Refusal::TopicNotFound { .. }
        | Refusal::PartitionNotFound { .. }
        | Refusal::SubscriptionNotFound { .. }
        | Refusal::UserNotFound { .. }
        | Refusal::TokenNotFound
        | Refusal::GrantNotFound => ReplyCode::NotFound,
        Refusal::NameInvalid { .. }
        | Refusal::ArgumentInvalid { .. }
        | Refusal::ReceiptInvalid
        | Refusal::MessageTooLarge { .. }
        | Refusal::BatchSize { .. }
        | Refusal::NamespaceNotEmpty { .. }
        | Refusal::QueueExists { .. }
        | Refusal::QueueNotEmpty { .. }
        | Refusal::QueueFull { .. }
        | Refusal::QueueInUse { .. }
        | Refusal::ExchangeExists { .. }
        | Refusal::ExchangeInUse { .. }
        | Refusal::TopicExists { .. }
        | Refusal::TopicNotEmpty { .. }
        | Refusal::PartitionsShrink { .. }
        | Refusal::SubscriptionExists { .. }
        | Refusal::SubscriptionKind { .. }
        | Refusal::NotAssigned { .. }
        | Refusal::UserExists { .. }
        | Refusal::LastAdministrator { .. }
        | Refusal::LimitReached { .. }
        | Refusal::RedriveRunning { .. }
        | Refusal::DeliveryLimitReached { .. }
        | Refusal::IdempotencyMismatch => ReplyCode::PreconditionFailed,
    }
}
