//! A small blocking client of the AMQP door: one connection, one channel, over the door's own codec.
//! Invariant: it waits for each answer; a channel that the server closed is opened again, and the close is the answer.
//! Used by suites that ask this door, through `world`; real clients are in `.ci/suites/amqp.sh`.

#![allow(clippy::wildcard_enum_match_arm, reason = "what a client did not ask for is one case")]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use amqp::codec::class::{basic, channel, confirm, connection};
use amqp::codec::properties::ContentHeader;
use amqp::codec::{Frame, Method, Properties, ProtocolHeader, ShortText, frame};
use bytes::{Bytes, BytesMut};

use super::PATIENCE;

const FRAME_MAX: usize = 131_072;
const CHANNEL: u16 = 1;

/// Why the server closed a channel or the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closed {
    pub(crate) code: u16,
    pub(crate) text: String,
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmed {
    Kept,
    Refused,
    Returned,
}

/// A message that came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) tag: u64,
    pub(crate) redelivered: bool,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
}

/// Both directions of a connection.
pub(crate) trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// A connection with an open channel that confirms.
pub(crate) struct Amqp {
    stream: Box<dyn Wire>,
    input: BytesMut,
    came: VecDeque<Came>,
    /// Whether the connection itself is over.
    over: bool,
}

pub(crate) fn short(text: &str) -> ShortText {
    ShortText::cut(text)
}

impl Amqp {
    /// Logs in with a password and opens `/`.
    pub(crate) fn open(address: SocketAddr, user: &str, password: &str) -> Result<Self, Closed> {
        let response = Bytes::from(format!("\0{user}\0{password}"));
        Self::over(Box::new(connect(address)), "PLAIN", response, "/")
    }

    /// Logs in to a virtual host.
    pub(crate) fn open_at(address: SocketAddr, user: &str, password: &str, host: &str) -> Result<Self, Closed> {
        let response = Bytes::from(format!("\0{user}\0{password}"));
        Self::over(Box::new(connect(address)), "PLAIN", response, host)
    }

    /// The handshake over a connection of any kind.
    pub(crate) fn over(stream: Box<dyn Wire>, mechanism: &str, response: Bytes, host: &str) -> Result<Self, Closed> {
        let mut amqp = Self { stream, input: BytesMut::new(), came: VecDeque::new(), over: false };
        amqp.stream.write_all(&ProtocolHeader::BYTES).unwrap();
        let Ok(Method::Connection(connection::Method::Start(start))) = amqp.method() else { panic!("no start") };
        let offered = String::from_utf8_lossy(&start.mechanisms).into_owned();
        if !offered.split(' ').any(|word| word == mechanism) {
            return Err(Closed { code: 0, text: format!("{mechanism} is not one of {offered}") });
        }
        let able = [("authentication_failure_close", amqp::codec::Value::Boolean(true))].into_iter().collect();
        let client_properties = [("capabilities", amqp::codec::Value::Table(able))].into_iter().collect();
        let locale = short("en_US");
        let mechanism = short(mechanism);
        amqp.send(0, connection::StartOk { client_properties, mechanism, response, locale });
        let tune = amqp.method()?;
        assert!(matches!(tune, Method::Connection(connection::Method::Tune(_))), "{tune:?}");
        amqp.send(0, connection::TuneOk { channel_max: 0, frame_max: 0, heartbeat: 0 });
        amqp.send(0, connection::Open { virtual_host: short(host), ..connection::Open::default() });
        amqp.method()?;
        amqp.open_channel();
        Ok(amqp)
    }

    fn open_channel(&mut self) {
        self.send(CHANNEL, channel::Open::default());
        let opened = self.method().unwrap();
        assert!(matches!(opened, Method::Channel(channel::Method::OpenOk(_))), "{opened:?}");
        self.call(confirm::Select::default()).unwrap();
    }

    fn send(&mut self, number: u16, method: impl Into<Method>) {
        let mut out = BytesMut::new();
        frame::put_method(&mut out, number, |out| method.into().write(out));
        self.stream.write_all(&out).unwrap();
    }

    fn frame(&mut self) -> Frame {
        loop {
            if let Some(frame) = Frame::take(&mut self.input, FRAME_MAX).unwrap() {
                return frame;
            }
            let mut bytes = [0; 65_536];
            let count = self.stream.read(&mut bytes).unwrap();
            assert!(count > 0, "the connection ended");
            self.input.extend_from_slice(&bytes[..count]);
        }
    }

    /// The next method of the server; deliveries before it are kept.
    fn method(&mut self) -> Result<Method, Closed> {
        loop {
            if let Some(method) = self.step()? {
                return Ok(method);
            }
        }
    }

