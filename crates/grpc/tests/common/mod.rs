//! A server over a loopback socket and a backend that answers as each test says: transport is what is tested here.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "each test uses its part"
)]

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use grpc::{Lifecycle, RemoteBackend, RemoteSettings, ServeError, Settings, Tls, serve};
use model::access::Scope;
use model::caller::{Caller, Credentials, Origin, Protocol, Secret};
use model::message::{Delivery, Message, MessageId, NewMessage};
use model::name::{QueueName, QueueRef, UserName};
use model::number::*;
use model::queue::{Durability, Published, PublishedMessage};
use model::receipt::{Receipt, ReceiptSource};
use model::{Backend, Consume, Deliveries, Failure, Refusal, Reply, Request, Response};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

type Submit = dyn Fn(Caller, Request) -> Reply<Response> + Send + Sync;
type Open = dyn Fn(Caller, Consume) -> Reply<Box<dyn Deliveries>> + Send + Sync;

/// Answers as it is told, and remembers who authenticated.
pub struct Told {
    pub submit: Box<Submit>,
    pub consume: Box<Open>,
    pub authenticated: Mutex<Vec<(Credentials, Origin)>>,
    pub passes_on: bool,
}

impl Told {
    pub fn submitting(submit: impl Fn(Caller, Request) -> Reply<Response> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self::with(submit))
    }

    /// One that passes on what it is asked, and brings this answer.
    pub fn passing_on(result: Result<Response, Failure>) -> Arc<Self> {
        Arc::new(Self { passes_on: true, ..Self::with(move |_, _| ready(result.clone())) })
    }

    fn with(submit: impl Fn(Caller, Request) -> Reply<Response> + Send + Sync + 'static) -> Self {
        Self {
            submit: Box::new(submit),
            consume: Box::new(|_, _| Box::pin(std::future::pending())),
            authenticated: Mutex::default(),
            passes_on: false,
        }
    }

    pub fn answering(result: Result<Response, Failure>) -> Arc<Self> {
        Self::submitting(move |_, _| ready(result.clone()))
    }
}

pub fn ready<T: Send + 'static>(result: Result<T, Failure>) -> Reply<T> {
    Box::pin(std::future::ready(result))
}

impl Backend for Told {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        self.authenticated.lock().unwrap().push((credentials.clone(), origin));
        match &credentials {
            Credentials::Token(token) if token.reveal() == "wrong" => ready(Err(Refusal::Unauthenticated.into())),
            _ => ready(Ok(Caller { origin, ..caller_with(credentials) })),
        }
    }

    fn submit(&self, caller: &Caller, request: Request) -> Reply<Response> {
        (self.submit)(caller.clone(), request)
    }

    fn consume(&self, caller: &Caller, request: Consume) -> Reply<Box<dyn Deliveries>> {
        (self.consume)(caller.clone(), request)
    }

    fn passes_on(&self) -> bool {
        self.passes_on
    }
}

/// A running server; dropping it does not stop it, draining does.
pub struct Running {
    pub address: SocketAddr,
    pub ready: watch::Sender<bool>,
    pub draining: watch::Sender<bool>,
    pub ended: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

pub async fn start(backend: Arc<dyn Backend>) -> Running {
    start_with(backend, None).await
}

pub async fn start_with(backend: Arc<dyn Backend>, tls: Option<Tls>) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ready, is_ready) = watch::channel(true);
    let (draining, is_draining) = watch::channel(false);
    let lifecycle = Lifecycle { ready: is_ready, draining: is_draining };
    let ended = tokio::spawn(serve(listener, tls, backend, Settings::default(), lifecycle));
    Running { address, ready, draining, ended }
}

pub fn remote(endpoints: &[String]) -> RemoteBackend {
    RemoteBackend::new(&RemoteSettings { endpoints: endpoints.to_vec(), ..RemoteSettings::default() }).unwrap()
}

pub fn caller() -> Caller {
    caller_with(Credentials::Token(Secret::new("right")))
}

