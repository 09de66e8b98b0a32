//! A publish stream: requests in, submits of whatever arrived together, confirms out in order.
//! Invariants: outcomes come in the order of the messages, each only after the backend answered its submit; what
//! waits for a confirm is bounded by the window, past which nothing is read.
//! No task and no channel: the answer stream is the loop, driven by the connection that sends it.
//! Tests: `tests/publish_stream.rs`.

mod batch;
mod track;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use model::failure::Unavailable;
use model::{Backend, Caller, Failure, Refusal, Reply, Response};
use tokio_stream::Stream;
use tonic::{Request, Status, Streaming};

use super::lifecycle::Draining;
use super::{Door, admitted, never_opened};
use crate::limits::{PUBLISH_SUBMITS_MAX, PUBLISH_WINDOW_BYTES, PUBLISH_WINDOW_MESSAGES};
use crate::proto as pb;
use crate::status::status;
use batch::{Batch, Span};
pub(crate) use track::{QueueTrack, TopicTrack, Track};

/// What the stream still reads.
enum Input {
    Open,
    /// The client is done; what it sent is still confirmed.
    Ended,
    /// The stream ends with this once what was sent is confirmed.
    Broken(Status),
}

/// One submit.
struct Flight {
    span: Span,
    answer: Answer,
}

#[allow(clippy::large_enum_variant, reason = "a stream has four at most; a box would cost an allocation each")]
enum Answer {
    Waiting(Reply<Response>),
    Here(Result<Response, Failure>),
}

/// The answers of a publish stream.
pub(crate) struct Confirms<T: Track> {
    requests: Streaming<T::Request>,
    input: Input,
    draining: Draining,
    backend: Arc<dyn Backend>,
    caller: Caller,
    target: T::Target,
    detail: pb::ConfirmDetail,
    announced: bool,
    /// The number that the next message must have; `None` before the first.
    next: Option<u64>,
    gathered: VecDeque<Batch<T::Message>>,
    flights: VecDeque<Flight>,
    unconfirmed_messages: u64,
    unconfirmed_bytes: u64,
}

impl Door {
    /// Reads the opening request of a publish stream and starts it.
    pub(crate) async fn open_publish_stream<T: Track>(
        &self,
        request: Request<Streaming<T::Request>>,
    ) -> Result<tonic::Response<Confirms<T>>, Status> {
        let (_, mut extensions, mut requests) = request.into_parts();
        let caller = admitted(&mut extensions).map_err(|refusal| status(&refusal.into()))?;
        let first = requests.message().await?.ok_or_else(never_opened)?;
        let (target, detail) = T::open(first).map_err(|refusal| status(&refusal.into()))?;
        Ok(tonic::Response::new(Confirms {
            requests,
            input: Input::Open,
            draining: Draining::of(&self.lifecycle),
            backend: Arc::clone(&self.backend),
            caller,
            target,
            detail,
            announced: false,
            next: None,
            gathered: VecDeque::new(),
            flights: VecDeque::new(),
            unconfirmed_messages: 0,
            unconfirmed_bytes: 0,
        }))
    }
}

impl<T: Track> Confirms<T> {
    fn has_room(&self) -> bool {
        self.gathered.len() < 2
            && self.unconfirmed_messages < PUBLISH_WINDOW_MESSAGES
            && self.unconfirmed_bytes < PUBLISH_WINDOW_BYTES
    }

    /// Reads what has arrived, as far as there is room.
    fn read(&mut self, context: &mut Context<'_>) {
        if matches!(self.input, Input::Open) && self.draining.poll(context) {
            self.input = Input::Broken(status(&Unavailable::Draining.into()));
        }
        while matches!(self.input, Input::Open) && self.has_room() {
            match Pin::new(&mut self.requests).poll_next(context) {
                Poll::Pending => return,
                Poll::Ready(None) => self.input = Input::Ended,
                Poll::Ready(Some(Err(broken))) => self.input = Input::Broken(broken),
                Poll::Ready(Some(Ok(request))) => {
                    if let Err(refusal) = self.gather(request) {
                        self.input = Input::Broken(status(&refusal.into()));
                    }
                }
            }
        }
    }

    /// Adds the messages of a request to those that wait for a submit.
    fn gather(&mut self, request: T::Request) -> Result<(), Refusal> {
        let (first, forms) = T::messages(request)?;
        let span = Span::of(first, forms.len(), self.next)?;
        self.next = Some(span.next()?);
        let batch = Batch::translate::<T>(span, forms);
        self.unconfirmed_messages += batch.span().messages();
        self.unconfirmed_bytes = self.unconfirmed_bytes.saturating_add(batch.bytes());
        match self.gathered.back_mut() {
            None => self.gathered.push_back(batch),
            Some(last) => {
                if let Some(rest) = last.join(batch) {
                    self.gathered.push_back(rest);
                }
            }
        }
        Ok(())
    }

    /// Submits what was gathered while a submit may start. True if one did.
    fn launch(&mut self) -> bool {
        let mut launched = false;
        while self.flights.len() < PUBLISH_SUBMITS_MAX {
            let Some(batch) = self.gathered.pop_front() else { return launched };
            launched = true;
            let flight = match batch {
                Batch::Messages { span, messages, .. } => {
                    let request = T::submit(&self.target, messages);
                    Flight { span, answer: Answer::Waiting(self.backend.submit(&self.caller, request)) }
                }
                Batch::Refused { span, refusal } => {
                    Flight { span, answer: Answer::Here(Err(Failure::Refused(refusal))) }
                }
            };
            self.flights.push_back(flight);
        }
        launched
    }

    /// Lets every submit go on, oldest first, and takes the outcomes of those that are done and next in order.
    fn settle(&mut self, context: &mut Context<'_>) -> Vec<T::Outcome> {
        for flight in &mut self.flights {
            if let Answer::Waiting(reply) = &mut flight.answer
                && let Poll::Ready(result) = reply.as_mut().poll(context)
            {
                flight.answer = Answer::Here(result);
            }
        }
        let mut outcomes = Vec::new();
        while let Some(Flight { answer: Answer::Here(_), .. }) = self.flights.front() {
            let Some(Flight { span, answer: Answer::Here(result) }) = self.flights.pop_front() else { break };
            self.unconfirmed_messages = self.unconfirmed_messages.saturating_sub(span.messages());
            self.unconfirmed_bytes = self.unconfirmed_bytes.saturating_sub(span.bytes);
            let places = result.and_then(|response| T::places(response, self.detail));
            T::report(&mut outcomes, span, places);
        }
        outcomes
    }
}

impl<T: Track> Stream for Confirms<T> {
    type Item = Result<T::Response, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if !this.announced {
            this.announced = true;
            let window = pb::PublishWindow { messages: PUBLISH_WINDOW_MESSAGES, bytes: PUBLISH_WINDOW_BYTES };
            return Poll::Ready(Some(Ok(T::response(Some(window), Vec::new()))));
        }
        loop {
            this.read(context);
            if !this.launch() {
                break;
            }
        }
        let outcomes = this.settle(context);
        if !outcomes.is_empty() {
            return Poll::Ready(Some(Ok(T::response(None, outcomes))));
        }
        if !this.flights.is_empty() || !this.gathered.is_empty() {
            return Poll::Pending;
        }
        match std::mem::replace(&mut this.input, Input::Ended) {
            Input::Open => {
                this.input = Input::Open;
                Poll::Pending
            }
            Input::Ended => Poll::Ready(None),
            Input::Broken(status) => Poll::Ready(Some(Err(status))),
        }
    }
}
