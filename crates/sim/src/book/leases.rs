//! Deliveries in the reference: handed out, settled, prolonged, given up.
//! Invariant: a receipt settles exactly the delivery that it was given for.
//! Called by `Book::perform`.

use broker::command::{LeaseEnd, Pick};
use broker::outcome::Outcome;
use broker::place::SourceId;
use model::message::{DeadLetterReason, MessagePlace};
use model::name::Source;
use model::number::{Epoch, Offset, Span, SubscriptionId, Timestamp, TopicId};
use model::operation::Response;
use model::queue::{Ack, Extend, Nack, NackAction, Settled};
use model::receipt::{Receipt, ReceiptSource, Settlement};

use super::line::{Gone, Kept, Life, Passed};
use super::topic::Cursor;
use super::{Book, Notes};
use crate::check::{attempts, dead_letters, leases};
use crate::events::Event;

impl Book {
    /// The source that a name means.
    #[must_use]
    pub fn source_named(&self, source: &Source) -> Option<SourceId> {
        match source {
            Source::Queue(queue) => self.queue_ids.get(&queue.name).map(|id| SourceId::Queue(*id)),
            Source::Subscription(subscription) => {
                let topic = self.topics.get(self.topic_ids.get(&subscription.topic.name)?)?;
                topic.subscriptions.get(&subscription.name).map(|id| SourceId::Subscription(*id))
            }
        }
    }

    pub(super) fn lease(
        &mut self,
        source: SourceId,
        epoch: Epoch,
        end: LeaseEnd,
        picked: (&[Pick], &Outcome),
        notes: &mut Notes,
    ) {
        let (picks, outcome) = picked;
        let Outcome::Leased(given) = outcome else { return };
        let (now, present) = (self.now, self.epoch);
        for (pick, given) in picks.iter().zip(given) {
            let place = MessagePlace { partition: pick.partition, sequence: pick.sequence };
            if *given {
                self.expect_in_window(source, place);
            }
            let line = self.line(source);
            leases::granted(line, place, pick.attempt.get(), epoch == present, *given, notes);
            if !given {
                notes.tally.note(Event::PickVoid);
                continue;
            }
            let Some(line) = self.line_mut(source) else { continue };
            line.lease(now, epoch, end, place, pick.attempt.get());
            if let Some(kept) = line.kept.get(&place) {
                attempts::within_limit(kept, line.limit_max, notes);
                if kept.attempts > 1 {
                    notes.tally.note(Event::Redelivered);
                }
            }
        }
    }

    /// A window that began anew in this batch is taken over behind it; what is handed out before is taken now.
    fn expect_in_window(&mut self, source: SourceId, place: MessagePlace) {
        let SourceId::Subscription(id) = source else { return };
        let Some((topic, Cursor::Shared(line, _))) = self.cursors.get_mut(&id) else { return };
        if !self.restarted.contains(&id) || line.kept.contains_key(&place) {
            return;
        }
        let history = self.topics.get(topic).and_then(|topic| topic.partitions.get(&place.partition));
        let number = history.and_then(|history| history.numbers.get(&Offset::new(place.sequence.get())));
        if let Some(number) = number {
            line.kept.insert(place, super::entered(*number, 0, self.now));
        }
    }

    fn present(&self, source: Option<SourceId>, receipt: &Receipt) -> Option<(SourceId, MessagePlace)> {
        let source = source?;
        let own = match receipt.source {
            ReceiptSource::Queue(id) => SourceId::Queue(id),
            ReceiptSource::Subscription(id) => SourceId::Subscription(id),
        };
        if own != source {
            return None;
        }
        self.line(source)?.held(receipt).map(|place| (source, place))
    }

    pub(super) fn release(&mut self, source: SourceId, receipts: &[Receipt], notes: &mut Notes) {
        let now = self.now;
        for receipt in receipts {
            let Some((source, place)) = self.present(Some(source), receipt) else { continue };
            notes.tally.note(Event::Released);
            let gone = self.line_mut(source).and_then(|line| line.give_back(now, place, Span::new(0)));
            self.bury_all(source, gone, notes);
        }
    }

    pub(super) fn ack(&mut self, request: &Ack, outcome: &Outcome, notes: &mut Notes) {
        let Some(Settled { results }) = settled(outcome) else { return };
        let source = self.source_named(&request.source);
        for (receipt, result) in request.receipts.iter().zip(results) {
            let present = self.present(source, receipt);
            leases::settled(receipt, present.is_some(), result, notes);
            self.note_refusal(receipt, result, Event::LateAckRefused, notes);
            if let Some((source, place)) = present
                && let Some(line) = self.line_mut(source)
            {
                if line.kept.get(&place).is_some_and(|kept| kept.life == Life::Waiting) {
                    continue;
                }
                line.kept.remove(&place);
            }
        }
    }

