//! AMQP: tables, methods and content headers, and a whole session over whatever a client may send.

use std::time::Duration;

use ::amqp::codec::properties::ContentHeader;
use ::amqp::codec::wire::Field;
use ::amqp::codec::{Frame, Method, ProtocolHeader, Table};
use ::amqp::limits::FRAME_BYTES_MAX;
use ::amqp::session::{Action, Answer, Ask, Fate, Feed, Identity, Session};
use bytes::{Bytes, BytesMut};
use model::name::{NamespaceName, QueueName, QueueRef, Source};

use crate::bound::within;

/// A value takes up to 40 bytes for one on the wire, and a list grows by doubling.
const FACTOR: usize = 256;

/// A field table; what is read is written the same.
pub fn amqp_tables(bytes: &[u8]) {
    within(bytes.len(), 64 << 10, FACTOR, || table(Bytes::copy_from_slice(bytes)));
}

/// The payload of a method frame, of a content header, or frames one behind the other, as the first byte says.
pub fn amqp_methods(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    within(bytes.len(), 64 << 10, 2 * FACTOR, || match kind % 3 {
        0 => method(Bytes::copy_from_slice(rest)),
        1 => content_header(Bytes::copy_from_slice(rest)),
        _ => frames(rest),
    });
}

fn frames(bytes: &[u8]) {
    let mut input = BytesMut::from(bytes);
    while let Ok(Some(taken)) = Frame::take(&mut input, FRAME_BYTES_MAX) {
        let mut written = BytesMut::new();
        taken.write(&mut written);
        assert_eq!(Frame::take(&mut written, FRAME_BYTES_MAX), Ok(Some(taken.clone())));
        assert!(written.is_empty());
        match taken {
            Frame::Method(_, payload) => method(payload),
            Frame::Header(_, payload) => content_header(payload),
            Frame::Body(..) | Frame::Heartbeat => {}
        }
    }
    let _ = ProtocolHeader::take(&mut BytesMut::from(bytes));
}

// What was read is written in one way only. Values are compared as bytes, for some are not numbers.

fn method(payload: Bytes) {
    let Ok(read) = Method::read(payload) else { return };
    let write = |method: &Method| {
        let mut out = BytesMut::new();
        method.write(&mut out);
        out.freeze()
    };
    let written = write(&read);
    let again = Method::read(written.clone()).expect("what was written is read");
    assert_eq!((write(&again), again.numbers()), (written, read.numbers()));
}

fn content_header(payload: Bytes) {
    let Ok(read) = ContentHeader::read(payload) else { return };
    let write = |header: &ContentHeader| {
        let mut out = BytesMut::new();
        header.write(&mut out);
        out.freeze()
    };
    let written = write(&read);
    let again = ContentHeader::read(written.clone()).expect("what was written is read");
    assert_eq!((write(&again), again.body_size), (written, read.body_size));
}

fn table(mut bytes: Bytes) {
    let Ok(read) = Table::read(&mut bytes) else { return };
    let write = |table: &Table| {
        let mut out = BytesMut::new();
        table.write(&mut out);
        out.freeze()
    };
    let written = write(&read);
    let again = Table::read(&mut written.clone()).expect("what was written is read");
    assert_eq!(write(&again), written);
}

/// Whatever a client may send, from its first byte or, after an odd one, from an open channel; the broker agrees to
/// everything.
pub fn amqp_frames(bytes: &[u8]) {
    let Some((how, rest)) = bytes.split_first() else { return };
    let identity = Identity {
        product: String::from("p"),
        version: String::from("v"),
        platform: String::from("r"),
        cluster: String::from("c"),
    };
    let mut session = Session::new(identity, String::from("token"), Duration::ZERO);
    let mut input = BytesMut::new();
    if how & 1 == 1 {
        input.extend_from_slice(&opening());
        go_on(&mut session, &mut input);
        assert!(session.is_open());
    }
    for part in rest.chunks(usize::from(how >> 1).max(1)) {
        input.extend_from_slice(part);
        go_on(&mut session, &mut input);
        session.output().clear();
        if session.is_over() {
            return;
        }
    }
    session.hang_up();
    assert!(session.is_over());
}

