//! The null broker: gRPC as in the product, and behind it only a group commit of the bytes. What is flushed goes to the
//! consumer that is there, if one is; acks are taken and forgotten.
//! It shows what the socket and the disk cost together; everything above it is the product's own.
//! Invariant: a publish is confirmed, and delivered, after its bytes are flushed, as in the product.
//! Called by `bench::server`.

use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, ready};
use std::thread;

use bytes::Bytes;
use model::access::{NewToken, Scope, TokenDescription, TokenKind};
use model::backend::{Backend, Consume, Deliveries, Reply};
use model::caller::{Caller, Credentials, Origin, Secret};
use model::failure::{Failure, Fault, Unavailable};
use model::message::{Delivery, Headers, Message, MessageId};
use model::name::UserName;
use model::number::{Attempt, Epoch, LogIndex, Partition, Priority, QueueId, Sequence, Timestamp, TokenId, UserId};
use model::operation::{Request, Response};
use model::queue::{
    CreateQueue, Created, Durability, Publish, Published, PublishedMessage, QueueCounts, QueueDescription, Removed,
    Settled, Totals,
};
use model::receipt::{Receipt, ReceiptSource, Settlement};
use tokio::sync::oneshot;

use super::disk::{FILE_BYTES, Prepared};
use crate::exit::Complaint;

/// Publishes that wait for the thread that writes.
const WAITING_MAX: usize = 4096;
/// Bytes that are written together at most.
const TOGETHER_BYTES: usize = 1024 * 1024;

/// Flushed writes that wait for the consumer; one that falls behind by more loses them.
const DELIVERED_MAX: usize = 4096;

struct Write {
    bodies: Vec<Bytes>,
    done: oneshot::Sender<bool>,
}

/// Where the flushed bodies go.
type Consumer = Arc<Mutex<Option<tokio::sync::mpsc::Sender<Vec<Bytes>>>>>;

/// A backend that keeps nothing but bytes.
pub(super) struct Null {
    writes: mpsc::SyncSender<Write>,
    consumer: Consumer,
}

impl Null {
    /// Prepares its file and starts its thread.
    pub(super) fn open(folder: &Path) -> Result<Self, Complaint> {
        let path = folder.join("null");
        let prepared = Prepared::new(&path, FILE_BYTES).map_err(|error| Complaint::file(&path, "write", &error))?;
        let (writes, waiting) = mpsc::sync_channel(WAITING_MAX);
        let consumer = Consumer::default();
        let flushed = Arc::clone(&consumer);
        thread::spawn(move || commit(prepared, &waiting, &flushed));
        Ok(Self { writes, consumer })
    }
}

/// Takes what waits, writes it together, flushes, confirms and delivers.
fn commit(mut prepared: Prepared, waiting: &mpsc::Receiver<Write>, consumer: &Consumer) {
    let mut bytes = Vec::with_capacity(2 * TOGETHER_BYTES);
    let mut confirms: Vec<oneshot::Sender<bool>> = Vec::new();
    while let Ok(first) = waiting.recv() {
        let consumer = consumer.lock().expect("no holder panics").clone();
        let mut delivered = Vec::new();
        bytes.clear();
        let mut next = Some(first);
        while let Some(write) = next {
            write.bodies.iter().for_each(|body| bytes.extend_from_slice(body));
            confirms.push(write.done);
            if consumer.is_some() {
                delivered.extend(write.bodies);
            }
            next = if bytes.len() < TOGETHER_BYTES { waiting.try_recv().ok() } else { None };
        }
        let flushed = prepared.commit(&bytes).is_ok();
        // Nobody waits for a confirm whose client has gone.
        for done in confirms.drain(..) {
            let _ = done.send(flushed);
        }
        if let Some(consumer) = consumer.filter(|_| flushed) {
            // A consumer that has gone or fell behind: the count at the end tells.
            let _ = consumer.try_send(delivered);
        }
    }
}

/// The flushed bodies as deliveries.
struct Flushed {
    bodies: tokio::sync::mpsc::Receiver<Vec<Bytes>>,
    sender: Arc<str>,
    count: u64,
}

