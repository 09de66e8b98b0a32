//! A channel: does what its client asks in the order in which it asks.
//!
//! Publications and settlements flow; a method that has an answer waits until those before it are done, and what comes
//! behind it waits in the backlog until it is answered.
//! Invariants: answers come in the order of the questions; after a close nothing but its answer is sent.
//! The methods are in `topology`, `delivering`, `transaction` and `leaving`.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::ask::{Action, Answer, Ask, Close, ConsumerId, Fate, Publication, Settle, Ticket, Verdict};
use super::consuming::Consumers;
use super::content::{Content, Progress};
use super::link::{Lane, Link};
use super::publishing::Publishing;
use super::settling::{self, Deliveries, Settled};
use super::transaction::Transaction;
use crate::codec::class::{basic, channel, confirm, tx};
use crate::codec::{Method, ReplyCode, ShortText};
use crate::limits::{BACKLOG_BYTES_MAX, BACKLOG_MAX};

/// How far a channel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Open,
    /// The client wants to close it; what it did before is still being done.
    Leaving,
    /// We closed it; the client has not agreed yet.
    Closing,
    /// It can be forgotten.
    Gone,
}

/// Something that the client sent.
#[allow(clippy::large_enum_variant, reason = "the backlog is short and bounded")]
pub(super) enum Work {
    Method(Method),
    Publish(Publication),
}

/// What the channel does with an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// Send a method that says so.
    DeclareExchange,
    DeleteExchange,
    BindExchange,
    UnbindExchange,
    DeclareQueue,
    BindQueue,
    UnbindQueue,
    PurgeQueue,
    DeleteQueue,
    /// Send the message.
    Get {
        no_ack: bool,
    },
    /// Start the consumer.
    Consume(ConsumerId),
    /// Go on with a commit: settlements are next.
    CommitPublished,
    CommitSettled,
}

/// Whether the client waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Yes,
    No,
}

impl Told {
    pub(super) const fn unless(no_wait: bool) -> Self {
        if no_wait { Self::No } else { Self::Yes }
    }
}

/// What a channel waits for before it goes on.
pub(super) enum Waiting {
    Nothing,
    Answer(Ticket, Reply, Told),
    /// The stream of a consumer that was cancelled.
    End(ConsumerId, Told),
}

/// A channel.
pub(super) struct Channel {
    pub(super) lane: Lane,
    pub(super) state: State,
    pub(super) waiting: Waiting,
    pub(super) backlog: VecDeque<Work>,
    pub(super) backlog_bytes: usize,
    pub(super) content: Option<Content>,
    pub(super) publishing: Publishing,
    pub(super) consumers: Consumers,
    pub(super) deliveries: Deliveries,
    pub(super) transaction: Option<Transaction>,
    /// Settlements that wait to be handed over.
    pub(super) settles: Vec<Settle>,
    /// Whether something was settled since its consumers last went on.
    has_settled: bool,
    /// Requeues under way: what comes behind them must see the messages.
    requeues: Vec<Ticket>,
    /// The queue that an empty name means.
    pub(super) last_queue: ShortText,
    /// Whether the client wants to know of consumers that end.
    pub(super) told_of_cancels: bool,
    /// Set while this channel receives direct replies.
    pub(super) replies: Option<ShortText>,
    /// The consumer tag of direct replies.
    pub(super) reply_tag: ShortText,
}

impl Channel {
    pub(super) fn new(lane: Lane, told_of_cancels: bool) -> Self {
        Self {
            lane,
            state: State::Open,
            waiting: Waiting::Nothing,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            content: None,
            publishing: Publishing::default(),
            consumers: Consumers::default(),
            deliveries: Deliveries::default(),
            transaction: None,
            settles: Vec::new(),
            has_settled: false,
            requeues: Vec::new(),
            last_queue: ShortText::default(),
            told_of_cancels,
            replies: None,
            reply_tag: ShortText::default(),
        }
    }

    /// Whether more should not be read for now.
    pub(super) fn is_full(&self) -> bool {
        self.backlog.len() >= BACKLOG_MAX || self.backlog_bytes >= BACKLOG_BYTES_MAX
    }

