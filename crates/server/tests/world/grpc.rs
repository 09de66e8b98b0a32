//! A small blocking client of the gRPC door, over the client that gateways use.
//! Invariant: it shows a token and nothing else; what it is told comes from the broker.
//! Used by suites that ask both doors, through `world`.

use std::future::poll_fn;
use std::sync::OnceLock;

use grpc::{RemoteBackend, RemoteSettings};
use model::access::Scope;
use model::backend::{Consume, call};
use model::caller::{Caller, Credentials, Origin, Protocol, Secret};
use model::message::Delivery;
use model::name::UserName;
use model::number::UserId;
use model::operation::Call;
use model::{Backend, Deliveries, Failure, Request, Response};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::PATIENCE;

/// The runtime of every client of a test program.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

/// A client with its token. Clones share their connection.
#[derive(Clone)]
pub(crate) struct Grpc {
    remote: RemoteBackend,
    caller: Caller,
}

impl Grpc {
    /// A client of this door.
    pub(crate) fn new(door: &str, token: &str) -> Self {
        let settings = RemoteSettings { endpoints: vec![door.to_owned()], ..RemoteSettings::default() };
        let remote = runtime().block_on(async { RemoteBackend::new(&settings) }).unwrap();
        Self { remote, caller: caller(token) }
    }

    /// The same connection with another token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { remote: self.remote.clone(), caller: caller(token) }
    }

    /// Does one operation.
    pub(crate) fn call<C: Call>(&self, request: C) -> Result<C::Reply, Failure> {
        runtime().block_on(call(&self.remote, &self.caller, request))
    }

    /// Does any operation.
    pub(crate) fn submit(&self, request: Request) -> Result<Response, Failure> {
        runtime().block_on(self.remote.submit(&self.caller, request))
    }

    /// Opens a stream of deliveries.
    pub(crate) fn consume(&self, request: Consume) -> Result<Stream, Failure> {
        runtime().block_on(self.remote.consume(&self.caller, request)).map(|deliveries| Stream(Some(deliveries)))
    }
}

/// Somebody who shows this token; nothing else of it reaches the broker.
fn caller(token: &str) -> Caller {
    Caller {
        user: UserId::new(0),
        name: UserName::parse("unknown").unwrap(),
        scope: Scope::full(),
        token: None,
        origin: Origin { protocol: Protocol::Internal, address: None },
        credentials: Credentials::Token(Secret::new(token)),
    }
}

/// An open stream of deliveries; dropping it is a consumer that goes.
pub(crate) struct Stream(Option<Box<dyn Deliveries>>);

impl Stream {
    fn deliveries(&mut self) -> &mut dyn Deliveries {
        self.0.as_deref_mut().expect("it is taken when it is dropped")
    }

    /// The next deliveries; none at the end. Fails when nothing comes.
    pub(crate) fn next(&mut self) -> Option<Result<Vec<Delivery>, Failure>> {
        let deliveries = self.deliveries();
        let next = async { timeout(PATIENCE, poll_fn(|context| deliveries.poll_next(context))).await };
        runtime().block_on(next).expect("deliveries or their end")
    }

    /// Takes so many messages more.
    pub(crate) fn add_credit(&mut self, messages: u32) {
        let _entered = runtime().enter();
        self.deliveries().add_credit(messages);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Its end may start tasks.
        let _entered = runtime().enter();
        drop(self.0.take());
    }
}
