//! Publish streams over a loopback socket: order and batching of submits, confirms, windows, refusals, draining.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, missing_docs)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{Gate, Running, Told, caller, numbered, orders, pends, published, ready, remote, start};
use grpc::PublisherSettings;
use grpc::limits::{PUBLISH_SUBMITS_MAX, PUBLISH_WINDOW_BYTES};
use grpc::proto as pb;
use model::message::{MessageId, NewMessage};
use model::name::{TopicName, TopicRef};
use model::number::{LogIndex, Offset, Partition};
use model::queue::Durability;
use model::topic::{PublishedRecord, PublishedRecords, TopicMessage};
use model::{Backend, Failure, Refusal, Reply, Request, Response, Unavailable};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

/// A publish stream without the client of this crate.
struct Raw {
    requests: mpsc::UnboundedSender<pb::PublishStreamRequest>,
    answers: Streaming<pb::PublishStreamResponse>,
}

impl Raw {
    async fn open(running: &Running, detail: pb::ConfirmDetail) -> Self {
        let (requests, outgoing) = mpsc::unbounded_channel();
        let queue = pb::QueueRef { namespace: String::new(), name: "orders".to_owned() };
        let open = pb::PublishOpen { queue: Some(queue), detail: i32::from(detail) };
        requests.send(pb::PublishStreamRequest { open: Some(open), ..Default::default() }).unwrap();
        let channel = tonic::transport::Endpoint::from_shared(running.url()).unwrap().connect().await.unwrap();
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let mut request = tonic::Request::new(UnboundedReceiverStream::new(outgoing));
        request.metadata_mut().insert("authorization", "Bearer right".parse().unwrap());
        let codec = ProstCodec::<pb::PublishStreamRequest, pb::PublishStreamResponse>::default();
        let path = PathAndQuery::from_static("/recado.v1.Queues/PublishStream");
        let mut answers = client.streaming(request, path, codec).await.unwrap().into_inner();
        assert!(answers.message().await.unwrap().unwrap().window.is_some());
        Self { requests, answers }
    }

    fn send(&self, first: u64, bodies: &[&str]) {
        let message = |body: &&str| pb::NewMessage { body: (*body).to_owned().into(), ..Default::default() };
        let messages = bodies.iter().map(message).collect();
        self.requests.send(pb::PublishStreamRequest { open: None, first, messages }).unwrap();
    }

    async fn outcomes(&mut self) -> Result<Vec<(u64, u64, String)>, Status> {
        let answer = self.answers.message().await?.unwrap();
        let word = |problem: Option<pb::Problem>| problem.map_or_else(|| "ok".to_owned(), |problem| problem.code);
        Ok(answer.outcomes.into_iter().map(|it| (it.first, it.last, word(it.problem))).collect())
    }
}

fn messages(request: Request) -> Vec<NewMessage> {
    let Request::Publish(publish) = request else { panic!("only publishes are expected") };
    assert_eq!(publish.queue, orders());
    publish.messages
}

fn echoing() -> Arc<Told> {
    Told::submitting(|_, request| ready(Ok(published(&messages(request)))))
}

/// A backend that confirms each submit when the gate lets it.
fn gated() -> (Arc<Gate>, Arc<dyn Backend>) {
    let gate = Arc::new(Gate::default());
    let inner = Arc::clone(&gate);
    let backend = Told::submitting(move |_, request| -> Reply<Response> {
        let turn = inner.enter();
        Box::pin(async move {
            turn.await;
            Ok(published(&messages(request)))
        })
    });
    (gate, backend)
}

