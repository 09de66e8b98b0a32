//! Translation both ways: what goes out and comes back is the same, and what comes in breaks nothing.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use bytes::Bytes;
use http::StatusCode;
use model::access::{Effect, Grant, NamePattern, ResourceKind, ResourcePattern, Right, Rights, Role};
use model::message::{DeadLetterReason, HeaderValue, Message, MessageId, MessagePlace, MessageState};
use model::name::{NamespaceName, UserName};
use model::number::{Attempt, Epoch, Partition, Priority, QueueId, Sequence, Timestamp};
use model::queue::{Durability, QueuePatch, QueueSettings, Settled};
use model::receipt::{Receipt, ReceiptSource, Settlement};
use model::subscription::SubscriptionSettings;
use model::topic::TopicSettings;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::message::{cursor_of, new_message, place_of};
use super::settle::{settled, sort};
use crate::wire;

fn through_text<T: Serialize + DeserializeOwned>(document: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(document).unwrap()).unwrap()
}

fn header() -> impl Strategy<Value = HeaderValue> {
    prop_oneof![
        any::<String>().prop_map(HeaderValue::Text),
        any::<i64>().prop_map(HeaderValue::Integer),
        any::<f64>().prop_filter("NaN is not equal to itself", |real| !real.is_nan()).prop_map(HeaderValue::Real),
        any::<bool>().prop_map(HeaderValue::Boolean),
        vec(any::<u8>(), 0..20).prop_map(|bytes| HeaderValue::Binary(Bytes::from(bytes))),
    ]
}

/// Bytes that are often text.
fn payload() -> impl Strategy<Value = Bytes> {
    prop_oneof![any::<String>().prop_map(Bytes::from), vec(any::<u8>(), 0..64).prop_map(Bytes::from)]
}

prop_compose! {
    fn message()(
        body in payload(),
        names in proptest::collection::btree_set("[a-zA-Z \u{e9}\"\\\\]{1,8}", 0..5),
        values in vec(vec(header(), 1..3), 5),
        content_type in option::of("[a-z]{1,8}/[a-z]{1,8}"),
        key in option::of(payload()),
        priority in 0_u8..=9,
        times in (any::<u64>(), option::of(any::<u64>())),
    ) -> Message {
        let headers = names.into_iter().zip(values).flat_map(|(name, values)| {
            values.into_iter().map(move |value| (name.clone(), value))
        });
        Message {
            id: MessageId::parse("m-1").unwrap(),
            body,
            headers: headers.collect(),
            content_type,
            key,
            priority: Priority::new(priority),
            published_at: Timestamp::new(times.0),
            expires_at: times.1.map(Timestamp::new),
            sender: "ann".into(),
            ttl: None,
            properties: None,
            routed: None,
        }
    }
}

#[test]
fn a_pattern_that_is_longer_than_a_name_is_refused() {
    for pattern in ["literal", "prefix"] {
        let resource = |length: usize| -> wire::ResourcePattern {
            serde_json::from_value(json!({"kind": "queue", "name": "a".repeat(length), "pattern": pattern})).unwrap()
        };
        assert!(ResourcePattern::try_from(resource(255)).is_ok());
        let refusal = ResourcePattern::try_from(resource(256)).unwrap_err();
        assert_eq!(refusal.code(), model::Code::ArgumentInvalid);
    }
}

