//! A deliver stream: credit and settles in, deliveries and results out.
//! Invariants: results come in the order of the settles; what the client may have under way is bounded, past which
//! nothing is read; deliveries are cut into answers of bounded size. Dropping the stream drops the deliveries.
//! No task and no channel: the answer stream is the loop. Tests: `tests/deliver.rs`.

mod settle;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::message::Delivery;
use model::name::{MemberName, Source};
use model::number::Span;
use model::{Backend, Caller, Consume, Deliveries, Refusal};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::lifecycle::Draining;
use super::{Door, admitted, never_opened};
use crate::limits::{DELIVER_BYTES, SETTLE_SUBMITS_MAX, SETTLES_WAITING_MAX};
use crate::proto as pb;
use crate::status::status;
use crate::translate::{Wire, missing};
use settle::{Flight, Waiting};

/// How the stream goes on.
enum State {
    /// Deliveries and requests flow.
    Open,
    /// No more deliveries; what was asked is still answered. Then it ends, with a status if there is one.
    Ending(Option<Status>),
}

/// The answers of a deliver stream.
pub(crate) struct Deliver {
    requests: Streaming<pb::DeliverRequest>,
    state: State,
    draining: Draining,
    backend: Arc<dyn Backend>,
    caller: Caller,
    source: Source,
    deliveries: Option<Box<dyn Deliveries>>,
    /// Deliveries that did not fit into the answer before.
    backlog: VecDeque<Delivery>,
    waiting: VecDeque<Waiting>,
    flights: VecDeque<Flight>,
}

fn opening(request: pb::DeliverRequest) -> Result<Consume, Refusal> {
    if !request.settles.is_empty() {
        return Err(Refusal::invalid("settles", "the first request opens the stream and settles nothing"));
    }
    let open = request.open.ok_or_else(|| missing("open"))?;
    Ok(Consume {
        source: Wire::from_wire(open.source.ok_or_else(|| missing("source"))?)?,
        credit: request.credit,
        lease: Option::<Span>::from_wire(open.lease_ms)?,
        member: Option::<MemberName>::from_wire(open.member)?,
        priority: open.priority,
        sharing: Wire::from_wire(open.sharing)?,
    })
}

impl Door {
    /// Reads the opening request of a deliver stream and starts it.
    pub(crate) async fn open_deliver(
        &self,
        request: Request<Streaming<pb::DeliverRequest>>,
    ) -> Result<Response<Deliver>, Status> {
        let (_, mut extensions, mut requests) = request.into_parts();
        let caller = admitted(&mut extensions).map_err(|refusal| status(&refusal.into()))?;
        let first = requests.message().await?.ok_or_else(never_opened)?;
        let consume = opening(first).map_err(|refusal| status(&refusal.into()))?;
        let source = consume.source.clone();
        let deliveries = self.backend.consume(&caller, consume).await.map_err(|failure| status(&failure))?;
        Ok(Response::new(Deliver {
            requests,
            state: State::Open,
            draining: Draining::of(&self.lifecycle),
            backend: Arc::clone(&self.backend),
            caller,
            source,
            deliveries: Some(deliveries),
            backlog: VecDeque::new(),
            waiting: VecDeque::new(),
            flights: VecDeque::new(),
        }))
    }
}

impl Deliver {
    fn end(&mut self, status: Option<Status>) {
        self.state = State::Ending(status);
    }

    /// Reads what has arrived, as far as there is room.
    fn read(&mut self, context: &mut Context<'_>) {
        while matches!(self.state, State::Open) && self.waiting.len() < SETTLES_WAITING_MAX {
            match Pin::new(&mut self.requests).poll_next(context) {
                Poll::Pending => return,
                Poll::Ready(None) => self.end(None),
                Poll::Ready(Some(Err(broken))) => self.end(Some(broken)),
                Poll::Ready(Some(Ok(request))) if request.open.is_some() => {
                    let twice = Refusal::invalid("open", "only the first request of a stream opens it");
                    self.end(Some(status(&twice.into())));
                }
                Poll::Ready(Some(Ok(request))) => self.take(request),
            }
        }
    }

    fn take(&mut self, request: pb::DeliverRequest) {
        if request.credit > 0
            && let Some(deliveries) = &mut self.deliveries
        {
            deliveries.add_credit(request.credit);
        }
        for settle in request.settles {
            let next = Waiting::translate(settle);
            match self.waiting.back_mut() {
                None => self.waiting.push_back(next),
                Some(last) => {
                    if let Some(rest) = last.join(next) {
                        self.waiting.push_back(rest);
                    }
                }
            }
        }
    }

    /// Submits settles while a submit may start. True if one did.
    fn launch(&mut self) -> bool {
        let mut launched = false;
        while self.flights.len() < SETTLE_SUBMITS_MAX {
            let Some(waiting) = self.waiting.pop_front() else { return launched };
            launched = true;
            self.flights.push_back(waiting.launch(self.backend.as_ref(), &self.caller, &self.source));
        }
        launched
    }

    /// Lets every submit go on and takes the results of those that are done and next in order.
    fn results(&mut self, context: &mut Context<'_>) -> Vec<pb::SettleResult> {
        for flight in &mut self.flights {
            flight.poll(context);
        }
        let mut results = Vec::new();
        while self.flights.front().is_some_and(Flight::is_done) {
            let Some(flight) = self.flights.pop_front() else { break };
            flight.report(&mut results);
        }
        results
    }

    /// The next deliveries, within the size of an answer.
    fn next_deliveries(&mut self, context: &mut Context<'_>) -> Vec<pb::Delivery> {
        if matches!(self.state, State::Open) && self.backlog.is_empty() {
            self.poll_deliveries(context);
        }
        let mut forms = Vec::with_capacity(self.backlog.len());
        let mut bytes = 0_u64;
        while bytes < DELIVER_BYTES {
            let Some(delivery) = self.backlog.pop_front() else { break };
            bytes = bytes.saturating_add(size(&delivery));
            forms.push(delivery.to_wire());
        }
        forms
    }

    fn poll_deliveries(&mut self, context: &mut Context<'_>) {
        let Some(deliveries) = &mut self.deliveries else { return };
        match deliveries.poll_next(context) {
            Poll::Pending => {}
            Poll::Ready(None) => self.end(None),
            Poll::Ready(Some(Err(failure))) => self.end(Some(status(&failure))),
            Poll::Ready(Some(Ok(deliveries))) => self.backlog.extend(deliveries),
        }
    }
}

/// Body and headers of a delivery in bytes, with a little for its frame.
fn size(delivery: &Delivery) -> u64 {
    let message = &delivery.message;
    let properties = message.properties.as_ref().map_or(0, |properties| properties.size());
    let headers = model::header::headers_size(&message.headers) + properties;
    u64::try_from(message.body.len() + headers + 64).unwrap_or(u64::MAX)
}

impl Stream for Deliver {
    type Item = Result<pb::DeliverResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if matches!(this.state, State::Open) && this.draining.poll(context) {
            this.end(None);
        }
        loop {
            this.read(context);
            if !this.launch() {
                break;
            }
        }
        let results = this.results(context);
        let deliveries = this.next_deliveries(context);
        if !results.is_empty() || !deliveries.is_empty() {
            return Poll::Ready(Some(Ok(pb::DeliverResponse { deliveries, results })));
        }
        match &mut this.state {
            State::Open => Poll::Pending,
            State::Ending(_) if !this.flights.is_empty() || !this.waiting.is_empty() => Poll::Pending,
            State::Ending(status) => {
                this.deliveries = None;
                Poll::Ready(status.take().map(Err))
            }
        }
    }
}
