//! Methods: each a struct with the fields of the specification in their order.
//! The tables are in `class`; the macro here gives each its reader and writer.
//! Invariant: a method is read to its end; bits share octets as the specification packs them.

use bytes::{BufMut, Bytes, BytesMut};

use super::class::{basic, channel, confirm, connection, exchange, queue, tx};
use super::reply::{Malformed, ReplyCode};
use super::wire::Field;

/// One method's fields with its two numbers.
pub trait Payload: Sized {
    /// The number of its class.
    const CLASS: u16;
    /// Its number there.
    const METHOD: u16;

    /// Reads the fields.
    ///
    /// # Errors
    /// `Malformed` when they end early.
    fn read_fields(bytes: &mut Bytes) -> Result<Self, Malformed>;

    /// Writes the fields.
    fn write_fields(&self, out: &mut BytesMut);

    /// Writes numbers and fields.
    fn write(&self, out: &mut BytesMut) {
        out.put_u16(Self::CLASS);
        out.put_u16(Self::METHOD);
        self.write_fields(out);
    }
}

/// Reads up to eight bits of an octet.
pub(super) fn read_bits<const COUNT: usize>(bytes: &mut Bytes) -> Result<[bool; COUNT], Malformed> {
    let octet = u8::read(bytes)?;
    let mut bits = [false; COUNT];
    for (place, bit) in bits.iter_mut().enumerate() {
        *bit = octet >> place & 1 == 1;
    }
    Ok(bits)
}

/// Writes up to eight bits as an octet.
pub(super) fn write_bits(bits: &[bool], out: &mut BytesMut) {
    let octet = bits.iter().rev().fold(0_u8, |octet, bit| octet << 1 | u8::from(*bit));
    out.put_u8(octet);
}

/// Declares the methods of a class: name, number, fields, bits in brackets, fields behind the bits.
macro_rules! class {
    ($number:literal: $(
        $(#[$doc:meta])*
        $name:ident = $index:literal { $($field:ident: $type:ty),* }
        [ $($bit:ident),* ] { $($after:ident: $behind:ty),* }
    )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq)]
            #[allow(missing_docs, clippy::struct_excessive_bools, reason = "the fields are those of the specification")]
            pub struct $name {
                $(pub $field: $type,)*
                $(pub $bit: bool,)*
                $(pub $after: $behind,)*
            }

            impl $crate::codec::method::Payload for $name {
                const CLASS: u16 = $number;
                const METHOD: u16 = $index;

                #[allow(unused_variables, reason = "some methods have no fields")]
                fn read_fields(bytes: &mut bytes::Bytes) -> Result<Self, $crate::codec::reply::Malformed> {
                    $(let $field = $crate::codec::wire::Field::read(bytes)?;)*
                    const NAMES: &[&str] = &[$(stringify!($bit)),*];
                    const BITS: usize = NAMES.len();
                    let bits: [bool; BITS] =
                        if BITS > 0 { $crate::codec::method::read_bits(bytes)? } else { [false; BITS] };
                    let [$($bit),*] = bits;
                    $(let $after = $crate::codec::wire::Field::read(bytes)?;)*
                    Ok(Self { $($field,)* $($bit,)* $($after,)* })
                }

                #[allow(unused_variables, reason = "some methods have no fields")]
                fn write_fields(&self, out: &mut bytes::BytesMut) {
                    $($crate::codec::wire::Field::write(&self.$field, out);)*
                    let bits: &[bool] = &[$(self.$bit),*];
                    if !bits.is_empty() {
                        $crate::codec::method::write_bits(bits, out);
                    }
                    $($crate::codec::wire::Field::write(&self.$after, out);)*
                }
            }

            impl From<$name> for Method {
                fn from(method: $name) -> Self {
                    Self::$name(method)
                }
            }

            impl From<$name> for $crate::codec::Method {
                fn from(method: $name) -> Self {
                    Method::from(method).into()
                }
            }
        )*

        /// A method of this class.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, clippy::large_enum_variant, reason = "each is documented at its struct; a few live at a time")]
        pub enum Method { $($name($name),)* }

        impl Method {
            /// The number of the class.
            pub const CLASS: u16 = $number;

            /// Reads the method of this number; `None` when there is none.
            pub(crate) fn read(index: u16, bytes: &mut bytes::Bytes)
                -> Result<Option<Self>, $crate::codec::reply::Malformed>
            {
                use $crate::codec::method::Payload;
                Ok(Some(match index {
                    $($name::METHOD => Self::$name($name::read_fields(bytes)?),)*
                    _ => return Ok(None),
                }))
            }

            /// Writes numbers and fields.
            pub fn write(&self, out: &mut bytes::BytesMut) {
                use $crate::codec::method::Payload;
                match self { $(Self::$name(method) => method.write(out),)* }
            }

            /// The numbers of class and method, for the texts of a close.
            pub const fn numbers(&self) -> (u16, u16) {
                use $crate::codec::method::Payload;
                match self { $(Self::$name(_) => ($number, $name::METHOD),)* }
            }
        }
    };
}
pub(super) use class;

macro_rules! methods {
    ($($class:ident: $module:ident),*) => {
        /// Any method.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs, reason = "each is documented at its class")]
        pub enum Method { $($class($module::Method),)* }

        $(impl From<$module::Method> for Method {
            fn from(method: $module::Method) -> Self {
                Self::$class(method)
            }
        })*

        impl Method {
            /// Reads the payload of a method frame.
            ///
            /// # Errors
            /// `Malformed` when it ends early, goes on behind its end, or is none that there is.
            pub fn read(mut bytes: Bytes) -> Result<Self, Malformed> {
                let bytes = &mut bytes;
                let (class, index) = (u16::read(bytes)?, u16::read(bytes)?);
                let method = match class {
                    $($module::Method::CLASS => $module::Method::read(index, bytes)?.map(Self::$class),)*
                    _ => None,
                };
                let unknown = || Malformed { code: ReplyCode::CommandInvalid, why: format!("unknown method {class}.{index}") };
                let method = method.ok_or_else(unknown)?;
                if bytes.is_empty() { Ok(method) } else { Err(Malformed::syntax("a method is longer than its fields")) }
            }

            /// Writes the payload of a method frame.
            pub fn write(&self, out: &mut BytesMut) {
                match self { $(Self::$class(method) => method.write(out),)* }
            }

            /// The numbers of class and method, for the texts of a close.
            pub const fn numbers(&self) -> (u16, u16) {
                match self { $(Self::$class(method) => method.numbers(),)* }
            }
        }
    };
}

methods!(
    Connection: connection, Channel: channel, Exchange: exchange, Queue: queue, Basic: basic, Confirm: confirm, Tx: tx
);
