//! Consuming: prefetch, settling, cancelling, getting.

use super::*;

fn qos(talk: &mut Talk, prefetch_count: u16, global: bool) -> String {
    talk.say(1, basic::Qos { prefetch_size: 0, prefetch_count, global })
}

/// The tags that were delivered.
fn tags(heard: &str) -> Vec<&str> {
    let deliveries = heard.lines().filter(|line| line.starts_with("1 Deliver "));
    deliveries.filter_map(|line| line.split("delivery_tag: ").nth(1)?.split(' ').next()).collect()
}

fn ack(talk: &mut Talk, delivery_tag: u64, multiple: bool) -> String {
    talk.say(1, basic::Ack { delivery_tag, multiple })
}

#[test]
fn a_consumer_takes_as_much_as_its_prefetch() {
    let mut talk = Talk::with_channel();
    qos(&mut talk, 2, false);
    assert_eq!(talk.consume("c", false), "1 ConsumeOk consumer_tag: 'c'\ngrant 0 2");
    assert_eq!(tags(&talk.deliver(0, 1..=2)), ["1", "2"]);
    assert_eq!(ack(&mut talk, 1, false), "grant 0 1\nask settle Ack 1");
}

#[test]
fn a_changed_prefetch_counts_for_consumers_that_are_there() {
    let mut talk = Talk::with_channel();
    qos(&mut talk, 1, false);
    talk.consume("c", false);
    assert_eq!(qos(&mut talk, 3, false), "1 QosOk\ngrant 0 2");
    talk.deliver(0, 1..=3);
    qos(&mut talk, 1, false);
    assert_eq!(ack(&mut talk, 1, false), "ask settle Ack 1", "two are still unsettled");
    assert_eq!(ack(&mut talk, 3, true), "grant 0 1\nask settle Ack 2,3");
}

#[test]
fn a_shared_prefetch_holds_back_what_came_too_early() {
    let mut talk = Talk::with_channel();
    qos(&mut talk, 1, true);
    talk.consume("a", false);
    talk.consume("b", false);
    assert_eq!(tags(&talk.deliver(0, 1..=1)), ["1"]);
    assert_eq!(tags(&talk.deliver(1, 2..=2)), Vec::<&str>::new());
    assert_eq!(tags(&ack(&mut talk, 1, false)), ["2"]);
}

#[test]
fn without_acknowledgement_sending_settles() {
    let mut talk = Talk::with_channel();
    talk.consume("c", true);
    let heard = talk.deliver(0, 1..=2);
    assert!(heard.ends_with("ask settle Ack 1,2"), "{heard}");
    assert!(ack(&mut talk, 1, false).contains("unknown delivery tag 1"));
}

#[test]
fn an_unknown_tag_closes_the_channel() {
    let mut talk = Talk::with_channel();
    talk.consume("c", false);
    talk.deliver(0, 1..=2);
    ack(&mut talk, 1, false);
    let heard = ack(&mut talk, 1, false);
    let text =
        "1 Close reply_code: 406 reply_text: 'PRECONDITION_FAILED - unknown delivery tag 1' class_id: 60 method_id: 80";
    assert!(heard.starts_with(text), "{heard}");
    assert!(heard.contains("ask settle Requeue 2") && heard.contains("drop 0"), "{heard}");
}

#[test]
fn zero_and_multiple_is_everything() {
    let mut talk = Talk::with_channel();
    talk.consume("c", false);
    talk.deliver(0, 1..=3);
    let nack = basic::Nack { delivery_tag: 0, multiple: true, requeue: false };
    assert!(talk.say(1, nack).ends_with("ask settle Reject 1,2,3"));
    assert_eq!(ack(&mut talk, 0, true), "", "nothing is everything too");
}

#[test]
fn a_cancelled_consumer_keeps_what_it_has_and_gives_back_what_comes_late() {
    let mut talk = Talk::with_channel();
    talk.consume("c", false);
    talk.deliver(0, 1..=1);
    assert_eq!(talk.say(1, basic::Cancel { consumer_tag: short("c"), no_wait: false }), "stop 0");
    assert_eq!(talk.deliver(0, 2..=2), "ask settle Requeue 2");
    talk.session.consumer_ended(talk.consumers[0]);
    assert_eq!(talk.heard(), "1 CancelOk consumer_tag: 'c'");
    assert_eq!(ack(&mut talk, 1, false), "ask settle Ack 1\ndrop 0", "its stream lived until now");
}

#[test]
fn an_unknown_consumer_is_cancelled_at_once_and_a_used_tag_is_refused() {
    let mut talk = Talk::with_channel();
    let cancel = basic::Cancel { consumer_tag: short("x"), no_wait: false };
    assert_eq!(talk.say(1, cancel), "1 CancelOk consumer_tag: 'x'");
    talk.consume("c", false);
    let again = basic::Consume { queue: short("q"), consumer_tag: short("c"), ..basic::Consume::default() };
    assert!(talk.say(1, again).starts_with("0 Close reply_code: 530"));
}

