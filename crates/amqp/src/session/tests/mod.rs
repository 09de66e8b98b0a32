//! Sessions as conversations: what the client sends and the broker answers, and all that comes of it as text.
//! A line is a frame to the client (`1 BasicAck …`) or an action (`ask …`).

mod channels;
mod connection;
mod delivering;
mod hostile;
mod publishing;
mod timeouts;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use model::name::{NamespaceName, QueueName, QueueRef, Source, TopicName, TopicRef};
use model::number::{Attempt, Epoch, Partition, QueueId, Sequence};
use model::receipt::{Receipt, ReceiptSource};

use super::{Action, Answer, Ask, Close, ConsumerId, Delivered, Fate, Feed, Identity, Proof, Session, Ticket};
use crate::codec::class::{basic, channel, confirm, connection as class};
use crate::codec::frame;
use crate::codec::properties::ContentHeader;
use crate::codec::{Frame, Method, Properties, ReplyCode, ShortText, Table, Value};

const FRAME_MAX: usize = 131_072;

/// A session with both of its partners played by the test.
struct Talk {
    session: Session,
    input: BytesMut,
    now: Duration,
    /// The tickets of questions that are not answered, oldest first.
    open: Vec<(Ticket, Ask)>,
    /// Consumers that were asked for, in order.
    consumers: Vec<ConsumerId>,
    /// How long the deliveries of consumers that start may stay unsettled.
    timeout: Option<Duration>,
}

fn short(text: &str) -> ShortText {
    ShortText::cut(text)
}

fn queue(name: &str) -> Arc<Source> {
    Arc::new(Source::Queue(QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name).unwrap() }))
}

fn message(number: u64) -> Delivered {
    let receipt = Receipt {
        source: ReceiptSource::Queue(QueueId::new(1)),
        partition: Partition::new(0),
        sequence: Sequence::new(number),
        epoch: Epoch::new(1),
        attempt: Attempt::new(1),
    };
    Delivered {
        receipt: Some(receipt),
        redelivered: false,
        exchange: short(""),
        routing_key: short("q"),
        properties: Properties::default(),
        body: Bytes::from(format!("m{number}")),
    }
}

impl Talk {
    /// A session whose client has said nothing.
    fn silent() -> Self {
        let identity = Identity { product: "p".into(), version: "v".into(), platform: "r".into(), cluster: "c".into() };
        let session = Session::new(identity, "token".into(), Duration::ZERO);
        Self {
            session,
            input: BytesMut::new(),
            now: Duration::ZERO,
            open: Vec::new(),
            consumers: Vec::new(),
            timeout: None,
        }
    }

    /// A session with an open virtual host.
    fn open() -> Self {
        let mut talk = Self::silent();
        talk.bytes(b"AMQP\x00\x00\x09\x01");
        talk.start_ok("PLAIN", b"\0ana\0secret", &["basic.nack", "consumer_cancel_notify", "connection.blocked"]);
        talk.answer(Ok(Answer::LoggedIn));
        talk.say(0, class::TuneOk { channel_max: 0, frame_max: 0, heartbeat: 10 });
        talk.say(0, class::Open { virtual_host: short("/"), ..class::Open::default() });
        assert_eq!(talk.answer(Ok(Answer::Done)), "0 OpenOk");
        talk
    }

    /// One with channel 1.
    fn with_channel() -> Self {
        let mut talk = Self::open();
        assert_eq!(talk.say(1, channel::Open::default()), "1 OpenOk");
        talk
    }

    fn start_ok(&mut self, mechanism: &str, response: &'static [u8], capabilities: &[&str]) -> String {
        let mut able = Table::default();
        capabilities.iter().for_each(|name| able.put(name, Value::Boolean(true)));
        let mut client_properties = Table::default();
        client_properties.put("capabilities", Value::Table(able));
        let response = Bytes::from_static(response);
        self.say(0, class::StartOk { client_properties, mechanism: short(mechanism), response, locale: short("en_US") })
    }

    fn bytes(&mut self, bytes: &[u8]) -> String {
        self.input.extend_from_slice(bytes);
        self.session.read(&mut self.input, self.now);
        self.heard()
    }

    /// The client sends a method.
    fn say(&mut self, channel: u16, method: impl Into<Method>) -> String {
        let mut bytes = BytesMut::new();
        frame::put_method(&mut bytes, channel, |out| method.into().write(out));
        self.bytes(&bytes)
    }

    /// The client publishes.
    fn publish(&mut self, routing_key: &str, body: &str) -> String {
        let publish = basic::Publish { routing_key: short(routing_key), mandatory: true, ..basic::Publish::default() };
        self.publish_as(publish, Properties::default(), body)
    }

    fn publish_as(&mut self, publish: basic::Publish, properties: Properties, body: &str) -> String {
        let mut bytes = BytesMut::new();
        frame::put_method(&mut bytes, 1, |out| Method::from(publish).write(out));
        let header = ContentHeader { body_size: u64::try_from(body.len()).unwrap(), properties };
        frame::put_header(&mut bytes, 1, |out| header.write(out));
        frame::put_body(&mut bytes, 1, body.as_bytes(), FRAME_MAX);
        self.bytes(&bytes)
    }

