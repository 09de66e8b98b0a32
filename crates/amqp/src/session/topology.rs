//! Methods over exchanges and queues: asked of the broker one at a time.
//! Invariant: an empty queue name means the queue that the channel declared last.

use super::ask::{Answer, Ask, Close};
use super::channel::{Channel, Reply, Told, not_from_a_client};
use super::link::Link;
use super::publishing::REPLY_QUEUE;
use crate::codec::class::{exchange, queue};
use crate::codec::{ReplyCode, ShortText};

impl Channel {
    pub(super) fn exchange(&mut self, link: &mut Link, method: exchange::Method) -> Result<(), Close> {
        match method {
            exchange::Method::Declare(declare) => {
                let told = Told::unless(declare.no_wait);
                self.ask(link, Ask::DeclareExchange(declare), Reply::DeclareExchange, told);
            }
            exchange::Method::Delete(delete) => {
                let told = Told::unless(delete.no_wait);
                self.ask(link, Ask::DeleteExchange(delete), Reply::DeleteExchange, told);
            }
            exchange::Method::Bind(bind) => {
                let told = Told::unless(bind.no_wait);
                self.ask(link, Ask::BindExchange(bind), Reply::BindExchange, told);
            }
            exchange::Method::Unbind(unbind) => {
                let told = Told::unless(unbind.no_wait);
                self.ask(link, Ask::UnbindExchange(unbind), Reply::UnbindExchange, told);
            }
            exchange::Method::DeclareOk(_)
            | exchange::Method::DeleteOk(_)
            | exchange::Method::BindOk(_)
            | exchange::Method::UnbindOk(_) => return Err(not_from_a_client(&method.into())),
        }
        Ok(())
    }

    pub(super) fn queue(&mut self, link: &mut Link, method: queue::Method) -> Result<(), Close> {
        match method {
            queue::Method::Declare(declare) if declare.queue.as_str() == REPLY_QUEUE => {
                let answer = Ok(Answer::Declared { queue: declare.queue, messages: 0, consumers: 1 });
                return self.reply(link, Reply::DeclareQueue, Told::unless(declare.no_wait), answer);
            }
            queue::Method::Declare(mut declare) => {
                let told = Told::unless(declare.no_wait);
                if declare.passive {
                    self.name(&mut declare.queue)?;
                }
                self.ask(link, Ask::DeclareQueue(declare), Reply::DeclareQueue, told);
            }
            queue::Method::Bind(mut bind) => {
                let told = Told::unless(bind.no_wait);
                self.name_with_key(&mut bind.queue, &mut bind.routing_key)?;
                self.ask(link, Ask::BindQueue(bind), Reply::BindQueue, told);
            }
            queue::Method::Unbind(mut unbind) => {
                self.name_with_key(&mut unbind.queue, &mut unbind.routing_key)?;
                self.ask(link, Ask::UnbindQueue(unbind), Reply::UnbindQueue, Told::Yes);
            }
            queue::Method::Purge(mut purge) => {
                let told = Told::unless(purge.no_wait);
                self.name(&mut purge.queue)?;
                self.ask(link, Ask::PurgeQueue(purge), Reply::PurgeQueue, told);
            }
            queue::Method::Delete(mut delete) => {
                let told = Told::unless(delete.no_wait);
                self.name(&mut delete.queue)?;
                self.ask(link, Ask::DeleteQueue(delete), Reply::DeleteQueue, told);
            }
            queue::Method::DeclareOk(_)
            | queue::Method::BindOk(_)
            | queue::Method::UnbindOk(_)
            | queue::Method::PurgeOk(_)
            | queue::Method::DeleteOk(_) => return Err(not_from_a_client(&method.into())),
        }
        Ok(())
    }

    /// Puts the last queue in the place of an empty name.
    pub(super) fn name(&self, queue: &mut ShortText) -> Result<(), Close> {
        if !queue.is_empty() {
            return Ok(());
        }
        if self.last_queue.is_empty() {
            return Err(Close::new(ReplyCode::NotFound, "no previously declared queue"));
        }
        queue.clone_from(&self.last_queue);
        Ok(())
    }

    /// As `name`; an empty key beside an empty name is the queue's name too.
    fn name_with_key(&self, queue: &mut ShortText, routing_key: &mut ShortText) -> Result<(), Close> {
        let was_empty = queue.is_empty();
        self.name(queue)?;
        if was_empty && routing_key.is_empty() {
            routing_key.clone_from(queue);
        }
        Ok(())
    }

    /// Sends what the client waits for.
    pub(super) fn reply(
        &mut self,
        link: &mut Link,
        reply: Reply,
        told: Told,
        answer: Result<Answer, Close>,
    ) -> Result<(), Close> {
        if matches!(reply, Reply::Consume(_) | Reply::Get { .. } | Reply::CommitPublished | Reply::CommitSettled) {
            return self.reply_deliveries(link, &reply, told, answer);
        }
        let answer = answer?;
        if let Answer::Declared { queue, .. } = &answer {
            self.last_queue.clone_from(queue);
        }
        if told == Told::No {
            return Ok(());
        }
        let channel = self.lane.number;
        match (reply, answer) {
            (Reply::DeclareExchange, _) => link.send(channel, &exchange::DeclareOk {}),
            (Reply::DeleteExchange, _) => link.send(channel, &exchange::DeleteOk {}),
            (Reply::BindExchange, _) => link.send(channel, &exchange::BindOk {}),
            (Reply::UnbindExchange, _) => link.send(channel, &exchange::UnbindOk {}),
            (Reply::BindQueue, _) => link.send(channel, &queue::BindOk {}),
            (Reply::UnbindQueue, _) => link.send(channel, &queue::UnbindOk {}),
            (Reply::DeclareQueue, Answer::Declared { queue, messages, consumers }) => {
                link.send(channel, &queue::DeclareOk { queue, message_count: messages, consumer_count: consumers });
            }
            (Reply::PurgeQueue, Answer::Removed(message_count)) => {
                link.send(channel, &queue::PurgeOk { message_count });
            }
            (Reply::DeleteQueue, Answer::Removed(message_count)) => {
                link.send(channel, &queue::DeleteOk { message_count });
            }
            (reply, answer) => unreachable!("{reply:?} was answered with {answer:?}"),
        }
        Ok(())
    }
}
