//! A connection as a state machine: bytes, answers, deliveries and the time in; bytes and actions out.
//!
//! No input or output, no clock, no chance: all of them are arguments.
//! Invariants: every question to the broker is answered once or its connection is gone; what the client is told about
//! a message is true of the broker; what is buffered is bounded by `limits`.
//! Called by `serve`. Tests are text in, text out: `tests`.

mod ask;
mod channel;
mod consuming;
mod content;
mod delivering;
mod handshake;
mod leaving;
mod life;
mod link;
mod publishing;
mod settling;
mod shown;
mod topology;
mod transaction;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub use ask::{
    Action, Answer, Ask, Close, ConsumerId, Delivered, Fate, Feed, Login, Proof, Publication, Settle, Ticket, Verdict,
};
pub use handshake::Identity;
pub use shown::Introduction;

use crate::codec::class::{channel as channel_class, connection};
use crate::codec::{Frame, Method, ProtocolHeader, ReplyCode, ShortText};
use crate::limits::{LOGIN_FRAME_BYTES_MAX, QUESTIONS_MAX};
use channel::{Channel, State};
use handshake::{CONNECTION, Handshake, Step};
use life::Life;
use link::{Lane, Link};

/// How far the connection is in its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It goes on.
    Not,
    /// We closed it; the client has not agreed yet.
    Closing,
    /// It is over once everything is sent.
    Over,
}

/// The state of a connection.
pub struct Session {
    identity: Identity,
    link: Link,
    handshake: Handshake,
    channels: BTreeMap<u16, Channel>,
    ending: Ending,
    life: Life,
    blocked: bool,
}

impl Session {
    /// A new connection; `token` is a word that no other connection has and that nobody guesses.
    pub fn new(identity: Identity, token: String, now: Duration) -> Self {
        Self {
            identity,
            link: Link::new(token),
            handshake: Handshake::new(),
            channels: BTreeMap::new(),
            ending: Ending::Not,
            life: Life::new(now),
            blocked: false,
        }
    }

    /// The client showed a certificate that names this user: it may log in by that.
    #[must_use]
    pub fn certified(mut self, user: Option<String>) -> Self {
        self.handshake.certified = user;
        self
    }

    /// What waits to be sent.
    pub const fn output(&mut self) -> &mut BytesMut {
        &mut self.link.out
    }

