//! What went wrong, on the wire: one exhaustive table from failures to gRPC codes, and the problem in the details
//! from which a client rebuilds the very same failure.
//! Invariant: `failure(problem(f)) == f` for every failure whose texts are within their bound.
//! Called by every handler of the server and every call of the client. Tests: `status/tests.rs`.

mod rebuild;
#[cfg(test)]
mod tests;

use model::failure::{Failure, Fault, Retry, Unavailable};
use model::refusal::Refusal;
use prost::Message;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::limits::PROBLEM_TEXT_BYTES_MAX;
use crate::proto as pb;

pub(crate) use rebuild::failure;

/// Trailing metadata: the stable word.
pub const CODE_METADATA: &str = "recado-code";
/// Trailing metadata: what to do about it.
pub const HINT_METADATA: &str = "recado-hint";
/// Trailing metadata: send the same again after this many milliseconds.
pub const RETRY_METADATA: &str = "recado-retry-after-ms";
/// Metadata of answers of a broker that passes requests on to another one: whoever knows several does well to ask that.
pub(crate) const PASSED_ON_METADATA: &str = "recado-passed-on";
/// The type of the detail that holds a `recado.v1.Problem`.
pub const PROBLEM_TYPE_URL: &str = "type.googleapis.com/recado.v1.Problem";

/// `google.rpc.Status`: how gRPC carries typed details.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// The gRPC status of a failure.
pub(crate) fn status(failure: &Failure) -> Status {
    status_with(code(failure), failure)
}

/// The gRPC status of a failure under another code than its own.
pub(crate) fn status_with(code: Code, failure: &Failure) -> Status {
    let problem = problem(failure);
    let mut metadata = MetadataMap::new();
    for (key, text) in [(CODE_METADATA, &problem.code), (HINT_METADATA, &problem.hint)] {
        if let Ok(value) = MetadataValue::try_from(text.as_str()) {
            metadata.insert(key, value);
        }
    }
    if let Some(wait) = problem.retry_after_ms {
        metadata.insert(RETRY_METADATA, MetadataValue::from(wait));
    }
    let message = problem.message.clone();
    let detail = prost_types::Any { type_url: PROBLEM_TYPE_URL.to_owned(), value: problem.encode_to_vec() };
    let details = RpcStatus { code: i32::from(code), message: message.clone(), details: vec![detail] };
    Status::with_details_and_metadata(code, message, details.encode_to_vec().into(), metadata)
}

/// The problem inside a status; `None` when it did not come from a broker.
pub fn problem_of(status: &Status) -> Option<pb::Problem> {
    let details = RpcStatus::decode(status.details()).ok()?;
    let detail = details.details.iter().find(|detail| detail.type_url == PROBLEM_TYPE_URL)?;
    pb::Problem::decode(detail.value.as_slice()).ok()
}

/// The gRPC code of a failure.
pub(crate) const fn code(failure: &Failure) -> Code {
    match failure {
        Failure::Refused(refusal) => refusal_code(refusal),
        Failure::Unavailable(Unavailable::Busy | Unavailable::MemoryFull | Unavailable::DiskNearlyFull) => {
            Code::ResourceExhausted
        }
        Failure::Unavailable(
            Unavailable::Starting
            | Unavailable::Draining
            | Unavailable::NoLeader
            | Unavailable::Unreachable
            | Unavailable::Unknown,
        ) => Code::Unavailable,
        Failure::Fault(_) => Code::Internal,
    }
}

const fn refusal_code(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::NameInvalid { .. }
        | Refusal::ArgumentInvalid { .. }
        | Refusal::ReceiptInvalid
        | Refusal::MessageTooLarge { .. }
        | Refusal::BatchSize { .. } => Code::InvalidArgument,
        Refusal::Unauthenticated | Refusal::ClaimInvalid => Code::Unauthenticated,
        Refusal::Forbidden { .. } => Code::PermissionDenied,
        Refusal::ExchangeInternal { .. } | Refusal::ExchangeReserved { .. } => Code::PermissionDenied,
        Refusal::LoginThrottled { .. } | Refusal::QueueFull { .. } | Refusal::LimitReached { .. } => {
            Code::ResourceExhausted
        }
        Refusal::NamespaceNotFound { .. }
        | Refusal::QueueNotFound { .. }
        | Refusal::TopicNotFound { .. }
        | Refusal::PartitionNotFound { .. }
        | Refusal::SubscriptionNotFound { .. }
        | Refusal::ExchangeNotFound { .. }
        | Refusal::UserNotFound { .. }
        | Refusal::TokenNotFound
        | Refusal::GrantNotFound => Code::NotFound,
        Refusal::QueueExists { .. }
        | Refusal::TopicExists { .. }
        | Refusal::SubscriptionExists { .. }
        | Refusal::ExchangeExists { .. }
        | Refusal::UserExists { .. }
        | Refusal::IdempotencyMismatch => Code::AlreadyExists,
        Refusal::NotClaimed
        | Refusal::NamespaceNotEmpty { .. }
        | Refusal::QueueNotEmpty { .. }
        | Refusal::QueueInUse { .. }
        | Refusal::ExchangeInUse { .. }
        | Refusal::ConsumerAlone { .. }
        | Refusal::TopicNotEmpty { .. }
        | Refusal::PartitionsShrink { .. }
        | Refusal::SubscriptionKind { .. }
        | Refusal::LastAdministrator { .. }
        | Refusal::RedriveRunning { .. }
        | Refusal::DeliveryLimitReached { .. } => Code::FailedPrecondition,
        Refusal::NotAssigned { .. } => Code::Aborted,
    }
}

