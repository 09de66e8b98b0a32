//! Event streams as a client reads them: what is handed out, what gives credit back, how a stream ends and resumes.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::sync::{Arc, Mutex};

use axum::response::IntoResponse;
use http_body_util::BodyExt;
use model::access::Scope;
use model::caller::Protocol;
use model::message::{Message, MessageId, Record};
use model::name::{NamespaceName, TopicName, UserName};
use model::node::Readiness;
use model::number::{Attempt, ByteSize, Epoch, Priority, QueueId, Sequence, Timestamp, UserId};
use model::receipt::{Receipt, ReceiptSource};
use model::topic::PartitionExtent;
use model::{Backend, Credentials, Failure, Origin, Reply, Request, Response, Secret, Unavailable};
use tokio::sync::mpsc;

use super::*;
use crate::{MetricsSource, Settings};

/// A broker that cannot be reached.
struct Closed;

fn unreachable<T: Send + 'static>() -> Reply<T> {
    Box::pin(async { Err(Failure::from(Unavailable::Unreachable)) })
}

impl Backend for Closed {
    fn authenticate(&self, _: Credentials, _: Origin) -> Reply<Caller> {
        unreachable()
    }

    fn submit(&self, _: &Caller, _: Request) -> Reply<Response> {
        unreachable()
    }

    fn consume(&self, _: &Caller, _: Consume) -> Reply<Box<dyn Deliveries>> {
        unreachable()
    }
}

