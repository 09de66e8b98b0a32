//! Does what a session asks: each question becomes requests to the broker, their responses become its answer.
//!
//! Invariants: a question's first request is submitted when the question is first polled, so that questions keep their
//! order; a failure becomes exactly one close, by the table in `translate`.
//! Called by `serve::connection`.

mod exchanges;
mod login;
mod messages;
mod publishing;
mod queues;
mod reading;
mod streams;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use model::name::NamespaceName;
use model::{Caller, Deliveries, Failure, Origin, Reply};

use crate::codec::ReplyCode;
use crate::serve::{ConnectionId, Shared};
use crate::session::{Answer, Ask, Close, ConsumerId, Feed};

/// A question under way.
pub(crate) type Asking = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// What came with an answer and is not for the session.
pub(crate) enum Brought {
    Nothing,
    /// The proven caller.
    Caller(Caller),
    /// The namespace of the virtual host.
    Host(NamespaceName),
    /// The stream of a consumer.
    Deliveries(ConsumerId, Feed, Box<dyn Deliveries>),
}

/// An answer and what came with it.
pub(crate) struct Outcome {
    pub(crate) answer: Result<Answer, Close>,
    pub(crate) brought: Brought,
}

impl From<Result<Answer, Close>> for Outcome {
    fn from(answer: Result<Answer, Close>) -> Self {
        Self { answer, brought: Brought::Nothing }
    }
}

/// The questions of one connection.
pub(crate) struct Desk {
    shared: Arc<Shared>,
    connection: ConnectionId,
    origin: Origin,
    caller: Option<Caller>,
    namespace: NamespaceName,
    /// Set while the broker has no room for what this connection publishes.
    alarm: Arc<AtomicBool>,
}

/// What each question needs, by itself.
#[derive(Clone)]
pub(crate) struct Errand {
    shared: Arc<Shared>,
    connection: ConnectionId,
    caller: Caller,
    namespace: NamespaceName,
    alarm: Arc<AtomicBool>,
}

impl Desk {
    pub(crate) fn new(shared: Arc<Shared>, connection: ConnectionId, origin: Origin) -> Self {
        Self { shared, connection, origin, caller: None, namespace: NamespaceName::default(), alarm: Arc::default() }
    }

    pub(crate) fn set_caller(&mut self, caller: Caller) {
        self.caller = Some(caller);
    }

    pub(crate) fn set_namespace(&mut self, namespace: NamespaceName) {
        self.namespace = namespace;
    }

    fn errand(&self) -> Option<Errand> {
        Some(Errand {
            shared: Arc::clone(&self.shared),
            connection: self.connection.clone(),
            caller: self.caller.clone()?,
            namespace: self.namespace.clone(),
            alarm: Arc::clone(&self.alarm),
        })
    }

    /// Whether publications wait for room.
    pub(crate) fn is_alarmed(&self) -> bool {
        self.alarm.load(Ordering::Relaxed)
    }

    /// Begins a question; nothing is done before it is polled.
    pub(crate) fn begin(&self, ask: Ask) -> Asking {
        if let Ask::Login(login) = ask {
            let (shared, origin) = (Arc::clone(&self.shared), self.origin);
            return Box::pin(async move { login::log_in(&shared, login, origin).await });
        }
        let Some(errand) = self.errand() else {
            let nobody = Close::new(ReplyCode::AccessRefused, "nobody is logged in");
            return Box::pin(std::future::ready(Err(nobody).into()));
        };
        Box::pin(errand.run(ask))
    }

    /// Deletes the queues that were this connection's own.
    pub(crate) async fn delete_own_queues(&self) {
        if let Some(errand) = self.errand() {
            errand.delete_own_queues().await;
        }
    }
}

impl Errand {
    async fn run(self, ask: Ask) -> Outcome {
        #[allow(clippy::wildcard_enum_match_arm, reason = "`answer` takes the rest, exhaustively")]
        match ask {
            Ask::Login(_) => Err(Close::new(ReplyCode::InternalError, "a login comes first")).into(),
            Ask::OpenHost(host) => self.open_host(&host).await,
            Ask::Consume(id, consume, prefetch) => {
                self.consume(id, &consume, prefetch).await.unwrap_or_else(|close| Err(close).into())
            }
            ask => self.answer(ask).await.into(),
        }
    }

    async fn answer(self, ask: Ask) -> Result<Answer, Close> {
        match ask {
            Ask::Publish(publications) => self.publish(publications).await,
            Ask::Settle(settles) => self.settle(settles).await,
            Ask::Get(get) => self.get(get).await,
            Ask::DeclareQueue(declare) => self.declare_queue(declare).await,
            Ask::PurgeQueue(purge) => self.purge_queue(purge).await,
            Ask::DeleteQueue(delete) => self.delete_queue(delete).await,
            Ask::DeclareExchange(declare) => self.declare_exchange(declare).await,
            Ask::DeleteExchange(delete) => self.delete_exchange(delete).await,
            Ask::BindExchange(bind) => self.bind_exchange(bind).await,
            Ask::UnbindExchange(unbind) => self.unbind_exchange(unbind).await,
            Ask::BindQueue(bind) => self.bind_queue(bind).await,
            Ask::UnbindQueue(unbind) => self.unbind_queue(unbind).await,
            Ask::Login(_) | Ask::OpenHost(_) | Ask::Consume(..) => unreachable!("`run` has taken these"),
        }
    }
}

/// Waits for all; each is begun before the next, and none waits for another.
async fn all<T>(mut replies: Vec<Reply<T>>) -> Vec<Result<T, Failure>> {
    let mut answers: Vec<Option<Result<T, Failure>>> = replies.iter().map(|_| None).collect();
    poll_fn(move |context| {
        let mut pending = false;
        for (reply, answer) in replies.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match reply.as_mut().poll(context) {
                    Poll::Ready(done) => *answer = Some(done),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(answers.drain(..).flatten().collect()) }
    })
    .await
}
