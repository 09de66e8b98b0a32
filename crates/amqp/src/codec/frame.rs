//! Frames: type, channel, length, payload, end mark; and the eight bytes that open a connection.
//! Invariant: a length is compared with its limit before anything waits for it, so a buffer never grows past it.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::reply::Malformed;

/// The bytes of a frame beside its payload.
pub const FRAME_OVERHEAD: usize = 8;
const HEADER: usize = 7;
const END: u8 = 0xCE;

const METHOD: u8 = 1;
const CONTENT_HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// What a frame carries, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A method.
    Method(u16, Bytes),
    /// The header of a content.
    Header(u16, Bytes),
    /// A part of a content.
    Body(u16, Bytes),
    /// A sign of life.
    Heartbeat,
}

impl Frame {
    /// Takes the next frame from what arrived; `None` when it is not complete.
    ///
    /// # Errors
    /// `Malformed` when it is longer than `frame_max` in all, of an unknown type, or without its end mark.
    pub fn take(input: &mut BytesMut, frame_max: usize) -> Result<Option<Self>, Malformed> {
        let Some((kind, channel, length)) = header(input) else { return Ok(None) };
        if length.saturating_add(FRAME_OVERHEAD) > frame_max {
            return Err(Malformed::frame(format!("a frame of {length} bytes is larger than the negotiated maximum")));
        }
        if !matches!(kind, METHOD | CONTENT_HEADER | BODY | HEARTBEAT) {
            return Err(Malformed::frame(format!("unknown frame type {kind}")));
        }
        if input.len() < length + FRAME_OVERHEAD {
            return Ok(None);
        }
        let mut frame = input.split_to(length + FRAME_OVERHEAD);
        if frame[HEADER + length] != END {
            return Err(Malformed::frame("a frame lacks its end mark"));
        }
        frame.advance(HEADER);
        frame.truncate(length);
        let payload = frame.freeze();
        Ok(Some(match kind {
            METHOD => Self::Method(channel, payload),
            CONTENT_HEADER => Self::Header(channel, payload),
            BODY => Self::Body(channel, payload),
            _ => Self::Heartbeat,
        }))
    }

    /// Writes it.
    pub fn write(&self, out: &mut BytesMut) {
        let (kind, channel, payload) = match self {
            Self::Method(channel, payload) => (METHOD, *channel, payload.as_ref()),
            Self::Header(channel, payload) => (CONTENT_HEADER, *channel, payload.as_ref()),
            Self::Body(channel, payload) => (BODY, *channel, payload.as_ref()),
            Self::Heartbeat => (HEARTBEAT, 0, [].as_slice()),
        };
        framed(out, kind, channel, |out| out.put_slice(payload));
    }
}

fn header(input: &BytesMut) -> Option<(u8, u16, usize)> {
    let mut header = input.get(..HEADER)?;
    let (kind, channel) = (header.get_u8(), header.get_u16());
    Some((kind, channel, usize::try_from(header.get_u32()).unwrap_or(usize::MAX)))
}

fn framed(out: &mut BytesMut, kind: u8, channel: u16, payload: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_u8(kind);
    out.put_u16(channel);
    out.put_u32(0);
    payload(out);
    let length = u32::try_from(out.len() - at - HEADER).expect("a frame is shorter than its limit");
    (&mut out[at + 3..at + HEADER]).put_u32(length);
    out.put_u8(END);
}

/// Writes a frame with a method.
pub fn put_method(out: &mut BytesMut, channel: u16, payload: impl FnOnce(&mut BytesMut)) {
    framed(out, METHOD, channel, payload);
}

/// Writes a frame with a content header.
pub fn put_header(out: &mut BytesMut, channel: u16, payload: impl FnOnce(&mut BytesMut)) {
    framed(out, CONTENT_HEADER, channel, payload);
}

/// Writes a content in as many frames as it needs.
pub fn put_body(out: &mut BytesMut, channel: u16, body: &[u8], frame_max: usize) {
    for part in body.chunks(frame_max - FRAME_OVERHEAD) {
        framed(out, BODY, channel, |out| out.put_slice(part));
    }
}

/// What a client opens with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolHeader {
    /// AMQP 0-9-1.
    Supported,
    /// Anything else.
    Other,
}

impl ProtocolHeader {
    /// What the server speaks.
    pub const BYTES: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

    /// Takes it from what arrived. `None` while it may still become the right one.
    pub fn take(input: &mut BytesMut) -> Option<Self> {
        let there = input.len().min(Self::BYTES.len());
        if input[..there] != Self::BYTES[..there] {
            return Some(Self::Other);
        }
        if there < Self::BYTES.len() {
            return None;
        }
        input.advance(there);
        Some(Self::Supported)
    }
}
