//! Which codes each operation can answer, beyond those that follow from its shape.
//! Invariant: the statuses in the document come from the same table as those of the answers, `status_of`.
//! Used by `openapi`; checked in `tests/document.rs`.

use model::Code;
use utoipa::openapi::path::Operation;

use super::Failures;
use crate::translate::problem::status_of;

/// What any operation can answer that reaches the backend.
const BACKEND: &[Code] = &[
    Code::Starting,
    Code::Draining,
    Code::Busy,
    Code::MemoryFull,
    Code::NoLeader,
    Code::Unreachable,
    Code::OutcomeUnknown,
    Code::Fault,
];
/// What proving a caller can answer.
const CALLER: &[Code] = &[Code::Unauthenticated, Code::Forbidden, Code::LoginThrottled, Code::NotClaimed];
/// What reading a body can answer.
const BODY: &[Code] = &[Code::BodyInvalid, Code::MediaTypeUnsupported, Code::MessageTooLarge];
/// What a path or query can answer.
const ARGUMENTS: &[Code] = &[Code::NameInvalid, Code::ArgumentInvalid];

/// The failures of an operation by status.
pub(super) fn of(id: &str, operation: &Operation) -> Failures {
    let mut codes: Vec<Code> = Vec::new();
    let open = operation.security.is_some();
    let local = matches!(id, "live" | "ready" | "document" | "explain");
    if !local {
        codes.extend(BACKEND);
    }
    if !open {
        codes.extend(CALLER);
    }
    if operation.request_body.is_some() {
        codes.extend(BODY);
        codes.push(Code::ArgumentInvalid);
    }
    if !local && operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
        codes.extend(ARGUMENTS);
    }
    codes.extend(own(id));
    codes.sort_unstable();
    codes.dedup();
    let mut failures = Failures::new();
    for code in codes {
        let status = if id == "ready" { "503".to_owned() } else { status_of(code).as_str().to_owned() };
        failures.entry(status).or_default().push(format!("`{}`: {}", code.word(), code.title()));
    }
    failures
}

/// The codes that belong to the operation itself.
fn own(id: &str) -> &'static [Code] {
    use Code::*;
    match id {
        "list_queues" | "list_topics" | "list_exchanges" | "list_bindings" | "delete_policy" => &[NamespaceNotFound],
        // It has no parameter of its own, but the namespace of its longer path.
        "list_policies" => &[NamespaceNotFound, NameInvalid],
        "set_policy" => &[NamespaceNotFound, LimitReached],
        "create_queue" => &[NamespaceNotFound, QueueNotFound, QueueExists, LimitReached],
        "describe_queue" | "peek_messages" | "cancel_messages" | "purge_queue" => {
            &[NamespaceNotFound, QueueNotFound, BatchSize]
        }
        "alter_queue" => &[NamespaceNotFound, QueueNotFound],
        "delete_queue" => &[NamespaceNotFound, QueueNotFound, QueueNotEmpty, QueueInUse],
        "transfer_queue" => &[NamespaceNotFound, QueueNotFound, UserNotFound],
        "publish" => &[
            NamespaceNotFound,
            QueueNotFound,
            QueueFull,
            BatchSize,
            MessageTooLarge,
            DiskNearlyFull,
            IdempotencyMismatch,
        ],
        "redrive_messages" => &[NamespaceNotFound, QueueNotFound, RedriveRunning, QueueFull],
        "receive_messages" | "stream_queue" => &[NamespaceNotFound, QueueNotFound, LimitReached, ConsumerAlone],
        "ack_messages" | "nack_messages" | "extend_messages" => {
            &[NamespaceNotFound, QueueNotFound, ReceiptInvalid, BatchSize, DeliveryLimitReached]
        }
        "create_topic" => &[NamespaceNotFound, TopicExists, LimitReached],
        "describe_topic" | "list_subscriptions" => &[NamespaceNotFound, TopicNotFound],
        "alter_topic" => &[NamespaceNotFound, TopicNotFound, PartitionsShrink],
        "delete_topic" => &[NamespaceNotFound, TopicNotFound, TopicNotEmpty],
        "transfer_topic" => &[NamespaceNotFound, TopicNotFound, UserNotFound],
        "publish_to_topic" => &[
            NamespaceNotFound,
            TopicNotFound,
            PartitionNotFound,
            BatchSize,
            MessageTooLarge,
            DiskNearlyFull,
            IdempotencyMismatch,
        ],
        "read_partition" | "stream_topic" => &[NamespaceNotFound, TopicNotFound, PartitionNotFound],
        other => own_of_the_rest(other),
    }
}

