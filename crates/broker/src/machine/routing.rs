//! Messages on their way through exchanges: published, and as dead letters.
//!
//! A message is stored once, wherever it goes: each queue and topic that takes it refers to the same bytes.
//! Invariant: each queue and topic takes a message at most once, or refuses it; what one does is nothing to the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::binding::{Fate, RoutingKey, Unroutable};
use model::exchange::ExchangeKind;
use model::header::Headers;
use model::limits::DELAY_MS_MAX;
use model::message::{Availability, DeadLetter, DeadLetterReason, Routed};
use model::name::{ExchangeName, ExchangeRef, NamespaceName, QueueName, QueueRef, TopicName, TopicRef};
use model::number::{QueueId, Span, TopicId};
use model::operation::OperationKind;
use model::queue::Overflow;
use model::refusal::Refusal;

use super::Machine;
use super::queues::read_head;
use crate::command::{Principal, RoutedRecord};
use crate::effect::Effect;
use crate::outcome::{Outcome, Tally};
use crate::place::{MessageRef, SourceId, Stored};
use crate::queue::{Arrival, Departure, Way};
use crate::record::Head;
use crate::route::{Pace, Shore, Subject};
use crate::topic;

/// What a command that routes has touched: looked after once at its end.
#[derive(Default)]
struct Touched {
    queues: BTreeSet<QueueId>,
    topics: BTreeSet<TopicId>,
}

/// What a queue or topic did with a message.
enum Reception {
    Taken,
    Duplicate,
    Refused,
}

impl Machine {
    pub(super) fn publish_exchange(
        &mut self,
        by: &Principal,
        exchange: &ExchangeRef,
        records: &[RoutedRecord],
        first: MessageRef,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        self.demand_routing(by, exchange, records)?;
        let heads = records.iter().map(|routed| read_head(&routed.record)).collect::<Result<Vec<_>, _>>()?;
        let mut touched = Touched::default();
        let mut tallies = Vec::with_capacity(records.len());
        for ((position, routed), head) in (first.position..).zip(records).zip(heads) {
            let at = MessageRef { index: first.index, position };
            let stored = Stored { at, bytes: head.bytes };
            tallies.push(self.route_one(exchange, routed, stored, head, &mut touched, effects));
        }
        self.look_after(&touched, effects);
        Ok(Outcome::Routed(tallies))
    }

    /// Whoever publishes to an exchange needs the right over it; by the default one, over each queue or topic.
    fn demand_routing(&self, by: &Principal, exchange: &ExchangeRef, records: &[RoutedRecord]) -> Result<(), Refusal> {
        if exchange.name.is_default() {
            let keys: BTreeSet<_> = records.iter().flat_map(|routed| &routed.keys).collect();
            keys.into_iter().try_for_each(|key| self.demand_publish_by_name(by, &exchange.namespace, key))?;
            return self.namespace(&exchange.namespace).map(|_| ());
        }
        self.exchange_for(by, OperationKind::PublishExchange, exchange)?;
        let internal = self.exchange(exchange).is_some_and(|found| found.settings().internal);
        if internal && *by != Principal::System {
            return Err(Refusal::ExchangeInternal { name: exchange.to_string() });
        }
        Ok(())
    }

    /// The right over what a key names; what is not there needs it too, so that nobody learns what exists.
    fn demand_publish_by_name(
        &self,
        by: &Principal,
        namespace: &NamespaceName,
        key: &RoutingKey,
    ) -> Result<(), Refusal> {
        let name = QueueName::parse(key.as_str());
        let Ok(name) = name else { return Ok(()) };
        let queue = QueueRef { namespace: namespace.clone(), name };
        match self.shore_of(namespace, key.as_str()) {
            Some(Shore::Topic(_)) => {
                let name = TopicName::parse(key.as_str())?;
                let topic = TopicRef { namespace: namespace.clone(), name };
                self.topic_for(by, OperationKind::PublishTopic, &topic).map(|_| ())
            }
            Some(Shore::Queue(_)) | None => match self.queue_for(by, OperationKind::Publish, &queue) {
                Ok(_) | Err(Refusal::QueueNotFound { .. }) => Ok(()),
                Err(refusal) => Err(refusal),
            },
        }
    }