impl MetricsSource for Closed {
    fn render(&self) -> String {
        String::new()
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

fn door() -> Door {
    Door::new(Settings::default(), Arc::new(Closed), Arc::new(Closed))
}

fn message(body: &'static str) -> Message {
    Message {
        id: MessageId::parse("m").unwrap(),
        body: body.into(),
        headers: Vec::new(),
        content_type: None,
        key: None,
        priority: Priority::DEFAULT,
        published_at: Timestamp::new(1),
        expires_at: None,
        sender: "ann".into(),
        ttl: None,
        properties: None,
        routed: None,
    }
}

fn delivery(sequence: u64) -> Delivery {
    let receipt = Receipt {
        source: ReceiptSource::Queue(QueueId::new(1)),
        partition: Partition::new(0),
        sequence: Sequence::new(sequence),
        epoch: Epoch::new(1),
        attempt: Attempt::new(1),
    };
    Delivery {
        message: message("hello"),
        receipt: Some(receipt),
        attempt: Attempt::new(1),
        partition: Partition::new(0),
        offset: None,
        leased_until: Some(Timestamp::new(2)),
        dead_letter: None,
    }
}

/// What a consumer gets, word by word.
struct Script {
    batches: mpsc::Receiver<Result<Vec<Delivery>, Failure>>,
    credits: Arc<Mutex<Vec<u32>>>,
}

impl Deliveries for Script {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        self.batches.poll_recv(context)
    }

    fn add_credit(&mut self, messages: u32) {
        self.credits.lock().unwrap().push(messages);
    }

    fn stop(&mut self) {
        self.batches.close();
    }
}

type Batches = mpsc::Sender<Result<Vec<Delivery>, Failure>>;

fn events(door: &Door) -> (DeliveryEvents, Batches, Arc<Mutex<Vec<u32>>>) {
    let (batches, receiver) = mpsc::channel(4);
    let credits = Arc::default();
    let script = Script { batches: receiver, credits: Arc::clone(&credits) };
    let events = DeliveryEvents {
        deliveries: Some(Box::new(script)),
        ledger: door.streams().ledger(),
        waiting: VecDeque::new(),
        lease: Span::new(30_000),
        sweep: interval(KEEP_ALIVE),
        _place: door.streams().place().unwrap(),
    };
    (events, batches, credits)
}

/// One event as its text.
async fn text(event: Event) -> String {
    let sse = Sse::new(stream::iter([Ok::<_, Infallible>(event)]));
    let bytes = sse.into_response().into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn next(events: &mut (impl Stream<Item = Result<Event, Infallible>> + Unpin)) -> String {
    match events.next().await {
        Some(Ok(event)) => text(event).await,
        None => "over".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_done_makes_room_for_another() {
    let door = door();
    let (mut events, batches, credits) = events(&door);
    batches.send(Ok(vec![delivery(1), delivery(2)])).await.unwrap();
    let first = next(&mut events).await;
    assert!(first.starts_with("event: message\n"), "{first}");
    assert!(first.contains("\"body\":\"hello\"") && first.contains("\"receipt\":\"01"), "{first}");
    next(&mut events).await;

    door.streams().settled(&[delivery(1).receipt.unwrap()]);
    batches.send(Ok(vec![delivery(3)])).await.unwrap();
    next(&mut events).await;
    assert_eq!(*credits.lock().unwrap(), [1], "one was settled");

    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    batches.send(Ok(vec![delivery(4)])).await.unwrap();
    next(&mut events).await;
    assert_eq!(*credits.lock().unwrap(), [1, 2], "the leases of the others ended");
}

#[tokio::test(start_paused = true)]
async fn a_settled_message_wakes_a_stream_that_waits() {
    let door = door();
    let (mut events, batches, credits) = events(&door);
    batches.send(Ok(vec![delivery(1)])).await.unwrap();
    next(&mut events).await;
    let waiting = tokio::spawn(async move { (next(&mut events).await, next(&mut events).await) });
    // Time moves once everything waits: the stream has been asked and has nothing.
    let moment = std::time::Duration::from_millis(1);
    tokio::time::sleep(moment).await;
    door.streams().settled(&[delivery(1).receipt.unwrap()]);
    tokio::time::sleep(moment).await;
    assert_eq!(*credits.lock().unwrap(), [1]);
    drop(batches);
    assert_eq!(waiting.await.unwrap(), ("event: end\ndata: {}\n\n".to_owned(), "over".to_owned()));
}

#[tokio::test]
async fn a_failure_is_the_last_event() {
    let door = door();
    let (mut events, batches, _) = events(&door);
    batches.send(Err(Unavailable::NoLeader.into())).await.unwrap();
    let last = next(&mut events).await;
    assert!(last.starts_with("event: problem\n") && last.contains("\"code\":\"no_leader\""), "{last}");
    assert_eq!(next(&mut events).await, "over");
}

fn records(partition: u32, offsets: &[u64], next: u64) -> Records {
    let record = |offset: &u64| Record { offset: Offset::new(*offset), message: message("x") };
    let extent = PartitionExtent {
        partition: Partition::new(partition),
        earliest: Offset::new(0),
        end: Offset::new(next),
        messages: next,
        bytes: ByteSize::new(next),
    };
    Records { records: offsets.iter().map(record).collect(), next: Offset::new(next), extent }
}

#[tokio::test]
async fn each_event_of_a_topic_names_the_place_in_every_partition() {
    let door = door();
    let caller = Caller {
        user: UserId::new(1),
        name: UserName::parse("ann").unwrap(),
        scope: Scope::full(),
        token: None,
        origin: Origin { protocol: Protocol::Http, address: None },
        credentials: Credentials::Token(Secret::new("t")),
    };
    let topic = TopicRef { namespace: NamespaceName::default(), name: TopicName::parse("t").unwrap() };
    let place = door.streams().place().unwrap();
    let next_offsets = BTreeMap::from([(Partition::new(0), Offset::new(4)), (Partition::new(1), Offset::new(9))]);
    let reads = FuturesUnordered::new();
    let mut follow = Follow { door, caller, topic, _place: place, next: next_offsets, reads, waiting: VecDeque::new() };
    // Offset 5 is missing, as on a compacted topic.
    follow.took(Partition::new(0), records(0, &[4, 6], 7));
    follow.took(Partition::new(1), records(1, &[], 9));
    let mut events = Box::pin(follow.events());
    for id in ["0:5,1:9", "0:7,1:9"] {
        let event = next(&mut events).await;
        assert!(event.contains(&format!("\nid: {id}\n")), "{event}");
    }
    let last = next(&mut events).await;
    assert!(last.starts_with("event: problem\n") && last.contains("unreachable"), "{last}");
    assert_eq!(next(&mut events).await, "over");
}

#[test]
fn the_id_of_an_event_leads_back_to_its_place() {
    let places = BTreeMap::from([(Partition::new(0), Offset::new(12)), (Partition::new(3), Offset::new(u64::MAX))]);
    assert_eq!(place_text(&places), "0:12,3:18446744073709551615");
    assert_eq!(resume(place_text(&places).as_bytes()), Ok(places));
    for wrong in ["", "0", "0:", ":1", "a:1", "0:1,", "0:-1", "0:1;1:2"] {
        assert!(resume(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let many: Vec<_> = (0..=STREAM_PARTITIONS_MAX).map(|partition| format!("{partition}:0")).collect();
    assert!(resume(many.join(",").as_bytes()).is_err(), "more partitions than a stream follows");
}
