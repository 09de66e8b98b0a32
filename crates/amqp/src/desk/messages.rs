//! Consuming, getting and settling.
//! Invariant: an ack that the broker has no time for is tried again: it is never lost while its connection lives.

use model::name::Source;
use model::number::Span;
use model::queue::{Ack, Extend, Nack, NackAction, Receive};
use std::time::Duration;

use model::failure::{Failure, Retry, Unavailable};
use model::{Consume, Refusal, Request, Response, Sharing};
use tokio::time::sleep;

use super::{Brought, Errand, Outcome, all};
use crate::codec::class::basic;
use crate::codec::{ReplyCode, Value};
use crate::limits::{GET_WAIT_MS, GOT_LEASE_MS, SETTLE_TRIES_MAX};
use crate::session::{Answer, Close, ConsumerId, Settle, Verdict};
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
        let description = self.described(&get.queue).await?;
        let ready = description.as_ref().map_or(1, |description| translate::count(description.counts.ready));
        if ready == 0 {
            return Ok(Answer::Empty);
        }
        let timeout = self.timeout(description.and_then(|description| description.settings.consumer_timeout));
        // A message that was just given back is handed out again a moment later.
        let wait = Span::new(GET_WAIT_MS);
        let lease = Some(Span::new(GOT_LEASE_MS));
        let request = Receive { source: source.clone(), max: 1, wait, lease, member: None };
        let received = self.call(request).await.map_err(|failure| self.queue_failure(&get.queue, &failure))?;
        let Some(delivery) = received.deliveries.into_iter().next() else { return Ok(Answer::Empty) };
        Ok(Answer::Got { delivered: translate::delivered(delivery, &source), left: ready - 1, source, timeout })
    }

    pub(super) async fn consume(&self, id: ConsumerId, consume: basic::Consume, credit: u32) -> Outcome {
        let source = match self.queue(&consume.queue) {
            Ok(queue) => Source::Queue(queue),
            Err(close) => return Err(close).into(),
        };
        let timeout = match self.consumer_timeout(&consume).await {
            Ok(timeout) => timeout,
            Err(close) => return Err(close).into(),
        };
        let priority = consume.arguments.get("x-priority").and_then(Value::as_integer).unwrap_or_default();
        let priority = i32::try_from(priority).unwrap_or_default();
        let sharing = if consume.exclusive { Sharing::Alone } else { Sharing::Shared };
        let request = Consume { priority, sharing, ..Consume::new(source.clone(), credit) };
        match self.shared.backend.consume(&self.caller, request).await {
            Ok(deliveries) => Outcome {
                answer: Ok(Answer::Consuming { source: source.clone(), timeout }),
                brought: Brought::Deliveries(id, source, deliveries),
            },
            Err(Failure::Refused(Refusal::ConsumerAlone { .. })) => {
                let text = format!("queue '{}' in vhost '{}' in exclusive use", consume.queue, self.host());
                Err(Close::new(ReplyCode::AccessRefused, text)).into()
            }
            Err(failure) => Err(self.queue_failure(&consume.queue, &failure)).into(),
        }
    }
}

impl Errand {
    /// How long a delivery may stay unsettled: as the consumer says, or its queue, or the server.
    async fn consumer_timeout(&self, consume: &basic::Consume) -> Result<Option<Duration>, Close> {
        let argument = "x-consumer-timeout";
        let own = match consume.arguments.get(argument).map(Value::as_integer) {
            None => None,
            Some(Some(ms)) if ms > 0 => u64::try_from(ms).ok().map(Span::new),
            Some(_) => {
                let text = format!("invalid arg '{argument}' of a consumer: milliseconds are needed, at least 1");
                return Err(Close::new(ReplyCode::PreconditionFailed, text));
            }
        };
        if own.is_some() {
            return Ok(self.timeout(own));
        }
        let description = self.described(&consume.queue).await?;
        Ok(self.timeout(description.and_then(|description| description.settings.consumer_timeout)))
    }

    fn timeout(&self, own: Option<Span>) -> Option<Duration> {
        own.map(|own| Duration::from_millis(own.get())).or(self.shared.settings.consumer_timeout)
    }
}

fn request(settle: Settle) -> Request {
    let Settle { source, receipts, verdict } = settle;
    match verdict {
        Verdict::Ack => Ack { source, receipts }.into(),
        Verdict::Requeue => Nack { source, receipts, action: NackAction::Retry(Span::new(0)) }.into(),
        Verdict::Reject => Nack { source, receipts, action: NackAction::Reject }.into(),
        Verdict::Keep => Extend { source, receipts, lease: Span::new(GOT_LEASE_MS) }.into(),
    }
}
