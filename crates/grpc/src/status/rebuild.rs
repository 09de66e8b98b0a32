//! From a problem back to the failure it tells of: the counterpart of `values`, by stable code.
//! Invariant: never panics, whatever a broker sends; a code of a newer broker becomes the nearest failure.

use model::access::Right;
use model::code::Code;
use model::failure::{Failure, Fault, Unavailable};
use model::name::NameKind;
use model::number::{Attempt, Partition, Span};
use model::refusal::Refusal;

use crate::proto as pb;
use crate::words::remember;

const NAME_KINDS: [NameKind; 8] = [
    NameKind::Namespace,
    NameKind::Queue,
    NameKind::Topic,
    NameKind::Subscription,
    NameKind::User,
    NameKind::Member,
    NameKind::Exchange,
    NameKind::Policy,
];

/// The failure that a problem tells of.
pub(crate) fn failure(problem: pb::Problem) -> Failure {
    let values = problem.values.unwrap_or_default();
    let Some(code) = Code::parse(&problem.code) else {
        return unknown_code(problem.code, problem.message, problem.retry_after_ms);
    };
    match code {
        Code::Starting => Unavailable::Starting.into(),
        Code::Draining => Unavailable::Draining.into(),
        Code::Busy => Unavailable::Busy.into(),
        Code::DiskNearlyFull => Unavailable::DiskNearlyFull.into(),
        Code::MemoryFull => Unavailable::MemoryFull.into(),
        Code::NoLeader => Unavailable::NoLeader.into(),
        Code::Unreachable => Unavailable::Unreachable.into(),
        Code::OutcomeUnknown => Unavailable::Unknown.into(),
        Code::Fault => Fault { what: values.why }.into(),
        Code::MethodNotAllowed | Code::PathNotFound | Code::BodyInvalid | Code::MediaTypeUnsupported => {
            unknown_code(problem.code, problem.message, problem.retry_after_ms)
        }
        Code::NameInvalid
        | Code::ArgumentInvalid
        | Code::ReceiptInvalid
        | Code::MessageTooLarge
        | Code::BatchSize
        | Code::Unauthenticated
        | Code::Forbidden
        | Code::LoginThrottled
        | Code::NotClaimed
        | Code::ClaimInvalid
        | Code::NamespaceNotFound
        | Code::NamespaceNotEmpty
        | Code::QueueNotFound
        | Code::QueueExists
        | Code::QueueNotEmpty
        | Code::QueueFull
        | Code::QueueInUse
        | Code::TopicNotFound
        | Code::TopicExists
        | Code::TopicNotEmpty
        | Code::PartitionNotFound
        | Code::PartitionsShrink
        | Code::SubscriptionNotFound
        | Code::SubscriptionExists
        | Code::SubscriptionKind
        | Code::NotAssigned
        | Code::ExchangeNotFound
        | Code::ExchangeExists
        | Code::ExchangeInUse
        | Code::ExchangeInternal
        | Code::ExchangeReserved
        | Code::ConsumerAlone
        | Code::UserNotFound
        | Code::UserExists
        | Code::LastAdministrator
        | Code::TokenNotFound
        | Code::GrantNotFound
        | Code::LimitReached
        | Code::RedriveRunning
        | Code::DeliveryLimitReached
        | Code::IdempotencyMismatch => {
            refusal(code, values).map_or_else(|| unknown_code(problem.code, problem.message, None), Failure::Refused)
        }
    }
}

/// A code that this version does not know: worth a retry if the broker says so, otherwise a no with its words.
fn unknown_code(code: String, message: String, retry_after_ms: Option<u64>) -> Failure {
    match retry_after_ms {
        Some(_) => Unavailable::Busy.into(),
        None => Refusal::ArgumentInvalid { field: code, why: message }.into(),
    }
}

