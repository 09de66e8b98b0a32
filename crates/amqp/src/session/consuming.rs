//! Consumers of a channel: what each may take, what it was sent.
//! Invariants: a client never has more unsettled deliveries than its prefetch; what comes beyond that is held here and
//! sent in order; a consumer that is stopped sends nothing more and keeps what the client has not settled.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::Sharing;
use model::number::Span;

use super::ask::{Action, ConsumerId, Delivered, Feed, Settle, Verdict};
use super::link::{Lane, Link};
use super::settling::{self, Deliveries, Due, Lease, Unsettled};
use crate::codec::ShortText;
use crate::limits::{UNSETTLED_MAX, WINDOW_MESSAGES};

/// Whether deliveries wait for an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They are settled by the client.
    Acks,
    /// They are settled by being sent.
    NoAcks,
}

/// How far a consumer is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The broker was asked.
    Opening,
    /// Messages come from here.
    Running(Feed),
    /// The client cancelled it; what is on its way still comes.
    Stopping(Feed),
    /// Its stream has ended; unsettled deliveries are left.
    Ended,
}

/// A consumer.
struct Consumer {
    tag: ShortText,
    mode: Mode,
    sharing: Sharing,
    /// Most unsettled ones; 0 is no bound.
    prefetch: u32,
    /// What the broker may send.
    granted: u32,
    unsettled: u32,
    held: VecDeque<Delivered>,
    /// How long each delivery may stay unsettled.
    timeout: Option<Duration>,
    state: State,
}

/// The consumers of a channel.
#[derive(Default)]
pub(super) struct Consumers {
    consumers: BTreeMap<ConsumerId, Consumer>,
    /// The prefetch of consumers that begin.
    prefetch: u32,
    /// The prefetch of all together; 0 is no bound.
    shared_prefetch: u32,
    /// Settlements for the broker that the client does not ask for.
    pub(super) settles: Vec<Settle>,
    /// Streams that end once what was settled is handed over: their end gives back what is not.
    pub(super) drops: Vec<ConsumerId>,
}

/// How the stream of a consumer ended.
pub(super) enum Ended {
    /// The client had cancelled it.
    Cancelled(ShortText),
    /// By itself.
    Lost(ShortText),
    /// It was not there any more.
    Unknown,
}

impl Consumers {
    /// Changes how much may be unsettled, for those that are there too.
    pub(super) fn set_prefetch(&mut self, count: u16) {
        self.prefetch = u32::from(count);
        for consumer in self.consumers.values_mut() {
            consumer.prefetch = self.prefetch;
        }
    }

    pub(super) fn set_shared_prefetch(&mut self, count: u16) {
        self.shared_prefetch = u32::from(count);
    }

    /// Most unsettled deliveries of a consumer that begins; 0 is no bound.
    pub(super) fn prefetch(&self) -> u32 {
        if self.prefetch == 0 { self.shared_prefetch } else { self.prefetch }
    }

    /// The prefetch of a consumer that begins.
    pub(super) const fn own_prefetch(&self) -> u32 {
        self.prefetch
    }

    /// The prefetch of all together.
    pub(super) const fn shared_prefetch(&self) -> u32 {
        self.shared_prefetch
    }

    /// Those that run, as they are told to whoever asks.
    pub(super) fn shown(&self) -> Vec<rabbit::Consumer> {
        let one = |consumer: &Consumer| {
            let State::Running(feed) = &consumer.state else { return None };
            Some(rabbit::Consumer {
                tag: consumer.tag.to_string(),
                queue: feed.name().to_owned(),
                acks: consumer.mode == Mode::Acks,
                exclusive: consumer.sharing == Sharing::Alone,
                prefetch: consumer.prefetch,
                timeout: consumer.timeout.map(span),
            })
        };
        self.consumers.values().filter_map(one).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.consumers.len()
    }

    pub(super) fn has_tag(&self, tag: &ShortText) -> bool {
        self.live().any(|consumer| consumer.tag == *tag)
    }

