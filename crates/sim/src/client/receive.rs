//! Consumers: picked from the machine, recorded by a lease that rides in the next batch, settled or not.
//! Invariant: a message that is on its way to one consumer is not picked for another.
//! Called by `Client::perform` and by the drain.

use std::collections::BTreeSet;

use broker::command::{Action, LeaseEnd, Pick, Principal};
use broker::machine::Handout;
use broker::place::{MessageRef, SourceId};
use broker::queue::Picked;
use model::name::{Source, SubscriptionName, SubscriptionRef};
use model::number::{Epoch, Partition, Sequence, Span};
use model::queue::{Ack, Extend, Nack, NackAction};
use model::receipt::{Receipt, ReceiptSource};

use super::{Client, any_queue, any_topic, queue_ref, topic_ref};
use crate::chance::Chance;
use crate::check::{authentic, kept, order};
use crate::configuration::{QUEUES, TOPICS};
use crate::desk::Holding;
use crate::events::Event;
use crate::world::world;

/// Messages chosen for a consumer.
struct Chosen {
    id: SourceId,
    epoch: Epoch,
    lease: Span,
    picks: Vec<Picked>,
}

/// The shared subscription of a topic.
#[must_use]
pub fn shared_of(at: usize) -> SubscriptionRef {
    let name = SubscriptionName::parse("shared").expect("the names of the simulator keep the rules");
    SubscriptionRef { topic: topic_ref(TOPICS[at]), name }
}

fn receipt_of(chosen: &Chosen, pick: &Pick) -> Receipt {
    let source = match chosen.id {
        SourceId::Queue(id) => ReceiptSource::Queue(id),
        SourceId::Subscription(id) => ReceiptSource::Subscription(id),
    };
    Receipt { source, partition: pick.partition, sequence: pick.sequence, epoch: chosen.epoch, attempt: pick.attempt }
}

impl Client {
    pub(super) async fn receive_from_queue(&self, chance: &mut Chance) {
        let source = Source::Queue(queue_ref(QUEUES[any_queue(chance)]));
        self.receive(&source, chance).await;
    }

    pub(super) async fn receive_shared(&self, chance: &mut Chance) {
        let source = Source::Subscription(shared_of(any_topic(chance)));
        self.receive(&source, chance).await;
    }

    async fn receive(&self, source: &Source, chance: &mut Chance) {
        let max = usize::try_from(chance.between(1, 8)).unwrap_or(1);
        let with_connection = chance.one_in(4);
        let is_forgotten = world(|world| chance.percent(world.configuration.forgotten_percent));
        let Some(chosen) = self.choose(source, max) else { return };
        for holding in self.hand_out(source, chosen, with_connection).await {
            world(|world| if is_forgotten { world.desk.put_away(holding) } else { world.desk.take(holding) });
        }
    }

    /// Picks messages, and marks them as on their way.
    fn choose(&self, source: &Source, max: usize) -> Option<Chosen> {
        let epoch = self.shard.epoch()?;
        let chosen = self.look(|machine| {
            let (id, handout) = machine.consumable(&Principal::System, source).ok()?;
            let Handout::Leases(lease) = handout else { return None };
            let (held, is_newest) = world(|world| {
                world.desk.led_in(epoch);
                (world.desk.on_its_way.get(&id).cloned().unwrap_or_default(), world.is_newest(machine))
            });
            let picks = machine.pick(id, &held, max, 100_000);
            Some((Chosen { id, epoch, lease, picks }, held, is_newest))
        });
        let (chosen, held, is_newest) = chosen??;
        world(|world| {
            world.operations += 1;
            if let Some(line) = world.book.line(chosen.id).filter(|_| is_newest) {
                order::picked(line, &held, &chosen.picks, &mut world.notes);
            }
            let places = chosen.picks.iter().map(|picked| (picked.pick.partition, picked.pick.sequence));
            world.desk.on_its_way.entry(chosen.id).or_default().extend(places);
        });
        (!chosen.picks.is_empty()).then_some(chosen)
    }

    /// Records the lease and fetches the messages meanwhile; gives what came to the consumer.
    async fn hand_out(&self, source: &Source, chosen: Chosen, with_connection: bool) -> Vec<Holding> {
        let now = world(|world| world.book.now);
        let end = if with_connection { LeaseEnd::WithConnection } else { LeaseEnd::At(now.after(chosen.lease)) };
        let picks = chosen.picks.iter().map(|picked| picked.pick).collect();
        let lease = self.submit(Action::Lease { source: chosen.id, epoch: chosen.epoch, end, picks });
        let fetch = async {
            let mut holdings = Vec::new();
            for picked in &chosen.picks {
                let expected = world(|world| world.book.records.get(&picked.stored.at).copied());
                let pick = Some((chosen.id, picked.pick.partition, picked.pick.sequence));
                if self.fetch_one(picked.stored.at, expected, pick).await {
                    let receipt = receipt_of(&chosen, &picked.pick);
                    holdings.push(Holding { source: source.clone(), receipt });
                }
            }
            holdings
        };
        let (_, holdings) = tokio::join!(lease, fetch);
        world(|world| {
            if let Some(held) = world.desk.on_its_way.get_mut(&chosen.id)
                && world.desk.hands_out == Some(chosen.epoch)
            {
                for picked in &chosen.picks {
                    held.remove(&(picked.pick.partition, picked.pick.sequence));
                }
            }
        });
        holdings
    }