    /// The broker answers the oldest question.
    fn answer(&mut self, answer: Result<Answer, Close>) -> String {
        self.answer_number(0, answer)
    }

    fn answer_number(&mut self, number: usize, answer: Result<Answer, Close>) -> String {
        let (ticket, _) = self.open.remove(number);
        self.session.answer(ticket, answer, self.now);
        self.session.read(&mut self.input, self.now);
        self.heard()
    }

    fn fates(&mut self, fates: &[Fate]) -> String {
        self.answer(Ok(Answer::Published(fates.to_vec())))
    }

    /// The client starts a consumer, and the broker lets it.
    fn consume(&mut self, tag: &str, no_ack: bool) -> String {
        let consume =
            basic::Consume { queue: short("q"), consumer_tag: short(tag), no_ack, ..basic::Consume::default() };
        self.say(1, consume);
        self.answer(Ok(Answer::Consuming { feed: Feed::Leased(queue("q")), timeout: self.timeout }))
    }

    /// The broker delivers to a consumer.
    fn deliver(&mut self, consumer: usize, numbers: std::ops::RangeInclusive<u64>) -> String {
        self.session.deliver(self.consumers[consumer], numbers.map(message).collect::<Vec<_>>().into_iter(), self.now);
        self.heard()
    }

    fn passes(&mut self, time: Duration) -> String {
        self.now += time;
        self.session.tick(self.now);
        self.heard()
    }

    /// Everything that has come of it.
    fn heard(&mut self) -> String {
        let mut lines = Vec::new();
        let mut out = self.session.output().split();
        if !out.is_empty() {
            self.session.said(self.now);
        }
        while let Ok(Some(frame)) = Frame::take(&mut out, FRAME_MAX) {
            lines.push(match frame {
                Frame::Method(number, payload) => format!("{number} {}", shown(&Method::read(payload).unwrap())),
                Frame::Header(number, _) => format!("{number} header"),
                Frame::Body(number, body) => format!("{number} body {}", String::from_utf8_lossy(&body)),
                Frame::Heartbeat => "heartbeat".to_owned(),
            });
        }
        if !out.is_empty() {
            lines.push(format!("{:?}", out.as_ref()));
        }
        for action in self.session.actions() {
            lines.push(self.action(action));
        }
        lines.join("\n")
    }

    fn action(&mut self, action: Action) -> String {
        match action {
            Action::Ask(ticket, ask) => {
                let line = asked(&ask);
                if let Ask::Consume(id, ..) = ask {
                    self.consumers.push(id);
                }
                self.open.push((ticket, ask));
                line
            }
            Action::Grant(id, credit) => format!("grant {} {credit}", self.place(id)),
            Action::Stop(id) => format!("stop {}", self.place(id)),
            Action::Drop(id) => format!("drop {}", self.place(id)),
            Action::Reply(publication) => format!("reply {}", publication.routing_key),
        }
    }

    fn place(&self, id: ConsumerId) -> usize {
        self.consumers.iter().position(|known| *known == id).unwrap()
    }
}

fn asked(ask: &Ask) -> String {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the first word says which question it is")]
    match ask {
        Ask::Publish(publications) => {
            let bodies = publications.iter().map(|one| String::from_utf8_lossy(&one.body).into_owned());
            format!("ask publish {}", bodies.collect::<Vec<_>>().join(" "))
        }
        Ask::Settle(settles) => {
            let one = |settle: &super::Settle| {
                let numbers = settle.receipts.iter().map(|receipt| receipt.sequence.to_string());
                format!("{:?} {}", settle.verdict, numbers.collect::<Vec<_>>().join(","))
            };
            format!("ask settle {}", settles.iter().map(one).collect::<Vec<_>>().join("; "))
        }
        other => {
            let text = format!("{other:?}");
            format!("ask {}", text.split(['(', ' ']).next().unwrap_or_default())
        }
    }
}

/// A method as its name and the fields that say something.
fn shown(method: &Method) -> String {
    let text = format!("{method:?}");
    // `Basic(Ack(Ack { … }))`: the class and the doubled name say nothing new.
    let inner = text.splitn(3, '(').nth(2).unwrap_or(&text).trim_end_matches(')');
    let (name, fields) = inner.split_once(" { ").unwrap_or((inner, ""));
    let fields = fields.trim_end_matches(" }").replace("ShortText(\"", "'").replace("\")", "'");
    let said = fields.split(", ").filter(|field| {
        let value = field.split_once(": ").map_or("", |(_, value)| value);
        !matches!(value, "''" | "false" | "0" | "b\"\"" | "Table([])") && !value.is_empty()
    });
    std::iter::once(name.trim_end_matches(" {}").to_owned())
        .chain(said.map(str::to_owned))
        .collect::<Vec<_>>()
        .join(" ")
}
