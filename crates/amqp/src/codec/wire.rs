//! Numbers, texts and byte strings on the wire, big-endian.
//! Invariant: a reader takes no more than there is; a `ShortText` has at most 255 bytes.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::reply::Malformed;

/// Text of at most 255 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortText(String);

impl ShortText {
    /// Takes a text; one that is too long is cut at a character.
    pub fn cut(text: impl Into<String>) -> Self {
        let mut text = text.into();
        let mut end = text.len().min(usize::from(u8::MAX));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        Self(text)
    }

    /// Takes a text; `None` when it is too long.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() <= usize::from(u8::MAX)).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text itself.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that stands in a method or a content header.
pub trait Field: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// `Malformed` when the bytes end early or mean nothing.
    fn read(bytes: &mut Bytes) -> Result<Self, Malformed>;

    /// Writes it.
    fn write(&self, out: &mut BytesMut);
}

fn need(bytes: &Bytes, count: usize) -> Result<(), Malformed> {
    if bytes.len() < count { Err(Malformed::syntax("a field ends early")) } else { Ok(()) }
}

macro_rules! number {
    ($type:ty, $bytes:literal, $get:ident, $put:ident) => {
        impl Field for $type {
            fn read(bytes: &mut Bytes) -> Result<Self, Malformed> {
                need(bytes, $bytes)?;
                Ok(bytes.$get())
            }

            fn write(&self, out: &mut BytesMut) {
                out.$put(*self);
            }
        }
    };
}

number!(u8, 1, get_u8, put_u8);
number!(i8, 1, get_i8, put_i8);
number!(u16, 2, get_u16, put_u16);
number!(i16, 2, get_i16, put_i16);
number!(u32, 4, get_u32, put_u32);
number!(i32, 4, get_i32, put_i32);
number!(u64, 8, get_u64, put_u64);
number!(i64, 8, get_i64, put_i64);
number!(f32, 4, get_f32, put_f32);
number!(f64, 8, get_f64, put_f64);

impl Field for ShortText {
    fn read(bytes: &mut Bytes) -> Result<Self, Malformed> {
        let length = usize::from(u8::read(bytes)?);
        need(bytes, length)?;
        let text = bytes.split_to(length);
        let text = std::str::from_utf8(&text).map_err(|_| Malformed::syntax("a short string is not UTF-8"))?;
        Ok(Self(text.to_owned()))
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u8(u8::try_from(self.0.len()).expect("a short text has at most 255 bytes"));
        out.put_slice(self.0.as_bytes());
    }
}

/// A long string: any bytes.
impl Field for Bytes {
    fn read(bytes: &mut Bytes) -> Result<Self, Malformed> {
        let length = usize::try_from(u32::read(bytes)?).unwrap_or(usize::MAX);
        need(bytes, length)?;
        Ok(bytes.split_to(length))
    }

    fn write(&self, out: &mut BytesMut) {
        out.put_u32(u32::try_from(self.len()).expect("a long string fits into a frame"));
        out.put_slice(self);
    }
}