    /// Takes a method.
    pub(super) fn method(&mut self, link: &mut Link, method: Method) -> Result<(), Close> {
        match (&self.state, &method) {
            (State::Closing, Method::Channel(channel::Method::CloseOk(_))) => {
                self.state = State::Gone;
                return Ok(());
            }
            (State::Closing, Method::Channel(channel::Method::Close(_))) => {
                link.send(self.lane.number, &channel::CloseOk {});
                return Ok(());
            }
            (State::Closing | State::Gone | State::Leaving, _) => return Ok(()),
            (State::Open, _) => {}
        }
        if let Some(content) = &self.content {
            return Err(content.interrupted());
        }
        if let Method::Basic(basic::Method::Publish(publish)) = method {
            if publish.immediate {
                return Err(Close::new(ReplyCode::NotImplemented, "immediate=true"));
            }
            self.content = Some(Content::new(publish));
            return Ok(());
        }
        self.take(link, Work::Method(method))
    }

    /// Takes a content header.
    pub(super) fn header(&mut self, link: &mut Link, bytes: Bytes) -> Result<(), Close> {
        self.part(link, |content| content.header(bytes))
    }

    /// Takes a part of a body.
    pub(super) fn body(&mut self, link: &mut Link, bytes: Bytes) -> Result<(), Close> {
        self.part(link, |content| content.body(bytes))
    }

    fn part(&mut self, link: &mut Link, take: impl FnOnce(Content) -> Result<Progress, Close>) -> Result<(), Close> {
        if self.state != State::Open {
            return Ok(());
        }
        let content = self.content.take().ok_or_else(|| {
            Close::new(ReplyCode::UnexpectedFrame, "expected method frame, got non method frame instead")
        })?;
        match take(content)? {
            Progress::More(content) => {
                self.content = Some(content);
                Ok(())
            }
            Progress::Complete(publication) => self.take(link, Work::Publish(publication)),
        }
    }

    fn take(&mut self, link: &mut Link, work: Work) -> Result<(), Close> {
        if self.backlog.is_empty() && self.is_ready_for(&work) {
            return self.work(link, work);
        }
        if let Work::Publish(publication) = &work {
            self.backlog_bytes += publication.body.len();
        }
        self.backlog.push_back(work);
        self.go_on(link)
    }

    /// Does what waits, as far as it may.
    pub(super) fn go_on(&mut self, link: &mut Link) -> Result<(), Close> {
        while let Some(next) = self.backlog.front() {
            if !self.is_ready_for(next) {
                self.flush(link);
                return Ok(());
            }
            let Some(work) = self.backlog.pop_front() else { break };
            if let Work::Publish(publication) = &work {
                self.backlog_bytes -= publication.body.len();
            }
            self.work(link, work)?;
        }
        self.leave_when_done(link);
        Ok(())
    }

    fn is_ready_for(&self, work: &Work) -> bool {
        let free = matches!(self.waiting, Waiting::Nothing);
        free && match work {
            Work::Publish(_) => true,
            Work::Method(method) => !sees_what_was_before(method) || self.is_settled(),
        }
    }

    /// Whether all that was published and given back is done.
    pub(super) fn is_settled(&self) -> bool {
        let given_back = self.settles.iter().chain(&self.consumers.settles);
        self.publishing.is_idle()
            && self.requeues.is_empty()
            && !given_back.into_iter().any(|settle| settle.verdict != Verdict::Ack)
    }

    fn work(&mut self, link: &mut Link, work: Work) -> Result<(), Close> {
        match work {
            Work::Publish(publication) => self.publish(link, publication),
            Work::Method(Method::Basic(method)) => self.basic(link, method),
            Work::Method(Method::Queue(method)) => self.queue(link, method),
            Work::Method(Method::Exchange(method)) => self.exchange(link, method),
            Work::Method(Method::Confirm(confirm::Method::Select(select))) => self.select_confirms(link, &select),
            Work::Method(Method::Tx(method)) => self.tx(link, method),
            Work::Method(Method::Channel(method)) => self.itself(link, method),
            Work::Method(method @ (Method::Confirm(_) | Method::Connection(_))) => Err(not_from_a_client(&method)),
        }
    }

