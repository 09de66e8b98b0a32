//! AMQP: whole conversations with a broker that refuses, delivers and lets time pass.
//! Invariants: the session asks and answers without panic, sends whole frames that can be read, and its memory is bounded
//! by what it was sent. Seeds below are what a client says.

use std::sync::Arc;
use std::time::Duration;

use ::amqp::codec::class::{channel, connection};
use ::amqp::codec::properties::ContentHeader;
use ::amqp::codec::{Frame, Method, ProtocolHeader, ReplyCode, ShortText, frame};
use ::amqp::limits::FRAME_BYTES_MAX;
use ::amqp::session::{Action, Answer, Ask, Close, ConsumerId, Delivered, Fate, Feed, Identity, Session, Ticket};
use bytes::{Buf, Bytes, BytesMut};
use model::name::{NamespaceName, QueueName, QueueRef, Source, TopicName, TopicRef};
use model::number::{Attempt, Epoch, Partition, QueueId, Sequence};
use model::receipt::{Receipt, ReceiptSource};

use crate::bound::within;

/// How long a delivery may stay unsettled, now and then: a few steps of time.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection with channel 1 open, and the broker behind it.
struct Talk {
    session: Session,
    input: BytesMut,
    now: Duration,
    consumers: Vec<ConsumerId>,
    delivered: u64,
    /// How the broker answers: each answer takes the next bit.
    mood: u8,
}

