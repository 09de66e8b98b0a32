//! The content header: the size of the body and the properties that are there.
//! Invariant: the flags say exactly which properties follow; all fourteen of the specification are kept.

use bytes::{BufMut, Bytes, BytesMut};

use super::class::basic;
use super::reply::{Malformed, ReplyCode};
use super::table::Table;
use super::wire::{Field, ShortText};

/// What a content header says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContentHeader {
    /// Bytes of the body.
    pub body_size: u64,
    /// The properties.
    pub properties: Properties,
}

macro_rules! properties {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $bit:literal,)*) => {
        /// The properties of a message.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Properties {
            $($(#[$doc])* pub $name: Option<$type>,)*
        }

        impl Properties {
            fn read(bytes: &mut Bytes) -> Result<Self, Malformed> {
                let flags = u16::read(bytes)?;
                let known: u16 = 0 $(| 1 << $bit)*;
                if flags & !known != 0 {
                    return Err(Malformed::syntax("a content header has flags of properties that there are not"));
                }
                let mut properties = Self::default();
                $(if flags & 1 << $bit != 0 {
                    properties.$name = Some(Field::read(bytes)?);
                })*
                Ok(properties)
            }

            fn write(&self, out: &mut BytesMut) {
                let flags: u16 = 0 $(| u16::from(self.$name.is_some()) << $bit)*;
                out.put_u16(flags);
                $(if let Some(value) = &self.$name {
                    value.write(out);
                })*
            }
        }
    };
}

properties! {
    /// The media type.
    content_type: ShortText = 15,
    /// The encoding of the body.
    content_encoding: ShortText = 14,
    /// The application's headers.
    headers: Table = 13,
    /// 1 transient, 2 persistent.
    delivery_mode: u8 = 12,
    /// The urgency.
    priority: u8 = 11,
    /// Which request this answers.
    correlation_id: ShortText = 10,
    /// Where an answer goes.
    reply_to: ShortText = 9,
    /// Milliseconds to live, as text.
    expiration: ShortText = 8,
    /// The producer's id.
    message_id: ShortText = 7,
    /// Seconds since 1970.
    timestamp: u64 = 6,
    /// What kind of message it is.
    kind: ShortText = 5,
    /// Who sent it.
    user_id: ShortText = 4,
    /// Which program sent it.
    app_id: ShortText = 3,
    /// Reserved.
    cluster_id: ShortText = 2,
}

impl ContentHeader {
    /// Reads the payload of a content header frame.
    ///
    /// # Errors
    /// `Malformed` when it is of another class, ends early or goes on behind its end.
    pub fn read(mut bytes: Bytes) -> Result<Self, Malformed> {
        let bytes = &mut bytes;
        let (class, _weight) = (u16::read(bytes)?, u16::read(bytes)?);
        if class != basic::Method::CLASS {
            let why = format!("a content header of class {class} where one of class 60 is expected");
            return Err(Malformed { code: ReplyCode::UnexpectedFrame, why });
        }
        let body_size = u64::read(bytes)?;
        let properties = Properties::read(bytes)?;
        if bytes.is_empty() {
            Ok(Self { body_size, properties })
        } else {
            Err(Malformed::syntax("a content header is longer than its properties"))
        }
    }

    /// Writes the payload of a content header frame.
    pub fn write(&self, out: &mut BytesMut) {
        Self::put(self.body_size, &self.properties, out);
    }

    /// Writes the payload of a content header frame of these parts.
    pub fn put(body_size: u64, properties: &Properties, out: &mut BytesMut) {
        out.put_u16(basic::Method::CLASS);
        out.put_u16(0);
        out.put_u64(body_size);
        properties.write(out);
    }
}
