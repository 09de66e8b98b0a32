//! The stored form of a message: what goes in comes out, bytes are fixed, and garbage is an error.

#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use broker::record::{Envelope, Head, IdHash, KeyHash, decode, encode, write};
use broker::wire::Writer;
use bytes::Bytes;
use model::binding::RoutingKey;
use model::message::{Availability, HeaderValue, MessageId, Narrow, NewMessage, Persistence, Properties, Routed};
use model::name::ExchangeName;
use model::number::{Priority, Span, Timestamp};
use proptest::prelude::*;

fn header_value() -> impl Strategy<Value = HeaderValue> {
    let one = prop_oneof![
        ".{0,20}".prop_map(HeaderValue::Text),
        any::<i64>().prop_map(HeaderValue::Integer),
        (-1e300..1e300_f64).prop_map(HeaderValue::Real),
        any::<bool>().prop_map(HeaderValue::Boolean),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| HeaderValue::Binary(bytes.into())),
        Just(HeaderValue::Null),
        any::<i8>().prop_map(|number| HeaderValue::Narrow(Narrow::I8(number))),
        any::<u8>().prop_map(|number| HeaderValue::Narrow(Narrow::U8(number))),
        any::<i16>().prop_map(|number| HeaderValue::Narrow(Narrow::I16(number))),
        any::<u16>().prop_map(|number| HeaderValue::Narrow(Narrow::U16(number))),
        any::<i32>().prop_map(|number| HeaderValue::Narrow(Narrow::I32(number))),
        any::<u32>().prop_map(|number| HeaderValue::Narrow(Narrow::U32(number))),
        any::<f32>().prop_map(HeaderValue::Single),
        (any::<u8>(), any::<i32>()).prop_map(|(scale, digits)| HeaderValue::Decimal { scale, digits }),
        any::<u64>().prop_map(|ms| HeaderValue::Time(Timestamp::new(ms))),
    ];
    one.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(HeaderValue::List),
            prop::collection::vec((".{0,5}", inner), 0..4).prop_map(HeaderValue::Table),
        ]
    })
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop::option::of(".{0,20}")
}

prop_compose! {
    fn properties()(
        (content_encoding, correlation_id, reply_to, message_id) in (text(), text(), text(), text()),
        (kind, user_id, application, cluster_id) in (text(), text(), text(), text()),
        made_at in prop::option::of(any::<u64>().prop_map(Timestamp::new)),
        persistence in prop::option::of(prop::sample::select(&Persistence::ALL[..])),
    ) -> Properties {
        Properties {
            content_encoding, correlation_id, reply_to, message_id, made_at, kind, user_id, application, cluster_id,
            persistence,
        }
    }
}

fn way() -> impl Strategy<Value = Option<Routed>> {
    prop::option::of(("[a-z.]{0,10}", ".{0,20}").prop_map(|(exchange, key)| Routed {
        exchange: ExchangeName::parse(&exchange).unwrap_or_default(),
        routing_key: RoutingKey::parse(&key).unwrap(),
    }))
}

fn availability() -> impl Strategy<Value = Availability> {
    prop_oneof![
        Just(Availability::Now),
        any::<u64>().prop_map(|ms| Availability::After(Span::new(ms))),
        any::<u64>().prop_map(|ms| Availability::At(Timestamp::new(ms))),
    ]
}

prop_compose! {
    fn message()(
        body in prop::collection::vec(any::<u8>(), 0..200),
        headers in prop::collection::vec((".{1,10}", header_value()), 0..5),
        content_type in prop::option::of("[a-z]{1,10}/[a-z]{1,10}"),
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..30)),
        priority in any::<u8>(),
        ttl in prop::option::of(any::<u64>()),
        availability in availability(),
        id in prop::option::of("[!-~]{1,40}"),
        properties in prop::option::of(properties()),
    ) -> NewMessage {
        NewMessage {
            body: body.into(),
            headers,
            content_type,
            key: key.map(Bytes::from),
            priority: Priority::new(priority),
            ttl: ttl.map(Span::new),
            availability,
            id: id.map(|id| MessageId::parse(&id).unwrap()),
            properties: properties.map(Box::new),
        }
    }
}