    fn live(&self) -> impl Iterator<Item = &Consumer> {
        self.consumers.values().filter(|consumer| matches!(consumer.state, State::Opening | State::Running(_)))
    }

    /// Adds a consumer that the broker is asked for, with the credit that it begins with: none until it is started.
    pub(super) fn add(&mut self, id: ConsumerId, tag: ShortText, mode: Mode, sharing: Sharing) {
        let consumer = Consumer {
            tag,
            mode,
            sharing,
            prefetch: self.prefetch,
            granted: 0,
            unsettled: 0,
            held: VecDeque::new(),
            timeout: None,
            state: State::Opening,
        };
        self.consumers.insert(id, consumer);
    }

    /// The broker has started it.
    pub(super) fn started(&mut self, id: ConsumerId, feed: Feed, timeout: Option<Duration>) -> Option<ShortText> {
        let consumer = self.consumers.get_mut(&id)?;
        consumer.timeout = timeout;
        consumer.state = State::Running(feed);
        Some(consumer.tag.clone())
    }

    /// The broker would not start it.
    pub(super) fn remove(&mut self, id: ConsumerId) {
        self.consumers.remove(&id);
    }

    /// The client cancels a consumer. False when there is none of this tag.
    pub(super) fn stop(&mut self, link: &mut Link, tag: &ShortText) -> Option<ConsumerId> {
        let found = self
            .consumers
            .iter_mut()
            .find(|(_, consumer)| consumer.tag == *tag && matches!(consumer.state, State::Opening | State::Running(_)));
        let (id, consumer) = found?;
        let State::Running(feed) = &consumer.state else { return None };
        let feed = feed.clone();
        requeue(&mut self.settles, &feed, consumer.held.drain(..));
        consumer.state = State::Stopping(feed);
        link.actions.push(Action::Stop(*id));
        Some(*id)
    }

    /// The stream of a consumer has ended.
    pub(super) fn ended(&mut self, id: ConsumerId) -> Ended {
        let Some(consumer) = self.consumers.get_mut(&id) else { return Ended::Unknown };
        let tag = consumer.tag.clone();
        let before = std::mem::replace(&mut consumer.state, State::Ended);
        consumer.held.clear();
        if consumer.unsettled == 0 {
            self.consumers.remove(&id);
            self.drops.push(id);
        }
        match before {
            State::Stopping(_) => Ended::Cancelled(tag),
            State::Opening | State::Running(_) => Ended::Lost(tag),
            State::Ended => Ended::Unknown,
        }
    }

    pub(super) fn knows(&self, id: ConsumerId) -> bool {
        self.consumers.contains_key(&id)
    }

    /// Ends all of them; what they hold goes back with them.
    pub(super) fn drop_all(&mut self) {
        self.drops.extend(std::mem::take(&mut self.consumers).into_keys());
    }

