//! What a channel with `tx.select` has collected since the last commit or rollback.
//! Invariant: bounded in number and bytes; what was acknowledged in it is unsettled again after a rollback.

use super::ask::{Close, Publication, Verdict};
use super::settling::Unsettled;
use crate::codec::ReplyCode;
use crate::limits::{TRANSACTION_BYTES_MAX, TRANSACTION_ITEMS_MAX};

/// A transaction that is open.
#[derive(Default)]
pub(super) struct Transaction {
    pub(super) publications: Vec<Publication>,
    pub(super) settled: Vec<(Verdict, Vec<(u64, Unsettled)>)>,
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

    pub(super) fn settle(&mut self, verdict: Verdict, deliveries: Vec<(u64, Unsettled)>) -> Result<(), Close> {
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