fn items(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The refusal of a code, from its values; `None` when they do not fit or the code is not that of a refusal.
fn refusal(code: Code, values: pb::ProblemValues) -> Option<Refusal> {
    refusal_by_name(code, &values).or_else(|| refusal_by_value(code, values))
}

/// Refusals that say nothing, or name a thing and say at most one word more.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "the other codes are found by value; the caller's match is exhaustive"
)]
fn refusal_by_name(code: Code, values: &pb::ProblemValues) -> Option<Refusal> {
    let name = values.name.clone();
    let difference = values.why.clone();
    Some(match code {
        Code::ReceiptInvalid => Refusal::ReceiptInvalid,
        Code::Unauthenticated => Refusal::Unauthenticated,
        Code::NotClaimed => Refusal::NotClaimed,
        Code::ClaimInvalid => Refusal::ClaimInvalid,
        Code::TokenNotFound => Refusal::TokenNotFound,
        Code::GrantNotFound => Refusal::GrantNotFound,
        Code::IdempotencyMismatch => Refusal::IdempotencyMismatch,
        Code::NamespaceNotFound => Refusal::NamespaceNotFound { name },
        Code::NamespaceNotEmpty => Refusal::NamespaceNotEmpty { name },
        Code::QueueNotFound => Refusal::QueueNotFound { name },
        Code::QueueExists => Refusal::QueueExists { name, difference },
        Code::QueueNotEmpty => Refusal::QueueNotEmpty { name, messages: values.count },
        Code::QueueFull => Refusal::QueueFull { name, bound: difference },
        Code::QueueInUse => Refusal::QueueInUse { name, user: difference },
        Code::TopicNotFound => Refusal::TopicNotFound { name },
        Code::TopicExists => Refusal::TopicExists { name, difference },
        Code::SubscriptionNotFound => Refusal::SubscriptionNotFound { name },
        Code::SubscriptionExists => Refusal::SubscriptionExists { name, difference },
        Code::ExchangeNotFound => Refusal::ExchangeNotFound { name },
        Code::ExchangeExists => Refusal::ExchangeExists { name, difference },
        Code::ExchangeInUse => Refusal::ExchangeInUse { name, bindings: values.count },
        Code::ExchangeInternal => Refusal::ExchangeInternal { name },
        Code::ExchangeReserved => Refusal::ExchangeReserved { name },
        Code::ConsumerAlone => Refusal::ConsumerAlone { name },
        Code::UserNotFound => Refusal::UserNotFound { name },
        Code::UserExists => Refusal::UserExists { name },
        Code::LastAdministrator => Refusal::LastAdministrator { name },
        Code::RedriveRunning => Refusal::RedriveRunning { name },
        _ => return None,
    })
}

/// Refusals that carry other values.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "every other code was found by name or is not a refusal; the caller's match is exhaustive"
)]
fn refusal_by_value(code: Code, values: pb::ProblemValues) -> Option<Refusal> {
    let partition = Partition::new(values.partition);
    Some(match code {
        Code::NameInvalid => Refusal::NameInvalid {
            kind: NAME_KINDS.into_iter().find(|kind| kind.word() == values.kind)?,
            why: remember(&values.why),
        },
        Code::ArgumentInvalid => Refusal::ArgumentInvalid { field: values.field, why: values.why },
        Code::MessageTooLarge => Refusal::MessageTooLarge { bytes: items(values.count), limit: items(values.limit) },
        Code::BatchSize => Refusal::BatchSize { count: items(values.count), limit: items(values.limit) },
        Code::Forbidden => Refusal::Forbidden { right: Right::parse(&values.right)? },
        Code::LoginThrottled => Refusal::LoginThrottled { wait: Span::new(values.wait_ms) },
        Code::TopicNotEmpty => {
            Refusal::TopicNotEmpty { name: values.name, messages: values.count, subscriptions: values.subscriptions }
        }
        Code::PartitionNotFound => Refusal::PartitionNotFound { name: values.name, partition },
        Code::PartitionsShrink => Refusal::PartitionsShrink { name: values.name, partitions: small(values.count) },
        Code::SubscriptionKind => {
            Refusal::SubscriptionKind { name: values.name, kind: remember(&values.kind), why: remember(&values.why) }
        }
        Code::NotAssigned => Refusal::NotAssigned { member: values.name, partition },
        Code::LimitReached => Refusal::LimitReached { what: remember(&values.why), limit: values.limit },
        Code::DeliveryLimitReached => Refusal::DeliveryLimitReached { attempts: Attempt::new(small(values.count)) },
        _ => return None,
    })
}
