//! Header values and properties between the model and the contract.
//! Invariant: kind and width of a value survive; a number that does not fit into its width is refused. How deep a value
//! nests is bounded by prost when it is read, and by the model's check after that.

use model::Refusal;
use model::header::{HeaderValue, Narrow};
use model::number::Timestamp;
use model::properties::{Persistence, Properties, Routed};

use super::{Wire, enumeration, messages, missing};
use crate::proto as pb;
use pb::header::Value;

enumeration! { Persistence { Transient Persistent } }

messages! {
    Properties = Properties {
        content_encoding = content_encoding;
        correlation_id = correlation_id;
        reply_to = reply_to;
        message_id = message_id;
        made_at = made_at_ms;
        kind = kind;
        user_id = user_id;
        application = application;
        cluster_id = cluster_id;
        persistence = persistence;
    }
    Routed = Routed { exchange = exchange; routing_key = routing_key; }
}

impl<M: Wire> Wire for Box<M> {
    type Form = M::Form;

    fn to_wire(self) -> M::Form {
        (*self).to_wire()
    }

    fn from_wire(form: M::Form) -> Result<Self, Refusal> {
        M::from_wire(form).map(Self::new)
    }
}

impl Wire for (String, HeaderValue) {
    type Form = pb::Header;

    fn to_wire(self) -> pb::Header {
        pb::Header { name: self.0, value: Some(value_to_wire(self.1)) }
    }

    fn from_wire(form: pb::Header) -> Result<Self, Refusal> {
        Ok((form.name, value_from_wire(form.value.ok_or_else(|| missing("headers.value"))?)?))
    }
}

fn value_to_wire(value: HeaderValue) -> Value {
    match value {
        HeaderValue::Text(text) => Value::Text(text),
        HeaderValue::Integer(number) => Value::Integer(number),
        HeaderValue::Real(number) => Value::Real(number),
        HeaderValue::Boolean(truth) => Value::Boolean(truth),
        HeaderValue::Binary(bytes) => Value::Binary(bytes),
        HeaderValue::Null => Value::Null(pb::Null {}),
        HeaderValue::Narrow(Narrow::I8(number)) => Value::Int8(number.into()),
        HeaderValue::Narrow(Narrow::U8(number)) => Value::Uint8(number.into()),
        HeaderValue::Narrow(Narrow::I16(number)) => Value::Int16(number.into()),
        HeaderValue::Narrow(Narrow::U16(number)) => Value::Uint16(number.into()),
        HeaderValue::Narrow(Narrow::I32(number)) => Value::Int32(number),
        HeaderValue::Narrow(Narrow::U32(number)) => Value::Uint32(number),
        HeaderValue::Single(number) => Value::Single(number),
        HeaderValue::Decimal { scale, digits } => Value::Decimal(pb::Decimal { scale: scale.into(), digits }),
        HeaderValue::Time(time) => Value::TimeMs(time.get()),
        HeaderValue::List(values) => {
            let named = values.into_iter().map(|value| (String::new(), value).to_wire());
            Value::List(pb::HeaderList { values: named.collect() })
        }
        HeaderValue::Table(headers) => Value::Table(pb::HeaderTable { entries: headers.to_wire() }),
    }
}

fn narrow<Wide, N: TryFrom<Wide>>(number: Wide, kind: fn(N) -> Narrow) -> Result<HeaderValue, Refusal> {
    let fitting = N::try_from(number).map_err(|_| Refusal::invalid("headers.value", "it does not fit into its width"));
    fitting.map(kind).map(HeaderValue::Narrow)
}

fn value_from_wire(value: Value) -> Result<HeaderValue, Refusal> {
    Ok(match value {
        Value::Text(text) => HeaderValue::Text(text),
        Value::Integer(number) => HeaderValue::Integer(number),
        Value::Real(number) => HeaderValue::Real(number),
        Value::Boolean(truth) => HeaderValue::Boolean(truth),
        Value::Binary(bytes) => HeaderValue::Binary(bytes),
        Value::Null(pb::Null {}) => HeaderValue::Null,
        Value::Int8(number) => narrow(number, Narrow::I8)?,
        Value::Uint8(number) => narrow(number, Narrow::U8)?,
        Value::Int16(number) => narrow(number, Narrow::I16)?,
        Value::Uint16(number) => narrow(number, Narrow::U16)?,
        Value::Int32(number) => HeaderValue::Narrow(Narrow::I32(number)),
        Value::Uint32(number) => HeaderValue::Narrow(Narrow::U32(number)),
        Value::Single(number) => HeaderValue::Single(number),
        Value::Decimal(pb::Decimal { scale, digits }) => {
            let scale = u8::try_from(scale).map_err(|_| Refusal::invalid("headers.value.scale", "at most 255"))?;
            HeaderValue::Decimal { scale, digits }
        }
        Value::TimeMs(time) => HeaderValue::Time(Timestamp::new(time)),
        Value::List(pb::HeaderList { values }) => {
            let values =
                values.into_iter().map(|value| <(String, HeaderValue)>::from_wire(value).map(|(_, value)| value));
            HeaderValue::List(values.collect::<Result<_, _>>()?)
        }
        Value::Table(pb::HeaderTable { entries }) => HeaderValue::Table(Wire::from_wire(entries)?),
    })
}
