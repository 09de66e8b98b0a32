//! Field tables in RabbitMQ's dialect: the letters `t b B s u I i l f d D S A T F V x`.
//! Invariants: nesting ends at `TABLE_DEPTH_MAX`, values in all at `TABLE_VALUES_MAX`; order and repeated names stay.
//! Read in methods and content headers; called by `session` and `translate`.

use bytes::{BufMut, Bytes, BytesMut};

use super::reply::Malformed;
use super::wire::{Field, ShortText};
use crate::limits::{TABLE_DEPTH_MAX, TABLE_VALUES_MAX};

/// A value of a table.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are the types of the dialect")]
pub enum Value {
    Boolean(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    F32(f32),
    F64(f64),
    /// A number with this many digits behind the point.
    Decimal(u8, u32),
    /// A long string: text by custom, any bytes by right.
    Text(Bytes),
    Array(Vec<Value>),
    /// Seconds since 1970.
    Timestamp(u64),
    Table(Table),
    Void,
    /// Bytes.
    Binary(Bytes),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Bytes::from(text.into()))
    }

    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        let bytes = self.as_long_string()?;
        std::str::from_utf8(bytes).ok()
    }

    fn as_long_string(&self) -> Option<&Bytes> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is a long string")]
        match self {
            Self::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes, when it is text or bytes.
    pub fn as_bytes(&self) -> Option<&Bytes> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "nothing else is bytes")]
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The whole number, when it is one of any width.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::I8(number) => Some(i64::from(*number)),
            Self::U8(number) => Some(i64::from(*number)),
            Self::I16(number) => Some(i64::from(*number)),
            Self::U16(number) => Some(i64::from(*number)),
            Self::I32(number) => Some(i64::from(*number)),
            Self::U32(number) => Some(i64::from(*number)),
            Self::I64(number) => Some(*number),
            Self::Boolean(_)
            | Self::F32(_)
            | Self::F64(_)
            | Self::Decimal(..)
            | Self::Text(_)
            | Self::Array(_)
            | Self::Timestamp(_)
            | Self::Table(_)
            | Self::Void
            | Self::Binary(_) => None,
        }
    }

    /// The truth value, when it is one.
    pub const fn as_boolean(&self) -> Option<bool> {
        if let Self::Boolean(truth) = self { Some(*truth) } else { None }
    }
}

/// Named values in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(pub Vec<(ShortText, Value)>);

impl Table {
    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| value)
    }

    /// Adds a value. Names are written by us and short.
    pub fn put(&mut self, name: &str, value: Value) {
        self.0.push((ShortText::cut(name), value));
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(&'static str, Value)> for Table {
    fn from_iter<I: IntoIterator<Item = (&'static str, Value)>>(values: I) -> Self {
        Self(values.into_iter().map(|(name, value)| (ShortText::cut(name), value)).collect())
    }
}

impl Field for Table {
    fn read(bytes: &mut Bytes) -> Result<Self, Malformed> {
        Budget { values: TABLE_VALUES_MAX }.table(bytes, 0)
    }

    fn write(&self, out: &mut BytesMut) {
        sized(out, |out| {
            for (name, value) in &self.0 {
                name.write(out);
                put(value, out);
            }
        });
    }
}

/// What one outermost table may still hold.
struct Budget {
    values: usize,
}

impl Budget {
    fn table(&mut self, bytes: &mut Bytes, depth: usize) -> Result<Table, Malformed> {
        let mut body = Bytes::read(bytes)?;
        let mut values = Vec::new();
        while !body.is_empty() {
            let name = ShortText::read(&mut body)?;
            values.push((name, self.value(&mut body, depth)?));
        }
        Ok(Table(values))
    }

    fn array(&mut self, bytes: &mut Bytes, depth: usize) -> Result<Vec<Value>, Malformed> {
        let mut body = Bytes::read(bytes)?;
        let mut values = Vec::new();
        while !body.is_empty() {
            values.push(self.value(&mut body, depth)?);
        }
        Ok(values)
    }

    fn value(&mut self, bytes: &mut Bytes, depth: usize) -> Result<Value, Malformed> {
        self.values = self.values.checked_sub(1).ok_or_else(|| Malformed::syntax("a table holds too many values"))?;
        let deeper = || {
            let deeper = depth + 1;
            if deeper > TABLE_DEPTH_MAX { Err(Malformed::syntax("a table is nested too deeply")) } else { Ok(deeper) }
        };
        Ok(match u8::read(bytes)? {
            b't' => Value::Boolean(u8::read(bytes)? != 0),
            b'b' => Value::I8(Field::read(bytes)?),
            b'B' => Value::U8(Field::read(bytes)?),
            b's' => Value::I16(Field::read(bytes)?),
            b'u' => Value::U16(Field::read(bytes)?),
            b'I' => Value::I32(Field::read(bytes)?),
            b'i' => Value::U32(Field::read(bytes)?),
            b'l' => Value::I64(Field::read(bytes)?),
            b'f' => Value::F32(Field::read(bytes)?),
            b'd' => Value::F64(Field::read(bytes)?),
            b'D' => Value::Decimal(Field::read(bytes)?, Field::read(bytes)?),
            b'S' => Value::Text(Field::read(bytes)?),
            b'A' => Value::Array(self.array(bytes, deeper()?)?),
            b'T' => Value::Timestamp(Field::read(bytes)?),
            b'F' => Value::Table(self.table(bytes, deeper()?)?),
            b'V' => Value::Void,
            b'x' => Value::Binary(Field::read(bytes)?),
            other => return Err(Malformed::syntax(format!("a table holds a value of the unknown type {other}"))),
        })
    }
}

/// Writes a part behind its length.
fn sized(out: &mut BytesMut, part: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u32(0);
    part(out);
    let length = u32::try_from(out.len() - at - 4).expect("a table fits into a frame");
    (&mut out[at..at + 4]).put_u32(length);
}

fn put(value: &Value, out: &mut BytesMut) {
    fn typed(letter: u8, field: &impl Field, out: &mut BytesMut) {
        out.put_u8(letter);
        field.write(out);
    }
    match value {
        Value::Boolean(truth) => typed(b't', &u8::from(*truth), out),
        Value::I8(number) => typed(b'b', number, out),
        Value::U8(number) => typed(b'B', number, out),
        Value::I16(number) => typed(b's', number, out),
        Value::U16(number) => typed(b'u', number, out),
        Value::I32(number) => typed(b'I', number, out),
        Value::U32(number) => typed(b'i', number, out),
        Value::I64(number) => typed(b'l', number, out),
        Value::F32(number) => typed(b'f', number, out),
        Value::F64(number) => typed(b'd', number, out),
        Value::Decimal(scale, number) => {
            typed(b'D', scale, out);
            number.write(out);
        }
        Value::Text(bytes) => typed(b'S', bytes, out),
        Value::Array(values) => {
            out.put_u8(b'A');
            sized(out, |out| values.iter().for_each(|value| put(value, out)));
        }
        Value::Timestamp(seconds) => typed(b'T', seconds, out),
        Value::Table(table) => typed(b'F', table, out),
        Value::Void => out.put_u8(b'V'),
        Value::Binary(bytes) => typed(b'x', bytes, out),
    }
}