/// The problem that tells of a failure.
pub(crate) fn problem(failure: &Failure) -> pb::Problem {
    let code = failure.code();
    pb::Problem {
        code: code.word().to_owned(),
        message: bounded(&failure.to_string()),
        hint: code.hint().to_owned(),
        retry_after_ms: match failure.retry() {
            Retry::Never => None,
            Retry::After(span) => Some(span.get()),
        },
        values: match failure {
            Failure::Refused(refusal) => Some(values(refusal)),
            Failure::Unavailable(_) => None,
            Failure::Fault(Fault { what }) => Some(pb::ProblemValues { why: bounded(what), ..Default::default() }),
        },
    }
}

/// The text, cut at a character so that it is within its bound.
fn bounded(text: &str) -> String {
    text[..text.floor_char_boundary(PROBLEM_TEXT_BYTES_MAX)].to_owned()
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

/// The values of a refusal. Its counterpart is in `rebuild`; the two are read side by side.
fn values(refusal: &Refusal) -> pb::ProblemValues {
    let none = pb::ProblemValues::default();
    let name = |name: &str| pb::ProblemValues { name: bounded(name), ..Default::default() };
    let why = |why: &str, rest: pb::ProblemValues| pb::ProblemValues { why: bounded(why), ..rest };
    match refusal {
        Refusal::ReceiptInvalid
        | Refusal::Unauthenticated
        | Refusal::NotClaimed
        | Refusal::ClaimInvalid
        | Refusal::TokenNotFound
        | Refusal::GrantNotFound
        | Refusal::IdempotencyMismatch => none,
        Refusal::NamespaceNotFound { name: it }
        | Refusal::NamespaceNotEmpty { name: it }
        | Refusal::QueueNotFound { name: it }
        | Refusal::TopicNotFound { name: it }
        | Refusal::SubscriptionNotFound { name: it }
        | Refusal::ExchangeNotFound { name: it }
        | Refusal::ExchangeInternal { name: it }
        | Refusal::ExchangeReserved { name: it }
        | Refusal::ConsumerAlone { name: it }
        | Refusal::UserNotFound { name: it }
        | Refusal::UserExists { name: it }
        | Refusal::LastAdministrator { name: it }
        | Refusal::RedriveRunning { name: it } => name(it),
        Refusal::QueueExists { name: it, difference }
        | Refusal::TopicExists { name: it, difference }
        | Refusal::ExchangeExists { name: it, difference }
        | Refusal::SubscriptionExists { name: it, difference } => why(difference, name(it)),
        Refusal::QueueFull { name: it, bound } => why(bound, name(it)),
        Refusal::QueueInUse { name: it, user } => why(user, name(it)),
        Refusal::NameInvalid { kind, why: text } => {
            pb::ProblemValues { kind: kind.word().to_owned(), ..why(text, none) }
        }
        Refusal::ArgumentInvalid { field, why: text } => pb::ProblemValues { field: bounded(field), ..why(text, none) },
        Refusal::MessageTooLarge { bytes: items, limit } | Refusal::BatchSize { count: items, limit } => {
            pb::ProblemValues { count: count(*items), limit: count(*limit), ..none }
        }
        Refusal::Forbidden { right } => pb::ProblemValues { right: right.word().to_owned(), ..none },
        Refusal::LoginThrottled { wait } => pb::ProblemValues { wait_ms: wait.get(), ..none },
        Refusal::ExchangeInUse { name: it, bindings: messages } | Refusal::QueueNotEmpty { name: it, messages } => {
            pb::ProblemValues { count: *messages, ..name(it) }
        }
        Refusal::TopicNotEmpty { name: it, messages, subscriptions } => {
            pb::ProblemValues { count: *messages, subscriptions: *subscriptions, ..name(it) }
        }
        Refusal::PartitionNotFound { name: it, partition } | Refusal::NotAssigned { member: it, partition } => {
            pb::ProblemValues { partition: partition.get(), ..name(it) }
        }
        Refusal::PartitionsShrink { name: it, partitions } => {
            pb::ProblemValues { count: u64::from(*partitions), ..name(it) }
        }
        Refusal::SubscriptionKind { name: it, kind, why: text } => {
            pb::ProblemValues { kind: (*kind).to_owned(), ..why(text, name(it)) }
        }
        Refusal::LimitReached { what, limit } => pb::ProblemValues { limit: *limit, ..why(what, none) },
        Refusal::DeliveryLimitReached { attempts } => pb::ProblemValues { count: u64::from(attempts.get()), ..none },
    }
}