    /// What is to be done, in this order.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.link.actions)
    }

    /// Whether the handshake is done.
    pub fn is_open(&self) -> bool {
        self.handshake.step == Step::Open
    }

    /// Whether nothing more comes: what is left is to send the output and close the socket.
    pub fn is_over(&self) -> bool {
        self.ending == Ending::Over
    }

    /// Whether only the client's agreement to a close is missing.
    pub fn is_closing(&self) -> bool {
        self.ending == Ending::Closing
    }

    /// Whether more should be read: not while too much of what was read waits.
    pub fn wants_input(&self) -> bool {
        let waits = matches!(self.handshake.step, Step::LoggingIn | Step::Opening);
        self.ending != Ending::Over
            && !waits
            && self.link.under_way() < QUESTIONS_MAX
            && !self.channels.values().any(Channel::is_full)
    }

    /// Reads what has arrived, as far as it may.
    pub fn read(&mut self, input: &mut BytesMut, now: Duration) {
        self.life.heard(now);
        self.link.now = now;
        if self.handshake.step == Step::Header && !self.read_header(input) {
            return;
        }
        while self.wants_input() {
            let limit = if self.is_open() { self.link.frame_max } else { LOGIN_FRAME_BYTES_MAX };
            let frame = match Frame::take(input, limit) {
                Ok(None) => break,
                Ok(Some(frame)) => frame,
                Err(malformed) => {
                    self.close(&malformed.into(), 0, 0);
                    input.clear();
                    break;
                }
            };
            self.frame(frame);
        }
        for channel in self.channels.values_mut() {
            channel.flush(&mut self.link);
        }
        self.forget_channels();
    }

    fn read_header(&mut self, input: &mut BytesMut) -> bool {
        match ProtocolHeader::take(input) {
            None => false,
            Some(ProtocolHeader::Supported) => {
                self.handshake.start(&mut self.link, &self.identity);
                true
            }
            Some(ProtocolHeader::Other) => {
                self.link.out.extend_from_slice(&ProtocolHeader::BYTES);
                self.ending = Ending::Over;
                false
            }
        }
    }

    fn frame(&mut self, frame: Frame) {
        let result = match frame {
            Frame::Heartbeat => Ok(()),
            Frame::Method(0, payload) => self.connection_method(payload),
            Frame::Header(0, _) | Frame::Body(0, _) => {
                Err((Close::new(ReplyCode::UnexpectedFrame, "a content on channel 0"), (0, 0)))
            }
            Frame::Method(..) | Frame::Header(..) | Frame::Body(..) if self.ending != Ending::Not => Ok(()),
            Frame::Method(..) | Frame::Header(..) | Frame::Body(..) if !self.is_open() => {
                Err((Close::new(ReplyCode::ChannelError, "the connection is not open"), (0, 0)))
            }
            Frame::Method(number, payload) => self.channel_method(number, payload),
            Frame::Header(number, payload) => self.content(number, |channel, link| channel.header(link, payload)),
            Frame::Body(number, payload) => self.content(number, |channel, link| channel.body(link, payload)),
        };
        if let Err((close, (class, method))) = result {
            self.close(&close, class, method);
        }
    }

    fn connection_method(&mut self, payload: Bytes) -> Result<(), (Close, (u16, u16))> {
        let method = Method::read(payload).map_err(|malformed| (malformed.into(), (0, 0)))?;
        let numbers = method.numbers();
        let Method::Connection(method) = method else {
            return Err((Close::new(ReplyCode::CommandInvalid, "only class 10 comes on channel 0"), numbers));
        };
        #[allow(clippy::wildcard_enum_match_arm, reason = "the rest belongs to the handshake")]
        match method {
            connection::Method::CloseOk(_) => {
                self.ending = Ending::Over;
                Ok(())
            }
            connection::Method::Close(_) => {
                self.end_channels();
                self.link.send(0, &connection::CloseOk {});
                self.ending = Ending::Over;
                Ok(())
            }
            _ if self.ending != Ending::Not => Ok(()),
            // Users of the broker have passwords, which do not run out: as with RabbitMQ's own, nothing changes.
            connection::Method::UpdateSecret(_) if self.is_open() => {
                self.link.send(0, &connection::UpdateSecretOk {});
                Ok(())
            }
            method => self.handshake.take(&mut self.link, method).map_err(|close| (close, numbers)),
        }
    }

    fn channel_method(&mut self, number: u16, payload: Bytes) -> Result<(), (Close, (u16, u16))> {
        let method = Method::read(payload).map_err(|malformed| (malformed.into(), (0, 0)))?;
        let numbers = method.numbers();
        // One that is gone may be opened again by the frame behind its end.
        let known = self.channels.get_mut(&number).filter(|channel| channel.state != State::Gone);
        let Some(channel) = known else {
            return self.open_channel(number, &method).map_err(|close| (close, numbers));
        };
        match channel.method(&mut self.link, method) {
            Ok(()) => Ok(()),
            Err(close) => self.channel_error(number, close, numbers),
        }
    }

    fn open_channel(&mut self, number: u16, method: &Method) -> Result<(), Close> {
        match method {
            Method::Channel(channel_class::Method::Open(_)) => {}
            // The client agrees to a close that is over already.
            Method::Channel(channel_class::Method::CloseOk(_)) => return Ok(()),
            Method::Channel(_)
            | Method::Connection(_)
            | Method::Exchange(_)
            | Method::Queue(_)
            | Method::Basic(_)
            | Method::Confirm(_)
            | Method::Tx(_) => return Err(Close::new(ReplyCode::ChannelError, "expected 'channel.open'")),
        }
        let most = self.handshake.agreed.channel_max;
        if number > most || self.channels.len() >= usize::from(most) {
            let text = format!("number of channels opened has reached the negotiated channel_max ({most})");
            return Err(Close::new(ReplyCode::NotAllowed, text));
        }
        let lane = Lane { number, incarnation: self.link.fresh() };
        self.channels.insert(number, Channel::new(lane, self.handshake.told_of_cancels));
        self.link.send(number, &channel_class::OpenOk::default());
        Ok(())
    }

    fn content(
        &mut self,
        number: u16,
        take: impl FnOnce(&mut Channel, &mut Link) -> Result<(), Close>,
    ) -> Result<(), (Close, (u16, u16))> {
        let Some(channel) = self.channels.get_mut(&number) else {
            return Err((Close::new(ReplyCode::ChannelError, "expected 'channel.open'"), (0, 0)));
        };
        match take(channel, &mut self.link) {
            Ok(()) => Ok(()),
            Err(close) => self.channel_error(number, close, (60, 40)),
        }
    }

    /// Closes a channel, or gives the error back when it ends the whole connection.
    fn channel_error(&mut self, number: u16, close: Close, numbers: (u16, u16)) -> Result<(), (Close, (u16, u16))> {
        if close.code.is_hard() {
            return Err((close, numbers));
        }
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.close(&mut self.link, &close, numbers.0, numbers.1);
        }
        Ok(())
    }

    /// Ends the connection and says why.
    fn close(&mut self, close: &Close, class_id: u16, method_id: u16) {
        if self.ending != Ending::Not {
            return;
        }
        self.end_channels();
        if self.handshake.step == Step::Header {
            self.ending = Ending::Over;
            return;
        }
        let (reply_code, reply_text) = (close.code.number(), close.reply_text());
        self.link.send(0, &connection::Close { reply_code, reply_text, class_id, method_id });
        self.ending = Ending::Closing;
    }

    fn end_channels(&mut self) {
        for channel in self.channels.values_mut() {
            channel.end(&mut self.link);
        }
        self.channels.clear();
    }

    fn forget_channels(&mut self) {
        self.channels.retain(|_, channel| channel.state != State::Gone);
    }

    /// The broker has answered a question.
    pub fn answer(&mut self, ticket: Ticket, answer: Result<Answer, Close>, now: Duration) {
        self.link.now = now;
        let Some(lane) = self.link.answered(ticket) else { return };
        if lane == CONNECTION {
            self.answer_connection(answer);
            return;
        }
        let channel = self.channels.get_mut(&lane.number).filter(|channel| channel.lane == lane);
        let Some(channel) = channel.filter(|channel| channel.state != State::Closing) else {
            return too_late(&mut self.link, answer);
        };
        if let Err(close) = channel.answered(&mut self.link, ticket, answer)
            && let Err((close, (class, method))) = self.channel_error(lane.number, close, (0, 0))
        {
            self.close(&close, class, method);
        }
        self.settle_down(lane.number);
    }

    /// Hands over what a channel collected meanwhile.
    fn settle_down(&mut self, number: u16) {
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.flush(&mut self.link);
        }
        self.forget_channels();
    }

    fn answer_connection(&mut self, answer: Result<Answer, Close>) {
        if self.ending != Ending::Not {
            return;
        }
        let logging_in = self.handshake.step == Step::LoggingIn;
        if let Err(close) = self.handshake.answered(&mut self.link, answer) {
            if logging_in && !self.handshake.told_of_refusal {
                self.ending = Ending::Over;
            } else {
                self.close(&close, 0, 0);
            }
        }
    }

    /// Messages have come for a consumer.
    pub fn deliver(&mut self, id: ConsumerId, messages: impl ExactSizeIterator<Item = Delivered>, now: Duration) {
        self.link.now = now;
        let Some(number) = self.lane_of(id) else { return };
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.deliver(&mut self.link, id, messages);
        }
        self.settle_down(number);
    }

    /// The stream of a consumer has ended.
    pub fn consumer_ended(&mut self, id: ConsumerId) {
        let Some(number) = self.lane_of(id) else { return };
        let ended = self.channels.get_mut(&number).map(|channel| channel.consumer_ended(&mut self.link, id));
        if let Some(Err(close)) = ended
            && let Err((close, (class, method))) = self.channel_error(number, close, (60, 20))
        {
            self.close(&close, class, method);
        }
        self.settle_down(number);
    }

    fn lane_of(&self, id: ConsumerId) -> Option<u16> {
        let found = self.channels.iter().find(|(_, channel)| channel.consumers.knows(id));
        found.map(|(number, _)| *number)
    }

    /// A direct reply has come for a channel.
    pub fn direct_reply(&mut self, address: &str, message: Delivered) {
        let mut channels = self.channels.values_mut();
        let found = channels.find(|channel| channel.replies.as_ref().is_some_and(|to| to.as_str() == address));
        if let Some(channel) = found {
            channel.direct_reply(&mut self.link, message);
        }
    }

    /// The addresses at which this connection receives direct replies.
    pub fn reply_addresses(&self) -> Vec<String> {
        self.channels.values().filter_map(|channel| channel.replies.as_ref().map(ToString::to_string)).collect()
    }

    /// Publishes are refused for now, or again taken.
    pub fn set_blocked(&mut self, reason: Option<&str>) {
        if !self.is_open() || self.ending != Ending::Not || self.blocked == reason.is_some() {
            return;
        }
        self.blocked = reason.is_some();
        if !self.handshake.told_of_blocking {
            return;
        }
        match reason {
            Some(reason) => self.link.send(0, &connection::Blocked { reason: ShortText::cut(reason) }),
            None => self.link.send(0, &connection::Unblocked {}),
        }
    }

    /// The server stops.
    pub fn drain(&mut self) {
        if self.is_open() {
            let text = "broker forced connection closure with reason 'shutdown'";
            self.close(&Close::new(ReplyCode::ConnectionForced, text), 0, 0);
        } else {
            self.ending = Ending::Over;
        }
    }

    /// The socket is gone: what is held goes back.
    pub fn hang_up(&mut self) {
        self.end_channels();
        self.ending = Ending::Over;
    }
}

/// A message that comes for a channel that is gone goes back.
fn too_late(link: &mut Link, answer: Result<Answer, Close>) {
    if let Ok(Answer::Got { source, delivered, .. }) = answer {
        let receipts: Vec<_> = delivered.receipt.into_iter().collect();
        link.ask_for_nobody(Ask::Settle(vec![Settle { source, receipts, verdict: Verdict::Requeue }]));
    }
}

#[cfg(test)]
mod tests;
