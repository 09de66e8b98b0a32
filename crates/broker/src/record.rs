//! The stored form of a message: encoded once where it enters, the same bytes on disk, on replicas and in
//! memory, decoded only where it is delivered. Format: `docs/formats/record.md`, version 2, and
//! version 1 wherever that can say it.
//!
//! ```text
//! version u8 · flags u8 · priority u8 · availability u8 (+ u64 when delayed)
//! [ttl u64] [key bytes] · id text · sender text · [content type text] · [properties] · [way] · headers · body (the rest)
//! ```
//! Invariant: `Head::read` reads what the machine needs without touching headers or body.
//! Called by the node (encode), the machine (head) and the shard (decode).

use std::sync::Arc;

use bytes::Bytes;
use model::header::Headers;
use model::message::{Availability, Message, MessageId, NewMessage};
use model::number::{Priority, Span, Timestamp};
use model::properties::{Properties, Routed};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher24 as SipHasher128};
use std::hash::Hasher;

use crate::codec::{Wire, is_newer, read_headers};
use crate::wire::{Reader, WireError, Writer};

/// What has neither properties nor a way nor newer kinds of header values.
const VERSION_PLAIN: u8 = 1;
const VERSION: u8 = 2;
const HAS_TTL: u8 = 1;
const HAS_KEY: u8 = 1 << 1;
const HAS_CONTENT_TYPE: u8 = 1 << 2;
/// The producer chose the id, so it takes part in deduplication.
const ID_IS_PRODUCERS: u8 = 1 << 3;
const HAS_PROPERTIES: u8 = 1 << 4;
const HAS_WAY: u8 = 1 << 5;
const FLAGS_PLAIN: u8 = HAS_TTL | HAS_KEY | HAS_CONTENT_TYPE | ID_IS_PRODUCERS;
const FLAGS_KNOWN: u8 = FLAGS_PLAIN | HAS_PROPERTIES | HAS_WAY;

/// A stable hash of a message key: same key, same hash, in every version and on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub u64);

impl KeyHash {
    /// Hashes a key.
    pub fn of(key: &[u8]) -> Self {
        let mut hasher = SipHasher24::new();
        hasher.write(key);
        Self(hasher.finish())
    }

    /// The partition, of so many, that the key belongs to.
    pub fn partition(self, partitions: u32) -> u32 {
        let partition = self.0 % u64::from(partitions.max(1));
        u32::try_from(partition).expect("a remainder of a u32 is one")
    }
}

/// A stable hash of a message id, wide enough to stand for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdHash(pub u128);

impl IdHash {
    /// Hashes an id.
    pub fn of(id: &str) -> Self {
        let mut hasher = SipHasher128::new();
        hasher.write(id.as_bytes());
        Self(hasher.finish128().as_u128())
    }
}

/// What the machine needs to know of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The length of the whole record.
    pub bytes: u32,
    /// Urgency.
    pub priority: Priority,
    /// When it may be delivered.
    pub availability: Availability,
    /// How long it may wait.
    pub ttl: Option<Span>,
    /// Its key.
    pub key: Option<KeyHash>,
    /// Its id, when the producer chose it.
    pub id: Option<IdHash>,
    /// Whether the body is empty: on a compacted topic such a message deletes its key.
    pub empty: bool,
}

/// Encodes a message with the id it is known by and its authenticated sender.
pub fn encode(message: &NewMessage, id: &MessageId, sender: &str) -> Bytes {
    let mut writer = Writer::with_capacity(room(message));
    write(&mut writer, message, id, sender, None);
    writer.finish()
}

/// Room that a message is likely to take; more is taken when it is not enough.
pub fn room(message: &NewMessage) -> usize {
    message.size() + 96
}

/// Writes one message; with the way that it took if it was published to an exchange.
pub fn write(writer: &mut Writer, message: &NewMessage, id: &MessageId, sender: &str, way: Option<&Routed>) {
    let is_plain =
        message.properties.is_none() && way.is_none() && !message.headers.iter().any(|(_, value)| is_newer(value));
    writer.u8(if is_plain { VERSION_PLAIN } else { VERSION });
    let mut flags = 0;
    flags |= if message.properties.is_some() { HAS_PROPERTIES } else { 0 };
    flags |= if way.is_some() { HAS_WAY } else { 0 };
    flags |= if message.ttl.is_some() { HAS_TTL } else { 0 };
    flags |= if message.key.is_some() { HAS_KEY } else { 0 };
    flags |= if message.content_type.is_some() { HAS_CONTENT_TYPE } else { 0 };
    flags |= if message.id.is_some() { ID_IS_PRODUCERS } else { 0 };
    writer.u8(flags);
    writer.u8(message.priority.get());
    match message.availability {
        Availability::Now => writer.u8(0),
        Availability::After(delay) => {
            writer.u8(1);
            writer.u64(delay.get());
        }
        Availability::At(time) => {
            writer.u8(2);
            writer.u64(time.get());
        }
    }
    if let Some(ttl) = message.ttl {
        writer.u64(ttl.get());
    }
    if let Some(key) = &message.key {
        writer.bytes(key);
    }
    writer.text(id.as_str());
    writer.flag(message.body.is_empty());
    writer.text(sender);
    if let Some(content_type) = &message.content_type {
        writer.text(content_type);
    }
    if let Some(properties) = &message.properties {
        properties.write(writer);
    }
    if let Some(way) = way {
        way.write(writer);
    }
    message.headers.write(writer);
    writer.raw(&message.body);
}