proptest! {
    #[test]
    fn a_message_comes_back_as_it_was(message in message()) {
        let out = through_text(&wire::Message::from(message.clone()));
        prop_assert_eq!(out.published_at, message.published_at.get());
        prop_assert_eq!(out.expires_at, message.expires_at.map(Timestamp::get));
        prop_assert!(out.body.is_some() != out.body_base64.is_some());
        let again = through_text(&wire::NewMessage {
            body: out.body,
            body_base64: out.body_base64,
            headers: out.headers,
            content_type: out.content_type,
            key: out.key,
            key_base64: out.key_base64,
            priority: Some(out.priority),
            id: Some(out.id),
            ..wire::NewMessage::default()
        });
        let (again, partition) = new_message(again, None).unwrap();
        prop_assert_eq!(partition, None);
        prop_assert_eq!(again.body, message.body);
        prop_assert_eq!(again.headers, message.headers);
        prop_assert_eq!(again.content_type, message.content_type);
        prop_assert_eq!(again.key, message.key);
        prop_assert_eq!(again.priority, message.priority);
        prop_assert_eq!(again.id, Some(message.id));
    }

    #[test]
    fn queue_settings_come_back_as_they_were(
        max_messages in option::of(1_u64..), max_bytes in option::of(1_u64..), ttl in option::of(1_u64..),
        drop_oldest in any::<bool>(), per_key in any::<bool>(), lease_ms in 100_u64..=43_200_000,
        delivery_limit in 1_u32..=1_000_000, dead in any::<bool>(), deduplication_ms in 0_u64..=604_800_000,
        partitions in 1_u32..=1024,
    ) {
        let settings = wire::QueueSettings {
            max_messages,
            max_bytes,
            overflow: if drop_oldest { wire::Overflow::DropOldest } else { wire::Overflow::Reject },
            message_ttl_ms: ttl,
            lease_ms,
            delivery_limit,
            dead_letter: dead.then(|| "dead".into()),
            deduplication_ms,
            order: if per_key { wire::DeliveryOrder::PerKey } else { wire::DeliveryOrder::Fifo },
            partitions,
            ..wire::QueueSettings::default()
        };
        let translated = QueueSettings::try_from(through_text(&settings)).unwrap();
        prop_assert_eq!(wire::QueueSettings::from(translated), settings);
    }

    #[test]
    fn topic_settings_come_back_as_they_were(
        partitions in 1_u32..=1024, retention_ms in option::of(1_u64..), retention_bytes in option::of(1_u64..),
        compact in any::<bool>(), deduplication_ms in 0_u64..=604_800_000,
    ) {
        let cleanup = if compact { wire::Cleanup::Compact } else { wire::Cleanup::Delete };
        let settings = wire::TopicSettings { partitions, retention_ms, retention_bytes, cleanup, deduplication_ms };
        let translated = TopicSettings::try_from(through_text(&settings)).unwrap();
        prop_assert_eq!(wire::TopicSettings::from(translated), settings);
    }

    #[test]
    fn a_grant_comes_back_as_it_was(bits in 1_u16..(1 << 12), prefix in any::<bool>(), deny in any::<bool>(), name in "[a-z.]{0,9}") {
        let grant = Grant {
            user: UserName::parse("ann").unwrap(),
            resource: ResourcePattern {
                kind: ResourceKind::Queue,
                namespace: NamespaceName::default(),
                name: if prefix { NamePattern::Prefix(name) } else { NamePattern::Literal(name) },
            },
            rights: Rights::from_bits(bits),
            effect: if deny { Effect::Deny } else { Effect::Allow },
        };
        let again = model::access::AddGrant::try_from(through_text(&wire::Grant::from(grant.clone()))).unwrap();
        prop_assert_eq!(again.grant, grant);
    }

    #[test]
    fn a_cursor_leads_back_to_its_place(partition in any::<u32>(), sequence in any::<u64>()) {
        let place = MessagePlace { partition: Partition::new(partition), sequence: Sequence::new(sequence) };
        prop_assert_eq!(place_of(&cursor_of(place)), Ok(place));
    }

    #[test]
    fn no_text_breaks_a_reader(text in any::<String>()) {
        // What matters is that each returns.
        let _ = place_of(&text);
        let _ = serde_json::from_str::<wire::NewMessage>(&text).map(|found| new_message(found, None).is_ok());
        let _ = serde_json::from_str::<wire::Headers>(&text);
        let _ = sort(vec![text]).is_ok();
    }

    #[test]
    fn no_json_breaks_the_reader_of_headers(value in json_value()) {
        let read = serde_json::from_value::<wire::Headers>(value.clone());
        if let Ok(headers) = read {
            // Compared as text, since NaN is not equal to itself.
            let text = serde_json::to_string(&headers).unwrap();
            prop_assert_eq!(serde_json::to_string(&through_text(&headers)).unwrap(), text, "{}", value);
        }
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<u64>().prop_map(|value| json!(value)),
        any::<f64>().prop_filter("JSON has no NaN", |real| real.is_finite()).prop_map(|value| json!(value)),
        "[a-z]{0,4}|base64|NaN".prop_map(|value| json!(value)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            vec(("a|b|base64|real", inner), 0..4).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

#[test]
fn what_json_has_no_number_for_has_a_word() {
    for (real, expected) in [
        (f64::NAN, r#"{"a":{"real":"NaN"}}"#),
        (f64::INFINITY, r#"{"a":{"real":"Infinity"}}"#),
        (f64::NEG_INFINITY, r#"{"a":{"real":"-Infinity"}}"#),
        (1.0, r#"{"a":1.0}"#),
    ] {
        let headers = wire::Headers(vec![("a".to_owned(), wire::HeaderValue::Real(real))]);
        let text = serde_json::to_string(&headers).unwrap();
        assert_eq!(text, expected);
        let again: wire::Headers = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), expected);
    }
}

#[test]
fn emoji_come_back_without_added_quotes() {
    let emoji = "😀".repeat(200);
    let post: wire::SeedPost = serde_json::from_value(json!({"data": emoji})).unwrap();
    assert_eq!(post.data, emoji);
    let (data, base64) = super::text_or_base64(&Bytes::from(post.data));
    assert_eq!((data.as_deref(), base64), (Some(emoji.as_str()), None));
}

#[test]
fn words_are_those_of_the_model() {
    fn same<T: Copy, W: From<T> + Serialize>(all: &[T], word: impl Fn(T) -> &'static str) {
        for one in all {
            assert_eq!(serde_json::to_value(W::from(*one)).unwrap(), word(*one));
        }
    }
    same::<_, wire::Right>(&Right::ALL, Right::word);
    same::<_, wire::Role>(&Role::ALL, Role::word);
    same::<_, wire::ResourceKind>(&ResourceKind::ALL, ResourceKind::word);
    same::<_, wire::DeadLetterReason>(&DeadLetterReason::ALL, DeadLetterReason::word);
    same::<_, wire::MessageState>(&MessageState::ALL, MessageState::word);
    same::<_, wire::Durability>(&[Durability::Fsync, Durability::FsyncMajority], Durability::word);
}

#[test]
fn defaults_are_those_of_the_model() {
    let none = json!({});
    let queue: wire::QueueSettings = serde_json::from_value(none.clone()).unwrap();
    assert_eq!(QueueSettings::try_from(queue), Ok(QueueSettings::default()));
    let topic: wire::TopicSettings = serde_json::from_value(none.clone()).unwrap();
    assert_eq!(TopicSettings::try_from(topic), Ok(TopicSettings::default()));
    let subscription: wire::SubscriptionSettings = serde_json::from_value(none).unwrap();
    let subscription = SubscriptionSettings::try_from(subscription).unwrap();
    assert_eq!(subscription.kind, model::subscription::SubscriptionKind::shared());
}

#[test]
fn a_subscription_comes_back_as_it_was() {
    for settings in [
        json!({"kind": "stream", "start": "earliest", "session_ms": 5000}),
        json!({"kind": "shared", "start": {"offset": 7}, "lease_ms": 500, "delivery_limit": 3, "dead_letter": "d"}),
        json!({"kind": "shared", "start": {"time": 1}, "lease_ms": 500, "delivery_limit": 3}),
    ] {
        let read: wire::SubscriptionSettings = serde_json::from_value(settings.clone()).unwrap();
        let translated = SubscriptionSettings::try_from(read).unwrap();
        assert_eq!(serde_json::to_value(wire::SubscriptionSettings::from(translated)).unwrap(), settings);
    }
}

#[test]
fn a_patch_tells_absent_from_null() {
    let patch: wire::QueuePatch = serde_json::from_value(json!({"max_messages": null, "message_ttl_ms": 5})).unwrap();
    let patch = QueuePatch::try_from(patch).unwrap();
    let old =
        QueueSettings { max_messages: Some(1), max_bytes: Some(model::number::ByteSize::new(2)), ..Default::default() };
    let new = patch.applied_to(old.clone());
    assert_eq!((new.max_messages, new.max_bytes), (None, old.max_bytes));
    assert_eq!(new.message_ttl.map(model::number::Span::get), Some(5));
}

#[test]
fn results_keep_the_order_of_their_receipts() {
    let receipt = |sequence| {
        Receipt {
            source: ReceiptSource::Queue(QueueId::new(1)),
            partition: Partition::new(0),
            sequence: Sequence::new(sequence),
            epoch: Epoch::new(1),
            attempt: Attempt::new(1),
        }
        .to_string()
    };
    let sorted = sort(vec![receipt(1), "x".to_owned(), receipt(2)]).unwrap();
    assert_eq!(sorted.receipts.len(), 2);
    let (status, document) = settled(sorted, Settled { results: vec![Settlement::LeaseLost, Settlement::Settled] });
    assert_eq!(status, StatusCode::CONFLICT);
    let statuses: Vec<_> = document.results.iter().map(|result| result.status).collect();
    assert_eq!(statuses, [wire::SettleStatus::LeaseLost, wire::SettleStatus::Invalid, wire::SettleStatus::Settled]);

    let (status, _) = settled(sort(vec![receipt(1)]).unwrap(), Settled { results: vec![Settlement::Settled] });
    assert_eq!(status, StatusCode::OK);
    let (status, _) = settled(sort(vec![receipt(1)]).unwrap(), Settled { results: vec![Settlement::LeaseLost] });
    assert_eq!(status, StatusCode::CONFLICT, "a single stale receipt");
}

#[test]
fn secrets_do_not_print() {
    let request: wire::LoginRequest = serde_json::from_value(json!({"username": "ann", "password": "canary"})).unwrap();
    assert!(!format!("{request:?}").contains("canary"));
    assert!(!format!("{:?}", super::password_credentials(request)).contains("canary"));
}