pub fn caller_with(credentials: Credentials) -> Caller {
    Caller {
        user: UserId::new(7),
        name: UserName::parse("ana").unwrap(),
        scope: Scope::full(),
        token: Some(TokenId::new(3)),
        origin: here(),
        credentials,
    }
}

pub fn here() -> Origin {
    Origin { protocol: Protocol::Internal, address: None }
}

pub fn orders() -> QueueRef {
    QueueRef { namespace: Default::default(), name: QueueName::parse("orders").unwrap() }
}

/// The confirm of a publish of these messages; the sequence of each is its body read as a number.
pub fn published(messages: &[NewMessage]) -> Response {
    let message = |message: &NewMessage| PublishedMessage {
        id: MessageId::parse("id").unwrap(),
        partition: Partition::new(0),
        sequence: Sequence::new(std::str::from_utf8(&message.body).unwrap().parse().unwrap_or(0)),
        duplicate: false,
    };
    Response::Publish(Published {
        messages: messages.iter().map(message).collect(),
        durability: Durability::Fsync,
        position: LogIndex::new(1),
    })
}

pub fn numbered(numbers: std::ops::Range<u64>) -> Vec<NewMessage> {
    numbers.map(|number| NewMessage::new(number.to_string())).collect()
}

pub fn receipt(number: u64) -> Receipt {
    Receipt {
        source: ReceiptSource::Queue(QueueId::new(1)),
        partition: Partition::new(0),
        sequence: Sequence::new(number),
        epoch: Epoch::new(1),
        attempt: Attempt::new(1),
    }
}

pub fn delivery(number: u64, body: usize) -> Delivery {
    Delivery {
        message: Message {
            id: MessageId::parse("id").unwrap(),
            body: vec![b'x'; body].into(),
            headers: Vec::new(),
            content_type: None,
            key: None,
            priority: Priority::DEFAULT,
            published_at: Timestamp::new(1),
            expires_at: None,
            sender: "ana".into(),
            ttl: None,
            properties: None,
            routed: None,
        },
        receipt: Some(receipt(number)),
        attempt: Attempt::new(1),
        partition: Partition::new(0),
        offset: None,
        leased_until: None,
        dead_letter: None,
    }
}

/// Deliveries that a test hands out; tells the test of credit and of its end.
pub struct HandedOut {
    pub deliveries: mpsc::Receiver<Result<Vec<Delivery>, Failure>>,
    pub credit: mpsc::UnboundedSender<u32>,
}

impl Deliveries for HandedOut {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<Delivery>, Failure>>> {
        self.deliveries.poll_recv(context)
    }

    fn add_credit(&mut self, messages: u32) {
        self.credit.send(messages).unwrap();
    }

    fn stop(&mut self) {
        self.deliveries.close();
    }
}

/// Answers that the test releases one by one, by the order in which they were asked for.
#[derive(Default)]
pub struct Gate {
    waiting: Mutex<VecDeque<Option<tokio::sync::oneshot::Sender<()>>>>,
    arrived: tokio::sync::Notify,
    passed: Arc<(AtomicUsize, tokio::sync::Notify)>,
}

impl Gate {
    /// A future that ends when its turn is released.
    pub fn enter(&self) -> impl Future<Output = ()> + Send + use<> {
        let (release, released) = tokio::sync::oneshot::channel();
        self.waiting.lock().unwrap().push_back(Some(release));
        self.arrived.notify_one();
        let passed = Arc::clone(&self.passed);
        async move {
            let _ = released.await;
            passed.0.fetch_add(1, Ordering::SeqCst);
            passed.1.notify_one();
        }
    }

    /// Waits until so many have gone through.
    pub async fn until_passed(&self, count: usize) {
        while self.passed.0.load(Ordering::SeqCst) < count {
            self.passed.1.notified().await;
        }
    }

    pub fn entered(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }

    /// Waits until so many have entered in all.
    pub async fn until_entered(&self, count: usize) {
        while self.entered() < count {
            self.arrived.notified().await;
        }
    }

    pub fn release(&self, at: usize) {
        let release = self.waiting.lock().unwrap()[at].take();
        let _ = release.unwrap().send(());
    }
}

/// Whether a future is not ready, after one look.
pub async fn pends(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())).await
}