/// The rest of a conversation. The first byte says how the broker answers; then come parts of a byte for the channel and
/// what it is, two for the length, and the payload. Frames are put around them, so that the fuzzer need not.
pub fn amqp_conversation(bytes: &[u8]) {
    let Some((mood, mut rest)) = bytes.split_first() else { return };
    within(bytes.len(), 256 << 10, 4096, || {
        let mut talk = Talk::new(*mood);
        while rest.len() >= 3 && !talk.session.is_over() {
            let first = rest.get_u8();
            let length = usize::from(rest.get_u16());
            let (payload, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            talk.part(first, payload);
        }
        talk.session.hang_up();
        talk.listen();
    });
}

impl Talk {
    fn new(mood: u8) -> Talk {
        let word = || "word".to_owned();
        let identity = Identity { product: word(), version: word(), platform: word(), cluster: word() };
        let session = Session::new(identity, "token".to_owned(), Duration::ZERO);
        let input = BytesMut::from(&ProtocolHeader::BYTES[..]);
        let mut talk = Talk { session, input, now: Duration::ZERO, consumers: Vec::new(), delivered: 0, mood: 0 };
        talk.listen();
        let response = Bytes::from_static(b"\0ann\0secret");
        let mechanism = ShortText::cut("PLAIN");
        talk.say(0, connection::StartOk { mechanism, response, ..connection::StartOk::default() });
        talk.say(0, connection::TuneOk::default());
        talk.say(0, connection::Open { virtual_host: ShortText::cut("/"), ..connection::Open::default() });
        talk.say(1, channel::Open::default());
        assert!(talk.session.is_open());
        talk.mood = mood;
        talk
    }

    fn say(&mut self, channel: u16, method: impl Into<Method>) {
        frame::put_method(&mut self.input, channel, |out| method.into().write(out));
        self.listen();
    }

    /// Something that the client sends, or that happens otherwise.
    fn part(&mut self, first: u8, payload: &[u8]) {
        let channel = u16::from(first >> 4);
        match first & 0x0F {
            0..=4 => frame::put_method(&mut self.input, channel, |out| out.extend_from_slice(payload)),
            5 | 6 => frame::put_header(&mut self.input, channel, |out| out.extend_from_slice(payload)),
            7 | 8 => frame::put_body(&mut self.input, channel, payload, FRAME_BYTES_MAX),
            9 => self.input.extend_from_slice(payload),
            10 => {
                let count = payload.len().min(8);
                let messages: Vec<_> = (0..count).map(|_| self.message()).collect();
                if let Some(id) = self.consumers.get(usize::from(channel)) {
                    self.session.deliver(*id, messages.into_iter(), self.now);
                }
            }
            11 => {
                if let Some(id) = self.consumers.get(usize::from(channel)) {
                    self.session.consumer_ended(*id);
                }
            }
            12 => {
                self.now += Duration::from_secs(u64::from(channel));
                self.session.tick(self.now);
            }
            13 => self.session.set_blocked((channel & 1 == 1).then_some("low on disk")),
            14 => {
                let message = self.message();
                for address in self.session.reply_addresses() {
                    self.session.direct_reply(&address, message.clone());
                }
            }
            _ => self.mood = payload.first().copied().unwrap_or_default(),
        }
        self.listen();
    }

    /// Reads, and answers until nothing more is asked.
    fn listen(&mut self) {
        loop {
            self.session.read(&mut self.input, self.now);
            self.check_output();
            let actions = self.session.actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                self.act(action);
            }
        }
    }

    /// What is sent to the client is whole frames that can be read.
    fn check_output(&mut self) {
        let mut out = self.session.output().split();
        if out.starts_with(b"AMQP") {
            return;
        }
        if !out.is_empty() {
            self.session.said(self.now);
        }
        while let Some(sent) = Frame::take(&mut out, FRAME_BYTES_MAX).expect("the server sends right frames") {
            match sent {
                Frame::Method(_, payload) => {
                    Method::read(payload).expect("the server sends right methods");
                }
                Frame::Header(_, payload) => {
                    ContentHeader::read(payload).expect("the server sends right headers");
                }
                Frame::Body(..) | Frame::Heartbeat => {}
            }
        }
        assert!(out.is_empty(), "the server sends whole frames");
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Ask(ticket, ask) => self.answer(ticket, &ask),
            Action::Grant(..) | Action::Stop(_) | Action::Drop(_) | Action::Reply(_) => {}
        }
    }

    fn answer(&mut self, ticket: Ticket, ask: &Ask) {
        self.mood = self.mood.rotate_left(1);
        let is_kind = self.mood & 1 == 0;
        if let Ask::Consume(id, ..) = ask {
            self.consumers.push(*id);
        }
        let answer = match ask {
            Ask::Login(_) => Answer::LoggedIn,
            Ask::OpenHost(_)
            | Ask::DeclareExchange(_)
            | Ask::DeleteExchange(_)
            | Ask::BindExchange(_)
            | Ask::UnbindExchange(_)
            | Ask::BindQueue(_)
            | Ask::UnbindQueue(_)
            | Ask::Settle(_) => Answer::Done,
            Ask::DeclareQueue(declare) => Answer::Declared { queue: declare.queue.clone(), messages: 1, consumers: 0 },
            Ask::PurgeQueue(_) | Ask::DeleteQueue(_) => Answer::Removed(1),
            Ask::Publish(all) => Answer::Published(vec![self.fate(); all.len()]),
            Ask::Get(_) if self.mood & 2 == 0 => {
                Answer::Got { source: source(), delivered: self.message(), left: 1, timeout: self.timeout() }
            }
            Ask::Get(_) => Answer::Empty,
            Ask::Consume(..) => Answer::Consuming { feed: self.feed(), timeout: self.timeout() },
        };
        let refusal = Close::new(ReplyCode::NotFound, "no such thing");
        self.session.answer(ticket, if is_kind { Ok(answer) } else { Err(refusal) }, self.now);
    }

    fn timeout(&self) -> Option<Duration> {
        (self.mood & 8 == 0).then_some(TIMEOUT)
    }

    fn feed(&self) -> Feed {
        if self.mood & 4 == 0 {
            return Feed::Leased(source());
        }
        let topic = TopicRef { namespace: NamespaceName::default(), name: TopicName::parse("q").expect("a name") };
        if self.mood & 16 == 0 { Feed::Stream(topic) } else { Feed::SuperStream(topic) }
    }

    fn fate(&self) -> Fate {
        match self.mood >> 1 & 3 {
            0 => Fate::Kept,
            1 => Fate::Unroutable,
            2 => Fate::Refused,
            _ => Fate::Failed(Close::new(ReplyCode::NotFound, "no exchange")),
        }
    }

    fn message(&mut self) -> Delivered {
        self.delivered += 1;
        let receipt = Receipt {
            source: ReceiptSource::Queue(QueueId::new(1)),
            partition: Partition::new(0),
            sequence: Sequence::new(self.delivered),
            epoch: Epoch::new(1),
            attempt: Attempt::new(1),
        };
        Delivered {
            receipt: Some(receipt),
            redelivered: false,
            exchange: ShortText::default(),
            routing_key: ShortText::cut("q"),
            properties: ::amqp::codec::Properties::default(),
            body: Bytes::from_static(b"body"),
        }
    }
}

fn source() -> Arc<Source> {
    let name = QueueName::parse("q").expect("a name");
    Arc::new(Source::Queue(QueueRef { namespace: NamespaceName::default(), name }))
}