    /// Hands over what was collected.
    pub(super) fn flush(&mut self, link: &mut Link) {
        if std::mem::take(&mut self.has_settled) {
            self.consumers.go_on(link, self.lane, &mut self.deliveries);
        }
        self.publishing.flush(link, self.lane);
        self.settles.append(&mut self.consumers.settles);
        if !self.settles.is_empty() {
            let settles = std::mem::take(&mut self.settles);
            let gives_back = settles.iter().any(|settle| settle.verdict != Verdict::Ack);
            let ticket = link.ask(self.lane, Ask::Settle(settles));
            if gives_back {
                self.requeues.push(ticket);
            }
        }
        link.actions.extend(self.consumers.drops.drain(..).map(Action::Drop));
    }

    /// Whether a delivery was not settled in time, and in which.
    pub(super) fn overdue(&mut self, now: Duration) -> Option<Duration> {
        if self.state == State::Open { self.deliveries.overdue(now) } else { None }
    }

    /// Keeps the leases of what was asked for one by one.
    pub(super) fn keep(&mut self) {
        let in_transaction = self.transaction.iter().flat_map(|transaction| &transaction.settled);
        let in_transaction = in_transaction.flat_map(|(_, deliveries)| deliveries.iter());
        let got = in_transaction.filter(|delivery| delivery.consumer.is_none()).chain(self.deliveries.got());
        for lease in got.filter_map(|delivery| delivery.lease.as_ref()) {
            settling::add(&mut self.settles, lease, Verdict::Keep);
        }
    }

    /// Puts settlements to those that are handed over next.
    pub(super) fn settle(&mut self, verdict: Verdict, deliveries: Settled) {
        for (_, delivery) in deliveries {
            if let Some(lease) = &delivery.lease {
                settling::add(&mut self.settles, lease, verdict);
            }
            if let Some(consumer) = delivery.consumer {
                self.consumers.settled(consumer);
            }
        }
        self.has_settled = true;
    }

    pub(super) fn wait_for(&mut self, ticket: Ticket, reply: Reply, told: Told) {
        self.waiting = Waiting::Answer(ticket, reply, told);
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&mut self, link: &mut Link, ask: Ask, reply: Reply, told: Told) {
        let ticket = link.ask(self.lane, ask);
        self.wait_for(ticket, reply, told);
    }

    /// The broker has answered.
    pub(super) fn answered(
        &mut self,
        link: &mut Link,
        ticket: Ticket,
        answer: Result<Answer, Close>,
    ) -> Result<(), Close> {
        self.requeues.retain(|requeue| *requeue != ticket);
        if self.state == State::Closing || self.state == State::Gone {
            return Ok(());
        }
        if self.publishing.knows(ticket) {
            let fates = fates(answer)?;
            let in_transaction = matches!(&self.waiting, Waiting::Answer(waited, ..) if *waited == ticket);
            if in_transaction && fates.contains(&Fate::Refused) {
                return Err(Close::new(ReplyCode::PreconditionFailed, "partial tx completion"));
            }
            self.publishing.answered(link, self.lane, ticket, fates)?;
            if in_transaction {
                self.commit_settlements(link);
            }
            return self.go_on(link);
        }
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Nothing);
        match waiting {
            Waiting::Answer(waited, reply, told) if waited == ticket => {
                self.reply(link, reply, told, answer)?;
            }
            other @ (Waiting::Nothing | Waiting::Answer(..) | Waiting::End(..)) => {
                self.waiting = other;
                answer?;
            }
        }
        self.go_on(link)
    }
}

/// Whether a method comes after everything before it is done: whatever is answered, since the returns of messages
/// before it come before its answer, and it sees their effect. Settlements are not answered.
fn sees_what_was_before(method: &Method) -> bool {
    !matches!(
        method,
        Method::Basic(
            basic::Method::Ack(_)
                | basic::Method::Nack(_)
                | basic::Method::Reject(_)
                | basic::Method::RecoverAsync(_)
                | basic::Method::CancelOk(_)
        ) | Method::Channel(channel::Method::Close(_) | channel::Method::CloseOk(_) | channel::Method::FlowOk(_))
            | Method::Tx(tx::Method::Commit(_))
    )
}

/// A method that only a server sends.
pub(super) fn not_from_a_client(method: &Method) -> Close {
    let (class, number) = method.numbers();
    Close::new(ReplyCode::CommandInvalid, format!("method {class}.{number} is not sent by clients"))
}

fn fates(answer: Result<Answer, Close>) -> Result<Vec<Fate>, Close> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "a publish is answered with fates")]
    match answer? {
        Answer::Published(fates) => Ok(fates),
        other => unreachable!("a publish was answered with {other:?}"),
    }
}