#[tokio::test]
async fn every_message_is_confirmed_with_its_place() {
    let running = start(echoing()).await;
    let settings = PublisherSettings { places: true, ..PublisherSettings::default() };
    let publisher = remote(&[running.url()]).publisher(&caller(), orders(), settings).await.unwrap();
    let mut confirms = Vec::new();
    for at in 0..500 {
        confirms.push(publisher.publish(numbered(at * 3..at * 3 + 3)).await.unwrap());
    }
    let mut sequences = Vec::new();
    for confirm in confirms {
        sequences.extend(confirm.await.unwrap().into_iter().map(|place| place.sequence.get()));
    }
    assert_eq!(sequences, (0..1500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_topic_stream_confirms_offsets() {
    let running = start(Told::submitting(|_, request| {
        let Request::PublishTopic(publish) = request else { panic!("only publishes are expected") };
        let record = |(offset, message): (u64, &TopicMessage)| PublishedRecord {
            id: MessageId::parse("id").unwrap(),
            partition: message.partition.unwrap(),
            offset: Offset::new(offset),
            duplicate: false,
        };
        let records = (0..).zip(&publish.messages).map(record).collect();
        let confirmed = PublishedRecords { records, durability: Durability::Fsync, position: LogIndex::new(1) };
        ready(Ok(Response::PublishTopic(confirmed)))
    }))
    .await;
    let topic = TopicRef { namespace: Default::default(), name: TopicName::parse("events").unwrap() };
    let settings = PublisherSettings { places: true, ..PublisherSettings::default() };
    let publisher = remote(&[running.url()]).topic_publisher(&caller(), topic, settings).await.unwrap();
    let message = |partition| TopicMessage { partition: Some(Partition::new(partition)), ..TopicMessage::default() };
    let records = publisher.publish(vec![message(4), message(9)]).await.unwrap().await.unwrap();
    let places: Vec<_> = records.iter().map(|record| (record.partition.get(), record.offset.get())).collect();
    assert_eq!(places, [(4, 0), (9, 1)]);
}

#[tokio::test]
async fn submits_fly_together_and_confirms_keep_their_order() {
    let (gate, backend) = gated();
    let running = start(backend).await;
    let mut raw = Raw::open(&running, pb::ConfirmDetail::Ranges).await;
    for at in 0..3 {
        raw.send(at, &["x"]);
        gate.until_entered(usize::try_from(at).unwrap() + 1).await;
    }
    gate.release(2);
    gate.until_passed(1).await;
    gate.release(1);
    gate.until_passed(2).await;
    gate.release(0);
    let mut ranges = Vec::new();
    while ranges.len() < 3 {
        for (first, last, word) in raw.outcomes().await.unwrap() {
            assert_eq!(word, "ok");
            ranges.extend(first..=last);
        }
    }
    assert_eq!(ranges, [0, 1, 2]);
}

#[tokio::test]
async fn what_arrives_while_submits_are_under_way_becomes_one_submit() {
    let (gate, backend) = gated();
    let running = start(backend).await;
    let mut raw = Raw::open(&running, pb::ConfirmDetail::Places).await;
    for at in 0..PUBLISH_SUBMITS_MAX {
        raw.send(u64::try_from(at).unwrap(), &["x"]);
        gate.until_entered(at + 1).await;
    }
    for at in 4..40 {
        raw.send(at, &["x"]);
    }
    drop(raw.requests);
    for at in 0..PUBLISH_SUBMITS_MAX {
        gate.release(at);
    }
    let answers = tokio::spawn(async move {
        let mut places = 0;
        while let Some(answer) = raw.answers.message().await.unwrap() {
            places += answer.outcomes.iter().map(|outcome| outcome.places.len()).sum::<usize>();
        }
        places
    });
    // How many requests have arrived by then is for the network to say; they never become more submits than that,
    // and every one that enters is released.
    let mut released = PUBLISH_SUBMITS_MAX;
    while !answers.is_finished() {
        while released < gate.entered() {
            gate.release(released);
            released += 1;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(answers.await.unwrap(), 40);
    assert!(gate.entered() < 40, "{} submits for 40 requests", gate.entered());
}

#[tokio::test]
async fn no_confirm_comes_before_its_submit_is_answered() {
    let (gate, backend) = gated();
    let running = start(backend).await;
    let publisher =
        remote(&[running.url()]).publisher(&caller(), orders(), PublisherSettings::default()).await.unwrap();
    let mut first = publisher.publish(numbered(0..1)).await.unwrap();
    gate.until_entered(1).await;
    let second = publisher.publish(numbered(1..2)).await.unwrap();
    gate.until_entered(2).await;
    gate.release(1);
    gate.until_passed(1).await;
    assert!(pends(&mut first).await);
    gate.release(0);
    assert_eq!(first.await, Ok(Vec::new()));
    assert_eq!(second.await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_full_window_holds_the_publisher_back() {
    let (gate, backend) = gated();
    let running = start(backend).await;
    let settings = PublisherSettings { window_messages: 3, places: false };
    let publisher = remote(&[running.url()]).publisher(&caller(), orders(), settings).await.unwrap();
    assert_eq!(publisher.window_messages(), 3);
    let first = publisher.publish(numbered(0..3)).await.unwrap();
    gate.until_entered(1).await;
    let mut next = Box::pin(publisher.publish(numbered(3..4)));
    assert!(pends(&mut next).await);
    gate.release(0);
    first.await.unwrap();
    let confirm = next.await.unwrap();
    gate.until_entered(2).await;
    gate.release(1);
    confirm.await.unwrap();
    // A publish larger than the window takes all of it and goes alone.
    let large = publisher.publish(numbered(4..9)).await.unwrap();
    gate.until_entered(3).await;
    gate.release(2);
    large.await.unwrap();
}

#[tokio::test]
async fn the_server_reads_no_further_than_its_window() {
    let under_way = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&under_way), Arc::clone(&most));
    let running = start(Told::submitting(move |_, request| -> Reply<Response> {
        let messages = messages(request);
        let bytes: usize = messages.iter().map(NewMessage::size).sum();
        let so_far = now.fetch_add(bytes, Ordering::SeqCst) + bytes;
        peak.fetch_max(so_far, Ordering::SeqCst);
        let now = Arc::clone(&now);
        Box::pin(async move {
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(bytes, Ordering::SeqCst);
            Ok(published(&messages))
        })
    }))
    .await;
    let publisher =
        remote(&[running.url()]).publisher(&caller(), orders(), PublisherSettings::default()).await.unwrap();
    let body = bytes::Bytes::from(vec![b'1'; 7 * 1024 * 1024]);
    let mut confirms = Vec::new();
    for _ in 0..12 {
        confirms.push(publisher.publish(vec![NewMessage::new(body.clone())]).await.unwrap());
    }
    for confirm in confirms {
        confirm.await.unwrap();
    }
    let bound = usize::try_from(PUBLISH_WINDOW_BYTES).unwrap() + body.len();
    assert!(most.load(Ordering::SeqCst) <= bound, "{} of {bound}", most.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_refusal_reaches_its_publish_alone() {
    let running = start(Told::submitting(|_, request| {
        let messages = messages(request);
        if messages.iter().any(|message| &message.body[..] == b"13") {
            return ready(Err(Refusal::QueueFull { name: "default/orders".to_owned(), bound: "13".to_owned() }.into()));
        }
        ready(Ok(published(&messages)))
    }))
    .await;
    let publisher =
        remote(&[running.url()]).publisher(&caller(), orders(), PublisherSettings::default()).await.unwrap();
    for number in 11..16 {
        let result = publisher.publish(numbered(number..number + 1)).await.unwrap().await;
        let full = Refusal::QueueFull { name: "default/orders".to_owned(), bound: "13".to_owned() };
        let expected = if number == 13 { Err(Failure::Refused(full)) } else { Ok(Vec::new()) };
        assert_eq!(result, expected);
    }
}

#[tokio::test]
async fn an_impossible_message_spoils_only_its_own_request() {
    let running = start(echoing()).await;
    let mut raw = Raw::open(&running, pb::ConfirmDetail::Ranges).await;
    raw.send(10, &["1", "2"]);
    let urgent = pb::NewMessage { priority: 256, ..Default::default() };
    raw.requests.send(pb::PublishStreamRequest { open: None, first: 12, messages: vec![urgent] }).unwrap();
    raw.send(13, &["3"]);
    let mut words = Vec::new();
    while words.len() < 4 {
        for (first, last, word) in raw.outcomes().await.unwrap() {
            words.extend((first..=last).map(|number| (number, word.clone())));
        }
    }
    let expected = [(10, "ok"), (11, "ok"), (12, "argument_invalid"), (13, "ok")];
    assert_eq!(words, expected.map(|(number, word)| (number, word.to_owned())));
}

#[tokio::test]
async fn a_gap_ends_the_stream_after_what_came_before_is_confirmed() {
    let running = start(echoing()).await;
    let mut raw = Raw::open(&running, pb::ConfirmDetail::Ranges).await;
    raw.send(0, &["1", "2"]);
    raw.send(3, &["3"]);
    assert_eq!(raw.outcomes().await.unwrap(), [(0, 1, "ok".to_owned())]);
    let status = raw.outcomes().await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(grpc::problem_of(&status).unwrap().values.unwrap().field, "first");
}

#[tokio::test]
async fn a_stream_without_credentials_or_opening_is_refused() {
    let running = start(echoing()).await;
    let wrong = common::caller_with(model::Credentials::Token(model::Secret::new("wrong")));
    let remote = remote(&[running.url()]);
    let refused = remote.publisher(&wrong, orders(), PublisherSettings::default()).await.err();
    assert_eq!(refused, Some(Refusal::Unauthenticated.into()));
}

#[tokio::test]
async fn draining_confirms_what_is_under_way_and_ends_the_stream() {
    let (gate, backend) = gated();
    let running = start(backend).await;
    let publisher =
        remote(&[running.url()]).publisher(&caller(), orders(), PublisherSettings::default()).await.unwrap();
    let confirm = publisher.publish(numbered(0..1)).await.unwrap();
    gate.until_entered(1).await;
    running.draining.send(true).unwrap();
    gate.release(0);
    confirm.await.unwrap();
    running.ended.await.unwrap().unwrap();
    let mut last = publisher.publish(numbered(1..2)).await;
    while let Ok(confirm) = last {
        assert_eq!(confirm.await, Err(Unavailable::Unknown.into()));
        last = publisher.publish(numbered(1..2)).await;
    }
    assert_eq!(last.err(), Some(Unavailable::Draining.into()));
}

#[tokio::test]
async fn a_broken_connection_leaves_what_waits_unknown() {
    let (gate, backend) = gated();
    let running = start(backend).await;
    let wire = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", wire.local_addr().unwrap());
    let broker = running.address;
    let carrier = tokio::spawn(async move {
        let (mut near, _) = wire.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(broker).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let publisher = remote(&[url]).publisher(&caller(), orders(), PublisherSettings::default()).await.unwrap();
    let confirm = publisher.publish(numbered(0..1)).await.unwrap();
    gate.until_entered(1).await;
    carrier.abort();
    assert_eq!(confirm.await, Err(Unavailable::Unknown.into()));
    assert!(publisher.publish(numbered(1..2)).await.is_err());
}

#[tokio::test]
async fn submits_keep_the_order_of_publishing() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let running = start(Told::submitting(move |_, request| {
        let messages = messages(request);
        let numbers =
            messages.iter().map(|message| std::str::from_utf8(&message.body).unwrap().parse::<u64>().unwrap());
        keep.lock().unwrap().extend(numbers);
        ready(Ok(published(&messages)))
    }))
    .await;
    let publisher =
        remote(&[running.url()]).publisher(&caller(), orders(), PublisherSettings::default()).await.unwrap();
    let mut last = None;
    for number in 0..3000 {
        last = Some(publisher.publish(numbered(number..number + 1)).await.unwrap());
    }
    last.unwrap().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), (0..3000).collect::<Vec<_>>());
}
