//! What a message carries beside its payload: header values, properties, its way. The same in records and in batches.
//!
//! ```text
//! header value  kind u8 · value       0 text · 1 i64 · 2 f64 · 3 flag · 4 bytes · 5 nothing · 6 i8 · 7 u8 · 8 i16
//!                                     9 u16 · 10 i32 · 11 u32 · 12 f32 · 13 scale u8, digits i32 · 14 ms u64
//!                                     15 list of values · 16 list of (name text · value)
//! properties    which u16 · [text]* · [made at u64] · [persistence u8]
//! ```
//! Invariant: reading recurses no deeper than `HEADER_DEPTH_MAX`. Tests: `tests/record_format.rs`.

use model::header::{HeaderValue, Headers, Narrow};
use model::limits::HEADER_DEPTH_MAX;
use model::number::Timestamp;
use model::properties::{Persistence, Properties, Routed};

use super::{Wire, fields, numbers};
use crate::wire::{Reader, WireError, Writer};

numbers!(Persistence { 1 => Transient, 2 => Persistent });
fields!(Routed { exchange, routing_key });

/// The first kind of header value that version 1 of a record does not have.
const NEWER: u8 = 5;

/// Whether a header value needs version 2 of a record.
pub(crate) fn is_newer(value: &HeaderValue) -> bool {
    kind(value) >= NEWER
}

const fn kind(value: &HeaderValue) -> u8 {
    match value {
        HeaderValue::Text(_) => 0,
        HeaderValue::Integer(_) => 1,
        HeaderValue::Real(_) => 2,
        HeaderValue::Boolean(_) => 3,
        HeaderValue::Binary(_) => 4,
        HeaderValue::Null => NEWER,
        HeaderValue::Narrow(Narrow::I8(_)) => 6,
        HeaderValue::Narrow(Narrow::U8(_)) => 7,
        HeaderValue::Narrow(Narrow::I16(_)) => 8,
        HeaderValue::Narrow(Narrow::U16(_)) => 9,
        HeaderValue::Narrow(Narrow::I32(_)) => 10,
        HeaderValue::Narrow(Narrow::U32(_)) => 11,
        HeaderValue::Single(_) => 12,
        HeaderValue::Decimal { .. } => 13,
        HeaderValue::Time(_) => 14,
        HeaderValue::List(_) => 15,
        HeaderValue::Table(_) => 16,
    }
}

