//! Publishing, consuming, getting and settling.
//! Invariant: publications to one queue keep their order.

use model::name::{QueueName, QueueRef, Source};
use model::number::Span;
use model::queue::{Ack, Extend, Nack, NackAction, Publish, Receive};
use model::{Consume, Failure, Refusal, Sharing};

use super::{Brought, Errand, Outcome};
use crate::codec::Value;
use crate::codec::class::basic;
use crate::limits::GOT_LEASE_MS;
use crate::session::{Answer, Close, ConsumerId, Fate, Publication, Settle, Verdict};
use crate::translate;

impl Errand {
    pub(super) async fn publish(&self, publications: Vec<Publication>) -> Result<Answer, Close> {
        let mut fates = Vec::with_capacity(publications.len());
        for run in publications.chunk_by(|one, two| one.routing_key == two.routing_key) {
            let fate = self.publish_to_queue(run).await?;
            fates.extend(run.iter().map(|_| fate.clone()));
        }
        Ok(Answer::Published(fates))
    }

    async fn publish_to_queue(&self, run: &[Publication]) -> Result<Fate, Close> {
        let Some(Ok(name)) = run.first().map(|first| QueueName::parse(first.routing_key.as_str())) else {
            return Ok(Fate::Unroutable);
        };
        let queue = QueueRef { namespace: self.namespace.clone(), name };
        let message = |one: &Publication| translate::new_message(one.properties.clone(), one.body.clone());
        let messages = run.iter().map(message).collect();
        match self.call(Publish { queue, messages }).await {
            Ok(_) => Ok(Fate::Kept),
            Err(Failure::Refused(Refusal::QueueNotFound { .. })) => Ok(Fate::Unroutable),
            Err(Failure::Refused(Refusal::QueueFull { .. }) | Failure::Unavailable(_)) => Ok(Fate::Refused),
            Err(failure) => Ok(Fate::Failed(translate::close(&failure))),
        }
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
        let left = self.ready(&get.queue).await?.saturating_sub(1);
        let request = Receive { source: source.clone(), max: 1, wait: Span::new(0), lease, member: None };
        let received = self.call(request).await.map_err(|failure| self.queue_failure(&get.queue, &failure))?;
        let Some(delivery) = received.deliveries.into_iter().next() else { return Ok(Answer::Empty) };
        Ok(Answer::Got { delivered: translate::delivered(delivery, &source), left, source })
    }

    pub(super) async fn consume(&self, id: ConsumerId, consume: basic::Consume, credit: u32) -> Outcome {
        let source = match self.queue(&consume.queue) {
            Ok(queue) => Source::Queue(queue),
            Err(close) => return Err(close).into(),
        };
        let priority = consume.arguments.get("x-priority").and_then(Value::as_integer).unwrap_or_default();
        let priority = i32::try_from(priority).unwrap_or_default();
        let sharing = if consume.exclusive { Sharing::Alone } else { Sharing::Shared };
        let request = Consume { priority, sharing, ..Consume::new(source.clone(), credit) };
        match self.shared.backend.consume(&self.caller, request).await {
            Ok(deliveries) => Outcome {
                answer: Ok(Answer::Consuming(source.clone())),
                brought: Brought::Deliveries(id, source, deliveries),
            },
            Err(failure) => Err(self.queue_failure(&consume.queue, &failure)).into(),
        }
    }
}