fn own_of_the_rest(id: &str) -> &'static [Code] {
    use Code::*;
    match id {
        "create_subscription" => &[NamespaceNotFound, TopicNotFound, QueueNotFound, SubscriptionExists, LimitReached],
        "describe_subscription" | "delete_subscription" => &[NamespaceNotFound, TopicNotFound, SubscriptionNotFound],
        "receive_from_subscription" => {
            &[NamespaceNotFound, TopicNotFound, SubscriptionNotFound, SubscriptionKind, LimitReached]
        }
        "ack_on_subscription" | "nack_on_subscription" | "extend_on_subscription" => {
            &[NamespaceNotFound, TopicNotFound, SubscriptionNotFound, SubscriptionKind, ReceiptInvalid, BatchSize]
        }
        "commit_offsets" => &[
            NamespaceNotFound,
            TopicNotFound,
            SubscriptionNotFound,
            SubscriptionKind,
            PartitionNotFound,
            NotAssigned,
            BatchSize,
        ],
        "seek_subscription" => &[NamespaceNotFound, TopicNotFound, SubscriptionNotFound, PartitionNotFound],
        "leave_subscription" => &[NamespaceNotFound, TopicNotFound, SubscriptionNotFound, SubscriptionKind],
        "create_exchange" => &[NamespaceNotFound, ExchangeNotFound, ExchangeExists, ExchangeReserved, LimitReached],
        "describe_exchange" => &[NamespaceNotFound, ExchangeNotFound],
        "delete_exchange" => &[NamespaceNotFound, ExchangeNotFound, ExchangeInUse, ExchangeReserved],
        "publish_to_exchange" => {
            &[NamespaceNotFound, ExchangeNotFound, ExchangeInternal, BatchSize, MessageTooLarge, DiskNearlyFull]
        }
        "bind" | "unbind" => &[
            NamespaceNotFound,
            ExchangeNotFound,
            ExchangeReserved,
            QueueNotFound,
            TopicNotFound,
            NameInvalid,
            LimitReached,
        ],
        "create_user" => &[UserExists, LimitReached],
        "describe_user" | "list_tokens" | "list_grants" => &[UserNotFound],
        "alter_user" | "delete_user" => &[UserNotFound, LastAdministrator],
        "create_token" => &[NamespaceNotFound, NameInvalid, LimitReached],
        "revoke_token" | "log_out" => &[TokenNotFound],
        "add_grant" => &[UserNotFound, NamespaceNotFound, NameInvalid, LimitReached],
        "remove_grant" => &[UserNotFound, GrantNotFound, NamespaceNotFound],
        "create_namespace" => &[LimitReached],
        "delete_namespace" => &[NamespaceNotFound, NamespaceNotEmpty],
        "log_in" => &[Unauthenticated, Forbidden, NotClaimed, LoginThrottled, LimitReached],
        "claim" => &[ClaimInvalid, NameInvalid, Unauthenticated, LoginThrottled, LimitReached],
        "ready" => &[Starting, Draining, Fault],
        "explain" => &[PathNotFound, NameInvalid],
        "seed_create_queue" => &[QueueExists, LimitReached],
        "seed_create_topic" => &[TopicExists, LimitReached],
        "seed_delete_queue" => &[QueueNotFound, QueueInUse],
        "seed_delete_topic" => &[TopicNotFound],
        "seed_post_to_queue" => &[QueueNotFound, QueueFull, DiskNearlyFull],
        "seed_post_to_topic" => &[TopicNotFound, DiskNearlyFull],
        "seed_read_from_queue" => &[QueueNotFound],
        "seed_read_from_topic" => &[TopicNotFound],
        _ => &[],
    }
}
