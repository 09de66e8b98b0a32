//! Opens streams and reads their answers: one task a stream, none a message.

use std::sync::Arc;

use model::backend::{Consume, Reply};
use model::caller::Caller;
use model::failure::{Failure, Unavailable};
use model::message::Delivery;
use model::name::{QueueRef, TopicRef};
use model::queue::PublishedMessage;
use model::refusal::Refusal;
use model::topic::PublishedRecord;
use prost::Message;
use tokio::sync::mpsc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Streaming};
use tonic_prost::ProstCodec;

use super::connections::Lane;
use super::outbox::{Outbox, Outgoing, outbox};
use super::publisher::{Kind, Mail as PublisherMail, Outcome, Publisher, QueuePublisher, Receiver, TopicPublisher};
use super::{Effect, RemoteBackend, RemoteDeliveries, answer, broken_contract, deliveries, identity};
use crate::limits::{DELIVERY_FRAMES_MAX, PUBLISH_WINDOW_MESSAGES};
use crate::proto as pb;
use crate::translate::Wire;

/// How a publisher works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherSettings {
    /// Most messages that wait for their confirm; the broker's window is the upper bound.
    pub window_messages: usize,
    /// Whether confirms bring the id and place of every message.
    pub places: bool,
}

impl Default for PublisherSettings {
    /// As much as the broker takes, without places.
    fn default() -> Self {
        Self { window_messages: usize::MAX, places: false }
    }
}

impl PublisherSettings {
    fn detail(self) -> i32 {
        i32::from(if self.places { pb::ConfirmDetail::Places } else { pb::ConfirmDetail::Ranges })
    }

    fn window(self, announced: Option<pb::PublishWindow>) -> usize {
        let theirs = announced.map_or(PUBLISH_WINDOW_MESSAGES, |window| window.messages);
        let theirs = usize::try_from(theirs).unwrap_or(usize::MAX);
        self.window_messages.min(theirs).clamp(1, tokio::sync::Semaphore::MAX_PERMITS)
    }
}

/// What an answer of a publish stream says.
struct Told<P> {
    window: Option<pb::PublishWindow>,
    outcomes: Vec<Outcome<P>>,
}

/// An answer of a publish stream, of either kind.
trait Answer<P>: Message + Default + 'static {
    fn told(self) -> Result<Told<P>, Refusal>;
}

macro_rules! answer {
    ($response:ident of $place:ident) => {
        impl Answer<$place> for pb::$response {
            fn told(self) -> Result<Told<$place>, Refusal> {
                let outcomes = self.outcomes.into_iter().map(|outcome| {
                    let places = Wire::from_wire(outcome.places)?;
                    Ok(Outcome { last: outcome.last, problem: outcome.problem, places })
                });
                Ok(Told { window: self.window, outcomes: outcomes.collect::<Result<_, Refusal>>()? })
            }
        }
    };
}

answer!(PublishStreamResponse of PublishedMessage);
answer!(PublishTopicStreamResponse of PublishedRecord);

impl RemoteBackend {
    /// Opens a stream that publishes to a queue.
    ///
    /// # Errors
    /// Whatever the broker answers, or that it cannot be reached.
    pub async fn publisher(
        &self,
        caller: &Caller,
        queue: QueueRef,
        settings: PublisherSettings,
    ) -> Result<QueuePublisher, Failure> {
        let open = pb::PublishStreamRequest {
            open: Some(pb::PublishOpen { queue: Some(queue.to_wire()), detail: settings.detail() }),
            ..Default::default()
        };
        self.open_publisher::<super::publisher::ToQueue, pb::PublishStreamResponse>(
            caller,
            "/recado.v1.Queues/PublishStream",
            settings,
            open,
        )
        .await
    }

    /// Opens a stream that publishes to a topic.
    ///
    /// # Errors
    /// Whatever the broker answers, or that it cannot be reached.
    pub async fn topic_publisher(
        &self,
        caller: &Caller,
        topic: TopicRef,
        settings: PublisherSettings,
    ) -> Result<TopicPublisher, Failure> {
        let open = pb::PublishTopicStreamRequest {
            open: Some(pb::PublishTopicOpen { topic: Some(topic.to_wire()), detail: settings.detail() }),
            ..Default::default()
        };
        self.open_publisher::<super::publisher::ToTopic, pb::PublishTopicStreamResponse>(
            caller,
            "/recado.v1.Topics/PublishTopicStream",
            settings,
            open,
        )
        .await
    }

