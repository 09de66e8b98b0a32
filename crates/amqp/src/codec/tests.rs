//! Vectors from real clients, and properties: what is written reads back the same, and nothing that is read panics.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::class::{basic, connection, queue};
use super::frame::{self, Frame, ProtocolHeader};
use super::method::{Method, Payload};
use super::properties::{ContentHeader, Properties};
use super::table::{Table, Value};
use super::wire::{Field, ShortText};
use crate::limits::{FRAME_BYTES_MAX, TABLE_DEPTH_MAX, TABLE_VALUES_MAX};

fn short(text: &str) -> ShortText {
    ShortText::cut(text)
}

fn bytes_of(field: &impl Field) -> Bytes {
    let mut out = BytesMut::new();
    field.write(&mut out);
    out.freeze()
}

#[test]
fn a_declare_is_laid_out_as_the_specification_says() {
    let declare = queue::Declare { queue: short("q"), durable: true, no_wait: true, ..queue::Declare::default() };
    let mut out = BytesMut::new();
    frame::put_method(&mut out, 3, |out| declare.write(out));
    let expected = [1, 0, 3, 0, 0, 0, 13, 0, 50, 0, 10, 0, 0, 1, b'q', 0b1_0010, 0, 0, 0, 0, 0xCE];
    assert_eq!(out.as_ref(), expected);
    let frame = Frame::take(&mut out, FRAME_BYTES_MAX).unwrap().unwrap();
    let Frame::Method(3, payload) = frame else { panic!("{frame:?}") };
    assert_eq!(Method::read(payload), Ok(declare.into()));
}

#[test]
fn the_class_that_exchange_unbind_ok_names_is_the_odd_one() {
    use super::class::exchange::UnbindOk;
    assert_eq!((UnbindOk::CLASS, UnbindOk::METHOD), (40, 51));
}

#[test]
fn a_frame_waits_for_its_end_and_no_longer() {
    let mut whole = BytesMut::new();
    Frame::Body(7, Bytes::from_static(b"abc")).write(&mut whole);
    for there in 0..whole.len() {
        let mut part = BytesMut::from(&whole[..there]);
        assert_eq!(Frame::take(&mut part, FRAME_BYTES_MAX), Ok(None), "{there} bytes");
    }
    assert_eq!(Frame::take(&mut whole, FRAME_BYTES_MAX), Ok(Some(Frame::Body(7, Bytes::from_static(b"abc")))));
    assert!(whole.is_empty());
}

#[test]
fn a_frame_that_cannot_be_is_refused_before_its_payload_comes() {
    let why = |bytes: &[u8]| Frame::take(&mut BytesMut::from(bytes), 4096).map_err(|malformed| malformed.to_string());
    assert_eq!(
        why(&[1, 0, 0, 0, 0, 0x0F, 0xF9]),
        Err("FRAME_ERROR - a frame of 4089 bytes is larger than the negotiated maximum".to_owned())
    );
    assert_eq!(why(&[1, 0, 0, 0, 0, 0x0F, 0xF8]), Ok(None));
    assert!(why(&[1, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]).is_err());
    assert_eq!(why(&[4, 0, 0, 0, 0, 0, 0, 0xCE]), Err("FRAME_ERROR - unknown frame type 4".to_owned()));
    assert_eq!(why(&[8, 0, 0, 0, 0, 0, 0, 0xCD]), Err("FRAME_ERROR - a frame lacks its end mark".to_owned()));
}

#[test]
fn a_body_is_cut_at_the_limit() {
    let mut out = BytesMut::new();
    frame::put_body(&mut out, 1, &[b'x'; 10], 4 + frame::FRAME_OVERHEAD);
    let mut lengths = Vec::new();
    while let Some(Frame::Body(1, part)) = Frame::take(&mut out, FRAME_BYTES_MAX).unwrap() {
        lengths.push(part.len());
    }
    assert_eq!(lengths, [4, 4, 2]);
}

#[test]
fn other_protocols_are_noticed_at_the_first_wrong_byte() {
    let take = |bytes: &[u8]| ProtocolHeader::take(&mut BytesMut::from(bytes));
    assert_eq!(take(b"AMQP\x00\x00\x09\x01"), Some(ProtocolHeader::Supported));
    assert_eq!(take(b"AMQP"), None);
    assert_eq!(take(b"AMQP\x00\x01\x00\x00"), Some(ProtocolHeader::Other));
    assert_eq!(take(b"GET "), Some(ProtocolHeader::Other));
}

fn nested(depth: usize) -> Bytes {
    let inner = (0..depth).fold(Table::default(), |inner, _| Table(vec![(short(""), Value::Table(inner))]));
    bytes_of(&inner)
}

