//! Deliveries that nobody settles in time.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn consuming() -> Talk {
    let mut talk = Talk::with_channel();
    talk.timeout = Some(MINUTE);
    talk.consume("c", false);
    talk
}

/// Time passes with a client that beats.
fn pass(talk: &mut Talk, time: Duration) -> String {
    talk.now += time;
    talk.input.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0xCE]);
    talk.session.read(&mut talk.input, talk.now);
    talk.session.tick(talk.now);
    talk.heard().replace("heartbeat\n", "").replace("heartbeat", "")
}

#[test]
fn a_delivery_that_is_not_settled_in_time_closes_its_channel_and_goes_back() {
    let mut talk = consuming();
    talk.deliver(0, 1..=2);
    talk.say(1, basic::Ack { delivery_tag: 1, multiple: false });
    assert_eq!(pass(&mut talk, MINUTE - Duration::from_millis(1)), "");
    let heard = pass(&mut talk, Duration::from_millis(1));
    let close = "1 Close reply_code: 406 reply_text: 'PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. \
                 Timeout value used: 60000 ms. This timeout value can be configured";
    assert!(heard.starts_with(close), "{heard}");
    assert!(heard.contains("ask settle Requeue 2") && heard.contains("drop 0"), "{heard}");
    assert_eq!(talk.say(1, channel::CloseOk {}), "");
    assert_eq!(talk.say(1, channel::Open::default()), "1 OpenOk", "the connection goes on");
}

#[test]
fn each_delivery_has_its_own_time() {
    let mut talk = consuming();
    talk.deliver(0, 1..=1);
    pass(&mut talk, MINUTE / 2);
    talk.deliver(0, 2..=2);
    talk.say(1, basic::Ack { delivery_tag: 1, multiple: false });
    assert_eq!(pass(&mut talk, MINUTE - MINUTE / 4), "");
    assert!(pass(&mut talk, MINUTE / 4).starts_with("1 Close reply_code: 406"));
}

#[test]
fn one_that_waits_for_room_has_not_begun_its_time() {
    let mut talk = Talk::with_channel();
    talk.say(1, basic::Qos { prefetch_size: 0, prefetch_count: 1, global: true });
    talk.timeout = Some(MINUTE);
    talk.consume("a", false);
    talk.consume("b", false);
    talk.deliver(0, 1..=1);
    talk.deliver(1, 2..=2);
    pass(&mut talk, MINUTE / 2);
    talk.say(1, basic::Ack { delivery_tag: 1, multiple: false });
    assert_eq!(pass(&mut talk, MINUTE - MINUTE / 4), "");
    assert!(pass(&mut talk, MINUTE / 4).starts_with("1 Close reply_code: 406"));
}

#[test]
fn what_was_asked_for_one_by_one_has_its_time_too() {
    let mut talk = Talk::with_channel();
    talk.say(1, basic::Get { queue: short("q"), ..basic::Get::default() });
    let got = Answer::Got { source: queue("q"), delivered: message(4), left: 0, timeout: Some(MINUTE) };
    talk.answer(Ok(got));
    pass(&mut talk, MINUTE / 2);
    let heard = pass(&mut talk, MINUTE / 2);
    assert!(
        heard.contains("timed out. Timeout value used: 60000 ms") && heard.contains("ask settle Requeue 4"),
        "{heard}"
    );
}

#[test]
fn without_a_time_out_and_without_acknowledgements_nothing_ends() {
    let mut talk = Talk::with_channel();
    talk.consume("for ever", false);
    talk.timeout = Some(MINUTE);
    talk.consume("settled by being sent", true);
    talk.deliver(0, 1..=1);
    talk.deliver(1, 2..=2);
    assert!(!pass(&mut talk, 10 * MINUTE).contains("Close"));
}
