//! One connection with one channel to a broker that speaks AMQP 0-9-1, as lean as a load needs it.
//! Invariant: bytes are written and read as soon as the socket takes and brings them; nothing waits for a timer.
//! Called by `produce`, `consume` and `bench::amqp`.

use std::io::ErrorKind;

use amqp::codec::class::{basic, channel, connection, queue};
use amqp::codec::frame::{self, FRAME_OVERHEAD};
use amqp::codec::method::Payload;
use amqp::codec::{Frame, Method, ProtocolHeader, ShortText, Table, Value};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::address::Address;
use crate::exit::{Complaint, Exit};

/// The channel of a link.
pub(super) const CHANNEL: u16 = 1;
/// Bytes that are read together.
const READ_BYTES: usize = 256 * 1024;
/// Largest frame that is asked for, in bytes.
const FRAME_BYTES_MAX: u32 = 131_072;

/// A connection.
pub(super) struct Link {
    stream: TcpStream,
    input: BytesMut,
    /// What waits to be written.
    pub(super) out: BytesMut,
    frame_max: usize,
    product: String,
}

/// The measurement cannot go on.
pub(super) fn broken(what: impl std::fmt::Display) -> Complaint {
    Complaint::here(Exit::Unavailable, "amqp", format!("the AMQP broker: {what}"), "see its log")
}

impl Link {
    /// Connects, logs in and opens the channel.
    pub(super) async fn open(address: &Address) -> Result<Self, Complaint> {
        let stream = TcpStream::connect(&address.host).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let frame_max = usize::try_from(FRAME_BYTES_MAX).unwrap_or(usize::MAX);
        let (input, out, product) = (BytesMut::new(), BytesMut::new(), String::new());
        let mut link = Self { stream, input, out, frame_max, product };
        link.out.extend_from_slice(&ProtocolHeader::BYTES);
        let start: connection::Start = link.expect().await?;
        let said = |name: &str| start.server_properties.get(name).and_then(Value::as_text).unwrap_or_default();
        link.product = format!("{} {}", said("product"), said("version"));
        let response = Bytes::from(format!("\0{}\0{}", address.user, address.password));
        let (mechanism, locale) = (ShortText::cut("PLAIN"), ShortText::cut("en_US"));
        let client_properties = Table::default();
        link.send(0, &connection::StartOk { client_properties, mechanism, response, locale });
        let tune: connection::Tune = link.expect().await?;
        let frame_max = if tune.frame_max == 0 { FRAME_BYTES_MAX } else { tune.frame_max.min(FRAME_BYTES_MAX) };
        link.frame_max = usize::try_from(frame_max).unwrap_or(usize::MAX);
        link.send(0, &connection::TuneOk { channel_max: tune.channel_max, frame_max, heartbeat: 0 });
        let virtual_host = ShortText::cut(address.virtual_host.clone());
        link.send(0, &connection::Open { virtual_host, ..connection::Open::default() });
        link.expect::<connection::OpenOk>().await?;
        link.ask::<channel::OpenOk>(&channel::Open::default()).await?;
        Ok(link)
    }

    /// What the broker says it is, and its version.
    pub(super) fn product(&self) -> &str {
        &self.product
    }

    /// Makes a durable queue of a type; without one that which the broker makes by itself.
    pub(super) async fn declare(&mut self, name: &str, kind: Option<&str>) -> Result<(), Complaint> {
        let mut arguments = Table::default();
        if let Some(kind) = kind {
            arguments.put("x-queue-type", Value::text(kind));
        }
        let queue = ShortText::cut(name);
        let declare = queue::Declare { queue, durable: true, arguments, ..queue::Declare::default() };
        self.ask::<queue::DeclareOk>(&declare).await.map(|_| ())
    }

    /// Deletes a queue with what is in it.
    pub(super) async fn delete(&mut self, name: &str) -> Result<(), Complaint> {
        let delete = queue::Delete { queue: ShortText::cut(name), ..queue::Delete::default() };
        self.ask::<queue::DeleteOk>(&delete).await.map(|_| ())
    }

    /// Says what will be written with the next turn.
    pub(super) fn send(&mut self, channel: u16, method: &impl Payload) {
        frame::put_method(&mut self.out, channel, |out| method.write(out));
    }

    /// Sends a method on the channel and waits for its answer.
    pub(super) async fn ask<A: Payload>(&mut self, method: &impl Payload) -> Result<A, Complaint> {
        self.send(CHANNEL, method);
        self.expect().await
    }

    /// Waits for one method; anything else is an error.
    async fn expect<A: Payload>(&mut self) -> Result<A, Complaint> {
        loop {
            match self.frame()? {
                Some(Frame::Method(_, mut payload)) => {
                    let (class, method) = (payload.get_u16(), payload.get_u16());
                    if (class, method) == (A::CLASS, A::METHOD) {
                        return A::read_fields(&mut payload).map_err(|malformed| broken(malformed.why));
                    }
                    return Err(unexpected(&payload, class, method));
                }
                Some(Frame::Heartbeat) => {}
                Some(other) => return Err(broken(format!("{other:?} came where a method was expected"))),
                None => self.turn().await?,
            }
        }
    }

    /// The next frame of what has arrived.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, Complaint> {
        Frame::take(&mut self.input, self.frame_max.max(FRAME_OVERHEAD)).map_err(|malformed| broken(malformed.why))
    }

    /// Waits until bytes could be written or read, and does both as far as possible.
    pub(super) async fn turn(&mut self) -> Result<(), Complaint> {
        let interest = if self.out.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        let ready = self.stream.ready(interest).await.map_err(broken)?;
        if ready.is_writable() && !self.out.is_empty() {
            match self.stream.try_write(&self.out) {
                Ok(written) => self.out.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(broken(error)),
            }
        }
        if ready.is_readable() {
            self.input.reserve(READ_BYTES);
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) => return Err(broken("it closed the connection")),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(broken(error)),
            }
        }
        Ok(())
    }
}

/// What came instead; a close says why.
pub(super) fn unexpected(fields: &Bytes, class: u16, method: u16) -> Complaint {
    let mut fields = fields.clone();
    let reason = match (class, method) {
        (connection::Close::CLASS, connection::Close::METHOD) => {
            connection::Close::read_fields(&mut fields).ok().map(|close| close.reply_text)
        }
        (channel::Close::CLASS, channel::Close::METHOD) => {
            channel::Close::read_fields(&mut fields).ok().map(|close| close.reply_text)
        }
        _ => None,
    };
    match reason {
        Some(reason) => broken(format!("it closed: {reason}")),
        None => broken(format!("method {class}.{method} came where another was expected")),
    }
}

/// Reads a method that a load expects.
pub(super) fn method(payload: Bytes) -> Result<basic::Method, Complaint> {
    match Method::read(payload).map_err(|malformed| broken(malformed.why))? {
        Method::Basic(method) => Ok(method),
        Method::Connection(connection::Method::Close(close)) => {
            Err(broken(format!("it closed the connection: {}", close.reply_text)))
        }
        Method::Channel(channel::Method::Close(close)) => {
            Err(broken(format!("it closed the channel: {}", close.reply_text)))
        }
        other @ (Method::Connection(_)
        | Method::Channel(_)
        | Method::Exchange(_)
        | Method::Queue(_)
        | Method::Confirm(_)
        | Method::Tx(_)) => Err(broken(format!("{:?} came where it was not expected", other.numbers()))),
    }
}