#[test]
fn a_deeply_nested_table_is_refused() {
    assert!(Table::read(&mut nested(TABLE_DEPTH_MAX)).is_ok());
    let why = Table::read(&mut nested(TABLE_DEPTH_MAX + 1)).unwrap_err().to_string();
    assert_eq!(why, "SYNTAX_ERROR - a table is nested too deeply");
    let large = nested(2500);
    assert!(large.len() > 15_000, "{}", large.len());
    assert!(Table::read(&mut large.clone()).is_err());
    // Depth by arrays counts the same.
    let arrays = (0..=TABLE_DEPTH_MAX).fold(Value::Void, |inner, _| Value::Array(vec![inner]));
    assert!(Table::read(&mut bytes_of(&Table(vec![(short("a"), arrays)]))).is_err());
}

#[test]
fn a_table_of_many_tiny_values_is_refused() {
    let voids = |count| bytes_of(&Table(vec![(short("a"), Value::Array(vec![Value::Void; count]))]));
    assert!(Table::read(&mut voids(TABLE_VALUES_MAX - 1)).is_ok());
    assert!(Table::read(&mut voids(TABLE_VALUES_MAX)).is_err());
}

#[test]
fn a_table_longer_than_what_came_is_refused() {
    assert!(Table::read(&mut Bytes::from_static(&[0xFF, 0xFF, 0xFF, 0xFF, 1, b'a'])).is_err());
    assert!(Table::read(&mut Bytes::from_static(&[0, 0, 0, 3, 1, b'a', b'?'])).is_err());
}

#[test]
fn a_content_header_of_unknown_flags_is_refused() {
    let header = |flags: [u8; 2]| {
        let mut bytes = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        bytes.extend(flags);
        ContentHeader::read(Bytes::from(bytes))
    };
    assert_eq!(header([0, 0]).unwrap().body_size, 5);
    assert!(header([0, 1]).is_err(), "a second word of flags");
    assert!(header([0x80, 0]).is_err(), "a property that does not follow");
}

#[test]
fn bits_behind_each_other_share_an_octet() {
    let consume = basic::Consume { no_ack: true, exclusive: true, ..basic::Consume::default() };
    let mut out = BytesMut::new();
    consume.write(&mut out);
    assert_eq!(out.as_ref(), [0, 60, 0, 20, 0, 0, 0, 0, 0b0110, 0, 0, 0, 0]);
}

fn any_short() -> impl Strategy<Value = ShortText> {
    ".{0,40}".prop_map(ShortText::cut)
}

fn any_bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..60).prop_map(Bytes::from)
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Boolean),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        (-1e9_f32..1e9).prop_map(Value::F32),
        (-1e9_f64..1e9).prop_map(Value::F64),
        any::<(u8, u32)>().prop_map(|(scale, number)| Value::Decimal(scale, number)),
        any_bytes().prop_map(Value::Text),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
        any_bytes().prop_map(Value::Binary),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((any_short(), inner), 0..4).prop_map(|values| Value::Table(Table(values))),
        ]
    })
}

fn any_table() -> impl Strategy<Value = Table> {
    proptest::collection::vec((any_short(), any_value()), 0..6).prop_map(Table)
}

proptest! {
    #[test]
    fn tables_read_back_as_written(table in any_table()) {
        let mut bytes = bytes_of(&table);
        prop_assert_eq!(Table::read(&mut bytes), Ok(table));
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn properties_read_back_as_written(
        texts in proptest::collection::vec(proptest::option::of(any_short()), 10),
        headers in proptest::option::of(any_table()),
        numbers in any::<(Option<u8>, Option<u8>, Option<u64>, u64)>(),
    ) {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        let properties = Properties {
            content_type: next(), content_encoding: next(), headers, delivery_mode: numbers.0, priority: numbers.1,
            correlation_id: next(), reply_to: next(), expiration: next(), message_id: next(), timestamp: numbers.2,
            kind: next(), user_id: next(), app_id: next(), cluster_id: next(),
        };
        let header = ContentHeader { body_size: numbers.3, properties };
        let mut out = BytesMut::new();
        header.write(&mut out);
        prop_assert_eq!(ContentHeader::read(out.freeze()), Ok(header));
    }

    #[test]
    fn methods_with_tables_read_back_as_written(table in any_table(), text in any_short(), bytes in any_bytes()) {
        let start: Method = connection::StartOk {
            client_properties: table, mechanism: text.clone(), response: bytes, locale: text,
        }.into();
        let mut out = BytesMut::new();
        start.write(&mut out);
        prop_assert_eq!(Method::read(out.freeze()), Ok(start));
    }

    #[test]
    fn whatever_reads_as_a_method_is_written_the_same(
        class in prop_oneof![Just(10_u16), Just(20), Just(40), Just(50), Just(60), Just(85), Just(90)],
        index in 0_u16..130,
        rest in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = BytesMut::new();
        class.write(&mut bytes);
        index.write(&mut bytes);
        bytes.extend_from_slice(&rest);
        if let Ok(method) = Method::read(bytes.freeze()) {
            let mut out = BytesMut::new();
            method.write(&mut out);
            prop_assert_eq!(Method::read(out.freeze()), Ok(method.clone()));
            prop_assert_eq!(method.numbers(), (class, index));
        }
    }
}