    /// Takes what comes next: a method, or a delivery, which is kept.
    fn step(&mut self) -> Result<Option<Method>, Closed> {
        let Frame::Method(number, payload) = self.frame() else { return Ok(None) };
        match Method::read(payload).unwrap() {
            Method::Basic(basic::Method::Deliver(deliver)) => {
                let (properties, body) = self.content();
                self.came.push_back(Came {
                    tag: deliver.delivery_tag,
                    redelivered: deliver.redelivered,
                    exchange: deliver.exchange.into_string(),
                    routing_key: deliver.routing_key.into_string(),
                    properties,
                    body,
                });
                Ok(None)
            }
            Method::Channel(channel::Method::Close(close)) => {
                self.send(number, channel::CloseOk {});
                self.came.clear();
                self.open_channel();
                Err(Closed { code: close.reply_code, text: close.reply_text.into_string() })
            }
            Method::Connection(connection::Method::Close(close)) => {
                self.send(0, connection::CloseOk {});
                self.over = true;
                Err(Closed { code: close.reply_code, text: close.reply_text.into_string() })
            }
            method => Ok(Some(method)),
        }
    }

    fn content(&mut self) -> (Properties, Bytes) {
        let Frame::Header(_, payload) = self.frame() else { panic!("a header comes behind its method") };
        let header = ContentHeader::read(payload).unwrap();
        let size = usize::try_from(header.body_size).unwrap();
        let mut body = BytesMut::new();
        while body.len() < size {
            let Frame::Body(_, part) = self.frame() else { panic!("a body comes behind its header") };
            body.extend_from_slice(&part);
        }
        (header.properties, body.freeze())
    }

    /// Whether the server ended the connection.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Sends a method and waits for the answer, or for the close that it is answered with.
    pub(crate) fn call(&mut self, method: impl Into<Method>) -> Result<Method, Closed> {
        self.send(CHANNEL, method);
        self.method()
    }

    /// Sends a method that is not answered.
    pub(crate) fn tell(&mut self, method: impl Into<Method>) {
        self.send(CHANNEL, method);
    }

    /// Publishes, and says what became of it.
    pub(crate) fn publish(
        &mut self,
        exchange: &str,
        routing_key: &str,
        properties: Properties,
        body: &[u8],
    ) -> Result<Confirmed, Closed> {
        let mut out = BytesMut::new();
        let publish = basic::Publish {
            exchange: short(exchange),
            routing_key: short(routing_key),
            mandatory: true,
            ..basic::Publish::default()
        };
        frame::put_method(&mut out, CHANNEL, |out| Method::from(publish).write(out));
        let header = ContentHeader { body_size: u64::try_from(body.len()).unwrap(), properties };
        frame::put_header(&mut out, CHANNEL, |out| header.write(out));
        frame::put_body(&mut out, CHANNEL, body, FRAME_MAX);
        self.stream.write_all(&out).unwrap();
        let mut returned = false;
        loop {
            match self.method()? {
                Method::Basic(basic::Method::Return(_)) => {
                    self.content();
                    returned = true;
                }
                Method::Basic(basic::Method::Ack(_)) if returned => return Ok(Confirmed::Returned),
                Method::Basic(basic::Method::Ack(_)) => return Ok(Confirmed::Kept),
                Method::Basic(basic::Method::Nack(_)) => return Ok(Confirmed::Refused),
                other => panic!("a publish was answered with {other:?}"),
            }
        }
    }

    /// Sets the prefetch of a consumer.
    pub(crate) fn prefetch(&mut self, prefetch_count: u16) {
        self.call(basic::Qos { prefetch_count, ..basic::Qos::default() }).unwrap();
    }

    /// Starts a consumer that settles.
    pub(crate) fn consume(&mut self, queue: &str, arguments: amqp::codec::Table) -> Result<(), Closed> {
        let consume = basic::Consume { queue: short(queue), arguments, ..basic::Consume::default() };
        self.call(consume).map(|_| ())
    }

    /// The next delivery; fails when none comes.
    pub(crate) fn delivery(&mut self) -> Result<Came, Closed> {
        loop {
            if let Some(came) = self.came.pop_front() {
                return Ok(came);
            }
            let method = self.step()?;
            assert_eq!(method, None, "it came instead of a delivery");
        }
    }

    /// Takes one message of a queue.
    pub(crate) fn get(&mut self, queue: &str) -> Result<Option<Came>, Closed> {
        match self.call(basic::Get { queue: short(queue), ..basic::Get::default() })? {
            Method::Basic(basic::Method::GetOk(got)) => {
                let (properties, body) = self.content();
                Ok(Some(Came {
                    tag: got.delivery_tag,
                    redelivered: got.redelivered,
                    exchange: got.exchange.into_string(),
                    routing_key: got.routing_key.into_string(),
                    properties,
                    body,
                }))
            }
            Method::Basic(basic::Method::GetEmpty(_)) => Ok(None),
            other => panic!("a get was answered with {other:?}"),
        }
    }

    /// Acknowledges a delivery.
    pub(crate) fn ack(&mut self, delivery_tag: u64) {
        self.tell(basic::Ack { delivery_tag, multiple: false });
    }

    /// Waits until everything that was told before has been done.
    pub(crate) fn settled(&mut self) -> Result<(), Closed> {
        self.call(basic::Qos::default()).map(|_| ())
    }

    /// The close that the server sends by itself.
    pub(crate) fn closed(&mut self) -> Closed {
        let method = self.method();
        method.expect_err("a close")
    }
}

/// A connection to a door.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}