/// The fields before the headers, as they lie in the record.
struct Front {
    flags: u8,
    priority: Priority,
    availability: Availability,
    ttl: Option<Span>,
    key: Option<Bytes>,
    id: Bytes,
    empty: bool,
}

fn read_front(reader: &mut Reader) -> Result<Front, WireError> {
    let version = reader.read_version(VERSION_PLAIN..=VERSION, "an unknown record version")?;
    let flags = reader.u8()?;
    let known = if version == VERSION_PLAIN { FLAGS_PLAIN } else { FLAGS_KNOWN };
    if flags & !known != 0 {
        return Err(reader.error("an unknown record flag"));
    }
    let priority = Priority::new(reader.u8()?);
    let availability = match reader.u8()? {
        0 => Availability::Now,
        1 => Availability::After(Span::new(reader.u64()?)),
        2 => Availability::At(Timestamp::new(reader.u64()?)),
        _ => return Err(reader.error("an unknown availability")),
    };
    let ttl = if flags & HAS_TTL != 0 { Some(Span::new(reader.u64()?)) } else { None };
    let key = if flags & HAS_KEY != 0 { Some(reader.bytes()?) } else { None };
    let id = reader.bytes()?;
    let empty = reader.flag()?;
    Ok(Front { flags, priority, availability, ttl, key, id, empty })
}

impl Head {
    /// Reads the front of a record.
    ///
    /// # Errors
    /// When the bytes are not a record of a known version.
    pub fn read(record: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(record.clone());
        let front = read_front(&mut reader)?;
        let id = std::str::from_utf8(&front.id).map_err(|_| reader.error("text is not UTF-8"))?;
        Ok(Self {
            bytes: u32::try_from(record.len()).map_err(|_| reader.error("a record beyond 4 GiB"))?,
            priority: front.priority,
            availability: front.availability,
            ttl: front.ttl,
            key: front.key.as_deref().map(KeyHash::of),
            id: (front.flags & ID_IS_PRODUCERS != 0).then(|| IdHash::of(id)),
            empty: front.empty,
        })
    }
}

/// Decodes a record for a consumer; body, key and binary headers share its memory.
///
/// # Errors
/// When the bytes are not a record of a known version.
pub fn decode(record: Bytes, published_at: Timestamp, expires_at: Option<Timestamp>) -> Result<Message, WireError> {
    let mut reader = Reader::new(record);
    let front = read_front(&mut reader)?;
    let id = std::str::from_utf8(&front.id).map_err(|_| reader.error("text is not UTF-8"))?;
    let id = MessageId::parse(id).map_err(|_| reader.error("a message id that is not one"))?;
    let Envelope { sender, content_type, properties, way, headers } = read_envelope(&mut reader, front.flags)?;
    let body = reader.take(reader.left())?;
    Ok(Message {
        id,
        body,
        headers,
        content_type,
        key: front.key,
        priority: front.priority,
        published_at,
        expires_at,
        sender,
        ttl: front.ttl,
        properties,
        routed: way,
    })
}

/// What lies between the front and the body.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The authenticated user.
    pub sender: Arc<str>,
    /// The media type of the payload.
    pub content_type: Option<String>,
    /// What else the producer said.
    pub properties: Option<Box<Properties>>,
    /// The exchange that it was published to.
    pub way: Option<Box<Routed>>,
    /// The headers.
    pub headers: Headers,
}

impl Envelope {
    /// Reads it, and not the body. Only exchanges that look at headers or properties need it.
    ///
    /// # Errors
    /// When the bytes are not a record of a known version.
    pub fn read(record: &Bytes) -> Result<Self, WireError> {
        let mut reader = Reader::new(record.clone());
        let front = read_front(&mut reader)?;
        read_envelope(&mut reader, front.flags)
    }
}

fn read_envelope(reader: &mut Reader, flags: u8) -> Result<Envelope, WireError> {
    Ok(Envelope {
        sender: Arc::from(reader.text()?),
        content_type: if flags & HAS_CONTENT_TYPE != 0 { Some(reader.text()?) } else { None },
        properties: if flags & HAS_PROPERTIES != 0 { Some(Box::new(Wire::read(reader)?)) } else { None },
        way: if flags & HAS_WAY != 0 { Some(Box::new(Wire::read(reader)?)) } else { None },
        headers: read_headers(reader)?,
    })
}
