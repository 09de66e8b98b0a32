//! Publishing, consuming, getting and settling.
//! Invariant: publications to one queue keep their order.

use model::Consume;
use model::name::{QueueName, QueueRef, Source};
use model::number::Span;
use model::queue::{Ack, Extend, Nack, NackAction, Publish, Receive};

use super::{Brought, Errand, Outcome};
use crate::codec::class::basic;
use crate::limits::GOT_LEASE_MS;
use crate::session::{Answer, Close, ConsumerId, Fate, Publication, Settle, Verdict};
use crate::translate;

impl Errand {
    pub(super) async fn publish(&self, publications: Vec<Publication>) -> Result<Answer, Close> {
        let mut fates = Vec::with_capacity(publications.len());
        for publication in publications {
            let Ok(name) = QueueName::parse(publication.routing_key.as_str()) else {
                fates.push(Fate::Unroutable);
                continue;
            };
            let queue = QueueRef { namespace: self.namespace.clone(), name };
            let messages = vec![translate::new_message(publication)?];
            match self.call(Publish { queue, messages }).await {
                Ok(_) => fates.push(Fate::Kept),
                Err(_) => fates.push(Fate::Unroutable),
            }
        }
        Ok(Answer::Published(fates))
    }

    pub(super) async fn settle(&self, settles: Vec<Settle>) -> Result<Answer, Close> {
        for Settle { source, receipts, verdict } in settles {
            let settled = match verdict {
                Verdict::Ack => self.call(Ack { source, receipts }).await,
                Verdict::Requeue => {
                    let action = NackAction::Retry(Span::new(0));
                    self.call(Nack { source, receipts, action }).await
                }
                Verdict::Reject => self.call(Nack { source, receipts, action: NackAction::Reject }).await,
                Verdict::Keep => self.call(Extend { source, receipts, lease: Span::new(GOT_LEASE_MS) }).await,
            };
            settled.map_err(|failure| translate::close(&failure))?;
        }
        Ok(Answer::Done)
    }

    pub(super) async fn get(&self, get: basic::Get) -> Result<Answer, Close> {
        let source = Source::Queue(self.queue(&get.queue)?);
        let lease = Some(Span::new(GOT_LEASE_MS));
        let request = Receive { source: source.clone(), max: 1, wait: Span::new(0), lease, member: None };
        let received = self.call(request).await.map_err(|failure| self.queue_failure(&get.queue, &failure))?;
        let Some(delivery) = received.deliveries.into_iter().next() else { return Ok(Answer::Empty) };
        Ok(Answer::Got { source, delivered: translate::delivered(delivery), left: 0 })
    }

    pub(super) async fn consume(&self, id: ConsumerId, consume: basic::Consume, credit: u32) -> Outcome {
        let source = match self.queue(&consume.queue) {
            Ok(queue) => Source::Queue(queue),
            Err(close) => return Err(close).into(),
        };
        let request = Consume { source: source.clone(), credit, lease: None, member: None };
        match self.shared.backend.consume(&self.caller, request).await {
            Ok(deliveries) => {
                Outcome { answer: Ok(Answer::Consuming(source)), brought: Brought::Deliveries(id, deliveries) }
            }
            Err(failure) => Err(self.queue_failure(&consume.queue, &failure)).into(),
        }
    }
}
