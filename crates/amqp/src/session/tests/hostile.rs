//! Clients that send anything: the session answers or ends, and never panics.

use proptest::prelude::*;

use super::*;

/// Frames of any kind with methods that are often known, on one of three channels.
fn any_frame() -> impl Strategy<Value = Frame> {
    let numbers = prop_oneof![
        (Just(10_u16), 10_u16..72),
        (Just(20), 10_u16..42),
        (Just(40), 10_u16..52),
        (Just(50), 10_u16..52),
        (Just(60), 10_u16..121),
        (Just(85), 10_u16..12),
        (Just(90), 10_u16..32),
    ];
    // Zeros make short fields, and so methods that can be read.
    let fields = proptest::collection::vec(prop_oneof![4 => Just(0_u8), 1 => any::<u8>()], 0..24);
    let kind = prop_oneof![8 => Just(1_u8), 2 => Just(2), 2 => Just(3), 1 => Just(8)];
    (kind, 0_u16..3, numbers, fields).prop_map(|(kind, number, (class, method), fields)| {
        let payload: Vec<u8> =
            class.to_be_bytes().into_iter().chain(method.to_be_bytes()).chain(fields.iter().copied()).collect();
        match kind {
            1 => Frame::Method(number, payload.into()),
            2 => Frame::Header(number, [&[0, 60, 0, 0], fields.as_slice()].concat().into()),
            3 => Frame::Body(number, fields.into()),
            _ => Frame::Heartbeat,
        }
    })
}

/// What a broker that agrees to everything answers.
fn agree(ask: &Ask) -> Answer {
    #[allow(clippy::wildcard_enum_match_arm, reason = "every other question is answered with `Done`")]
    match ask {
        Ask::Login(_) => Answer::LoggedIn,
        Ask::DeclareQueue(declare) => Answer::Declared { queue: declare.queue.clone(), messages: 0, consumers: 0 },
        Ask::PurgeQueue(_) | Ask::DeleteQueue(_) => Answer::Removed(0),
        Ask::Publish(messages) => Answer::Published(vec![Fate::Unroutable; messages.len()]),
        Ask::Get(_) => Answer::Got { source: queue("q"), delivered: message(1), left: 0, timeout: None },
        Ask::Consume(..) => Answer::Consuming { feed: Feed::Leased(queue("q")), timeout: None },
        _ => Answer::Done,
    }
}

proptest! {
    #[test]
    fn whatever_a_client_sends_is_answered_or_ends_the_connection(
        frames in proptest::collection::vec(any_frame(), 1..30),
        cut in 1_usize..64,
        late in any::<bool>(),
    ) {
        let mut talk = Talk::with_channel();
        let mut bytes = BytesMut::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes));
        for part in bytes.chunks(cut) {
            talk.bytes(part);
            while !late && !talk.open.is_empty() {
                let answer = agree(&talk.open[0].1);
                talk.answer(Ok(answer));
            }
            for consumer in 0..talk.consumers.len() {
                talk.deliver(consumer, 1..=2);
            }
        }
        while !talk.open.is_empty() {
            let answer = agree(&talk.open[0].1);
            talk.answer(Ok(answer));
        }
        talk.session.hang_up();
        prop_assert!(talk.session.is_over());
    }
}
