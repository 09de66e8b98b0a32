//! Leases recorded, deliveries settled: the same for queues and shared subscriptions.
//! Invariant: a receipt settles only the delivery that it was given for, of the source that is named.

use model::name::Source;
use model::number::{Epoch, Span};
use model::operation::{OperationKind, Response};
use model::queue::{Ack, Extend, Nack, NackAction, Settled, check_lease};
use model::receipt::{Receipt, Settlement};
use model::refusal::Refusal;

use super::Machine;
use super::entry::Cursor;
use super::find::source_of;
use crate::command::{LeaseEnd, Pick, Principal};
use crate::effect::Effect;
use crate::outcome::Outcome;
use crate::place::SourceId;
use crate::queue::{Departure, Queue};

impl Machine {
    /// Records deliveries that the leader has made.
    pub(super) fn lease(
        &mut self,
        source: SourceId,
        epoch: Epoch,
        end: LeaseEnd,
        picks: &[Pick],
    ) -> Result<Outcome, Refusal> {
        if epoch != self.epoch {
            return Ok(Outcome::Leased(vec![false; picks.len()]));
        }
        let now = self.now;
        let Some(core) = self.core_mut(source) else { return Ok(Outcome::Leased(vec![false; picks.len()])) };
        let leased = core.lease(now, epoch, end, picks);
        self.count_deliveries(source, picks, &leased);
        self.reschedule(source);
        Ok(Outcome::Leased(leased))
    }

    fn count_deliveries(&mut self, source: SourceId, picks: &[Pick], leased: &[bool]) {
        let Some(totals) = self.totals_of(source) else { return };
        for (pick, _) in picks.iter().zip(leased).filter(|(_, leased)| **leased) {
            totals.delivered += 1;
            totals.redelivered += u64::from(pick.attempt.get() > 1);
        }
    }

    /// Takes back what a closed connection had not settled.
    pub(super) fn release(
        &mut self,
        source: SourceId,
        receipts: &[Receipt],
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        let now = self.now;
        let mut departed = Vec::new();
        if let Some((core, ledger)) = self.core_and_ledger(source) {
            for receipt in receipts {
                core.release(now, receipt, ledger, &mut departed);
            }
        }
        self.after_settling(source, departed, effects);
        Ok(Outcome::Done)
    }

    pub(super) fn ack(&mut self, by: &Principal, request: &Ack, effects: &mut Vec<Effect>) -> Result<Outcome, Refusal> {
        let source = self.settling(by, OperationKind::Ack, &request.source)?;
        let (core, ledger) = self.core_and_ledger(source).expect("the source was found above");
        let results = each(source, &request.receipts, |receipt| core.ack(receipt, ledger));
        let settled = results.iter().filter(|result| **result == Settlement::Settled).count();
        if let Some(totals) = self.totals_of(source) {
            totals.acknowledged += u64::try_from(settled).unwrap_or(u64::MAX);
        }
        self.after_settling(source, Vec::new(), effects);
        Ok(Outcome::response(Response::Ack(Settled { results })))
    }

    pub(super) fn nack(
        &mut self,
        by: &Principal,
        request: &Nack,
        effects: &mut Vec<Effect>,
    ) -> Result<Outcome, Refusal> {
        if let NackAction::Retry(delay) = request.action
            && delay > Span::new(model::limits::DELAY_MS_MAX)
        {
            return Err(Refusal::invalid("delay_ms", "a delay is at most ten years"));
        }
        let source = self.settling(by, OperationKind::Nack, &request.source)?;
        let now = self.now;
        let mut departed = Vec::new();
        let (core, ledger) = self.core_and_ledger(source).expect("the source was found above");
        let results =
            each(source, &request.receipts, |receipt| core.nack(now, receipt, request.action, ledger, &mut departed));
        self.after_settling(source, departed, effects);
        Ok(Outcome::response(Response::Nack(Settled { results })))
    }

