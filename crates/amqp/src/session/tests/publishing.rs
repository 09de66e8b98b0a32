//! Publishing: batches, confirms, returns, transactions.

use super::*;
use crate::codec::class::tx;

fn confirming() -> Talk {
    let mut talk = Talk::with_channel();
    talk.say(1, confirm::Select::default());
    talk
}

#[test]
fn what_arrives_together_is_handed_over_together() {
    let mut talk = Talk::with_channel();
    let mut bytes = BytesMut::new();
    for body in ["a", "b"] {
        let publish = basic::Publish { routing_key: short("q"), ..basic::Publish::default() };
        frame::put_method(&mut bytes, 1, |out| Method::from(publish).write(out));
        let header = ContentHeader { body_size: 1, properties: Properties::default() };
        frame::put_header(&mut bytes, 1, |out| header.write(out));
        frame::put_body(&mut bytes, 1, body.as_bytes(), FRAME_MAX);
    }
    assert_eq!(talk.bytes(&bytes), "ask publish a b");
    assert_eq!(talk.fates(&[Fate::Kept, Fate::Kept]), "", "nobody asked for confirms");
}

#[test]
fn a_body_comes_in_parts_and_an_empty_one_in_none() {
    let mut talk = Talk::with_channel();
    let publish = basic::Publish { routing_key: short("q"), ..basic::Publish::default() };
    assert_eq!(talk.publish_as(publish.clone(), Properties::default(), ""), "ask publish ");
    let mut bytes = BytesMut::new();
    frame::put_method(&mut bytes, 1, |out| Method::from(publish).write(out));
    let header = ContentHeader { body_size: 5, properties: Properties::default() };
    frame::put_header(&mut bytes, 1, |out| header.write(out));
    frame::put_body(&mut bytes, 1, b"12345", 2 + frame::FRAME_OVERHEAD);
    assert_eq!(talk.bytes(&bytes), "ask publish 12345");
}