    async fn open_publisher<K, A>(
        &self,
        caller: &Caller,
        path: &'static str,
        settings: PublisherSettings,
        open: K::Request,
    ) -> Result<Publisher<K>, Failure>
    where
        K: Kind,
        K::Request: Clone + Sync,
        A: Answer<K::Place>,
    {
        let make = || PublisherMail::<K>::new(open.clone());
        let (outbox, mut answers, lane) = self.open_stream::<_, A>(caller, path, make).await?;
        let first = answers.message().await.map_err(|status| answer::failure_of(&status, Effect::None))?;
        let first = first.ok_or_else(|| broken_contract("a publish stream announces its window"))?;
        let Told { window, .. } = first.told().map_err(answer::unreadable)?;
        let publisher = Publisher::new(outbox, settings.window(window));
        tokio::spawn(read_confirms(publisher.receiver(), answers, lane));
        Ok(publisher)
    }

    /// Opens a stream of deliveries. What `Backend::consume` gives, with the way to settle on the stream itself.
    pub fn deliver(&self, caller: &Caller, request: Consume) -> Reply<RemoteDeliveries> {
        let this = self.clone();
        let caller = caller.clone();
        Box::pin(async move {
            let open = pb::DeliverRequest {
                open: Some(pb::DeliverOpen {
                    source: Some(request.source.to_wire()),
                    lease_ms: request.lease.to_wire(),
                    member: request.member.to_wire(),
                    priority: request.priority,
                    sharing: request.sharing.to_wire(),
                }),
                credit: request.credit,
                settles: Vec::new(),
            };
            let make = || deliveries::Mail::new(open.clone());
            let (outbox, answers, lane) =
                this.open_stream::<_, pb::DeliverResponse>(&caller, "/recado.v1.Queues/Deliver", make).await?;
            let (frames, received) = mpsc::channel(DELIVERY_FRAMES_MAX);
            let deliveries = RemoteDeliveries::new(outbox, received);
            tokio::spawn(read_deliveries(deliveries.receiver(), frames, answers, lane));
            Ok(deliveries)
        })
    }

    /// Opens a stream, on the next endpoint when this one certainly did nothing.
    async fn open_stream<O, A>(
        &self,
        caller: &Caller,
        path: &'static str,
        outgoing: impl Fn() -> O + Send + Sync,
    ) -> Result<(Outbox<O>, Streaming<A>, Arc<Lane>), Failure>
    where
        O: Outgoing,
        O::Request: Message + Send + 'static,
        A: Message + Default + 'static,
    {
        let metadata: &MetadataMap = &identity::metadata(&caller.credentials);
        let outgoing = &outgoing;
        self.connections
            .attempt(Effect::None, move |lane| async move {
                let mut client = lane.client();
                answer::ready(&mut client).await?;
                let (outbox, requests) = outbox(outgoing());
                let request = Request::from_parts(metadata.clone(), Extensions::default(), requests);
                let codec = ProstCodec::<O::Request, A>::default();
                let answers = client.streaming(request, PathAndQuery::from_static(path), codec).await?.into_inner();
                Ok((outbox, answers, lane))
            })
            .await
    }
}

/// Reads the confirms of a publish stream until it ends.
async fn read_confirms<K: Kind, A: Answer<K::Place>>(
    receiver: Receiver<K>,
    mut answers: Streaming<A>,
    _lane: Arc<Lane>,
) {
    loop {
        match answers.message().await {
            Ok(Some(answer)) => match answer.told() {
                Ok(told) => receiver.outcomes(told.outcomes),
                Err(refusal) => return receiver.close(answer::unreadable(refusal)),
            },
            Ok(None) => return receiver.close(Unavailable::Draining.into()),
            Err(status) => return receiver.close(answer::failure_of(&status, Effect::None)),
        }
    }
}

/// Reads the answers of a deliver stream until it ends.
async fn read_deliveries(
    receiver: deliveries::Receiver,
    frames: mpsc::Sender<Result<Vec<Delivery>, Failure>>,
    mut answers: Streaming<pb::DeliverResponse>,
    _lane: Arc<Lane>,
) {
    loop {
        let failure = match answers.message().await {
            Ok(Some(answer)) => match take(&receiver, &frames, answer).await {
                Ok(()) => continue,
                Err(failure) => failure,
            },
            Ok(None) => return receiver.close(Unavailable::Draining.into()),
            Err(status) => answer::failure_of(&status, Effect::None),
        };
        receiver.close(failure.clone());
        // Nobody reads a stream that was dropped.
        let _ = frames.send(Err(failure)).await;
        return;
    }
}

async fn take(
    receiver: &deliveries::Receiver,
    frames: &mpsc::Sender<Result<Vec<Delivery>, Failure>>,
    answer: pb::DeliverResponse,
) -> Result<(), Failure> {
    if !receiver.results(answer.results) {
        return Err(broken_contract("results come in the order of the settles"));
    }
    if answer.deliveries.is_empty() {
        return Ok(());
    }
    let deliveries = Vec::from_wire(answer.deliveries).map_err(answer::unreadable)?;
    // A dropped consumer still waits for the results of its settles.
    let _ = frames.send(Ok(deliveries)).await;
    Ok(())
}
