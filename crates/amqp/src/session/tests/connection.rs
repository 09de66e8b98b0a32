//! Opening and ending a connection.

use super::*;

#[test]
fn a_handshake() {
    let mut talk = Talk::silent();
    let start = talk.bytes(b"AMQP\x00\x00\x09\x01");
    assert!(start.starts_with("0 Start version_minor: 9 server_properties: "), "{start}");
    assert_eq!(talk.start_ok("PLAIN", b"\0ana\0secret", &[]), "ask Login");
    assert_eq!(talk.answer(Ok(Answer::LoggedIn)), "0 Tune channel_max: 2047 frame_max: 131072 heartbeat: 60");
    assert_eq!(talk.say(0, class::TuneOk { channel_max: 9, frame_max: 4096, heartbeat: 0 }), "");
    assert_eq!(talk.say(0, class::Open { virtual_host: short("/"), ..class::Open::default() }), "ask OpenHost");
    assert_eq!(talk.answer(Ok(Answer::Done)), "0 OpenOk");
    assert!(talk.session.is_open());
}

#[test]
fn amqplain_is_a_table_without_its_length() {
    let mut talk = Talk::silent();
    talk.bytes(b"AMQP\x00\x00\x09\x01");
    let response = b"\x05LOGINS\x00\x00\x00\x03ana\x08PASSWORDS\x00\x00\x00\x06secret";
    assert_eq!(talk.start_ok("AMQPLAIN", response, &[]), "ask Login");
}

#[test]
fn a_certificate_logs_in_and_is_offered_to_those_who_have_one() {
    let mut talk = Talk::silent();
    let start = talk.bytes(b"AMQP\x00\x00\x09\x01");
    assert!(start.contains("mechanisms: b\"AMQPLAIN PLAIN\""), "{start}");
    assert!(talk.start_ok("EXTERNAL", b"", &[]).starts_with("0 Close reply_code: 503"));
    let mut talk = Talk::silent();
    talk.session = talk.session.certified(Some("ana".to_owned()));
    let start = talk.bytes(b"AMQP\x00\x00\x09\x01");
    assert!(start.contains("mechanisms: b\"AMQPLAIN PLAIN EXTERNAL\""), "{start}");
    assert_eq!(talk.start_ok("EXTERNAL", b"", &[]), "ask Login");
    let (_, Ask::Login(login)) = &talk.open[0] else { panic!("{:?}", talk.open) };
    assert_eq!((login.user.as_str(), &login.proof), ("ana", &Proof::Certificate));
}

#[test]
fn another_protocol_is_told_ours() {
    let mut talk = Talk::silent();
    assert_eq!(talk.bytes(b"GET / HTTP/1.1"), format!("{:?}", b"AMQP\x00\x00\x09\x01"));
    assert!(talk.session.is_over());
}

#[test]
fn a_refused_login_is_explained_to_those_who_can_read_it() {
    let refused = || Err(Close::new(ReplyCode::AccessRefused, "no"));
    let mut talk = Talk::silent();
    talk.bytes(b"AMQP\x00\x00\x09\x01");
    talk.start_ok("PLAIN", b"\0ana\0wrong", &["authentication_failure_close"]);
    assert_eq!(talk.answer(refused()), "0 Close reply_code: 403 reply_text: 'ACCESS_REFUSED - no'");
    let mut talk = Talk::silent();
    talk.bytes(b"AMQP\x00\x00\x09\x01");
    talk.start_ok("PLAIN", b"\0ana\0wrong", &[]);
    assert_eq!(talk.answer(refused()), "");
    assert!(talk.session.is_over());
}

#[test]
fn frames_are_small_before_the_login() {
    let mut talk = Talk::silent();
    talk.bytes(b"AMQP\x00\x00\x09\x01");
    let answer = talk.bytes(&[1, 0, 0, 0, 0, 0x20, 0]);
    assert!(answer.starts_with("0 Close reply_code: 501 reply_text: 'FRAME_ERROR"), "{answer}");
}

#[test]
fn limits_beyond_ours_are_refused() {
    for (tune, code) in [
        (class::TuneOk { channel_max: 0, frame_max: 4095, heartbeat: 0 }, "530"),
        (class::TuneOk { channel_max: 0, frame_max: 131_073, heartbeat: 0 }, "530"),
        (class::TuneOk { channel_max: 2048, frame_max: 0, heartbeat: 0 }, "530"),
    ] {
        let mut talk = Talk::silent();
        talk.bytes(b"AMQP\x00\x00\x09\x01");
        talk.start_ok("PLAIN", b"\0ana\0secret", &[]);
        talk.answer(Ok(Answer::LoggedIn));
        let answer = talk.say(0, tune);
        assert!(answer.starts_with(&format!("0 Close reply_code: {code}")), "{answer}");
    }
}

#[test]
fn a_silent_client_is_let_go() {
    let mut talk = Talk::silent();
    talk.passes(Duration::from_secs(9));
    assert!(!talk.session.is_over());
    talk.passes(Duration::from_secs(1));
    assert!(talk.session.is_over());
}

#[test]
fn heartbeats_go_out_and_are_missed() {
    let mut talk = Talk::open();
    assert_eq!(talk.passes(Duration::from_secs(4)), "");
    assert_eq!(talk.passes(Duration::from_secs(1)), "heartbeat");
    talk.bytes(&[8, 0, 0, 0, 0, 0, 0, 0xCE]);
    talk.passes(Duration::from_secs(19));
    assert!(!talk.session.is_over());
    talk.passes(Duration::from_secs(1));
    assert!(talk.session.is_over());
}

#[test]
fn both_sides_end_it() {
    let mut talk = Talk::with_channel();
    assert_eq!(talk.say(0, class::Close { reply_code: 200, ..class::Close::default() }), "0 CloseOk");
    assert!(talk.session.is_over());
    let mut talk = Talk::with_channel();
    talk.session.drain();
    let text = "0 Close reply_code: 320 reply_text: 'CONNECTION_FORCED - broker forced connection closure with reason \
                'shutdown''";
    assert_eq!(talk.heard(), text);
    assert!(!talk.session.is_over());
    talk.say(0, class::CloseOk {});
    assert!(talk.session.is_over());
}

#[test]
fn an_alarm_is_told_once_to_those_who_asked() {
    let mut talk = Talk::open();
    talk.session.set_blocked(Some("low on disk"));
    talk.session.set_blocked(Some("low on disk"));
    assert_eq!(talk.heard(), "0 Blocked reason: 'low on disk'");
    talk.session.set_blocked(None);
    assert_eq!(talk.heard(), "0 Unblocked");
}

#[test]
fn a_new_secret_is_agreed_to_and_changes_nothing() {
    let mut talk = Talk::open();
    let update = class::UpdateSecret { new_secret: "new".into(), reason: short("") };
    assert_eq!(talk.say(0, update), "0 UpdateSecretOk");
}
