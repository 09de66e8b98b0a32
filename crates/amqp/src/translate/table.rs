//! Tables and headers: value by value.
//! Invariant: a value that comes in goes out as it came, but for long strings that are no text: those go out as bytes.
//! Tests below.

use model::header::{HeaderValue, Headers, Narrow};
use model::number::Timestamp;

use crate::codec::{ShortText, Table, Value};

/// Milliseconds of a second.
const SECOND: u64 = 1000;

/// A table on its way in.
pub(crate) fn headers(table: Table) -> Headers {
    table.0.into_iter().map(|(name, value)| (name.into_string(), value_in(value))).collect()
}

/// Headers on their way out.
pub(super) fn table(headers: Headers) -> Table {
    Table(headers.into_iter().map(|(name, value)| (ShortText::cut(name), value_out(value))).collect())
}

/// Seconds on the wire as a moment.
pub(super) const fn moment(seconds: u64) -> Timestamp {
    Timestamp::new(seconds.saturating_mul(SECOND))
}

/// A moment as seconds on the wire.
pub(super) const fn seconds(moment: Timestamp) -> u64 {
    moment.get() / SECOND
}

fn value_in(value: Value) -> HeaderValue {
    match value {
        Value::Boolean(truth) => HeaderValue::Boolean(truth),
        Value::I8(number) => HeaderValue::Narrow(Narrow::I8(number)),
        Value::U8(number) => HeaderValue::Narrow(Narrow::U8(number)),
        Value::I16(number) => HeaderValue::Narrow(Narrow::I16(number)),
        Value::U16(number) => HeaderValue::Narrow(Narrow::U16(number)),
        Value::I32(number) => HeaderValue::Narrow(Narrow::I32(number)),
        Value::U32(number) => HeaderValue::Narrow(Narrow::U32(number)),
        Value::I64(number) => HeaderValue::Integer(number),
        Value::F32(number) => HeaderValue::Single(number),
        Value::F64(number) => HeaderValue::Real(number),
        Value::Decimal(scale, digits) => {
            HeaderValue::Decimal { scale, digits: i32::from_be_bytes(digits.to_be_bytes()) }
        }
        Value::Text(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => HeaderValue::Text(text.to_owned()),
            Err(_) => HeaderValue::Binary(bytes),
        },
        Value::Array(values) => HeaderValue::List(values.into_iter().map(value_in).collect()),
        Value::Timestamp(seconds) => HeaderValue::Time(moment(seconds)),
        Value::Table(table) => HeaderValue::Table(headers(table)),
        Value::Void => HeaderValue::Null,
        Value::Binary(bytes) => HeaderValue::Binary(bytes),
    }
}

fn value_out(value: HeaderValue) -> Value {
    match value {
        HeaderValue::Boolean(truth) => Value::Boolean(truth),
        HeaderValue::Narrow(Narrow::I8(number)) => Value::I8(number),
        HeaderValue::Narrow(Narrow::U8(number)) => Value::U8(number),
        HeaderValue::Narrow(Narrow::I16(number)) => Value::I16(number),
        HeaderValue::Narrow(Narrow::U16(number)) => Value::U16(number),
        HeaderValue::Narrow(Narrow::I32(number)) => Value::I32(number),
        HeaderValue::Narrow(Narrow::U32(number)) => Value::U32(number),
        HeaderValue::Integer(number) => Value::I64(number),
        HeaderValue::Single(number) => Value::F32(number),
        HeaderValue::Real(number) => Value::F64(number),
        HeaderValue::Decimal { scale, digits } => Value::Decimal(scale, u32::from_be_bytes(digits.to_be_bytes())),
        HeaderValue::Text(text) => Value::text(text),
        HeaderValue::List(values) => Value::Array(values.into_iter().map(value_out).collect()),
        HeaderValue::Time(at) => Value::Timestamp(seconds(at)),
        HeaderValue::Table(headers) => Value::Table(table(headers)),
        HeaderValue::Null => Value::Void,
        HeaderValue::Binary(bytes) => Value::Binary(bytes),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn every_value_goes_out_as_it_came() {
        let all = vec![
            Value::Boolean(true),
            Value::I8(-1),
            Value::U8(200),
            Value::I16(-300),
            Value::U16(60_000),
            Value::I32(-70_000),
            Value::U32(4_000_000_000),
            Value::I64(i64::MIN),
            Value::F32(1.5),
            Value::F64(-2.5),
            Value::Decimal(2, u32::MAX),
            Value::text("é"),
            Value::Timestamp(1_700_000_000),
            Value::Void,
            Value::Binary(Bytes::from_static(&[0xFF])),
        ];
        let inner = Table(all.iter().map(|value| (ShortText::cut("n"), value.clone())).collect());
        let whole = Table(vec![(ShortText::cut("a"), Value::Array(all)), (ShortText::cut("t"), Value::Table(inner))]);
        assert_eq!(table(headers(whole.clone())), whole);
    }

    #[test]
    fn a_long_string_that_is_no_text_keeps_its_bytes() {
        let bytes = Bytes::from_static(&[0xC3, 0x28]);
        let value = value_in(Value::Text(bytes.clone()));
        assert_eq!(value_out(value), Value::Binary(bytes));
    }
}