    /// What the default exchange leads to by a key: the queue of that name, else the topic.
    fn shore_of(&self, namespace: &NamespaceName, key: &str) -> Option<Shore> {
        let names = self.namespaces.get(namespace)?;
        let queue = names.queues.get(key).copied().map(Shore::Queue);
        queue.or_else(|| names.topics.get(key).copied().map(Shore::Topic))
    }

    fn shores(
        &self,
        namespace: &NamespaceName,
        exchange: &ExchangeName,
        subject: &Subject<'_>,
    ) -> BTreeMap<Shore, Pace> {
        let Some(names) = self.namespaces.get(namespace) else { return BTreeMap::new() };
        names.exchanges.route(exchange, subject, &|key| self.shore_of(namespace, key))
    }

    fn route_one(
        &mut self,
        exchange: &ExchangeRef,
        routed: &RoutedRecord,
        stored: Stored,
        head: Head,
        touched: &mut Touched,
        effects: &mut Vec<Effect>,
    ) -> Tally {
        let subject = Subject::of_record(&routed.keys, &routed.record);
        let shores = self.shores(&exchange.namespace, &exchange.name, &subject);
        let mut tally = Tally { fate: Fate::Taken, taken: 0, duplicates: 0, refused: 0 };
        if shores.is_empty() {
            tally.fate = match routed.unroutable {
                Unroutable::Drop => Fate::Dropped,
                Unroutable::Return => Fate::Returned,
            };
            return tally;
        }
        let way = self.way_for(&exchange.name, routed, &subject, &shores);
        for (shore, pace) in shores {
            let head = delayed(head, pace, &subject);
            let arrival = Arrival { way: way.clone(), ..Arrival::new(stored, head, self.now) };
            match self.land(shore, &arrival, touched, effects) {
                Reception::Taken => tally.taken += 1,
                Reception::Duplicate => tally.duplicates += 1,
                Reception::Refused => tally.refused += 1,
            }
        }
        if tally.refused > 0 {
            tally.fate = Fate::Refused;
        }
        tally
    }

    /// What queues that need it remember of the way of a message; made once for all of them.
    fn way_for(
        &self,
        exchange: &ExchangeName,
        routed: &RoutedRecord,
        subject: &Subject<'_>,
        shores: &BTreeMap<Shore, Pace>,
    ) -> Option<Arc<Way>> {
        let mut is_kept = false;
        let mut looks_at_headers = false;
        for shore in shores.keys() {
            let Shore::Queue(id) = shore else { continue };
            let entry = &self.queues[id];
            let Some(through) = entry.settings.dead_letter_exchange.clone() else { continue };
            is_kept |= entry.settings.dead_letter_key.is_none();
            let through = ExchangeRef { namespace: entry.queue.namespace.clone(), name: through };
            let kind = self.exchange(&through).map(|found| found.settings().kind);
            looks_at_headers |= matches!(kind, Some(ExchangeKind::Headers | ExchangeKind::ConsistentHash));
        }
        (is_kept || looks_at_headers).then(|| {
            let headers = if looks_at_headers { subject.headers().clone() } else { Headers::new() };
            Arc::new(Way { exchange: exchange.clone(), keys: routed.keys.clone(), headers })
        })
    }

    fn land(&mut self, shore: Shore, arrival: &Arrival, touched: &mut Touched, effects: &mut Vec<Effect>) -> Reception {
        match shore {
            Shore::Queue(id) => self.land_in_queue(id, arrival, touched, effects),
            Shore::Topic(id) => self.land_in_topic(id, arrival, touched, effects),
        }
    }

    fn land_in_queue(
        &mut self,
        id: QueueId,
        arrival: &Arrival,
        touched: &mut Touched,
        effects: &mut Vec<Effect>,
    ) -> Reception {
        let mut departed = Vec::new();
        let entry = self.queues.get_mut(&id).expect("a binding leads to something that exists");
        let placed = entry.core.publish(self.now, std::slice::from_ref(arrival), &mut self.ledger, &mut departed).ok();
        let reception = match placed.as_deref() {
            Some([placed]) if placed.duplicate => Reception::Duplicate,
            Some(_) => {
                entry.totals.published += 1;
                Reception::Taken
            }
            None => {
                if entry.settings.overflow == Overflow::RejectToDeadLetter {
                    departed.push(Departure::refused(arrival));
                }
                Reception::Refused
            }
        };
        touched.queues.insert(id);
        self.bury(SourceId::Queue(id), departed, effects);
        reception
    }

