//! Signs of life: heartbeats out when nothing else is sent, and the end when nothing comes in.
//! Invariant: time is an argument; a client that agreed on no heartbeat is never given up.

use std::time::Duration;

use super::{Close, Ending, Session};
use crate::codec::{Frame, ReplyCode};
use crate::limits::{CLOSE_TIMEOUT, GOT_LEASE_KEPT_EVERY, HANDSHAKE_TIMEOUT};

/// When what was last seen.
pub(super) struct Life {
    opened: Duration,
    heard: Duration,
    said: Duration,
    kept: Duration,
    closing_since: Option<Duration>,
}

impl Life {
    pub(super) const fn new(now: Duration) -> Self {
        Self { opened: now, heard: now, said: now, kept: now, closing_since: None }
    }

    pub(super) const fn heard(&mut self, now: Duration) {
        self.heard = now;
    }
}

impl Session {
    /// Bytes were sent.
    pub const fn said(&mut self, now: Duration) {
        self.life.said = now;
    }

    /// Time has passed: call it a few times a second.
    pub fn tick(&mut self, now: Duration) {
        self.link.now = now;
        match self.ending {
            Ending::Over => return,
            Ending::Closing => {
                let since = *self.life.closing_since.get_or_insert(now);
                if now.saturating_sub(since) >= CLOSE_TIMEOUT {
                    self.ending = Ending::Over;
                }
                return;
            }
            Ending::Not => {}
        }
        if !self.is_open() {
            if now.saturating_sub(self.life.opened) >= HANDSHAKE_TIMEOUT {
                self.ending = Ending::Over;
            }
            return;
        }
        self.beat(now);
        if now.saturating_sub(self.life.kept) >= GOT_LEASE_KEPT_EVERY {
            self.life.kept = now;
            self.keep();
        }
        self.end_overdue();
    }

    /// Closes channels whose client keeps a message for too long; what it has goes back.
    fn end_overdue(&mut self) {
        for (number, channel) in &mut self.channels {
            let Some(timeout) = channel.overdue(self.link.now) else { continue };
            let text = format!(
                "delivery acknowledgement on channel {number} timed out. Timeout value used: {} ms. This timeout value can be \
                 configured, see consumers doc guide to learn more",
                timeout.as_millis()
            );
            channel.close(&mut self.link, &Close::new(ReplyCode::PreconditionFailed, text), 0, 0);
        }
    }

    fn beat(&mut self, now: Duration) {
        let interval = Duration::from_secs(u64::from(self.handshake.agreed.heartbeat));
        if interval.is_zero() {
            return;
        }
        if now.saturating_sub(self.life.said) >= interval / 2 {
            self.life.said = now;
            Frame::Heartbeat.write(&mut self.link.out);
        }
        if !self.wants_input() {
            // What the client sends is not read at the moment: it cannot be missed.
            self.life.heard = now;
        } else if now.saturating_sub(self.life.heard) >= interval * 2 {
            let text = format!("missed heartbeats from client, timeout: {}s", interval.as_secs());
            self.close(&Close::new(ReplyCode::ConnectionForced, text), 0, 0);
            self.ending = Ending::Over;
        }
    }

    fn keep(&mut self) {
        for channel in self.channels.values_mut() {
            channel.keep();
            channel.flush(&mut self.link);
        }
    }
}