    /// Fetches a message; false when it did not come.
    pub(super) async fn fetch_one(
        &self,
        at: MessageRef,
        expected: Option<u64>,
        pick: Option<(SourceId, Partition, Sequence)>,
    ) -> bool {
        let before = self.disk.reads();
        let Some(fetched) = self.in_time("a fetch", self.shard.fetch(at)).await else { return false };
        if before < self.disk.reads() {
            world(|world| world.notes.tally.note(Event::ReadFromDisk));
        }
        if self.disk.is_cut() {
            return false;
        }
        match fetched {
            Ok(Some(record)) => {
                world(|world| authentic::delivered(&world.book, expected, &record, &mut world.notes)).is_some()
            }
            Ok(None) => {
                self.judge_gone(at, expected, pick);
                false
            }
            Err(failure) => {
                world(|world| world.failed(&failure));
                false
            }
        }
    }

    /// A message whose bytes are gone must have moved or gone itself.
    fn judge_gone(&self, at: MessageRef, expected: Option<u64>, pick: Option<(SourceId, Partition, Sequence)>) {
        world(|world| world.notes.tally.note(Event::ReadMoved));
        let Some((source, partition, sequence)) = pick else { return };
        let nothing = BTreeSet::new();
        let still = self.look(|machine| {
            let picks = machine.pick(source, &nothing, usize::MAX, u64::MAX);
            picks.iter().any(|other| {
                other.pick.partition == partition && other.pick.sequence == sequence && other.stored.at == at
            })
        });
        if still == Some(true) {
            world(|world| kept::bytes_gone(expected.unwrap_or_default(), &mut world.notes));
        }
    }

    /// Takes some of what is held for settling.
    fn take_held(&self, chance: &mut Chance) -> Option<(Source, Vec<Receipt>)> {
        world(|world| {
            let held = &mut world.desk.held;
            let source = if held.is_empty() { return None } else { chance.among(held).source.clone() };
            let many = usize::try_from(chance.between(1, 6)).unwrap_or(1);
            let mut receipts = Vec::new();
            let mut rest = Vec::new();
            for holding in std::mem::take(held) {
                if holding.source == source && receipts.len() < many {
                    receipts.push(holding.receipt);
                    world.desk.old.push_back(holding);
                } else {
                    rest.push(holding);
                }
            }
            world.desk.held = rest;
            Some((source, receipts))
        })
    }

    pub(super) async fn ack(&self, chance: &mut Chance) {
        match self.take_held(chance) {
            Some((source, receipts)) => {
                self.submit(Action::Ack(Ack { source, receipts })).await;
            }
            None => self.receive_from_queue(chance).await,
        }
    }

    pub(super) async fn nack(&self, chance: &mut Chance) {
        let action = match chance.below(4) {
            0 => NackAction::Reject,
            1 => NackAction::Retry(Span::new(chance.between(1, 3000))),
            _ => NackAction::Retry(Span::new(0)),
        };
        match self.take_held(chance) {
            Some((source, receipts)) => {
                self.submit(Action::Nack(Nack { source, receipts, action })).await;
            }
            None => self.receive_from_queue(chance).await,
        }
    }

    pub(super) async fn extend(&self, chance: &mut Chance) {
        let held = world(|world| (!world.desk.held.is_empty()).then(|| chance.among(&world.desk.held).clone()));
        let Some(Holding { source, receipt }) = held else { return self.receive_from_queue(chance).await };
        let lease = Span::new(chance.between(100, 4000));
        self.submit(Action::Extend(Extend { source, receipts: vec![receipt], lease })).await;
    }

    pub(super) async fn release(&self, chance: &mut Chance) {
        let Some((_, receipts)) = self.take_held(chance) else { return self.publish(chance).await };
        let Some(first) = receipts.first() else { return };
        let source = match first.source {
            ReceiptSource::Queue(id) => SourceId::Queue(id),
            ReceiptSource::Subscription(id) => SourceId::Subscription(id),
        };
        self.submit(Action::Release { source, receipts }).await;
    }

    pub(super) async fn settle_late(&self, chance: &mut Chance) {
        let old = world(|world| {
            let many = u64::try_from(world.desk.old.len()).unwrap_or_default();
            (many > 0).then(|| world.desk.old[usize::try_from(chance.below(many)).unwrap_or_default()].clone())
        });
        let Some(Holding { source, receipt }) = old else { return self.publish(chance).await };
        let receipts = vec![receipt];
        let action = match chance.below(3) {
            0 => Action::Ack(Ack { source, receipts }),
            1 => Action::Nack(Nack { source, receipts, action: NackAction::Reject }),
            _ => Action::Extend(Extend { source, receipts, lease: Span::new(1000) }),
        };
        self.submit(action).await;
    }

    /// Takes everything that is ready and settles it; says how much it was.
    pub async fn drain(&self, source: &Source) -> usize {
        let Some(chosen) = self.choose(source, 100) else { return 0 };
        let holdings = self.hand_out(source, chosen, false).await;
        let receipts: Vec<_> = holdings.iter().map(|holding| holding.receipt).collect();
        let many = receipts.len();
        if many > 0 {
            self.submit(Action::Ack(Ack { source: source.clone(), receipts })).await;
        }
        many
    }
}
