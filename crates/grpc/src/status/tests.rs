//! Every failure comes back from its status as the same value.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

use model::access::Right;
use model::code::Code as Word;
use model::failure::{Failure, Fault, Unavailable};
use model::name::NameKind;
use model::number::{Attempt, Partition, Span};
use model::refusal::Refusal;
use proptest::prelude::*;

use super::*;
use crate::limits::PROBLEM_TEXT_BYTES_MAX;

/// Every failure with these values.
fn every_failure(text: &str, other: &str, number: u32) -> Vec<Failure> {
    let name = text.to_owned();
    let long = u64::from(number) << 7;
    let size = usize::try_from(number).unwrap();
    let partition = Partition::new(number);
    let difference = other.to_owned();
    let refusals = [
        Refusal::NameInvalid { kind: NameKind::Member, why: "it is empty" },
        Refusal::ArgumentInvalid { field: name.clone(), why: difference.clone() },
        Refusal::ReceiptInvalid,
        Refusal::MessageTooLarge { bytes: size, limit: size / 2 },
        Refusal::BatchSize { count: size, limit: size / 3 },
        Refusal::Unauthenticated,
        Refusal::Forbidden { right: Right::Purge },
        Refusal::LoginThrottled { wait: Span::new(long) },
        Refusal::NotClaimed,
        Refusal::ClaimInvalid,
        Refusal::NamespaceNotFound { name: name.clone() },
        Refusal::NamespaceNotEmpty { name: name.clone() },
        Refusal::QueueNotFound { name: name.clone() },
        Refusal::QueueExists { name: name.clone(), difference: difference.clone() },
        Refusal::QueueNotEmpty { name: name.clone(), messages: long },
        Refusal::QueueFull { name: name.clone(), bound: difference.clone() },
        Refusal::QueueInUse { name: name.clone(), user: difference.clone() },
        Refusal::TopicNotFound { name: name.clone() },
        Refusal::TopicExists { name: name.clone(), difference: difference.clone() },
        Refusal::TopicNotEmpty { name: name.clone(), messages: long, subscriptions: long + 1 },
        Refusal::PartitionNotFound { name: name.clone(), partition },
        Refusal::PartitionsShrink { name: name.clone(), partitions: number },
        Refusal::SubscriptionNotFound { name: name.clone() },
        Refusal::SubscriptionExists { name: name.clone(), difference: difference.clone() },
        Refusal::SubscriptionKind { name: name.clone(), kind: "stream", why: "commit instead" },
        Refusal::NotAssigned { member: name.clone(), partition },
        Refusal::ExchangeNotFound { name: name.clone() },
        Refusal::ExchangeExists { name: name.clone(), difference: difference.clone() },
        Refusal::ExchangeInUse { name: name.clone(), bindings: long },
        Refusal::ExchangeInternal { name: name.clone() },
        Refusal::ExchangeReserved { name: name.clone() },
        Refusal::ConsumerAlone { name: name.clone() },
        Refusal::UserNotFound { name: name.clone() },
        Refusal::UserExists { name: name.clone() },
        Refusal::LastAdministrator { name: name.clone() },
        Refusal::TokenNotFound,
        Refusal::GrantNotFound,
        Refusal::LimitReached { what: "queues in a namespace", limit: long },
        Refusal::RedriveRunning { name },
        Refusal::DeliveryLimitReached { attempts: Attempt::new(number) },
        Refusal::IdempotencyMismatch,
    ];
    let unavailable = [
        Unavailable::Starting,
        Unavailable::Draining,
        Unavailable::Busy,
        Unavailable::DiskNearlyFull,
        Unavailable::MemoryFull,
        Unavailable::NoLeader,
        Unavailable::Unreachable,
        Unavailable::Unknown,
    ];
    let fault = Failure::Fault(Fault { what: difference });
    refusals.into_iter().map(Failure::from).chain(unavailable.into_iter().map(Failure::from)).chain([fault]).collect()
}

#[test]
fn no_code_of_the_broker_is_left_out() {
    let mut words: Vec<Word> = every_failure("", "", 0).iter().map(Failure::code).collect();
    words.extend([Word::MethodNotAllowed, Word::PathNotFound, Word::BodyInvalid, Word::MediaTypeUnsupported]);
    words.sort_unstable();
    let mut all = Word::ALL.to_vec();
    all.sort_unstable();
    assert_eq!(words, all);
}

proptest! {
    #[test]
    fn every_failure_survives_its_status(name in "\\PC{0,60}", other in "\\PC{0,60}", number: u32) {
        for failure in every_failure(&name, &other, number) {
            let status = status(&failure);
            prop_assert_eq!(super::failure(problem_of(&status).unwrap()), failure);
        }
    }

    #[test]
    fn no_problem_makes_a_client_panic(code in 0..Word::ALL.len(), why: String, count: u64) {
        let values = pb::ProblemValues { why: why.clone(), kind: why, count, ..Default::default() };
        let word = Word::ALL[code].word().to_owned();
        let _ = failure(pb::Problem { code: word.clone(), values: Some(values), ..Default::default() });
        let _ = failure(pb::Problem { code: word, ..Default::default() });
    }
}

#[test]
fn a_status_tells_code_hint_and_wait_in_its_metadata() {
    let status = status(&Unavailable::NoLeader.into());
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "the shard has no leader at the moment");
    assert_eq!(status.metadata().get(CODE_METADATA).unwrap(), "no_leader");
    assert_eq!(status.metadata().get(HINT_METADATA).unwrap(), "retry in a moment");
    assert_eq!(status.metadata().get(RETRY_METADATA).unwrap(), "200");
    assert!(super::status(&Refusal::TokenNotFound.into()).metadata().get(RETRY_METADATA).is_none());
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let what = "é".repeat(PROBLEM_TEXT_BYTES_MAX);
    let values = problem(&Fault { what }.into()).values.unwrap();
    assert_eq!(values.why, "é".repeat(PROBLEM_TEXT_BYTES_MAX / 2));
}

#[test]
fn a_code_of_a_newer_broker_becomes_the_nearest_failure() {
    let problem = |retry_after_ms| pb::Problem {
        code: "moon_too_close".to_owned(),
        message: "the moon is too close".to_owned(),
        retry_after_ms,
        ..Default::default()
    };
    assert_eq!(failure(problem(Some(5))), Unavailable::Busy.into());
    assert_eq!(failure(problem(None)), Refusal::invalid("moon_too_close", "the moon is too close").into());
}
