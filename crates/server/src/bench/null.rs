//! The null broker: gRPC as in the product, and behind it only a group commit of the bytes.
//! It shows what the socket and the disk cost together; everything above it is the product's own.
//! Invariant: a publish is confirmed after its bytes are flushed, as in the product.
//! Called by `bench::server`.

use std::path::Path;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use model::access::{NewToken, Scope, TokenDescription, TokenKind};
use model::backend::{Backend, Consume, Deliveries, Reply};
use model::caller::{Caller, Credentials, Origin, Secret};
use model::failure::{Failure, Fault, Unavailable};
use model::message::MessageId;
use model::name::UserName;
use model::number::{LogIndex, Partition, QueueId, Sequence, Timestamp, TokenId, UserId};
use model::operation::{Request, Response};
use model::queue::{
    CreateQueue, Created, Durability, Publish, Published, PublishedMessage, QueueCounts, QueueDescription, Totals,
};
use tokio::sync::oneshot;

use super::disk::{FILE_BYTES, Prepared};
use crate::exit::Complaint;

/// Publishes that wait for the thread that writes.
const WAITING_MAX: usize = 4096;
/// Bytes that are written together at most.
const TOGETHER_BYTES: usize = 1024 * 1024;

struct Write {
    bodies: Vec<Bytes>,
    done: oneshot::Sender<bool>,
}

/// A backend that keeps nothing but bytes.
pub(super) struct Null {
    writes: mpsc::SyncSender<Write>,
}

impl Null {
    /// Prepares its file and starts its thread.
    pub(super) fn open(folder: &Path) -> Result<Self, Complaint> {
        let path = folder.join("null");
        let prepared = Prepared::new(&path, FILE_BYTES).map_err(|error| Complaint::file(&path, "write", &error))?;
        let (writes, waiting) = mpsc::sync_channel(WAITING_MAX);
        thread::spawn(move || commit(prepared, &waiting));
        Ok(Self { writes })
    }
}

/// Takes what waits, writes it together, flushes, confirms.
fn commit(mut prepared: Prepared, waiting: &mpsc::Receiver<Write>) {
    let mut bytes = Vec::with_capacity(2 * TOGETHER_BYTES);
    let mut confirms: Vec<oneshot::Sender<bool>> = Vec::new();
    while let Ok(first) = waiting.recv() {
        bytes.clear();
        let mut next = Some(first);
        while let Some(write) = next {
            write.bodies.iter().for_each(|body| bytes.extend_from_slice(body));
            confirms.push(write.done);
            next = if bytes.len() < TOGETHER_BYTES { waiting.try_recv().ok() } else { None };
        }
        let flushed = prepared.commit(&bytes).is_ok();
        // Nobody waits for a confirm whose client has gone.
        for done in confirms.drain(..) {
            let _ = done.send(flushed);
        }
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
            Request::CreateQueue(request) => Ok(Response::CreateQueue(queue(request))),
            Request::Login(_) => Ok(Response::Login(session())),
            _ => Err(Fault { what: "the null broker does not do this".to_owned() }.into()),
        };
        Box::pin(std::future::ready(answer))
    }

    fn consume(&self, _: &Caller, _: Consume) -> Reply<Box<dyn Deliveries>> {
        Box::pin(std::future::ready(Err(Unavailable::Busy.into())))
    }
}
