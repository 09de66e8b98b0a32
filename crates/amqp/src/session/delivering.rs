//! Class basic on a channel: publish, consume, get, settle.
//! Invariant: in a transaction publications and settlements wait for the commit, and only there.

use model::Sharing;

use super::ask::{Answer, Ask, Close, ConsumerId, Delivered, Publication, Verdict};
use super::channel::{Channel, Reply, Told, Waiting, not_from_a_client};
use super::consuming::{Ended, Mode};
use super::link::Link;
use super::publishing::REPLY_QUEUE;
use super::settling::{self, Due, Lease, Settled, Unsettled};
use crate::codec::class::{basic, tx};
use crate::codec::{Properties, ReplyCode, ShortText};
use crate::limits::CHANNEL_CONSUMERS_MAX;

fn precondition(text: impl Into<String>) -> Close {
    Close::new(ReplyCode::PreconditionFailed, text)
}

impl Channel {
    pub(super) fn basic(&mut self, link: &mut Link, method: basic::Method) -> Result<(), Close> {
        match method {
            basic::Method::Qos(qos) => self.qos(link, &qos),
            basic::Method::Consume(consume) => self.consume(link, consume),
            basic::Method::Cancel(cancel) => {
                self.cancel(link, &cancel);
                Ok(())
            }
            basic::Method::Get(mut get) => {
                self.name(&mut get.queue)?;
                let reply = Reply::Get { no_ack: get.no_ack };
                self.ask(link, Ask::Get(get), reply, Told::Yes);
                Ok(())
            }
            basic::Method::Ack(ack) => self.settle_tags(ack.delivery_tag, ack.multiple, Verdict::Ack),
            basic::Method::Nack(nack) => self.settle_tags(nack.delivery_tag, nack.multiple, refusal(nack.requeue)),
            basic::Method::Reject(reject) => self.settle_tags(reject.delivery_tag, false, refusal(reject.requeue)),
            basic::Method::RecoverAsync(recover) => self.recover(recover.requeue),
            basic::Method::Recover(recover) => {
                self.recover(recover.requeue)?;
                link.send(self.lane.number, &basic::RecoverOk {});
                Ok(())
            }
            // Agrees to a cancel that we sent.
            basic::Method::CancelOk(_) => Ok(()),
            basic::Method::Publish(_)
            | basic::Method::QosOk(_)
            | basic::Method::ConsumeOk(_)
            | basic::Method::Return(_)
            | basic::Method::Deliver(_)
            | basic::Method::GetOk(_)
            | basic::Method::GetEmpty(_)
            | basic::Method::RecoverOk(_) => Err(not_from_a_client(&method.into())),
        }
    }

    fn qos(&mut self, link: &mut Link, qos: &basic::Qos) -> Result<(), Close> {
        if qos.prefetch_size != 0 {
            let text = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(Close::new(ReplyCode::NotImplemented, text));
        }
        if qos.global {
            self.consumers.set_shared_prefetch(qos.prefetch_count);
        } else {
            self.consumers.set_prefetch(qos.prefetch_count);
        }
        link.send(self.lane.number, &basic::QosOk {});
        self.consumers.go_on(link, self.lane, &mut self.deliveries);
        Ok(())
    }

    pub(super) fn publish(&mut self, link: &mut Link, mut publication: Publication) -> Result<(), Close> {
        self.check(link, &publication.properties)?;
        if publication.properties.reply_to.as_ref().is_some_and(|to| to.as_str() == REPLY_QUEUE) {
            let to = self.replies.clone().ok_or_else(|| precondition("fast reply consumer does not exist"))?;
            publication.properties.reply_to = Some(to);
        }
        match &mut self.transaction {
            Some(transaction) => transaction.publish(publication),
            None => {
                self.publishing.publish(link, self.lane, publication);
                Ok(())
            }
        }
    }

    fn check(&self, link: &Link, properties: &Properties) -> Result<(), Close> {
        if let Some(user) = properties.user_id.as_ref().filter(|user| user.as_str() != link.user) {
            let text = format!("user_id property set to '{user}' but authenticated user was '{}'", link.user);
            return Err(precondition(text));
        }
        if let Some(expiration) = &properties.expiration
            && expiration.as_str().parse::<u32>().is_err()
        {
            return Err(precondition(format!("invalid expiration '{expiration}'")));
        }
        Ok(())
    }

    fn consume(&mut self, link: &mut Link, mut consume: basic::Consume) -> Result<(), Close> {
        if consume.consumer_tag.is_empty() {
            let number = link.fresh();
            consume.consumer_tag = ShortText::cut(format!("amq.ctag-{}-{number}", link.token));
        }
        if self.consumers.has_tag(&consume.consumer_tag) {
            let text = format!("attempt to reuse consumer tag '{}'", consume.consumer_tag);
            return Err(Close::new(ReplyCode::NotAllowed, text));
        }
        if self.consumers.len() >= CHANNEL_CONSUMERS_MAX {
            let text = format!("a channel has at most {CHANNEL_CONSUMERS_MAX} consumers");
            return Err(precondition(text));
        }
        if consume.queue.as_str() == REPLY_QUEUE {
            return self.consume_replies(link, consume);
        }
        self.name(&mut consume.queue)?;
        let mode = if consume.no_ack { Mode::NoAcks } else { Mode::Acks };
        let told = Told::unless(consume.no_wait);
        let id = link.new_consumer();
        let sharing = if consume.exclusive { Sharing::Alone } else { Sharing::Shared };
        self.consumers.add(id, consume.consumer_tag.clone(), mode, sharing);
        let prefetch = self.consumers.prefetch();
        self.ask(link, Ask::Consume(id, consume, prefetch), Reply::Consume(id), told);
        Ok(())
    }

