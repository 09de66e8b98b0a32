//! What a session tells of itself to whoever looks after connections, and its end by their wish.
//! Invariant: telling changes nothing.
//! Called by `serve::connection`; tests in `tests`.

use rabbit::Channel as Shown;

use super::ask::Close;
use super::channel::{Channel, State};
use super::{Ending, Session};
use crate::codec::{ReplyCode, Table};

/// What a client said when it logged in, and what was agreed.
#[derive(Clone, Debug, PartialEq)]
pub struct Introduction {
    /// What it says of itself.
    pub client_properties: Table,
    /// By which mechanism it logged in.
    pub mechanism: &'static str,
    /// Channels that it may open.
    pub channel_max: u16,
    /// Largest frame in bytes.
    pub frame_max: usize,
    /// Seconds between signs of life; 0 is none.
    pub heartbeat: u16,
}

impl Session {
    /// Tells who the client is; what it says of itself is told once, and not kept here.
    pub fn introduce(&mut self) -> Introduction {
        Introduction {
            client_properties: std::mem::take(&mut self.handshake.client),
            mechanism: self.handshake.mechanism,
            channel_max: self.handshake.agreed.channel_max,
            frame_max: self.link.frame_max,
            heartbeat: self.handshake.agreed.heartbeat,
        }
    }

    /// The open channels.
    pub fn channels(&self) -> Vec<Shown> {
        self.channels.values().filter(|channel| channel.state == State::Open).map(Channel::shown).collect()
    }

    /// Whether publications wait for room.
    pub const fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Ends the connection, since somebody who may wants it to end.
    pub fn force(&mut self, reason: &str) {
        if self.is_open() {
            self.close(&Close::new(ReplyCode::ConnectionForced, reason), 0, 0);
        } else {
            self.ending = Ending::Over;
        }
    }
}

impl Channel {
    fn shown(&self) -> Shown {
        Shown {
            number: self.lane.number,
            confirms: self.publishing.confirms(),
            is_transactional: self.transaction.is_some(),
            prefetch: self.consumers.own_prefetch(),
            shared_prefetch: self.consumers.shared_prefetch(),
            unsettled: u64::try_from(self.deliveries.len()).unwrap_or(u64::MAX),
            unconfirmed: self.publishing.unconfirmed(),
            consumers: self.consumers.shown(),
        }
    }
}
