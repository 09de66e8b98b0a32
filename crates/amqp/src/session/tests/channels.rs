//! Channels: opening, order of answers, errors.

use super::*;
use crate::codec::class::{exchange, queue, tx};

fn declare(name: &str) -> queue::Declare {
    queue::Declare { queue: short(name), ..queue::Declare::default() }
}

fn declared(name: &str) -> Result<Answer, Close> {
    Ok(Answer::Declared { queue: short(name), messages: 3, consumers: 1 })
}

#[test]
fn a_channel_must_be_opened_and_only_once() {
    let mut talk = Talk::open();
    let answer = talk.say(1, declare("q"));
    assert!(
        answer.starts_with("0 Close reply_code: 504 reply_text: 'CHANNEL_ERROR - expected 'channel.open''"),
        "{answer}"
    );
    let mut talk = Talk::with_channel();
    let answer = talk.say(1, channel::Open::default());
    assert!(answer.starts_with("0 Close reply_code: 504"), "{answer}");
}

#[test]
fn answers_come_in_the_order_of_questions() {
    let mut talk = Talk::with_channel();
    assert_eq!(talk.say(1, declare("a")), "ask DeclareQueue");
    assert_eq!(talk.say(1, declare("b")), "", "the second waits for the first");
    assert_eq!(talk.say(1, basic::Qos { prefetch_count: 1, ..basic::Qos::default() }), "");
    let answer = talk.answer(declared("a"));
    assert_eq!(answer, "1 DeclareOk queue: 'a' message_count: 3 consumer_count: 1\nask DeclareQueue");
    assert_eq!(talk.answer(declared("b")), "1 DeclareOk queue: 'b' message_count: 3 consumer_count: 1\n1 QosOk");
}

#[test]
fn what_looks_at_a_queue_waits_for_the_publications_before_it() {
    let mut talk = Talk::with_channel();
    assert_eq!(talk.publish("q", "x"), "ask publish x");
    assert_eq!(talk.say(1, declare("q")), "");
    assert_eq!(talk.fates(&[Fate::Kept]), "ask DeclareQueue");
}

#[test]
fn no_wait_gets_no_answer_and_an_empty_name_is_the_last_queue() {
    let mut talk = Talk::with_channel();
    let answer = talk.say(1, queue::Purge::default());
    assert!(answer.starts_with("1 Close reply_code: 404"), "{answer}");
    let mut talk = Talk::with_channel();
    talk.say(1, queue::Declare { no_wait: true, ..declare("") });
    assert_eq!(talk.answer(declared("amq.gen-1")), "");
    talk.say(1, queue::Bind { exchange: short("e"), ..queue::Bind::default() });
    let (_, Ask::BindQueue(bind)) = &talk.open[0] else { panic!("{:?}", talk.open) };
    assert_eq!((bind.queue.as_str(), bind.routing_key.as_str()), ("amq.gen-1", "amq.gen-1"));
}

#[test]
fn an_error_closes_the_channel_and_what_comes_behind_it_is_not_done() {
    let mut talk = Talk::with_channel();
    talk.say(1, declare("q"));
    talk.say(1, declare("r"));
    let text = "1 Close reply_code: 406 reply_text: 'PRECONDITION_FAILED - no'";
    assert_eq!(talk.answer(Err(Close::new(ReplyCode::PreconditionFailed, "no"))), text);
    assert_eq!(talk.say(1, declare("s")), "");
    assert_eq!(talk.publish("q", "x"), "");
    assert_eq!(talk.say(1, channel::CloseOk {}), "");
    assert_eq!(talk.say(1, channel::Open::default()), "1 OpenOk", "the number is free again");
}

#[test]
fn a_channel_is_opened_again_in_the_same_breath_in_which_its_close_is_agreed_to() {
    let mut talk = Talk::with_channel();
    talk.say(1, declare("q"));
    talk.answer(Err(Close::new(ReplyCode::PreconditionFailed, "no")));
    let mut bytes = BytesMut::new();
    let breath: [Method; 2] = [channel::CloseOk {}.into(), channel::Open::default().into()];
    for method in breath {
        frame::put_method(&mut bytes, 1, |out| method.write(out));
    }
    assert_eq!(talk.bytes(&bytes), "1 OpenOk");
}

#[test]
fn a_hard_error_closes_the_connection() {
    let mut talk = Talk::with_channel();
    talk.say(1, exchange::Declare { exchange: short("e"), kind: short("odd"), ..exchange::Declare::default() });
    let close = Close::new(ReplyCode::CommandInvalid, "unknown exchange type 'odd'");
    let answer = talk.answer(Err(close));
    assert!(answer.starts_with("0 Close reply_code: 503 reply_text: 'COMMAND_INVALID - unknown exchange type 'odd''"));
}

#[test]
fn flow_is_agreed_to_and_not_stopped() {
    let mut talk = Talk::with_channel();
    assert_eq!(talk.say(1, channel::Flow { active: true }), "1 FlowOk active: true");
    assert!(talk.say(1, channel::Flow { active: false }).starts_with("0 Close reply_code: 540"));
}

#[test]
fn confirms_and_transactions_exclude_each_other() {
    let mut talk = Talk::with_channel();
    assert_eq!(talk.say(1, confirm::Select::default()), "1 SelectOk");
    assert!(talk.say(1, tx::Select {}).starts_with("1 Close reply_code: 406"));
    let mut talk = Talk::with_channel();
    assert_eq!(talk.say(1, tx::Select {}), "1 SelectOk");
    assert!(talk.say(1, confirm::Select::default()).starts_with("1 Close reply_code: 406"));
    let mut talk = Talk::with_channel();
    let answer = talk.say(1, tx::Commit {});
    assert!(answer.contains("channel is not transactional"), "{answer}");
}

#[test]
fn more_channels_than_agreed_are_refused() {
    let mut talk = Talk::open();
    assert!(talk.say(2048, channel::Open::default()).starts_with("0 Close reply_code: 530"));
}