    pub(super) fn nack(&mut self, request: &Nack, outcome: &Outcome, notes: &mut Notes) {
        let Some(Settled { results }) = settled(outcome) else { return };
        let (source, now) = (self.source_named(&request.source), self.now);
        for (receipt, result) in request.receipts.iter().zip(results) {
            let present = self.present(source, receipt);
            leases::settled(receipt, present.is_some(), result, notes);
            self.note_refusal(receipt, result, Event::LateNackRefused, notes);
            let Some((source, place)) = present else { continue };
            if matches!(request.action, NackAction::Retry(delay) if delay > Span::new(0)) {
                notes.tally.note(Event::NackDelayed);
            }
            let gone = self.line_mut(source).and_then(|line| line.nack(now, place, request.action));
            self.bury_all(source, gone, notes);
        }
    }

    pub(super) fn extend(&mut self, request: &Extend, outcome: &Outcome, notes: &mut Notes) {
        let Some(Settled { results }) = settled(outcome) else { return };
        let source = self.source_named(&request.source);
        let until: Timestamp = self.now.after(request.lease);
        for (receipt, result) in request.receipts.iter().zip(results) {
            let present = self.present(source, receipt);
            leases::settled(receipt, present.is_some(), result, notes);
            if let Some((source, place)) = present
                && let Some(line) = self.line_mut(source)
            {
                notes.tally.note(Event::LeaseExtended);
                line.extend(place, until);
            }
        }
    }

    fn note_refusal(&self, receipt: &Receipt, result: &Settlement, late: Event, notes: &mut Notes) {
        match result {
            Settlement::LeaseLost => {
                notes.tally.note(late);
                if receipt.epoch < self.epoch {
                    notes.tally.note(Event::OldEpochRefused);
                }
            }
            Settlement::Settled if receipt.epoch < self.epoch => notes.tally.note(Event::LeaseOutlivedRestart),
            Settlement::Settled => {}
        }
    }

    /// A subscription as dead letters name it.
    fn subscription_text(&self, topic: TopicId, id: SubscriptionId) -> String {
        let subscriptions = self.topics.get(&topic).map(|topic| &topic.subscriptions);
        let name = subscriptions.and_then(|all| all.iter().find(|(_, other)| **other == id)).map(|(name, _)| name);
        let topic = self.topic_ids.iter().find(|(_, other)| **other == topic).map(|(name, _)| name);
        match (topic, name) {
            (Some(topic), Some(name)) => format!("subscription default/{topic}/{name}"),
            (None, _) | (_, None) => "a deleted subscription".to_owned(),
        }
    }

    fn bury_all(&mut self, source: SourceId, gone: Option<Gone>, notes: &mut Notes) {
        self.after(source, Passed { gone: gone.into_iter().collect(), ..Passed::default() }, notes);
    }

    /// Moves a message that a source gave up to its dead-letter queue, or forgets it where there is none.
    pub(super) fn bury(&mut self, source: SourceId, gone: Gone, notes: &mut Notes) {
        notes.tally.note(match gone.reason {
            DeadLetterReason::DeliveryLimit => Event::LimitReached,
            DeadLetterReason::Rejected => Event::Rejected,
            DeadLetterReason::Expired => Event::Expired,
            DeadLetterReason::Overflow => Event::Overflowed,
        });
        let limit = self.line(source).map_or(0, |line| line.delivery_limit);
        dead_letters::left(&gone, limit, notes);
        let (target, origin) = match source {
            SourceId::Queue(id) => {
                let Some(queue) = self.queues.get(&id) else { return };
                (queue.settings.dead_letter.clone(), format!("queue default/{}", queue.name))
            }
            SourceId::Subscription(id) => match self.cursors.get(&id) {
                Some((topic, Cursor::Shared(_, target))) => (target.clone(), self.subscription_text(*topic, id)),
                Some((_, Cursor::Stream(..))) | None => return,
            },
        };
        let target = target.and_then(|name| self.queue_ids.get(&name).copied());
        let Some(target) = target else {
            notes.tally.note(Event::DroppedWithoutDeadLetters);
            return;
        };
        notes.tally.note(match source {
            SourceId::Queue(_) => Event::Buried,
            SourceId::Subscription(_) => Event::BuriedFromSubscription,
        });
        let letter = Some((gone.reason, origin));
        self.arrive(target, Kept { letter, ..gone.kept });
    }
}

fn settled(outcome: &Outcome) -> Option<&Settled> {
    let Outcome::Response(response) = outcome else { return None };
    #[allow(clippy::wildcard_enum_match_arm, reason = "only these three settle")]
    match &**response {
        Response::Ack(settled) | Response::Nack(settled) | Response::Extend(settled) => Some(settled),
        _ => None,
    }
}
