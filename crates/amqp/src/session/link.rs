//! What all channels of a connection share: bytes on their way out, questions under way, limits.
//! Invariant: a ticket belongs to one channel, and is forgotten with its answer.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;

use super::ask::{Action, Ask, ConsumerId, Delivered, Ticket};
use super::publishing::REPLY_PREFIX;
use crate::codec::frame;
use crate::codec::method::Payload;
use crate::codec::properties::ContentHeader;
use crate::codec::{Properties, ShortText};
use crate::limits::FRAME_BYTES_MAX;

/// One channel, not the next one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) number: u16,
    pub(super) incarnation: u64,
}

/// The shared part of a connection.
pub(super) struct Link {
    pub(super) out: BytesMut,
    pub(super) actions: Vec<Action>,
    pub(super) frame_max: usize,
    /// The time, as of the last input of any kind.
    pub(super) now: Duration,
    /// The user that logged in.
    pub(super) user: String,
    /// Makes names unique: a word that no other connection has.
    pub(super) token: String,
    asked: BTreeMap<Ticket, Lane>,
    next: u64,
}

impl Link {
    pub(super) fn new(token: String) -> Self {
        Self {
            out: BytesMut::new(),
            actions: Vec::new(),
            frame_max: FRAME_BYTES_MAX,
            now: Duration::ZERO,
            user: String::new(),
            token,
            asked: BTreeMap::new(),
            next: 0,
        }
    }

    /// A number that this connection has not used.
    pub(super) const fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn new_consumer(&mut self) -> ConsumerId {
        ConsumerId(self.fresh())
    }

    /// Asks the broker for a channel; channel 0 is the connection.
    pub(super) fn ask(&mut self, lane: Lane, ask: Ask) -> Ticket {
        let ticket = Ticket(self.fresh());
        self.asked.insert(ticket, lane);
        self.actions.push(Action::Ask(ticket, ask));
        ticket
    }

    /// Who asked.
    pub(super) fn answered(&mut self, ticket: Ticket) -> Option<Lane> {
        self.asked.remove(&ticket)
    }

    /// Questions under way.
    pub(super) fn under_way(&self) -> usize {
        self.asked.len()
    }

    /// Tells the broker something that nobody waits for.
    pub(super) fn ask_for_nobody(&mut self, ask: Ask) {
        let ticket = Ticket(self.fresh());
        self.actions.push(Action::Ask(ticket, ask));
    }

    /// The address of direct replies to a channel. The token makes it hard to guess.
    pub(super) fn reply_address(&self, lane: Lane) -> ShortText {
        ShortText::cut(format!("{REPLY_PREFIX}{}.{}.{}", self.token, lane.number, lane.incarnation))
    }

    pub(super) fn send(&mut self, channel: u16, method: &impl Payload) {
        frame::put_method(&mut self.out, channel, |out| method.write(out));
    }

    /// Sends a method with a content behind it.
    pub(super) fn send_content(&mut self, channel: u16, method: &impl Payload, properties: &Properties, body: &[u8]) {
        self.send(channel, method);
        let body_size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        frame::put_header(&mut self.out, channel, |out| ContentHeader::put(body_size, properties, out));
        frame::put_body(&mut self.out, channel, body, self.frame_max);
    }

    /// Sends a delivery to a consumer.
    pub(super) fn deliver(&mut self, channel: u16, consumer_tag: &ShortText, delivery_tag: u64, message: Delivered) {
        let method = crate::codec::class::basic::Deliver {
            consumer_tag: consumer_tag.clone(),
            delivery_tag,
            redelivered: message.redelivered,
            exchange: message.exchange,
            routing_key: message.routing_key,
        };
        self.send_content(channel, &method, &message.properties, &message.body);
    }
}