impl Flushed {
    fn delivery(&mut self, body: Bytes) -> Result<Delivery, Failure> {
        self.count += 1;
        let (partition, sequence, attempt) = (Partition::new(0), Sequence::new(self.count), Attempt::new(1));
        let source = ReceiptSource::Queue(QueueId::new(1));
        Ok(Delivery {
            message: Message {
                id: MessageId::parse("0")?,
                body,
                headers: Headers::default(),
                content_type: None,
                key: None,
                priority: Priority::default(),
                published_at: Timestamp::new(0),
                expires_at: None,
                sender: Arc::clone(&self.sender),
                ttl: None,
                properties: None,
                routed: None,
            },
            receipt: Some(Receipt { source, partition, sequence, epoch: Epoch::new(1), attempt }),
            attempt,
            partition,
            offset: None,
            leased_until: None,
            dead_letter: None,
        })
    }
}

impl Deliveries for Flushed {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        let bodies = ready!(self.bodies.poll_recv(context));
        Poll::Ready(bodies.map(|bodies| bodies.into_iter().map(|body| self.delivery(body)).collect()))
    }

    fn add_credit(&mut self, _: u32) {}

    fn stop(&mut self) {
        self.bodies.close();
    }
}

fn administrator() -> UserName {
    UserName::parse("admin").expect("a constant that fits the grammar")
}

fn queue(request: CreateQueue) -> Created<QueueDescription> {
    let description = QueueDescription {
        queue: request.queue,
        id: QueueId::new(1),
        owner: Some(administrator()),
        created_at: Timestamp::new(0),
        settings: request.settings,
        policy: None,
        counts: QueueCounts::default(),
        oldest_ready_at: None,
        oldest_leased_at: None,
        totals: Totals::default(),
        consumers: 0,
        redrive: None,
    };
    Created { created: true, description }
}

fn session() -> NewToken {
    let description = TokenDescription {
        id: TokenId::new(1),
        user: administrator(),
        label: String::new(),
        kind: TokenKind::Session,
        scope: Scope::full(),
        created_at: Timestamp::new(0),
        expires_at: Timestamp::new(u64::MAX),
    };
    NewToken { secret: Secret::new("null"), description }
}

fn confirmed(count: usize) -> Result<Published, Failure> {
    let id = MessageId::parse("0")?;
    let place = PublishedMessage { id, partition: Partition::new(0), sequence: Sequence::new(0), duplicate: false };
    Ok(Published { messages: vec![place; count], durability: Durability::Fsync, position: LogIndex::new(0) })
}

impl Backend for Null {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        let caller = Caller {
            user: UserId::new(1),
            name: administrator(),
            scope: Scope::full(),
            token: None,
            origin,
            credentials,
        };
        Box::pin(std::future::ready(Ok(caller)))
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "the null broker does three operations and no other")]
    fn submit(&self, _: &Caller, request: Request) -> Reply<Response> {
        let answer = match request {
            Request::Publish(Publish { messages, .. }) => {
                let (done, flushed) = oneshot::channel();
                let count = messages.len();
                let bodies = messages.into_iter().map(|message| message.body).collect();
                if self.writes.try_send(Write { bodies, done }).is_err() {
                    return Box::pin(std::future::ready(Err(Unavailable::Busy.into())));
                }
                return Box::pin(async move {
                    match flushed.await {
                        Ok(true) => confirmed(count).map(Response::Publish),
                        Ok(false) | Err(_) => Err(Fault { what: "the null broker cannot write".to_owned() }.into()),
                    }
                });
            }
            Request::Ack(request) => {
                let results = vec![Settlement::Settled; request.receipts.len()];
                Ok(Response::Ack(Settled { results }))
            }
            Request::DeleteQueue(_) => Ok(Response::DeleteQueue(Removed { messages: 0 })),
            Request::CreateQueue(request) => Ok(Response::CreateQueue(queue(request))),
            Request::Login(_) => Ok(Response::Login(session())),
            _ => Err(Fault { what: "the null broker does not do this".to_owned() }.into()),
        };
        Box::pin(std::future::ready(answer))
    }

    fn consume(&self, _: &Caller, _: Consume) -> Reply<Box<dyn Deliveries>> {
        let (sender, bodies) = tokio::sync::mpsc::channel(DELIVERED_MAX);
        *self.consumer.lock().expect("no holder panics") = Some(sender);
        let flushed: Box<dyn Deliveries> = Box::new(Flushed { bodies, sender: Arc::from("admin"), count: 0 });
        Box::pin(std::future::ready(Ok(flushed)))
    }
}
