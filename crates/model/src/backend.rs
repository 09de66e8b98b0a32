//! The one door: everything that any protocol does goes through `Backend`.
//! A node implements it over its shards; a gateway implements it over gRPC. Doors know only this.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::caller::{Caller, Credentials, Origin};
use crate::failure::Failure;
use crate::message::Delivery;
use crate::name::{MemberName, Source};
use crate::number::Span;
use crate::operation::{Call, Request, Response};

/// An answer on its way.
pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// Opens a stream of deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consume {
    /// From where.
    pub source: Source,
    /// How many unsettled messages the consumer takes at the start: 0 to 100,000; more by `add_credit`.
    pub credit: u32,
    /// A lease that must be extended; `None`: the messages are the consumer's while the stream lives.
    pub lease: Option<Span>,
    /// Who asks; required on a stream subscription.
    pub member: Option<MemberName>,
    /// A consumer with a higher one is served first while it has credit; zero is the usual one.
    pub priority: i32,
    /// Whether it shares a queue with other consumers.
    pub sharing: Sharing,
}

impl Consume {
    /// A consumer like any other, whose messages are its own while the stream lives.
    pub const fn new(source: Source, credit: u32) -> Self {
        Self { source, credit, lease: None, member: None, priority: 0, sharing: Sharing::Shared }
    }
}

/// Whether a consumer shares a queue with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sharing {
    /// It does.
    #[default]
    Shared,
    /// It is refused while there is another, and others are refused while it is there.
    Alone,
}

/// Deliveries to one consumer. Dropping it ends the consumer: what it has not settled goes back, unless
/// the consumer asked for leases of its own.
pub trait Deliveries: Send {
    /// The next deliveries, at least one; `None` when the source is gone or the node drains.
    ///
    /// # Errors
    /// A failure ends the stream.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>>;

    /// Takes `messages` more. A settled message does not give its credit back by itself.
    fn add_credit(&mut self, messages: u32);

    /// Takes no more. What is on its way still comes, then the stream ends; what is unsettled stays with the consumer
    /// until the stream is dropped.
    fn stop(&mut self);
}

/// The broker, here or elsewhere.
pub trait Backend: Send + Sync + 'static {
    /// Proves who is calling. Wrong and missing credentials look the same and take the same time.
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller>;

    /// Does one operation. The answer to a change comes once it is durable.
    fn submit(&self, caller: &Caller, request: Request) -> Reply<Response>;

    /// Opens a stream of deliveries.
    fn consume(&self, caller: &Caller, request: Consume) -> Reply<Box<dyn Deliveries>>;

    /// Whether it passes requests on to another broker at present: whoever can reach several had better ask that one.
    fn passes_on(&self) -> bool {
        false
    }
}

/// Does one operation with its own types.
///
/// # Errors
/// Whatever the backend answers.
pub async fn call<C: Call>(backend: &dyn Backend, caller: &Caller, request: C) -> Result<C::Reply, Failure> {
    let response = backend.submit(caller, request.into()).await?;
    Ok(C::reply(response).expect("a backend answers each request with its own response: the table in `operation`"))
}