/// The record of a message of Ann's, behind another in the same buffer.
fn encode_routed(message: &NewMessage, id: &MessageId, way: Option<&Routed>) -> Bytes {
    let mut writer = Writer::new();
    write(&mut writer, &NewMessage::new(Bytes::from_static(b"before")), id, "ann", None);
    let before = writer.part();
    write(&mut writer, message, id, "ann", way);
    assert_eq!(before, encode(&NewMessage::new(Bytes::from_static(b"before")), id, "ann"));
    writer.part()
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(message in message(), published in any::<u64>(), way in way()) {
        let id = message.id.clone().unwrap_or_else(|| MessageId::parse("made-by-the-broker").unwrap());
        let record = encode_routed(&message, &id, way.as_ref());
        let envelope = Envelope::read(&record).unwrap();
        prop_assert_eq!(&envelope.headers, &message.headers);
        prop_assert_eq!(&envelope.properties, &message.properties);
        let head = Head::read(&record).unwrap();
        prop_assert_eq!(head.priority, message.priority);
        prop_assert_eq!(head.availability, message.availability);
        prop_assert_eq!(head.ttl, message.ttl);
        prop_assert_eq!(head.key, message.key.as_deref().map(KeyHash::of));
        prop_assert_eq!(head.id, message.id.as_ref().map(|id| IdHash::of(id.as_str())));
        prop_assert_eq!(head.empty, message.body.is_empty());
        let back = decode(record, Timestamp::new(published), None).unwrap();
        prop_assert_eq!(back.id, id);
        prop_assert_eq!(back.body, message.body);
        prop_assert_eq!(back.headers, message.headers);
        prop_assert_eq!(back.content_type, message.content_type);
        prop_assert_eq!(back.key, message.key);
        prop_assert_eq!(&*back.sender, "ann");
        prop_assert_eq!(back.ttl, message.ttl);
        prop_assert_eq!(back.properties, message.properties);
        prop_assert_eq!(back.routed.map(|way| *way), way);
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = Bytes::from(bytes);
        let _ = Head::read(&bytes);
        let _ = decode(bytes, Timestamp::new(0), None);
    }

    #[test]
    fn a_record_cut_short_is_not_taken_for_another(message in message(), cut in 1_usize..60) {
        let record = encode(&message, &MessageId::parse("id").unwrap(), "ann");
        let front = record.len() - message.body.len();
        let length = front.saturating_sub(cut);
        prop_assert!(decode(record.slice(..length), Timestamp::new(0), None).is_err());
    }
}

/// Hashes place messages and remember ids on disk: they must not change between versions.
#[test]
fn hashes_are_fixed() {
    assert_eq!(KeyHash::of(b"UA").0, 0x5ce1_0f14_03f0_27ec, "{:#x}", KeyHash::of(b"UA").0);
    assert_eq!(IdHash::of("order-17").0, 0xb8781b0a070af1f4a1c2b94556061d8b, "{:#x}", IdHash::of("order-17").0);
}

/// The bytes of version 1, as `docs/formats/record.md` draws them.
#[test]
fn the_bytes_of_version_one_are_fixed() {
    let message = NewMessage {
        body: Bytes::from_static(b"hi"),
        key: Some(Bytes::from_static(b"k")),
        priority: Priority::new(3),
        headers: vec![("n".to_owned(), HeaderValue::Integer(-1))],
        ..NewMessage::default()
    };
    let record = encode(&message, &MessageId::parse("m1").unwrap(), "ann");
    let drawn: &[u8] = &[
        1, 2, 3, 0, // version, flags: key, priority, available now
        1, 0, 0, 0, b'k', // key
        2, 0, 0, 0, b'm', b'1', // id
        0,    // the body is not empty
        3, 0, 0, 0, b'a', b'n', b'n', // sender
        1, 0, 0, 0, // one header
        1, 0, 0, 0, b'n', 1, 255, 255, 255, 255, 255, 255, 255, 255, // n = -1
        b'h', b'i', // body
    ];
    assert_eq!(&record[..], drawn);
}

/// The bytes of version 2, as `docs/formats/record.md` draws them: written only where version 1 cannot say it.
#[test]
fn the_bytes_of_version_two_are_fixed() {
    let message = NewMessage {
        body: Bytes::from_static(b"hi"),
        headers: vec![(
            "n".to_owned(),
            HeaderValue::List(vec![HeaderValue::Null, HeaderValue::Narrow(Narrow::I16(-2))]),
        )],
        properties: Some(Box::new(Properties {
            reply_to: Some("q".to_owned()),
            persistence: Some(Persistence::Persistent),
            ..Properties::default()
        })),
        ..NewMessage::default()
    };
    let way =
        Routed { exchange: ExchangeName::parse("amq.topic").unwrap(), routing_key: RoutingKey::parse("a.b").unwrap() };
    let record = encode_routed(&message, &MessageId::parse("m1").unwrap(), Some(&way));
    let drawn: &[u8] = &[
        2, 48, 0, 0, // version, flags: properties and way, priority, available now
        2, 0, 0, 0, b'm', b'1', // id
        0,    // the body is not empty
        3, 0, 0, 0, b'a', b'n', b'n', // sender
        4, 2, 1, 0, 0, 0, b'q', 2, // properties: reply to, persistence
        9, 0, 0, 0, b'a', b'm', b'q', b'.', b't', b'o', b'p', b'i', b'c', 3, 0, 0, 0, b'a', b'.', b'b', // way
        1, 0, 0, 0, // one header
        1, 0, 0, 0, b'n', 15, 2, 0, 0, 0, 5, 8, 254, 255, // n = [nothing, -2]
        b'h', b'i', // body
    ];
    assert_eq!(&record[..], drawn);
}

/// A record nested deeper than any door lets in is refused, and does not exhaust the stack.
#[test]
fn nesting_is_bounded_when_it_is_read() {
    let deep = (0..1000).fold(HeaderValue::Null, |inner, _| HeaderValue::List(vec![inner]));
    let message = NewMessage { headers: vec![("n".to_owned(), deep)], ..NewMessage::default() };
    let record = encode(&message, &MessageId::parse("m1").unwrap(), "ann");
    let error = decode(record, Timestamp::new(0), None).unwrap_err();
    assert_eq!(error.what, "header values nest too deep");
}