    pub(super) fn extend(&mut self, by: &Principal, request: &Extend) -> Result<Outcome, Refusal> {
        check_lease(request.lease)?;
        let source = self.settling(by, OperationKind::Extend, &request.source)?;
        let now = self.now;
        let core = self.core_mut(source).expect("the source was found above");
        let results = each(source, &request.receipts, |receipt| core.extend(now, receipt, request.lease));
        self.reschedule(source);
        Ok(Outcome::response(Response::Extend(Settled { results })))
    }

    /// The source that receipts are to be settled with; a stream subscription has none to settle.
    fn settling(&self, by: &Principal, operation: OperationKind, source: &Source) -> Result<SourceId, Refusal> {
        let id = self.source_for(by, operation, source)?;
        self.demand_leases(id)?;
        Ok(id)
    }

    /// Refuses a stream subscription, which commits offsets instead of settling receipts.
    pub(super) fn demand_leases(&self, source: SourceId) -> Result<(), Refusal> {
        let SourceId::Subscription(id) = source else { return Ok(()) };
        let entry = self.subscriptions.get(&id).expect("the source was found before");
        match entry.cursor {
            Cursor::Shared(_) => Ok(()),
            Cursor::Stream(_) => Err(Refusal::SubscriptionKind {
                name: entry.subscription.to_string(),
                kind: "stream",
                why: "commit offsets instead of settling receipts",
            }),
        }
    }

    fn after_settling(&mut self, source: SourceId, departed: Vec<Departure>, effects: &mut Vec<Effect>) {
        self.bury(source, departed, effects);
        match source {
            SourceId::Queue(_) => self.reschedule(source),
            SourceId::Subscription(id) => self.refill(id, effects),
        }
        effects.push(Effect::Wake(source));
    }

    fn reschedule(&mut self, source: SourceId) {
        match source {
            SourceId::Queue(id) => self.reschedule_queue(id),
            SourceId::Subscription(id) => self.reschedule_subscription(id),
        }
    }

    /// The delivery core of a source, unless it is gone or has none.
    pub(super) fn core(&self, source: SourceId) -> Option<&Queue> {
        match source {
            SourceId::Queue(id) => self.queues.get(&id).map(|entry| &entry.core),
            SourceId::Subscription(id) => match &self.subscriptions.get(&id)?.cursor {
                Cursor::Shared(shared) => Some(shared.window()),
                Cursor::Stream(_) => None,
            },
        }
    }

    fn core_mut(&mut self, source: SourceId) -> Option<&mut Queue> {
        self.core_and_ledger(source).map(|(core, _)| core)
    }

    fn core_and_ledger(&mut self, source: SourceId) -> Option<(&mut Queue, &mut crate::liveness::Liveness)> {
        let core = match source {
            SourceId::Queue(id) => self.queues.get_mut(&id).map(|entry| &mut entry.core)?,
            SourceId::Subscription(id) => match &mut self.subscriptions.get_mut(&id)?.cursor {
                Cursor::Shared(shared) => shared.window_mut(),
                Cursor::Stream(_) => return None,
            },
        };
        Some((core, &mut self.ledger))
    }

    /// Ends the leases that were bound to connections of an older leadership.
    pub(super) fn end_connection_leases(&mut self, effects: &mut Vec<Effect>) {
        let queues = self.queues.keys().map(|id| SourceId::Queue(*id));
        let sources: Vec<_> = queues.chain(self.subscriptions.keys().map(|id| SourceId::Subscription(*id))).collect();
        let (now, epoch) = (self.now, self.epoch);
        for source in sources {
            let mut departed = Vec::new();
            let Some((core, ledger)) = self.core_and_ledger(source) else { continue };
            if core.end_connection_leases(now, epoch, ledger, &mut departed) {
                self.after_settling(source, departed, effects);
            }
        }
    }
}

/// Settles each receipt, after checking that it belongs to the source.
fn each(source: SourceId, receipts: &[Receipt], mut settle: impl FnMut(&Receipt) -> Settlement) -> Vec<Settlement> {
    let ours = |receipt: &Receipt| source_of(receipt.source) == source;
    receipts.iter().map(|receipt| if ours(receipt) { settle(receipt) } else { Settlement::LeaseLost }).collect()
}