    /// Messages have come for a consumer.
    pub(super) fn deliver(
        &mut self,
        link: &mut Link,
        lane: Lane,
        deliveries: &mut Deliveries,
        id: ConsumerId,
        messages: impl ExactSizeIterator<Item = Delivered>,
    ) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        consumer.granted = consumer.granted.saturating_sub(u32::try_from(messages.len()).unwrap_or(u32::MAX));
        match &consumer.state {
            State::Running(_) => {
                for message in messages {
                    if consumer.held.is_empty() && consumer.room(self.shared_prefetch, deliveries) > 0 {
                        consumer.send(link, lane, deliveries, &mut self.settles, (id, message));
                    } else {
                        consumer.held.push_back(message);
                    }
                }
            }
            State::Stopping(feed) => requeue(&mut self.settles, feed, messages),
            State::Opening | State::Ended => {}
        }
        self.top_up(link, deliveries);
    }

    /// A delivery of a consumer was settled.
    pub(super) fn settled(&mut self, id: ConsumerId) {
        let Some(consumer) = self.consumers.get_mut(&id) else { return };
        consumer.unsettled = consumer.unsettled.saturating_sub(1);
        if consumer.state == State::Ended && consumer.unsettled == 0 {
            self.consumers.remove(&id);
            self.drops.push(id);
        }
    }

    /// Sends what is held and may go, and asks for more where there is room.
    pub(super) fn go_on(&mut self, link: &mut Link, lane: Lane, deliveries: &mut Deliveries) {
        self.send_held(link, lane, deliveries);
        self.top_up(link, deliveries);
    }

    fn send_held(&mut self, link: &mut Link, lane: Lane, deliveries: &mut Deliveries) {
        for (id, consumer) in &mut self.consumers {
            if !matches!(consumer.state, State::Running(_)) {
                continue;
            }
            while !consumer.held.is_empty() && consumer.room(self.shared_prefetch, deliveries) > 0 {
                let Some(message) = consumer.held.pop_front() else { break };
                consumer.send(link, lane, deliveries, &mut self.settles, (*id, message));
            }
        }
    }

    fn top_up(&mut self, link: &mut Link, deliveries: &Deliveries) {
        let running = self.consumers.values().filter(|consumer| matches!(consumer.state, State::Running(_))).count();
        let shared = shared_room(self.shared_prefetch, deliveries);
        // Each gets its share of the room, and at least one while there is any: a message that comes too early waits here.
        let share = if shared == 0 { 0 } else { (shared / u32::try_from(running.max(1)).unwrap_or(u32::MAX)).max(1) };
        for (id, consumer) in &mut self.consumers {
            if !matches!(consumer.state, State::Running(_)) {
                continue;
            }
            let want = match consumer.mode {
                Mode::NoAcks => WINDOW_MESSAGES,
                Mode::Acks => share.min(consumer.own_room()).min(WINDOW_MESSAGES),
            };
            let coming = consumer.granted.saturating_add(u32::try_from(consumer.held.len()).unwrap_or(u32::MAX));
            let more = want.saturating_sub(coming);
            // Small grants are saved up while there is enough on its way.
            if more > 0 && (coming <= want / 2 || more >= WINDOW_MESSAGES / 8) {
                consumer.granted += more;
                link.actions.push(Action::Grant(*id, more));
            }
        }
    }
}

fn shared_room(prefetch: u32, deliveries: &Deliveries) -> u32 {
    let bound = if prefetch == 0 { UNSETTLED_MAX } else { prefetch };
    bound.saturating_sub(u32::try_from(deliveries.len()).unwrap_or(u32::MAX))
}

impl Consumer {
    /// How many more may be sent.
    fn room(&self, shared_prefetch: u32, deliveries: &Deliveries) -> u32 {
        match self.mode {
            Mode::NoAcks => u32::MAX,
            Mode::Acks => shared_room(shared_prefetch, deliveries).min(self.own_room()),
        }
    }

    /// Sends it one message.
    fn send(
        &mut self,
        link: &mut Link,
        lane: Lane,
        deliveries: &mut Deliveries,
        settles: &mut Vec<Settle>,
        (id, message): (ConsumerId, Delivered),
    ) {
        let State::Running(feed) = &self.state else { return };
        let tag = deliveries.next_tag();
        let lease = Lease::of(feed, message.receipt);
        match (self.mode, lease) {
            (Mode::NoAcks, None) => {}
            (Mode::NoAcks, Some(lease)) => settling::add(settles, &lease, Verdict::Ack),
            (Mode::Acks, lease) => {
                let due = Due::of(link.now, self.timeout);
                deliveries.add(tag, Unsettled { lease, consumer: Some(id), due });
                self.unsettled += 1;
            }
        }
        link.deliver(lane.number, &self.tag, tag, message);
    }

    fn own_room(&self) -> u32 {
        if self.prefetch == 0 { u32::MAX } else { self.prefetch.saturating_sub(self.unsettled) }
    }
}

fn span(time: Duration) -> Span {
    Span::new(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn requeue(settles: &mut Vec<Settle>, feed: &Feed, messages: impl Iterator<Item = Delivered>) {
    for lease in messages.filter_map(|message| Lease::of(feed, message.receipt)) {
        settling::add(settles, &lease, Verdict::Requeue);
    }
}