impl Wire for HeaderValue {
    fn write(&self, writer: &mut Writer) {
        writer.u8(kind(self));
        match self {
            Self::Text(text) => writer.text(text),
            Self::Integer(number) => writer.i64(*number),
            Self::Real(number) => writer.f64(*number),
            Self::Boolean(flag) => writer.flag(*flag),
            Self::Binary(bytes) => writer.bytes(bytes),
            Self::Null => {}
            Self::Narrow(number) => write_narrow(writer, *number),
            Self::Single(number) => writer.raw(&number.to_le_bytes()),
            Self::Decimal { scale, digits } => {
                writer.u8(*scale);
                writer.raw(&digits.to_le_bytes());
            }
            Self::Time(time) => time.write(writer),
            Self::List(values) => values.write(writer),
            Self::Table(headers) => headers.write(writer),
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        read_value(reader, HEADER_DEPTH_MAX)
    }
}

fn write_narrow(writer: &mut Writer, number: Narrow) {
    match number {
        Narrow::I8(number) => writer.raw(&number.to_le_bytes()),
        Narrow::U8(number) => writer.u8(number),
        Narrow::I16(number) => writer.raw(&number.to_le_bytes()),
        Narrow::U16(number) => writer.u16(number),
        Narrow::I32(number) => writer.raw(&number.to_le_bytes()),
        Narrow::U32(number) => writer.u32(number),
    }
}

fn fixed<const N: usize>(reader: &mut Reader) -> Result<[u8; N], WireError> {
    let mut raw = [0; N];
    raw.copy_from_slice(&reader.take(N)?);
    Ok(raw)
}

fn read_value(reader: &mut Reader, depth: usize) -> Result<HeaderValue, WireError> {
    Ok(match reader.u8()? {
        0 => HeaderValue::Text(reader.text()?),
        1 => HeaderValue::Integer(reader.i64()?),
        2 => HeaderValue::Real(reader.f64()?),
        3 => HeaderValue::Boolean(reader.flag()?),
        4 => HeaderValue::Binary(reader.bytes()?),
        NEWER => HeaderValue::Null,
        6 => HeaderValue::Narrow(Narrow::I8(i8::from_le_bytes(fixed(reader)?))),
        7 => HeaderValue::Narrow(Narrow::U8(reader.u8()?)),
        8 => HeaderValue::Narrow(Narrow::I16(i16::from_le_bytes(fixed(reader)?))),
        9 => HeaderValue::Narrow(Narrow::U16(reader.u16()?)),
        10 => HeaderValue::Narrow(Narrow::I32(i32::from_le_bytes(fixed(reader)?))),
        11 => HeaderValue::Narrow(Narrow::U32(reader.u32()?)),
        12 => HeaderValue::Single(f32::from_le_bytes(fixed(reader)?)),
        13 => HeaderValue::Decimal { scale: reader.u8()?, digits: i32::from_le_bytes(fixed(reader)?) },
        14 => HeaderValue::Time(Timestamp::read(reader)?),
        15 => {
            let depth = deeper(reader, depth)?;
            HeaderValue::List(reader.list(1, |reader| read_value(reader, depth))?)
        }
        16 => {
            let depth = deeper(reader, depth)?;
            HeaderValue::Table(read_table(reader, depth)?)
        }
        _ => return Err(reader.error("an unknown kind of header value")),
    })
}

fn deeper(reader: &Reader, depth: usize) -> Result<usize, WireError> {
    depth.checked_sub(1).ok_or_else(|| reader.error("header values nest too deep"))
}

fn read_table(reader: &mut Reader, depth: usize) -> Result<Headers, WireError> {
    reader.list(5, |reader| Ok((reader.text()?, read_value(reader, depth)?)))
}

/// Headers with their count before them.
pub(crate) fn read_headers(reader: &mut Reader) -> Result<Headers, WireError> {
    read_table(reader, HEADER_DEPTH_MAX)
}

const MADE_AT: u16 = 1 << 8;
const PERSISTENCE: u16 = 1 << 9;
const KNOWN: u16 = (1 << 10) - 1;

impl Wire for Properties {
    fn write(&self, writer: &mut Writer) {
        let texts = [
            &self.content_encoding,
            &self.correlation_id,
            &self.reply_to,
            &self.message_id,
            &self.kind,
            &self.user_id,
            &self.application,
            &self.cluster_id,
        ];
        let mut which = 0;
        for (at, text) in texts.iter().enumerate() {
            which |= if text.is_some() { 1 << at } else { 0 };
        }
        which |= if self.made_at.is_some() { MADE_AT } else { 0 };
        which |= if self.persistence.is_some() { PERSISTENCE } else { 0 };
        writer.u16(which);
        texts.into_iter().flatten().for_each(|text| writer.text(text));
        if let Some(made_at) = self.made_at {
            made_at.write(writer);
        }
        if let Some(persistence) = self.persistence {
            persistence.write(writer);
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, WireError> {
        let which = reader.u16()?;
        if which & !KNOWN != 0 {
            return Err(reader.error("an unknown property"));
        }
        let mut at = 0;
        let mut text = |reader: &mut Reader| {
            let is_there = which & (1 << at) != 0;
            at += 1;
            if is_there { reader.text().map(Some) } else { Ok(None) }
        };
        Ok(Self {
            content_encoding: text(reader)?,
            correlation_id: text(reader)?,
            reply_to: text(reader)?,
            message_id: text(reader)?,
            kind: text(reader)?,
            user_id: text(reader)?,
            application: text(reader)?,
            cluster_id: text(reader)?,
            made_at: if which & MADE_AT != 0 { Some(Wire::read(reader)?) } else { None },
            persistence: if which & PERSISTENCE != 0 { Some(Wire::read(reader)?) } else { None },
        })
    }
}
