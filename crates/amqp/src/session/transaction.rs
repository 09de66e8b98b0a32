//! What a channel with `tx.select` has collected since the last commit or rollback.
//! Methods of the classes tx and confirm, which exclude each other.
//! Invariant: bounded in number and bytes; what was acknowledged in it is unsettled again after a rollback.

use super::ask::{Ask, Close, Publication, Verdict};
use super::channel::{Channel, Reply, Told, Waiting, not_from_a_client};
use super::link::Link;
use super::settling::Settled;
use crate::codec::ReplyCode;
use crate::codec::class::{confirm, tx};
use crate::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_ITEMS_MAX};

/// A transaction that is open.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) publications: Vec<Publication>,
    pub(super) settled: Vec<(Verdict, Settled)>,
    bytes: usize,
    items: usize,
}

impl Transaction {
    pub(super) fn publish(&mut self, publication: Publication) -> Result<(), Close> {
        self.bytes += publication.body.len();
        self.count(1)?;
        self.publications.push(publication);
        Ok(())
    }

    pub(super) fn settle(&mut self, verdict: Verdict, deliveries: Settled) -> Result<(), Close> {
        self.count(deliveries.len())?;
        self.settled.push((verdict, deliveries));
        Ok(())
    }

    fn count(&mut self, items: usize) -> Result<(), Close> {
        self.items += items;
        if self.items > TRANSACTION_ITEMS_MAX || self.bytes > TRANSACTION_BYTES_MAX {
            return Err(Close::new(ReplyCode::PreconditionFailed, "the transaction is too large: commit more often"));
        }
        Ok(())
    }
}

impl Channel {
    pub(super) fn select_confirms(&mut self, link: &mut Link, select: &confirm::Select) -> Result<(), Close> {
        if self.transaction.is_some() {
            return Err(Close::new(ReplyCode::PreconditionFailed, "cannot switch from tx to confirm mode"));
        }
        self.publishing.select_confirms();
        if Told::unless(select.no_wait) == Told::Yes {
            link.send(self.lane.number, &confirm::SelectOk {});
        }
        Ok(())
    }

    pub(super) fn tx(&mut self, link: &mut Link, method: tx::Method) -> Result<(), Close> {
        let not_transactional = || Close::new(ReplyCode::PreconditionFailed, "channel is not transactional");
        match method {
            tx::Method::Select(_) if self.publishing.confirms() => {
                Err(Close::new(ReplyCode::PreconditionFailed, "cannot switch from confirm to tx mode"))
            }
            tx::Method::Select(_) => {
                self.transaction.get_or_insert_default();
                link.send(self.lane.number, &tx::SelectOk {});
                Ok(())
            }
            tx::Method::Commit(_) => {
                let transaction = self.transaction.as_mut().ok_or_else(not_transactional)?;
                let publications = std::mem::take(&mut transaction.publications);
                if publications.is_empty() {
                    self.commit_settlements(link);
                } else {
                    let ticket = self.publishing.hand_over(link, self.lane, publications, None);
                    self.wait_for(ticket, Reply::CommitPublished, Told::Yes);
                }
                Ok(())
            }
            tx::Method::Rollback(_) => {
                let transaction = self.transaction.replace(Transaction::default()).ok_or_else(not_transactional)?;
                for (_, deliveries) in transaction.settled {
                    self.deliveries.put_back(deliveries);
                }
                link.send(self.lane.number, &tx::RollbackOk {});
                Ok(())
            }
            tx::Method::SelectOk(_) | tx::Method::CommitOk(_) | tx::Method::RollbackOk(_) => {
                Err(not_from_a_client(&method.into()))
            }
        }
    }

    /// The second half of a commit.
    pub(super) fn commit_settlements(&mut self, link: &mut Link) {
        let transaction = self.transaction.replace(Transaction::default()).unwrap_or_default();
        for (verdict, deliveries) in transaction.settled {
            self.settle(verdict, deliveries);
        }
        let settles = std::mem::take(&mut self.settles);
        if settles.is_empty() {
            self.waiting = Waiting::Nothing;
            link.send(self.lane.number, &tx::CommitOk {});
        } else {
            self.ask(link, Ask::Settle(settles), Reply::CommitSettled, Told::Yes);
        }
    }
}