    /// Direct replies need no queue: they come through the door itself.
    fn consume_replies(&mut self, link: &mut Link, consume: basic::Consume) -> Result<(), Close> {
        if !consume.no_ack {
            return Err(precondition("reply consumer cannot acknowledge"));
        }
        if self.replies.is_some() {
            return Err(precondition("reply consumer already set"));
        }
        let address = link.reply_address(self.lane);
        self.replies = Some(address);
        self.reply_tag.clone_from(&consume.consumer_tag);
        if !consume.no_wait {
            link.send(self.lane.number, &basic::ConsumeOk { consumer_tag: consume.consumer_tag });
        }
        Ok(())
    }

    /// A direct reply has come.
    pub(super) fn direct_reply(&mut self, link: &mut Link, message: Delivered) {
        if self.replies.is_some() {
            let tag = self.deliveries.next_tag();
            link.deliver(self.lane.number, &self.reply_tag, tag, message);
        }
    }

    fn cancel(&mut self, link: &mut Link, cancel: &basic::Cancel) {
        let told = Told::unless(cancel.no_wait);
        if self.replies.is_some() && self.reply_tag == cancel.consumer_tag {
            self.replies = None;
        } else if let Some(id) = self.consumers.stop(link, &cancel.consumer_tag) {
            self.waiting = Waiting::End(id, told);
            return;
        }
        if told == Told::Yes {
            link.send(self.lane.number, &basic::CancelOk { consumer_tag: cancel.consumer_tag.clone() });
        }
    }

    /// The stream of a consumer has ended.
    pub(super) fn consumer_ended(&mut self, link: &mut Link, id: ConsumerId) -> Result<(), Close> {
        let channel = self.lane.number;
        match self.consumers.ended(id) {
            Ended::Unknown => {}
            Ended::Cancelled(consumer_tag) => {
                if let Waiting::End(waited, told) = self.waiting
                    && waited == id
                {
                    self.waiting = Waiting::Nothing;
                    if told == Told::Yes {
                        link.send(channel, &basic::CancelOk { consumer_tag });
                    }
                }
            }
            Ended::Lost(consumer_tag) => {
                if self.told_of_cancels {
                    link.send(channel, &basic::Cancel { consumer_tag, no_wait: true });
                }
            }
        }
        self.go_on(link)
    }

    fn settle_tags(&mut self, tag: u64, multiple: bool, verdict: Verdict) -> Result<(), Close> {
        let deliveries = self.deliveries.take(tag, multiple)?;
        match &mut self.transaction {
            Some(transaction) => transaction.settle(verdict, deliveries),
            None => {
                self.settle(verdict, deliveries);
                Ok(())
            }
        }
    }

    fn recover(&mut self, requeue: bool) -> Result<(), Close> {
        if !requeue {
            return Err(Close::new(ReplyCode::NotImplemented, "requeue=false"));
        }
        let deliveries = self.deliveries.take_all();
        self.settle(Verdict::Requeue, Settled::Many(deliveries));
        Ok(())
    }

    /// Messages have come for a consumer.
    pub(super) fn deliver(
        &mut self,
        link: &mut Link,
        id: ConsumerId,
        messages: impl ExactSizeIterator<Item = Delivered>,
    ) {
        self.consumers.deliver(link, self.lane, &mut self.deliveries, id, messages);
    }

    /// Sends what a `get`, `consume` or `commit` brought.
    pub(super) fn reply_deliveries(
        &mut self,
        link: &mut Link,
        reply: &Reply,
        told: Told,
        answer: Result<Answer, Close>,
    ) -> Result<(), Close> {
        let channel = self.lane.number;
        #[allow(clippy::wildcard_enum_match_arm, reason = "each question has its own answers")]
        match (reply, answer) {
            (Reply::Consume(id), Err(close)) => {
                self.consumers.remove(*id);
                Err(close)
            }
            (_, Err(close)) => Err(close),
            (Reply::Consume(id), Ok(Answer::Consuming { feed, timeout })) => {
                let Some(consumer_tag) = self.consumers.started(*id, feed, timeout) else { return Ok(()) };
                if told == Told::Yes {
                    link.send(channel, &basic::ConsumeOk { consumer_tag });
                }
                self.consumers.go_on(link, self.lane, &mut self.deliveries);
                Ok(())
            }
            (Reply::Get { .. }, Ok(Answer::Empty)) => {
                link.send(channel, &basic::GetEmpty::default());
                Ok(())
            }
            (Reply::Get { no_ack }, Ok(Answer::Got { source, delivered, left, timeout })) => {
                let delivery_tag = self.deliveries.next_tag();
                if let Some(receipt) = delivered.receipt {
                    let lease = Lease { source, receipt };
                    if *no_ack {
                        settling::add(&mut self.consumers.settles, &lease, Verdict::Ack);
                    } else {
                        let due = Due::of(link.now, timeout);
                        self.deliveries.add(delivery_tag, Unsettled { lease: Some(lease), consumer: None, due });
                    }
                }
                let method = basic::GetOk {
                    delivery_tag,
                    redelivered: delivered.redelivered,
                    exchange: delivered.exchange,
                    routing_key: delivered.routing_key,
                    message_count: left,
                };
                link.send_content(channel, &method, &delivered.properties, &delivered.body);
                Ok(())
            }
            (Reply::CommitSettled, Ok(_)) => {
                link.send(channel, &tx::CommitOk {});
                Ok(())
            }
            (reply, Ok(answer)) => unreachable!("{reply:?} was answered with {answer:?}"),
        }
    }
}

const fn refusal(requeue: bool) -> Verdict {
    if requeue { Verdict::Requeue } else { Verdict::Reject }
}