fn go_on(session: &mut Session, input: &mut BytesMut) {
    session.read(input, Duration::ZERO);
    loop {
        let actions = session.actions();
        if actions.is_empty() {
            return;
        }
        for action in actions {
            if let Action::Ask(ticket, ask) = action {
                session.answer(ticket, Ok(agree(ask)), Duration::ZERO);
            }
        }
        session.read(input, Duration::ZERO);
    }
}

fn agree(ask: Ask) -> Answer {
    match ask {
        Ask::Login(_) => Answer::LoggedIn,
        Ask::DeclareQueue(declare) => Answer::Declared { queue: declare.queue, messages: 0, consumers: 0 },
        Ask::PurgeQueue(_) | Ask::DeleteQueue(_) => Answer::Removed(0),
        Ask::Publish(messages) => Answer::Published(vec![Fate::Unroutable; messages.len()]),
        Ask::Get(_) => Answer::Empty,
        Ask::Consume(..) => {
            let name = QueueName::parse("q").expect("a name");
            let feed = Feed::Leased(Source::Queue(QueueRef { namespace: NamespaceName::default(), name }).into());
            Answer::Consuming { feed, timeout: Some(Duration::from_secs(60)) }
        }
        Ask::OpenHost(_)
        | Ask::DeclareExchange(_)
        | Ask::DeleteExchange(_)
        | Ask::BindExchange(_)
        | Ask::UnbindExchange(_)
        | Ask::BindQueue(_)
        | Ask::UnbindQueue(_)
        | Ask::Settle(_) => Answer::Done,
    }
}

/// What a client sends until channel 1 is open.
pub(crate) fn opening() -> Vec<u8> {
    use ::amqp::codec::ShortText;
    use ::amqp::codec::class::{channel, connection};
    let mut bytes = BytesMut::from(&ProtocolHeader::BYTES[..]);
    let start_ok = connection::StartOk {
        mechanism: ShortText::cut("PLAIN"),
        response: Bytes::from_static(b"\0u\0p"),
        locale: ShortText::cut("en_US"),
        ..connection::StartOk::default()
    };
    let open = connection::Open { virtual_host: ShortText::cut("/"), ..connection::Open::default() };
    let methods: [(u16, Method); 4] = [
        (0, start_ok.into()),
        (0, connection::TuneOk::default().into()),
        (0, open.into()),
        (1, channel::Open::default().into()),
    ];
    for (number, method) in methods {
        let mut payload = BytesMut::new();
        method.write(&mut payload);
        Frame::Method(number, payload.freeze()).write(&mut bytes);
    }
    bytes.to_vec()
}

/// Seeds of the whole session: what a client says on an open channel, and from its first byte.
pub(crate) fn seeds() -> Vec<(&'static str, String, Vec<u8>)> {
    use ::amqp::codec::class::{basic, queue};
    use ::amqp::codec::{Properties, ShortText};
    let mut header = BytesMut::new();
    ContentHeader { body_size: 1, properties: Properties { priority: Some(3), ..Properties::default() } }
        .write(&mut header);
    let mut talk = BytesMut::from(&[0xFF_u8][..]);
    let mut say = |method: Method| {
        let mut payload = BytesMut::new();
        method.write(&mut payload);
        Frame::Method(1, payload.freeze()).write(&mut talk);
    };
    say(queue::Declare { queue: ShortText::cut("q"), ..queue::Declare::default() }.into());
    say(basic::Consume { queue: ShortText::cut("q"), ..basic::Consume::default() }.into());
    say(basic::Publish { routing_key: ShortText::cut("q"), ..basic::Publish::default() }.into());
    Frame::Header(1, header.freeze()).write(&mut talk);
    Frame::Body(1, Bytes::from_static(b"x")).write(&mut talk);
    let whole = [&[0x20][..], &opening()].concat();
    vec![("amqp_frames", String::from("01"), talk.to_vec()), ("amqp_frames", String::from("02"), whole)]
}
