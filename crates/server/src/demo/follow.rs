//! The members of the subscription: each reads the partitions it is given and adds up the flights.
//! Invariant: each offset of each partition is added once, however often the group is rebalanced; a gap is an error.
//! Called by `demo`; tests below.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::backend::Consume;
use model::message::Delivery;
use model::name::{MemberName, Source, SubscriptionRef};
use model::number::{Offset, Partition};
use model::subscription::{Commit, PartitionOffset};
use model::{Deliveries, Failure, Refusal};
use tokio::sync::watch;

use super::flights::{self, Flight, Sums};
use super::show::Progress;
use crate::exit::{Complaint, Exit};
use crate::local::Client;

/// Messages that a member takes ahead.
const CREDIT: u32 = 2000;

/// What the members have added up together.
pub(super) struct Ledger {
    inside: Mutex<Inside>,
    total: u64,
    done: watch::Sender<u64>,
}

#[derive(Default)]
struct Inside {
    sums: Sums,
    next: BTreeMap<Partition, Offset>,
}

impl Ledger {
    /// A ledger that is full after so many flights.
    pub(super) fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { inside: Mutex::default(), total, done: watch::channel(0).0 })
    }

    /// Adds what is new; answers how much that was, and how far the partition is now.
    fn add(&self, deliveries: &[Delivery]) -> Result<(u64, Vec<PartitionOffset>), Complaint> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let mut added = 0;
        let mut reached = BTreeMap::new();
        for delivery in deliveries {
            let offset = delivery.offset.ok_or_else(|| broken("a delivery of a subscription has no offset"))?;
            let expected = inside.next.entry(delivery.partition).or_default();
            if offset > *expected {
                let what = format!("partition {} went from {expected} to {offset}", delivery.partition);
                return Err(broken(&what));
            }
            reached.insert(delivery.partition, offset.next());
            if offset < *expected {
                continue;
            }
            *expected = offset.next();
            let flight: Flight = serde_json::from_slice(&delivery.message.body)
                .map_err(|error| broken(&format!("a message is not the flight that was published: {error}")))?;
            flights::add(&mut inside.sums, &flight);
            added += 1;
        }
        drop(inside);
        self.done.send_modify(|done| *done += added);
        Ok((added, reached.into_iter().map(|(partition, offset)| PartitionOffset { partition, offset }).collect()))
    }

    /// The sums so far.
    pub(super) fn sums(&self) -> Sums {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).sums.clone()
    }
}

fn broken(what: &str) -> Complaint {
    Complaint::here(Exit::Found, "demo_differs", what, "")
}

/// One member of the group, until the ledger is full.
pub(super) async fn member(
    client: Client,
    subscription: SubscriptionRef,
    name: MemberName,
    ledger: Arc<Ledger>,
    progress: Arc<Progress>,
) -> Result<(), Complaint> {
    let source = Source::Subscription(subscription.clone());
    let request = Consume { member: Some(name.clone()), ..Consume::new(source, CREDIT) };
    let mut deliveries = client.backend.deliver(&client.caller, request).await?;
    let mut done = ledger.done.subscribe();
    let total = ledger.total;
    loop {
        let frame = tokio::select! {
            frame = deliveries.next() => frame,
            _ = done.wait_for(|done| *done >= total) => return Ok(()),
        };
        let Some(frame) = frame else { return Err(broken("the subscription ended early")) };
        let frame = frame?;
        let (added, offsets) = ledger.add(&frame)?;
        progress.advance(added);
        deliveries.add_credit(u32::try_from(frame.len()).unwrap_or(u32::MAX));
        let commit = Commit { subscription: subscription.clone(), member: Some(name.clone()), offsets };
        match model::backend::call(&client.backend, &client.caller, commit).await {
            // The partition has moved to another member, who reads and commits it.
            Ok(_) | Err(Failure::Refused(Refusal::NotAssigned { .. })) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc as Shared;

    use model::message::{Message, MessageId};
    use model::number::{Attempt, Priority, Timestamp};

    use super::*;

    fn delivery(partition: u32, offset: u64) -> Delivery {
        let body = r#"{"carrier":"UA","flight":"UA1","origin":"EWR","destination":"IAH","delay_minutes":5}"#;
        Delivery {
            message: Message {
                id: MessageId::parse("m").unwrap(),
                body: body.into(),
                headers: Vec::new(),
                content_type: None,
                key: None,
                priority: Priority::DEFAULT,
                published_at: Timestamp::new(0),
                expires_at: None,
                sender: Shared::from("admin"),
                ttl: None,
                properties: None,
                routed: None,
            },
            receipt: None,
            attempt: Attempt::new(1),
            partition: Partition::new(partition),
            offset: Some(Offset::new(offset)),
            leased_until: None,
            dead_letter: None,
        }
    }

    #[test]
    fn each_offset_counts_once_and_a_gap_is_told() {
        let ledger = Ledger::new(3);
        assert_eq!(ledger.add(&[delivery(0, 0), delivery(1, 0)]).unwrap().0, 2);
        assert_eq!(ledger.add(&[delivery(0, 0), delivery(0, 1)]).unwrap().0, 1);
        assert_eq!(ledger.sums()["UA"].flights, 3);
        assert!(ledger.add(&[delivery(1, 2)]).is_err());
    }
}