#[test]
fn a_consumer_whose_queue_goes_is_told() {
    let mut talk = Talk::with_channel();
    talk.consume("c", false);
    talk.session.consumer_ended(talk.consumers[0]);
    assert_eq!(talk.heard(), "1 Cancel consumer_tag: 'c' no_wait: true\ndrop 0");
}

#[test]
fn recover_gives_everything_back() {
    let mut talk = Talk::with_channel();
    talk.consume("c", false);
    talk.deliver(0, 1..=2);
    assert_eq!(talk.say(1, basic::Recover { requeue: true }), "1 RecoverOk\nask settle Requeue 1,2");
    talk.answer(Ok(Answer::Done));
    assert!(talk.say(1, basic::Recover { requeue: false }).starts_with("0 Close reply_code: 540"));
}

#[test]
fn one_message_is_asked_for_and_its_lease_kept() {
    let mut talk = Talk::with_channel();
    let get = || basic::Get { queue: short("q"), ..basic::Get::default() };
    assert_eq!(talk.say(1, get()), "ask Get");
    assert_eq!(talk.answer(Ok(Answer::Empty)), "1 GetEmpty");
    talk.say(1, get());
    let got = Answer::Got { source: queue("q"), delivered: message(4), left: 2, timeout: None };
    assert_eq!(talk.answer(Ok(got)), "1 GetOk delivery_tag: 1 routing_key: 'q' message_count: 2\n1 header\n1 body m4");
    assert!(talk.passes(Duration::from_secs(19)).ends_with("heartbeat"));
    talk.bytes(&[8, 0, 0, 0, 0, 0, 0, 0xCE]);
    assert!(talk.passes(Duration::from_secs(1)).ends_with("ask settle Keep 4"));
    assert_eq!(ack(&mut talk, 1, false), "ask settle Ack 4");
}

#[test]
fn a_message_that_comes_for_a_closed_channel_goes_back() {
    let mut talk = Talk::with_channel();
    talk.say(1, basic::Get { queue: short("q"), ..basic::Get::default() });
    talk.say(0, class::Close { reply_code: 200, ..class::Close::default() });
    let got = Answer::Got { source: queue("q"), delivered: message(4), left: 0, timeout: None };
    assert_eq!(talk.answer(Ok(got)), "ask settle Requeue 4");
}

#[test]
fn a_closed_channel_gives_back_before_it_says_so() {
    let mut talk = Talk::with_channel();
    talk.consume("c", false);
    talk.deliver(0, 1..=1);
    assert_eq!(talk.say(1, channel::Close::default()), "ask settle Requeue 1\ndrop 0");
    assert_eq!(talk.answer(Ok(Answer::Done)), "1 CloseOk");
}

#[test]
fn the_server_names_a_consumer() {
    let mut talk = Talk::with_channel();
    let heard = talk.consume("", false);
    assert!(heard.starts_with("1 ConsumeOk consumer_tag: 'amq.ctag-token-"), "{heard}");
}

#[test]
fn a_stream_is_read_and_acknowledgements_give_credit_only() {
    let mut talk = Talk::with_channel();
    qos(&mut talk, 2, false);
    talk.say(1, basic::Consume { queue: short("s"), consumer_tag: short("c"), ..basic::Consume::default() });
    let (_, Ask::Consume(_, _, prefetch)) = &talk.open[0] else { panic!("{:?}", talk.open) };
    assert_eq!(*prefetch, 2);
    let topic = TopicRef { namespace: NamespaceName::default(), name: TopicName::parse("s").unwrap() };
    let started = talk.answer(Ok(Answer::Consuming { feed: Feed::Stream(topic), timeout: None }));
    assert_eq!(started, "1 ConsumeOk consumer_tag: 'c'\ngrant 0 2");
    let read = |numbers: std::ops::RangeInclusive<u64>| {
        numbers.map(|number| Delivered { receipt: None, ..message(number) }).collect::<Vec<_>>().into_iter()
    };
    talk.session.deliver(talk.consumers[0], read(1..=2), talk.now);
    assert_eq!(tags(&talk.heard()), ["1", "2"]);
    assert_eq!(ack(&mut talk, 1, false), "grant 0 1");
    assert_eq!(talk.say(1, basic::Reject { delivery_tag: 2, requeue: true }), "grant 0 1", "nothing goes back");
    talk.session.deliver(talk.consumers[0], read(3..=3), talk.now);
    talk.heard();
    assert_eq!(talk.say(1, channel::Close::default()), "1 CloseOk\ndrop 0");
}
