//! Consuming, getting and settling.
//! Invariant: an ack that the broker has no time for is tried again: it is never lost while its connection lives.

use model::name::Source;
use model::number::Span;
use model::queue::{Ack, Extend, Nack, NackAction, Receive};
use std::sync::Arc;
use std::time::Duration;

use model::failure::{Failure, Retry, Unavailable};
use model::{Consume, Refusal, Request, Response, Sharing};
use tokio::time::sleep;

use super::streams::is_no_queue;
use super::{Brought, Errand, Outcome, all};
use crate::codec::class::basic;
use crate::codec::{ReplyCode, Value};
use crate::limits::{GET_WAIT_MS, GOT_LEASE_MS, SETTLE_TRIES_MAX};
use crate::session::{Answer, Close, ConsumerId, Feed, Settle, Verdict};
use crate::translate;

impl Errand {
    pub(super) async fn settle(&self, settles: Vec<Settle>) -> Result<Answer, Close> {
        let requests: Vec<Request> = settles.into_iter().map(request).collect();
        let submit = |request: &Request| self.shared.backend.submit(&self.caller, request.clone());
        // All are begun before any is waited for: the end of a stream, which may come next, gives back what is not settled.
        let answers = all(requests.iter().map(submit).collect()).await;
        for (request, answer) in requests.into_iter().zip(answers) {
            self.see_settled(request, answer).await.map_err(|failure| translate::close(&failure))?;
        }
        Ok(Answer::Done)
    }

    async fn see_settled(&self, request: Request, mut answer: Result<Response, Failure>) -> Result<(), Failure> {
        for _ in 0..SETTLE_TRIES_MAX {
            match answer {
                Err(Failure::Unavailable(unavailable @ (Unavailable::Busy | Unavailable::NoLeader))) => {
                    if let Retry::After(wait) = unavailable.retry() {
                        sleep(Duration::from_millis(wait.get())).await;
                    }
                }
                // With the queue go its deliveries.
                Ok(_) | Err(Failure::Refused(Refusal::QueueNotFound { .. })) => return Ok(()),
                Err(failure) => return Err(failure),
            }
            answer = self.shared.backend.submit(&self.caller, request.clone()).await;
        }
        Err(Unavailable::Busy.into())
    }

    pub(super) async fn get(&self, get: basic::Get) -> Result<Answer, Close> {
        let source = Source::Queue(self.queue(&get.queue)?);
        let (ready, own) = match self.described(&get.queue).await {
            Ok(description) => (translate::count(description.counts.ready), description.effective().consumer_timeout),
            // Who may not see it may be allowed to read it nevertheless.
            Err(Failure::Refused(Refusal::Forbidden { .. })) => (1, None),
            Err(failure) => {
                self.demand_no_stream(&get.queue, "basic.get", &failure).await?;
                return Err(self.queue_failure(&get.queue, &failure));
            }
        };
        let timeout = self.timeout(own);
        // A message that was just given back is handed out again a moment later. Where nothing is ready, the right to take
        // is asked for nevertheless.
        let wait = Span::new(if ready == 0 { 0 } else { GET_WAIT_MS });
        let lease = Some(Span::new(GOT_LEASE_MS));
        let request = Receive { source: source.clone(), max: 1, wait, lease, member: None };
        let received = match self.call(request).await {
            Ok(received) => received,
            Err(failure) => {
                self.demand_no_stream(&get.queue, "basic.get", &failure).await?;
                return Err(self.queue_failure(&get.queue, &failure));
            }
        };
        let Some(delivery) = received.deliveries.into_iter().next() else { return Ok(Answer::Empty) };
        let source = Arc::new(source);
        let delivered = translate::delivered(delivery, &Feed::Leased(Arc::clone(&source)));
        Ok(Answer::Got { delivered, left: ready.saturating_sub(1), source, timeout })
    }

    pub(super) async fn consume(
        &self,
        id: ConsumerId,
        consume: &basic::Consume,
        prefetch: u32,
    ) -> Result<Outcome, Close> {
        let source = Source::Queue(self.queue(&consume.queue)?);
        let own = match self.described(&consume.queue).await {
            Ok(description) => description.effective().consumer_timeout,
            Err(failure) => match self.stream(&consume.queue).await.filter(|_| is_no_queue(&failure)) {
                Some(stream) => return self.consume_stream(id, consume, stream, prefetch).await,
                None if matches!(failure, Failure::Refused(Refusal::Forbidden { .. })) => None,
                None => return Err(self.queue_failure(&consume.queue, &failure)),
            },
        };
        let timeout = self.timeout(consumer_timeout(consume)?.or(own));
        let priority = consume.arguments.get("x-priority").and_then(Value::as_integer).unwrap_or_default();
        let priority = i32::try_from(priority).unwrap_or_default();
        let sharing = if consume.exclusive { Sharing::Alone } else { Sharing::Shared };
        let request = Consume { priority, sharing, ..Consume::new(source.clone(), 0) };
        match self.shared.backend.consume(&self.caller, request).await {
            Ok(deliveries) => {
                let feed = Feed::Leased(Arc::new(source));
                Ok(Outcome {
                    answer: Ok(Answer::Consuming { feed: feed.clone(), timeout }),
                    brought: Brought::Deliveries(id, feed, deliveries),
                })
            }
            Err(Failure::Refused(Refusal::ConsumerAlone { .. })) => {
                let text = format!("queue '{}' in vhost '{}' in exclusive use", consume.queue, self.host());
                Err(Close::new(ReplyCode::AccessRefused, text))
            }
            Err(failure) => Err(self.queue_failure(&consume.queue, &failure)),
        }
    }

    /// How long a delivery may stay unsettled: as its consumer or queue says, else as the server does.
    fn timeout(&self, own: Option<Span>) -> Option<Duration> {
        own.map(|own| Duration::from_millis(own.get())).or(self.shared.settings.consumer_timeout)
    }
}

/// The time that a consumer wants for itself.
fn consumer_timeout(consume: &basic::Consume) -> Result<Option<Span>, Close> {
    let argument = "x-consumer-timeout";
    let Some(value) = consume.arguments.get(argument) else { return Ok(None) };
    let ms = value.as_integer().and_then(|ms| u64::try_from(ms).ok()).filter(|ms| *ms > 0);
    ms.map(|ms| Some(Span::new(ms))).ok_or_else(|| {
        let text = format!("invalid arg '{argument}' of a consumer: milliseconds are needed, at least 1");
        Close::new(ReplyCode::PreconditionFailed, text)
    })
}

fn request(settle: Settle) -> Request {
    let Settle { source, receipts, verdict } = settle;
    let source = Arc::unwrap_or_clone(source);
    match verdict {
        Verdict::Ack => Ack { source, receipts }.into(),
        Verdict::Requeue => Nack { source, receipts, action: NackAction::Retry(Span::new(0)) }.into(),
        Verdict::Reject => Nack { source, receipts, action: NackAction::Reject }.into(),
        Verdict::Keep => Extend { source, receipts, lease: Span::new(GOT_LEASE_MS) }.into(),
    }
}
