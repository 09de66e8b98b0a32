//! Every request and every reply survives the way over the wire: model → contract → bytes → contract → model.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm)]

mod sample;

use model::Refusal;
use model::message::{Availability, NewMessage};
use model::name::{QueueRef, Source};
use model::number::{ByteSize, Epoch, Partition, QueueId, Sequence, Span};
use model::operation::{Call, OperationKind};
use model::queue::{QueueSettings, Receive};
use model::receipt::{Receipt, ReceiptSource};
use model::topic::TopicSettings;
use proptest::prelude::*;
use prost::Message;
use sample::{Random, Sample};

use super::Wire;
use crate::proto as pb;

fn survives<T>(value: T)
where
    T: Wire + Clone + PartialEq + std::fmt::Debug,
    T::Form: Message + Default,
{
    let bytes = value.clone().to_wire().encode_to_vec();
    let form = T::Form::decode(bytes.as_slice()).unwrap();
    assert_eq!(T::from_wire(form).unwrap(), value);
}

macro_rules! operations {
    ($( $noun:ident { $( $operation:ident )* } )*) => {
        const CHECKED: &[OperationKind] = &[ $( $( OperationKind::$operation, )* )* ];

        fn every_operation_survives(random: &mut Random) {
            $( $(
                survives(model::$noun::$operation::sample(random));
                survives(<model::$noun::$operation as Call>::Reply::sample(random));
            )* )*
        }
    };
}

operations! {
    queue {
        CreateQueue DescribeQueue AlterQueue DeleteQueue ListQueues PurgeQueue TransferQueue Publish Receive Ack Nack
        Extend Peek CancelMessages Redrive
    }
    topic { CreateTopic DescribeTopic AlterTopic DeleteTopic ListTopics TransferTopic PublishTopic ReadPartition }
    subscription {
        CreateSubscription DescribeSubscription DeleteSubscription ListSubscriptions Commit Seek LeaveSubscription
    }
    exchange { CreateExchange DescribeExchange DeleteExchange ListExchanges }
    binding { PublishExchange Bind Unbind ListBindings }
    policy { SetPolicy DeletePolicy ListPolicies }
    access {
        CreateUser AlterUser DescribeUser DeleteUser ListUsers AddGrant RemoveGrant ListGrants CreateToken ListTokens
        RevokeToken Login Logout WhoAmI CreateNamespace DeleteNamespace ListNamespaces
    }
    node { DescribeNode }
}

proptest! {
    #[test]
    fn every_request_and_reply_survives_the_wire(seed: u64) {
        every_operation_survives(&mut Random::new(seed));
    }

    #[test]
    fn a_receipt_is_the_bytes_of_its_text(seed: u64) {
        let receipt = Receipt::sample(&mut Random::new(seed));
        let hexadecimal: String = receipt.to_wire().iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(hexadecimal, receipt.to_string());
    }

    #[test]
    fn no_bytes_make_a_translation_panic(bytes: Vec<u8>) {
        if let Ok(form) = pb::PublishRequest::decode(bytes.as_slice()) {
            let _ = model::queue::Publish::from_wire(form);
        }
        if let Ok(form) = pb::Delivery::decode(bytes.as_slice()) {
            let _ = model::message::Delivery::from_wire(form);
        }
        if let Ok(form) = pb::CreateSubscriptionRequest::decode(bytes.as_slice()) {
            let _ = model::subscription::CreateSubscription::from_wire(form);
        }
    }
}

#[test]
fn no_operation_is_left_out() {
    assert_eq!(CHECKED, OperationKind::ALL);
}

#[test]
fn absent_settings_are_the_defaults() {
    assert_eq!(QueueSettings::from_wire(pb::QueueSettings::default()), Ok(QueueSettings::default()));
    assert_eq!(TopicSettings::from_wire(pb::TopicSettings::default()), Ok(TopicSettings::default()));
    let kept_for_ever = pb::TopicSettings { retention_ms: Some(pb::Bound { value: None }), ..Default::default() };
    assert_eq!(TopicSettings::from_wire(kept_for_ever).unwrap().retention, None);
}

#[test]
fn an_empty_namespace_is_the_default_one() {
    let form = pb::QueueRef { namespace: String::new(), name: "orders".to_owned() };
    assert_eq!(QueueRef::from_wire(form).unwrap().to_string(), "default/orders");
}

#[test]
fn what_must_be_set_is_named_when_it_is_not() {
    let field = |refusal: Refusal| match refusal {
        Refusal::ArgumentInvalid { field, .. } => field,
        other => other.to_string(),
    };
    assert_eq!(field(Receive::from_wire(pb::ReceiveRequest::default()).unwrap_err()), "source");
    assert_eq!(field(Source::from_wire(pb::Source::default()).unwrap_err()), "source");
    assert_eq!(field(model::queue::Nack::from_wire(nack_without_action()).unwrap_err()), "action");
    let unknown = pb::QueueSettings { overflow: 99, ..Default::default() };
    assert_eq!(field(QueueSettings::from_wire(unknown).unwrap_err()), "Overflow");
    let urgent = pb::NewMessage { priority: 300, ..Default::default() };
    assert_eq!(field(NewMessage::from_wire(urgent).unwrap_err()), "priority");
}

fn nack_without_action() -> pb::NackRequest {
    let queue = pb::QueueRef { namespace: String::new(), name: "orders".to_owned() };
    pb::NackRequest {
        source: Some(pb::Source { source: Some(pb::source::Source::Queue(queue)) }),
        ..Default::default()
    }
}

#[test]
fn what_is_no_receipt_is_refused() {
    let receipt = Receipt {
        source: ReceiptSource::Queue(QueueId::new(1)),
        partition: Partition::new(2),
        sequence: Sequence::new(3),
        epoch: Epoch::new(4),
        attempt: model::number::Attempt::new(5),
    };
    let good = receipt.to_wire();
    assert_eq!(Receipt::from_wire(good.clone()), Ok(receipt));
    assert_eq!(Receipt::from_wire(good.slice(1..)), Err(Refusal::ReceiptInvalid));
    let mut other_kind = good.to_vec();
    other_kind[0] = 9;
    assert_eq!(Receipt::from_wire(other_kind.into()), Err(Refusal::ReceiptInvalid));
}

#[test]
fn a_body_is_shared_and_not_copied() {
    let message =
        NewMessage { availability: Availability::After(Span::new(0)), ..NewMessage::new("a body".to_owned()) };
    let at = message.body.as_ptr();
    assert_eq!(ByteSize::of(&message.body).get(), 6);
    assert_eq!(message.to_wire().body.as_ptr(), at);
}
