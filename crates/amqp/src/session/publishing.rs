//! Publications of a channel: handed over in batches, confirmed when the broker has them, returned when nobody wants
//! them.
//! Invariants: publications keep their order; a confirm comes after the return of the same message; a confirm that
//! says `multiple` leaves none before it open.

use std::collections::BTreeMap;

use super::ask::{Action, Ask, Close, Fate, Publication, Ticket};
use super::link::{Lane, Link};
use crate::codec::ReplyCode;
use crate::codec::class::basic;
use crate::limits::{BATCH_BYTES_MAX, BATCH_MESSAGES_MAX};

/// The queue that stands for the consumer of direct replies.
pub(super) const REPLY_QUEUE: &str = "amq.rabbitmq.reply-to";
/// What the names of direct replies begin with.
pub(super) const REPLY_PREFIX: &str = "amq.rabbitmq.reply-to.";

/// Publications under way.
struct Batch {
    /// The number of the first, when they are confirmed.
    first: Option<u64>,
    /// Those that may come back, with their places.
    mandatory: BTreeMap<usize, Publication>,
}

/// The publishing half of a channel.
#[derive(Default)]
pub(super) struct Publishing {
    batch: Vec<Publication>,
    batch_bytes: usize,
    /// The number of the next publication, once confirms were asked for.
    next_confirm: Option<u64>,
    /// The number of the first one of the open batch.
    first: Option<u64>,
    under_way: BTreeMap<Ticket, Batch>,
}

impl Publishing {
    /// Starts to confirm.
    pub(super) fn select_confirms(&mut self) {
        self.next_confirm.get_or_insert(1);
    }

    pub(super) const fn confirms(&self) -> bool {
        self.next_confirm.is_some()
    }

    /// How many publications are not confirmed yet.
    pub(super) fn unconfirmed(&self) -> u64 {
        let oldest = self.under_way.values().filter_map(|batch| batch.first).min().or(self.first);
        oldest.zip(self.next_confirm).map_or(0, |(oldest, next)| next.saturating_sub(oldest))
    }

    /// Whether everything was answered.
    pub(super) fn is_idle(&self) -> bool {
        self.batch.is_empty() && self.under_way.is_empty()
    }

    /// Takes a publication.
    pub(super) fn publish(&mut self, link: &mut Link, lane: Lane, publication: Publication) {
        if publication.exchange.is_empty() && publication.routing_key.as_str().starts_with(REPLY_PREFIX) {
            self.reply(link, lane, publication);
            return;
        }
        self.batch_bytes += publication.body.len();
        self.batch.push(publication);
        let number = self.number();
        self.first = self.first.or(number);
        if self.batch.len() >= BATCH_MESSAGES_MAX || self.batch_bytes >= BATCH_BYTES_MAX {
            self.flush(link, lane);
        }
    }

    fn number(&mut self) -> Option<u64> {
        let number = self.next_confirm?;
        self.next_confirm = Some(number + 1);
        Some(number)
    }

    /// A direct reply goes to a connection of this door, past the broker.
    fn reply(&mut self, link: &mut Link, lane: Lane, publication: Publication) {
        self.flush(link, lane);
        link.actions.push(Action::Reply(publication));
        if let Some(delivery_tag) = self.number() {
            link.send(lane.number, &basic::Ack { delivery_tag, multiple: false });
        }
    }

    /// Hands over what was collected.
    pub(super) fn flush(&mut self, link: &mut Link, lane: Lane) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        self.batch_bytes = 0;
        let first = self.first.take();
        self.hand_over(link, lane, batch, first);
    }

    /// Hands over a transaction's publications; `None` when there are none.
    pub(super) fn hand_over(
        &mut self,
        link: &mut Link,
        lane: Lane,
        batch: Vec<Publication>,
        first: Option<u64>,
    ) -> Ticket {
        let mandatory = batch.iter().enumerate().filter(|(_, publication)| publication.mandatory);
        let mandatory = mandatory.map(|(place, publication)| (place, publication.clone())).collect();
        let ticket = link.ask(lane, Ask::Publish(batch));
        self.under_way.insert(ticket, Batch { first, mandatory });
        ticket
    }

    /// Whether a ticket is one of a batch.
    pub(super) fn knows(&self, ticket: Ticket) -> bool {
        self.under_way.contains_key(&ticket)
    }

    /// The broker says what became of a batch. An error closes the channel.
    pub(super) fn answered(
        &mut self,
        link: &mut Link,
        lane: Lane,
        ticket: Ticket,
        fates: Vec<Fate>,
    ) -> Result<(), Close> {
        let is_first = self.under_way.keys().next() == Some(&ticket);
        let Some(mut batch) = self.under_way.remove(&ticket) else { return Ok(()) };
        for (place, fate) in fates.iter().enumerate() {
            if let (Fate::Unroutable, Some(publication)) = (fate, batch.mandatory.remove(&place)) {
                give_back(link, lane, &publication);
            }
        }
        let mut confirms = Confirms { lane, run: None, multiple: is_first };
        for (fate, number) in fates.into_iter().zip(batch.first.unwrap_or_default()..) {
            let good = match fate {
                Fate::Kept | Fate::Unroutable => true,
                Fate::Refused => false,
                Fate::Failed(close) => {
                    confirms.send(link);
                    return Err(close);
                }
            };
            if batch.first.is_some() {
                confirms.add(link, number, good);
            }
        }
        confirms.send(link);
        Ok(())
    }
}

fn give_back(link: &mut Link, lane: Lane, publication: &Publication) {
    let method = basic::Return {
        reply_code: ReplyCode::NoRoute.number(),
        reply_text: crate::codec::ShortText::cut(ReplyCode::NoRoute.word()),
        exchange: publication.exchange.clone(),
        routing_key: publication.routing_key.clone(),
    };
    link.send_content(lane.number, &method, &publication.properties, &publication.body);
}

/// Confirms of a batch: equal ones in a row become one, when none before them is open.
struct Confirms {
    lane: Lane,
    /// The first and the last of a row, and whether they are good.
    run: Option<(u64, u64, bool)>,
    multiple: bool,
}

impl Confirms {
    fn add(&mut self, link: &mut Link, number: u64, good: bool) {
        match &mut self.run {
            Some((_, last, same)) if *same == good && self.multiple => *last = number,
            _ => {
                self.send(link);
                self.run = Some((number, number, good));
            }
        }
    }

    fn send(&mut self, link: &mut Link) {
        let Some((first, last, good)) = self.run.take() else { return };
        let multiple = first < last;
        if good {
            link.send(self.lane.number, &basic::Ack { delivery_tag: last, multiple });
        } else {
            link.send(self.lane.number, &basic::Nack { delivery_tag: last, multiple, requeue: false });
        }
    }
}