#[test]
fn a_content_that_is_no_content_closes_the_connection() {
    let method = |talk: &mut Talk| talk.say(1, basic::Publish::default());
    let mut talk = Talk::with_channel();
    method(&mut talk);
    assert!(method(&mut talk).starts_with("0 Close reply_code: 505"));
    let mut talk = Talk::with_channel();
    let mut bytes = BytesMut::new();
    frame::put_body(&mut bytes, 1, b"x", FRAME_MAX);
    assert!(talk.bytes(&bytes).starts_with("0 Close reply_code: 505"));
    let mut talk = Talk::with_channel();
    method(&mut talk);
    let mut bytes = BytesMut::new();
    frame::put_header(&mut bytes, 1, |out| ContentHeader { body_size: 1, ..ContentHeader::default() }.write(out));
    frame::put_body(&mut bytes, 1, b"xy", FRAME_MAX);
    assert!(talk.bytes(&bytes).starts_with("0 Close reply_code: 505"));
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_comes() {
    let mut talk = Talk::with_channel();
    talk.say(1, basic::Publish::default());
    let mut bytes = BytesMut::new();
    let header = ContentHeader { body_size: crate::limits::BODY_BYTES_MAX + 1, properties: Properties::default() };
    frame::put_header(&mut bytes, 1, |out| header.write(out));
    let answer = talk.bytes(&bytes);
    assert!(answer.starts_with("1 Close reply_code: 406"), "{answer}");
}

#[test]
fn confirms_of_a_row_become_one() {
    let mut talk = confirming();
    for body in ["a", "b", "c"] {
        talk.publish("q", body);
    }
    assert_eq!(talk.fates(&[Fate::Kept]), "1 Ack delivery_tag: 1");
    assert_eq!(talk.answer_number(1, Ok(Answer::Published(vec![Fate::Kept]))), "1 Ack delivery_tag: 3");
    assert_eq!(talk.fates(&[Fate::Kept]), "1 Ack delivery_tag: 2", "not one for both: the later one came first");
}

#[test]
fn good_and_bad_ones_are_told_apart() {
    let mut talk = confirming();
    let mut bytes = BytesMut::new();
    for _ in 0..4 {
        frame::put_method(&mut bytes, 1, |out| Method::from(basic::Publish::default()).write(out));
        frame::put_header(&mut bytes, 1, |out| ContentHeader::default().write(out));
    }
    talk.bytes(&bytes);
    let answer = talk.fates(&[Fate::Kept, Fate::Kept, Fate::Refused, Fate::Kept]);
    assert_eq!(answer, "1 Ack delivery_tag: 2 multiple: true\n1 Nack delivery_tag: 3\n1 Ack delivery_tag: 4");
}

#[test]
fn a_message_that_nobody_wants_comes_back_before_its_confirm() {
    let mut talk = confirming();
    talk.publish("nowhere", "x");
    assert_eq!(
        talk.fates(&[Fate::Unroutable]),
        "1 Return reply_code: 312 reply_text: 'NO_ROUTE' routing_key: 'nowhere'\n1 header\n1 body x\n1 Ack delivery_tag: 1"
    );
}

#[test]
fn a_publish_that_cannot_be_closes_the_channel() {
    let mut talk = confirming();
    talk.publish("q", "x");
    let answer = talk.fates(&[Fate::Failed(Close::new(ReplyCode::NotFound, "no exchange 'e' in vhost '/'"))]);
    assert_eq!(answer, "1 Close reply_code: 404 reply_text: 'NOT_FOUND - no exchange 'e' in vhost '/''");
}

#[test]
fn a_false_user_and_a_false_lifetime_are_refused() {
    let with = |properties: Properties| {
        let mut talk = Talk::with_channel();
        talk.publish_as(basic::Publish::default(), properties, "x")
    };
    let answer = with(Properties { user_id: Some(short("bob")), ..Properties::default() });
    assert!(answer.contains("user_id property set to 'bob' but authenticated user was 'ana'"), "{answer}");
    assert_eq!(with(Properties { user_id: Some(short("ana")), ..Properties::default() }), "ask publish x");
    let answer = with(Properties { expiration: Some(short("soon")), ..Properties::default() });
    assert!(answer.starts_with("1 Close reply_code: 406"), "{answer}");
}

#[test]
fn a_transaction_publishes_then_settles_then_says_so() {
    let mut talk = Talk::with_channel();
    talk.consume("c", false);
    talk.deliver(0, 1..=2);
    talk.say(1, tx::Select {});
    assert_eq!(talk.publish("q", "x"), "");
    assert_eq!(talk.say(1, basic::Ack { delivery_tag: 1, multiple: false }), "");
    assert_eq!(talk.say(1, tx::Commit {}), "ask publish x");
    assert_eq!(talk.fates(&[Fate::Kept]), "ask settle Ack 1");
    assert_eq!(talk.answer(Ok(Answer::Done)), "1 CommitOk");
}

#[test]
fn a_rollback_forgets_what_was_published_and_settled() {
    let mut talk = Talk::with_channel();
    talk.consume("c", false);
    talk.deliver(0, 1..=1);
    talk.say(1, tx::Select {});
    talk.publish("q", "x");
    talk.say(1, basic::Ack { delivery_tag: 1, multiple: false });
    assert_eq!(talk.say(1, tx::Rollback {}), "1 RollbackOk");
    talk.say(1, basic::Ack { delivery_tag: 1, multiple: false });
    assert_eq!(talk.say(1, tx::Commit {}), "ask settle Ack 1");
}

#[test]
fn a_refused_message_fails_the_commit() {
    let mut talk = Talk::with_channel();
    talk.say(1, tx::Select {});
    talk.publish("q", "x");
    talk.say(1, tx::Commit {});
    assert!(talk.fates(&[Fate::Refused]).contains("partial tx completion"));
}

#[test]
fn direct_replies_go_past_the_broker() {
    let mut talk = confirming();
    let consume =
        basic::Consume { queue: short("amq.rabbitmq.reply-to"), consumer_tag: short("r"), ..basic::Consume::default() };
    assert!(talk.say(1, consume.clone()).contains("reply consumer cannot acknowledge"));
    let mut talk = confirming();
    assert_eq!(talk.say(1, basic::Consume { no_ack: true, ..consume }), "1 ConsumeOk consumer_tag: 'r'");
    let asks = Properties { reply_to: Some(short("amq.rabbitmq.reply-to")), ..Properties::default() };
    talk.publish_as(basic::Publish { routing_key: short("work"), ..basic::Publish::default() }, asks, "?");
    let (_, Ask::Publish(sent)) = &talk.open[0] else { panic!("{:?}", talk.open) };
    let address = sent[0].properties.reply_to.clone().unwrap();
    assert_eq!(talk.session.reply_addresses(), [address.as_str()]);
    talk.fates(&[Fate::Kept]);
    let answer = talk.publish(address.as_str(), "!");
    assert_eq!(answer, format!("1 Ack delivery_tag: 2\nreply {address}"));
    talk.session.direct_reply(address.as_str(), Delivered { receipt: None, ..message(7) });
    assert_eq!(talk.heard(), "1 Deliver consumer_tag: 'r' delivery_tag: 1 routing_key: 'q'\n1 header\n1 body m7");
}
