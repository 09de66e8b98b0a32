//! The two kinds of publish stream: to a queue and to a topic.

use model::message::NewMessage;
use model::name::{QueueRef, TopicRef};
use model::queue::Publish;
use model::topic::{PublishTopic, TopicMessage};
use model::{Call, Failure, Refusal, Request, Response};
use prost::Message;

use super::batch::Span;
use crate::proto as pb;
use crate::server::wrong_response;
use crate::status::problem;
use crate::translate::{Wire, missing};

/// The messages of a request as they came, with the number of the first.
type Numbered<M> = (u64, Vec<<M as Wire>::Form>);

/// What differs between streams to queues and to topics.
pub(crate) trait Track: Send + Unpin + Sized + 'static {
    type Request: Message + Default + 'static;
    type Response: Message + 'static;
    type Outcome;
    type Place;
    type Target: Clone + Send + Unpin;
    type Message: Wire + Send + Unpin;

    /// The target and what confirms tell, from the first request.
    fn open(request: Self::Request) -> Result<(Self::Target, pb::ConfirmDetail), Refusal>;
    /// The number of the first message, and the messages, from any other request.
    fn messages(request: Self::Request) -> Result<Numbered<Self::Message>, Refusal>;
    /// The content of a message.
    fn content(message: &Self::Message) -> &NewMessage;
    /// The operation that publishes messages.
    fn submit(target: &Self::Target, messages: Vec<Self::Message>) -> Request;
    /// The places of the messages, when they are wanted.
    fn places(response: Response, detail: pb::ConfirmDetail) -> Result<Vec<Self::Place>, Failure>;
    /// Adds what became of some messages; joins it to the outcome before when that says the same.
    fn report(outcomes: &mut Vec<Self::Outcome>, span: Span, result: Result<Vec<Self::Place>, Failure>);
    /// One answer.
    fn response(window: Option<pb::PublishWindow>, outcomes: Vec<Self::Outcome>) -> Self::Response;
}

/// Streams to a queue.
pub(crate) struct QueueTrack;
/// Streams to a topic.
pub(crate) struct TopicTrack;

fn opened_twice() -> Refusal {
    Refusal::invalid("open", "only the first request of a stream opens it")
}

fn opens_with_messages() -> Refusal {
    Refusal::invalid("messages", "the first request opens the stream and holds no messages")
}

fn detail(form: i32) -> Result<pb::ConfirmDetail, Refusal> {
    pb::ConfirmDetail::try_from(form).map_err(|_| Refusal::invalid("detail", "it must be ranges or places"))
}

macro_rules! track {
    ($track:ident: $target:ident in $field:ident, $message:ident, $operation:ident, $reply:ident,
     $request:ident, $response:ident, $outcome:ident, $place:ident, $content:expr) => {
        impl Track for $track {
            type Request = pb::$request;
            type Response = pb::$response;
            type Outcome = pb::$outcome;
            type Place = pb::$place;
            type Target = $target;
            type Message = $message;

            fn open(request: pb::$request) -> Result<($target, pb::ConfirmDetail), Refusal> {
                if !request.messages.is_empty() {
                    return Err(opens_with_messages());
                }
                let open = request.open.ok_or_else(|| missing("open"))?;
                let target = Wire::from_wire(open.$field.ok_or_else(|| missing(stringify!($field)))?)?;
                Ok((target, detail(open.detail)?))
            }

            fn messages(request: pb::$request) -> Result<Numbered<$message>, Refusal> {
                if request.open.is_some() {
                    return Err(opened_twice());
                }
                Ok((request.first, request.messages))
            }

            fn content(message: &$message) -> &NewMessage {
                let content: fn(&$message) -> &NewMessage = $content;
                content(message)
            }

            fn submit($field: &$target, messages: Vec<$message>) -> Request {
                $operation { $field: $field.clone(), messages }.into()
            }

            fn places(response: Response, detail: pb::ConfirmDetail) -> Result<Vec<pb::$place>, Failure> {
                let published = $operation::reply(response).ok_or_else(wrong_response)?;
                Ok(match detail {
                    pb::ConfirmDetail::Places => published.$reply.to_wire(),
                    pb::ConfirmDetail::Ranges | pb::ConfirmDetail::Unspecified => Vec::new(),
                })
            }

            fn report(outcomes: &mut Vec<pb::$outcome>, span: Span, result: Result<Vec<pb::$place>, Failure>) {
                let Span { first, last, .. } = span;
                match (outcomes.last_mut(), result) {
                    (Some(before), Ok(mut places)) if before.problem.is_none() => {
                        before.last = last;
                        before.places.append(&mut places);
                    }
                    (_, Ok(places)) => outcomes.push(pb::$outcome { first, last, problem: None, places }),
                    (_, Err(failure)) => {
                        let problem = Some(problem(&failure));
                        outcomes.push(pb::$outcome { first, last, problem, places: Vec::new() });
                    }
                }
            }

            fn response(window: Option<pb::PublishWindow>, outcomes: Vec<pb::$outcome>) -> pb::$response {
                pb::$response { window, outcomes }
            }
        }
    };
}

track!(QueueTrack: QueueRef in queue, NewMessage, Publish, messages, PublishStreamRequest, PublishStreamResponse,
    PublishOutcome, PublishedMessage, |message| message);
track!(TopicTrack: TopicRef in topic, TopicMessage, PublishTopic, records, PublishTopicStreamRequest,
    PublishTopicStreamResponse, PublishTopicOutcome, PublishedRecord, |message| &message.message);
