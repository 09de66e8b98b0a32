//! Headers: named values beside the payload, of every type that a protocol has.
//!
//! One representation for all doors: what AMQP's tables, JSON and the gRPC contract can say fits without loss,
//! and nothing is turned into text silently. A number keeps its width, since typed clients read it by that.
//! Invariant: headers that passed `check_headers` are no deeper and no more than the limits say.
//! Tests: below, and the round trips of each door.

use bytes::Bytes;

use crate::limits::{HEADER_DEPTH_MAX, HEADER_NAME_BYTES_MAX, HEADER_VALUES_MAX, HEADERS_MAX};
use crate::number::Timestamp;
use crate::refusal::Refusal;

/// A whole number that is kept with a width below 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is the type that it holds")]
pub enum Narrow {
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
}

impl Narrow {
    /// The number, whatever its width.
    pub fn get(self) -> i64 {
        match self {
            Self::I8(number) => number.into(),
            Self::U8(number) => number.into(),
            Self::I16(number) => number.into(),
            Self::U16(number) => number.into(),
            Self::I32(number) => number.into(),
            Self::U32(number) => number.into(),
        }
    }
}

/// The value of a header.
#[derive(Clone, Debug)]
pub enum HeaderValue {
    /// Text.
    Text(String),
    /// A whole number of 64 bits.
    Integer(i64),
    /// A floating-point number of 64 bits.
    Real(f64),
    /// True or false.
    Boolean(bool),
    /// Raw bytes.
    Binary(Bytes),
    /// Nothing.
    Null,
    /// A whole number of fewer bits.
    Narrow(Narrow),
    /// A floating-point number of 32 bits.
    Single(f32),
    /// `digits / 10^scale`.
    Decimal {
        /// How many digits stand behind the point.
        scale: u8,
        /// All digits.
        digits: i32,
    },
    /// A moment.
    Time(Timestamp),
    /// Values in order.
    List(Vec<Self>),
    /// Named values in order; names may repeat.
    Table(Headers),
}

/// Named values in the producer's order; names may repeat.
pub type Headers = Vec<(String, HeaderValue)>;

impl PartialEq for HeaderValue {
    /// Equal kind and equal value; floating-point numbers are equal when their bits are.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Integer(one), Self::Integer(two)) => one == two,
            (Self::Real(one), Self::Real(two)) => one.to_bits() == two.to_bits(),
            (Self::Boolean(one), Self::Boolean(two)) => one == two,
            (Self::Binary(one), Self::Binary(two)) => one == two,
            (Self::Null, Self::Null) => true,
            (Self::Narrow(one), Self::Narrow(two)) => one == two,
            (Self::Single(one), Self::Single(two)) => one.to_bits() == two.to_bits(),
            (Self::Decimal { scale: one, digits }, Self::Decimal { scale: two, digits: others }) => {
                one == two && digits == others
            }
            (Self::Time(one), Self::Time(two)) => one == two,
            (Self::List(one), Self::List(two)) => one == two,
            (Self::Table(one), Self::Table(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for HeaderValue {}

impl HeaderValue {
    /// How many bytes the value holds, as messages are measured.
    pub fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Integer(_) | Self::Real(_) | Self::Time(_) | Self::Decimal { .. } => 8,
            Self::Narrow(_) | Self::Single(_) => 4,
            Self::Boolean(_) | Self::Null => 1,
            Self::List(values) => values.iter().map(|value| value.size() + 1).sum(),
            Self::Table(headers) => headers_size(headers),
        }
    }

    /// The number, whatever its width; `None` when it is no whole number.
    pub fn as_integer(&self) -> Option<i64> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "no other value is a whole number")]
        match self {
            Self::Integer(number) => Some(*number),
            Self::Narrow(number) => Some(number.get()),
            _ => None,
        }
    }

    /// The text, when it is one.
    pub fn as_text(&self) -> Option<&str> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "no other value is text")]
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// How many bytes headers hold, as messages are measured.
pub fn headers_size(headers: &Headers) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.size()).sum()
}

/// The first value of a name.
pub fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a HeaderValue> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// Checks number, names and depth.
///
/// # Errors
/// `ArgumentInvalid` naming `field` and the bound.
pub fn check_headers(field: &str, headers: &Headers) -> Result<(), Refusal> {
    if headers.len() > HEADERS_MAX {
        return Err(Refusal::invalid(field, "there are at most 256"));
    }
    if headers.iter().any(|(name, _)| name.is_empty()) {
        return Err(Refusal::invalid(field, "a header name is 1 to 255 bytes"));
    }
    let mut left = HEADER_VALUES_MAX;
    check_table(field, headers, HEADER_DEPTH_MAX, &mut left)
}

fn check_table(field: &str, headers: &Headers, depth: usize, left: &mut usize) -> Result<(), Refusal> {
    for (name, value) in headers {
        if name.len() > HEADER_NAME_BYTES_MAX {
            return Err(Refusal::invalid(field, "a header name is 1 to 255 bytes"));
        }
        check_value(field, value, depth, left)?;
    }
    Ok(())
}

fn check_value(field: &str, value: &HeaderValue, depth: usize, left: &mut usize) -> Result<(), Refusal> {
    *left = left.checked_sub(1).ok_or_else(|| Refusal::invalid(field, "there are at most 4096 values in all"))?;
    let deeper =
        || depth.checked_sub(1).ok_or_else(|| Refusal::invalid(field, "lists and tables nest at most 16 deep"));
    match value {
        HeaderValue::List(values) => {
            let depth = deeper()?;
            values.iter().try_for_each(|value| check_value(field, value, depth, left))
        }
        HeaderValue::Table(headers) => check_table(field, headers, deeper()?, left),
        HeaderValue::Text(_)
        | HeaderValue::Integer(_)
        | HeaderValue::Real(_)
        | HeaderValue::Boolean(_)
        | HeaderValue::Binary(_)
        | HeaderValue::Null
        | HeaderValue::Narrow(_)
        | HeaderValue::Single(_)
        | HeaderValue::Decimal { .. }
        | HeaderValue::Time(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Headers {
        let inner = (0..depth).fold(HeaderValue::Null, |inner, _| HeaderValue::List(vec![inner]));
        vec![("n".to_owned(), inner)]
    }

    #[test]
    fn depth_and_number_of_values_are_bounded() {
        assert_eq!(check_headers("headers", &nested(HEADER_DEPTH_MAX)), Ok(()));
        assert!(check_headers("headers", &nested(HEADER_DEPTH_MAX + 1)).is_err());
        let many = |count| vec![("n".to_owned(), HeaderValue::List(vec![HeaderValue::Null; count]))];
        assert_eq!(check_headers("headers", &many(HEADER_VALUES_MAX - 1)), Ok(()));
        assert!(check_headers("headers", &many(HEADER_VALUES_MAX)).is_err());
    }

    #[test]
    fn equal_means_the_same_kind_and_bits() {
        assert_eq!(HeaderValue::Real(f64::NAN), HeaderValue::Real(f64::NAN));
        assert_ne!(HeaderValue::Real(0.0), HeaderValue::Real(-0.0));
        assert_ne!(HeaderValue::Integer(1), HeaderValue::Narrow(Narrow::I32(1)));
        assert_eq!(HeaderValue::Narrow(Narrow::U32(u32::MAX)).as_integer(), Some(4_294_967_295));
    }
}
