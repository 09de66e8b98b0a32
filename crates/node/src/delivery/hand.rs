//! One hand-out: messages chosen, their lease proposed, their bytes fetched, and given to the taker.
//!
//! The choice and the proposal happen in one step under the lock of the sources, so that an ack of the
//! taker always comes behind its lease in the log.

use broker::command::{Action, Command, Pick, Principal};
use broker::place::SourceId;
use broker::queue::Picked;
use model::failure::Failure;
use model::message::Delivery as Handed;
use model::number::Epoch;
use model::receipt::{Receipt, ReceiptSource};

use super::Runtime;
use super::takers::Taker;
use crate::effects::Awaited;
use crate::limits::DELIVERY_BYTES_PREPARED_MAX;
use crate::log::Pending;
use crate::payload;

/// Messages on their way to a taker.
struct Hand {
    source: SourceId,
    taker: Taker,
    end: broker::command::LeaseEnd,
    picked: Vec<Picked>,
    /// What settles each of them.
    receipts: Vec<Receipt>,
    lease: Pending,
}

impl Runtime {
    /// Hands out what is ready to whoever waits, in turn.
    pub(super) fn serve(&self, source: SourceId) {
        loop {
            match self.choose(source) {
                Ok(Some(hand)) => {
                    let runtime = self.clone();
                    tokio::spawn(async move { runtime.give(hand).await });
                }
                Ok(None) => return,
                Err((taker, failure)) => {
                    self.fail(source, taker, failure);
                    return;
                }
            }
        }
    }

    /// Chooses messages for the next taker and proposes their lease.
    fn choose(&self, source: SourceId) -> Result<Option<Hand>, (Taker, Failure)> {
        let mut sources = self.sources();
        let Some(takers) = sources.get_mut(&source) else { return Ok(None) };
        let Some(mut taker) = takers.next() else {
            if takers.is_idle() {
                sources.remove(&source);
                self.shared.effects.forget(Awaited::Source(source));
            }
            return Ok(None);
        };
        let max = usize::try_from(taker.room()).unwrap_or(usize::MAX);
        let chosen = self.shared.log.read(|machine| {
            let picked = machine.pick(source, &takers.held, max, DELIVERY_BYTES_PREPARED_MAX);
            (picked, machine.epoch())
        });
        let (picked, epoch) = match chosen {
            Ok(chosen) => chosen,
            Err(failure) => return Err((taker, failure)),
        };
        if picked.is_empty() {
            takers.put_back(taker);
            return Ok(None);
        }
        let end = taker.lease().end(self.shared.log.now());
        let picks: Vec<Pick> = picked.iter().map(|picked| picked.pick).collect();
        let action = Action::Lease { source, epoch, end, picks: picks.clone() };
        let lease = match self.shared.log.propose(Command { principal: Principal::System, action }) {
            Ok(lease) => lease,
            Err(failure) => return Err((taker, failure)),
        };
        takers.held.extend(picks.iter().map(|pick| (pick.partition, pick.sequence)));
        let receipts: Vec<_> = picks.iter().map(|pick| receipt_of(source, epoch, pick)).collect();
        if let Taker::Consumer { id, number, .. } = &mut taker {
            *number = takers.hand(*id, &receipts);
        }
        Ok(Some(Hand { source, taker, end, picked, receipts, lease }))
    }

    /// Fetches the bytes, gives them to the taker, and waits for the lease to be in the log.
    async fn give(&self, hand: Hand) {
        let places: Vec<_> = hand.picked.iter().map(|picked| picked.stored.at).collect();
        let fetched = self.shared.log.fetch(&places).await;
        let deliveries = fetched.and_then(|records| {
            let mut deliveries = Vec::with_capacity(records.len());
            for ((picked, record), receipt) in hand.picked.iter().zip(records).zip(&hand.receipts) {
                if let Some(record) = record {
                    deliveries.push(payload::delivery(picked, record, *receipt, hand.end)?);
                }
            }
            Ok(deliveries)
        });
        self.hand_over(hand.source, hand.taker, deliveries, &hand.receipts);
        // Whatever became of the lease: from here on the machine's state says who may have the messages.
        let _ = hand.lease.await;
        let mut sources = self.sources();
        if let Some(takers) = sources.get_mut(&hand.source) {
            for picked in &hand.picked {
                takers.held.remove(&(picked.pick.partition, picked.pick.sequence));
            }
        }
        drop(sources);
        self.shared.landed.notify_waiters();
        self.serve(hand.source);
    }

    /// Gives deliveries to a taker; if it is gone, they go back.
    fn hand_over(
        &self,
        source: SourceId,
        taker: Taker,
        deliveries: Result<Vec<Handed>, Failure>,
        receipts: &[Receipt],
    ) {
        let failed = deliveries.is_err();
        let taken = match taker {
            Taker::Receive(waiting) => waiting.deliveries.send(deliveries).is_ok(),
            // A consumer that left has given its messages back already.
            Taker::Consumer { id, number, .. } => {
                if let Some(takers) = self.sources().get_mut(&source) {
                    takers.send(id, number, deliveries);
                }
                true
            }
        };
        if !taken || failed {
            self.release(source, receipts.to_vec());
        }
    }

    /// Proposes that unsettled messages go back to their places.
    pub(super) fn release(&self, source: SourceId, receipts: Vec<Receipt>) {
        if receipts.is_empty() {
            return;
        }
        let action = Action::Release { source, receipts };
        // If this cannot be proposed the leases end by their time or with this leadership.
        if let Ok(released) = self.shared.log.propose(Command { principal: Principal::System, action }) {
            tokio::spawn(released);
        }
    }

    fn fail(&self, source: SourceId, taker: Taker, failure: Failure) {
        match taker {
            Taker::Receive(_) => self.hand_over(source, taker, Err(failure), &[]),
            Taker::Consumer { id, .. } => {
                if let Some(takers) = self.sources().get(&source) {
                    takers.fail(id, failure);
                }
            }
        }
    }
}

fn receipt_of(source: SourceId, epoch: Epoch, pick: &Pick) -> Receipt {
    let source = match source {
        SourceId::Queue(id) => ReceiptSource::Queue(id),
        SourceId::Subscription(id) => ReceiptSource::Subscription(id),
    };
    Receipt { source, partition: pick.partition, sequence: pick.sequence, epoch, attempt: pick.attempt }
}
