//! The bytes of a batch as they lie in the log. Format: `docs/formats/batch.md`, version 4; versions 1 and 2 are
//! read, and there was no version 3.
//!
//! ```text
//! version u8 = 4 · now u64 · commands u32 · { principal · tag u8 · fields in the order listed in `action` }*
//! ```
//! Every type lists its fields here, by hand and in order; nothing follows from how a Rust type is laid out.
//! Invariant: `decode(encode(batch)) == batch`; bytes that are no batch are an error, never a panic.
//! Called by the shard. Tests: `tests/batch_codec.rs`.

mod access;
mod action;
mod exchange;
mod message;
mod name;
mod policy;
mod queue;
mod subscription;
mod topic;

use bytes::Bytes;
use model::number::Timestamp;

use crate::command::{Batch, Command};
use crate::limits::BATCH_COMMANDS_MAX;
use crate::wire::{Reader, WireError, Writer};

/// The number of the state's version that has the same fields: `since` speaks of both.
const VERSION: u8 = 4;
const VERSION_OLDEST: u8 = 1;

/// A type with a written-down form. Implemented field by field in this folder.
pub(crate) trait Wire: Sized {
    /// Puts the value at the end of a buffer.
    fn write(&self, writer: &mut Writer);

    /// Takes a value off the front of a buffer.
    fn read(reader: &mut Reader) -> Result<Self, WireError>;
}

/// Lists the fields of a struct in the order in which they are written; those that an older version does not have
/// come last, and get their default when it is read.
macro_rules! fields {
    ($type:ty { $($field:ident),* $(,)? } since $version:literal { $($new:ident),* $(,)? }) => {
        impl $crate::codec::Wire for $type {
            fn write(&self, writer: &mut $crate::wire::Writer) {
                $( $crate::codec::Wire::write(&self.$field, writer); )*
                $( $crate::codec::Wire::write(&self.$new, writer); )*
            }

            fn read(reader: &mut $crate::wire::Reader) -> Result<Self, $crate::wire::WireError> {
                let is_old = reader.version() < $version;
                Ok(Self {
                    $( $field: $crate::codec::Wire::read(reader)?, )*
                    $( $new: if is_old { Default::default() } else { $crate::codec::Wire::read(reader)? }, )*
                })
            }
        }
    };
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl $crate::codec::Wire for $type {
            fn write(&self, writer: &mut $crate::wire::Writer) {
                let _ = &writer;
                $( $crate::codec::Wire::write(&self.$field, writer); )*
            }

            fn read(reader: &mut $crate::wire::Reader) -> Result<Self, $crate::wire::WireError> {
                let _ = &reader;
                Ok(Self { $( $field: $crate::codec::Wire::read(reader)?, )* })
            }
        }
    };
}

/// Gives each variant of an enum without fields its number.
macro_rules! numbers {
    ($type:ident { $($number:literal => $variant:ident),* $(,)? }) => {
        impl $crate::codec::Wire for $type {
            fn write(&self, writer: &mut $crate::wire::Writer) {
                writer.u8(match self { $( Self::$variant => $number, )* });
            }

            fn read(reader: &mut $crate::wire::Reader) -> Result<Self, $crate::wire::WireError> {
                match reader.u8()? {
                    $( $number => Ok(Self::$variant), )*
                    _ => Err(reader.error(concat!("an unknown ", stringify!($type)))),
                }
            }
        }
    };
}

pub(crate) use message::{is_newer, read_headers};
pub(crate) use {fields, numbers};

/// Encodes a batch, once, for disk, replicas and memory alike.
pub fn encode(now: Timestamp, commands: &[Command]) -> Bytes {
    let room: usize = commands.iter().map(|command| command.action.payload_bytes() + 64).sum();
    let mut writer = Writer::with_capacity(room + 16);
    writer.u8(VERSION);
    writer.u64(now.get());
    writer.list(commands, |writer, command| {
        command.principal.write(writer);
        command.action.write(writer);
    });
    writer.finish()
}

/// Decodes a batch; records share the memory of `bytes`.
///
/// # Errors
/// When the bytes are not a batch of a known version.
pub fn decode(bytes: Bytes) -> Result<Batch, WireError> {
    let mut reader = Reader::new(bytes);
    reader.read_version(VERSION_OLDEST..=VERSION, "an unknown batch version")?;
    let now = Timestamp::new(reader.u64()?);
    let count = reader.count(2)?;
    if count > BATCH_COMMANDS_MAX {
        return Err(reader.error("too many commands in a batch"));
    }
    let mut commands = Vec::with_capacity(count);
    for _ in 0..count {
        commands.push(Command { principal: Wire::read(&mut reader)?, action: Wire::read(&mut reader)? });
    }
    reader.finish()?;
    Ok(Batch { now, commands })
}

impl Batch {
    /// All messages of the batch, by position. They share the memory of the batch.
    pub fn records(&self) -> Vec<Bytes> {
        self.commands.iter().flat_map(|command| command.action.records().cloned()).collect()
    }
}

impl Wire for bool {
    fn write(&self, writer: &mut Writer) {
        writer.flag(*self);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.flag()
    }
}

impl Wire for u32 {
    fn write(&self, writer: &mut Writer) {
        writer.u32(*self);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.u32()
    }
}

impl Wire for u64 {
    fn write(&self, writer: &mut Writer) {
        writer.u64(*self);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.u64()
    }
}

impl Wire for String {
    fn write(&self, writer: &mut Writer) {
        writer.text(self);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.text()
    }
}

impl Wire for Bytes {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(self);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.bytes()
    }
}

impl Wire for [u8; 32] {
    fn write(&self, writer: &mut Writer) {
        writer.raw(self);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let mut value = [0; 32];
        value.copy_from_slice(&reader.take(32)?);
        Ok(value)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, writer: &mut Writer) {
        writer.option(self.as_ref(), |writer, value| value.write(writer));
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.option(T::read)
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write(&self, writer: &mut Writer) {
        writer.list(self, |writer, item| item.write(writer));
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        reader.list(1, T::read)
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
        self.1.write(writer);
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        Ok((A::read(reader)?, B::read(reader)?))
    }
}