    fn land_in_topic(
        &mut self,
        id: TopicId,
        arrival: &Arrival,
        touched: &mut Touched,
        effects: &mut Vec<Effect>,
    ) -> Reception {
        let entry = self.topics.get_mut(&id).expect("a binding leads to something that exists");
        let arrival = topic::Arrival {
            stored: arrival.stored,
            head: arrival.head,
            partition: None,
            published_at: arrival.published_at,
        };
        let Ok(placed) = entry.core.publish(self.now, &[arrival], &mut self.ledger) else { return Reception::Refused };
        touched.topics.insert(id);
        let Some(placed) = placed.first().filter(|placed| !placed.duplicate) else { return Reception::Duplicate };
        entry.totals.published += 1;
        effects.push(Effect::Appended(id, placed.partition));
        Reception::Taken
    }

    fn look_after(&mut self, touched: &Touched, effects: &mut Vec<Effect>) {
        for id in &touched.queues {
            self.reschedule_queue(*id);
            effects.push(Effect::Wake(SourceId::Queue(*id)));
        }
        for id in &touched.topics {
            self.reschedule_topic(*id);
            self.feed_subscriptions(*id, effects);
        }
    }

    /// Sends what a queue gave up through an exchange. A message that would come to the same queue again, with no
    /// consumer having rejected it on the way round, is dropped: nobody would ever stop it.
    pub(super) fn bury_through(
        &mut self,
        from: QueueId,
        exchange: &ExchangeName,
        departed: Vec<Departure>,
        effects: &mut Vec<Effect>,
    ) {
        let queue = self.queues[&from].queue.clone();
        let fixed = self.queues[&from].settings.dead_letter_key.clone();
        let origin = format!("queue {queue}");
        let mut touched = Touched::default();
        for gone in departed {
            let letter = gone.letter(&origin, self.now);
            let keys = match (&fixed, gone.way()) {
                (Some(key), _) => vec![key.clone()],
                (None, Some(way)) => way.keys.clone(),
                (None, None) => RoutingKey::parse(queue.name.as_str()).into_iter().collect(),
            };
            let no_headers = Headers::new();
            let headers = gone.way().map_or(&no_headers, |way| &way.headers);
            let mut shores = self.shores(&queue.namespace, exchange, &Subject::remembered(&keys, headers));
            shores.retain(|shore, _| !self.circles(*shore, &letter));
            let routed = Routed { exchange: exchange.clone(), routing_key: keys.first().cloned().unwrap_or_default() };
            let letter = DeadLetter { routed: Some(routed), ..letter };
            let landed = self.land_dead_letter(gone, letter, shores, &mut touched, effects);
            let totals = &mut self.queues.get_mut(&from).expect("the source of dead letters exists").totals;
            if landed { totals.dead_lettered += 1 } else { totals.dropped += 1 }
        }
        self.look_after(&touched, effects);
    }

    /// Puts a dead letter wherever it goes; false when nothing took it.
    fn land_dead_letter(
        &mut self,
        gone: Departure,
        letter: DeadLetter,
        shores: BTreeMap<Shore, Pace>,
        touched: &mut Touched,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let arrival = gone.into_dead_letter(letter);
        let mut landed = false;
        for shore in shores.into_keys() {
            landed |= match shore {
                Shore::Queue(id) => {
                    self.inter(id, std::slice::from_ref(&arrival), effects);
                    true
                }
                Shore::Topic(id) => !matches!(self.land_in_topic(id, &arrival, touched, effects), Reception::Refused),
            };
        }
        landed
    }

    /// Whether a dead letter would come back to a queue that it left before without having been rejected since.
    fn circles(&self, shore: Shore, letter: &DeadLetter) -> bool {
        let Shore::Queue(id) = shore else { return false };
        let name = format!("queue {}", self.queues[&id].queue);
        let Some(before) = letter.deaths.iter().position(|death| death.origin == name) else { return false };
        letter.deaths.iter().take(before + 1).all(|death| death.reason != DeadLetterReason::Rejected)
    }
}

/// The head of a message that an exchange delays.
fn delayed(head: Head, pace: Pace, subject: &Subject<'_>) -> Head {
    match (pace, head.availability) {
        (Pace::Delayed, Availability::Now) => match subject.delay_ms() {
            0 => head,
            delay => Head { availability: Availability::After(Span::new(delay.min(DELAY_MS_MAX))), ..head },
        },
        (Pace::Delayed | Pace::AtOnce, _) => head,
    }
}
