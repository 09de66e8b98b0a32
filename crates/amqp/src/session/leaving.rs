//! The end of a channel: asked for by its client, by an error, or with its connection.
//! Invariant: what was not settled is given back, and a client that asked is answered only then.

use super::ask::{Close, Verdict};
use super::channel::{Channel, State, Waiting};
use super::link::Link;
use super::settling;
use crate::codec::ReplyCode;
use crate::codec::class::channel;

impl Channel {
    pub(super) fn itself(&mut self, link: &mut Link, method: channel::Method) -> Result<(), Close> {
        match method {
            channel::Method::Open(_) => Err(Close::new(ReplyCode::ChannelError, "second 'channel.open' seen")),
            channel::Method::Flow(channel::Flow { active: true }) => {
                link.send(self.lane.number, &channel::FlowOk { active: true });
                Ok(())
            }
            channel::Method::Flow(_) => Err(Close::new(ReplyCode::NotImplemented, "active=false")),
            channel::Method::Close(_) => {
                self.state = State::Leaving;
                self.give_everything_back(link);
                self.leave_when_done(link);
                Ok(())
            }
            // An answer to a flow that nobody sent, or to a close that is long over.
            channel::Method::FlowOk(_) | channel::Method::CloseOk(_) | channel::Method::OpenOk(_) => Ok(()),
        }
    }

    /// Says that the channel is closed once nothing of it is under way.
    pub(super) fn leave_when_done(&mut self, link: &mut Link) {
        if self.state == State::Leaving && self.is_settled() {
            link.send(self.lane.number, &channel::CloseOk {});
            self.state = State::Gone;
        }
    }

    /// What was not settled goes back; consumers end.
    fn give_everything_back(&mut self, link: &mut Link) {
        let mut all = self.deliveries.take_all();
        if let Some(transaction) = self.transaction.take() {
            all.extend(transaction.settled.into_iter().flat_map(|(_, deliveries)| deliveries));
        }
        for lease in all.iter().filter_map(|(_, delivery)| delivery.lease.as_ref()) {
            settling::add(&mut self.settles, lease, Verdict::Requeue);
        }
        self.consumers.drop_all();
        self.flush(link);
    }

    /// Closes the channel because of an error.
    pub(super) fn close(&mut self, link: &mut Link, close: &Close, class_id: u16, method_id: u16) {
        self.give_everything_back(link);
        self.backlog.clear();
        self.backlog_bytes = 0;
        self.content = None;
        self.waiting = Waiting::Nothing;
        self.state = State::Closing;
        let (reply_code, reply_text) = (close.code.number(), close.reply_text());
        link.send(self.lane.number, &channel::Close { reply_code, reply_text, class_id, method_id });
    }

    /// Ends it with its connection, without a word.
    pub(super) fn end(&mut self, link: &mut Link) {
        self.give_everything_back(link);
        self.state = State::Gone;
    }
}
