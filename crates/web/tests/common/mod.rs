//! The real router in front of a backend that is a closed gate: it knows one user, keeps the request that came, and
//! answers `unreachable`, as a gateway without brokers does. What a test sees is what would have reached a broker.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use model::access::Scope;
use model::caller::Protocol;
use model::name::UserName;
use model::node::Readiness;
use model::number::UserId;
use model::{Backend, Caller, Consume, Credentials, Deliveries, Origin, Refusal, Reply, Response, Unavailable};
use tower::ServiceExt;
use web::{Door, MetricsSource, Settings};

/// The gate.
#[derive(Default)]
pub(crate) struct Gate {
    seen: Mutex<Option<String>>,
    origin: Mutex<Option<Origin>>,
    hangs: AtomicBool,
    waiting: Arc<AtomicUsize>,
}

/// Counts an operation that waits, as long as somebody waits for it.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    /// From now on no operation comes back.
    pub(crate) fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    /// How many operations somebody waits for.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Where the last caller came from, to look at or to forget.
    pub(crate) fn origin_slot(&self) -> std::sync::MutexGuard<'_, Option<Origin>> {
        self.origin.lock().unwrap()
    }
}

fn refuse<T: Send + 'static>(failure: impl Into<model::Failure>) -> Reply<T> {
    let failure = failure.into();
    Box::pin(async move { Err(failure) })
}

impl Backend for Gate {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        *self.origin.lock().unwrap() = Some(origin);
        match &credentials {
            Credentials::Token(token) if token.reveal() == "good" => {}
            Credentials::Password { user, password } if user == "ann" && password.reveal() == "good" => {}
            Credentials::Claim { .. } => return refuse(Refusal::ClaimInvalid),
            Credentials::Token(_) | Credentials::Password { .. } | Credentials::Certificate { .. } => {
                return refuse(Refusal::Unauthenticated);
            }
        }
        let caller = Caller {
            user: UserId::new(7),
            name: UserName::parse("ann").unwrap(),
            scope: Scope::full(),
            token: None,
            origin,
            credentials,
        };
        Box::pin(async move { Ok(caller) })
    }

    fn submit(&self, _: &Caller, request: model::Request) -> Reply<Response> {
        *self.seen.lock().unwrap() = Some(format!("{request:?}"));
        if self.hangs.load(Ordering::SeqCst) {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let waiting = Waiting(self.waiting.clone());
            return Box::pin(async move {
                std::future::pending::<()>().await;
                drop(waiting);
                Err(Unavailable::Unreachable.into())
            });
        }
        refuse(Unavailable::Unreachable)
    }

    fn consume(&self, _: &Caller, request: Consume) -> Reply<Box<dyn Deliveries>> {
        *self.seen.lock().unwrap() = Some(format!("{request:?}"));
        refuse(Unavailable::Unreachable)
    }
}

struct Quiet(Readiness);

impl MetricsSource for Quiet {
    fn render(&self) -> String {
        "recado_queues 0".to_owned()
    }

    fn readiness(&self) -> Readiness {
        self.0.clone()
    }
}

/// A door to ask.
pub(crate) struct Asked {
    pub(crate) gate: Arc<Gate>,
    pub(crate) router: Router,
}

/// A door with the usual settings.
pub(crate) fn door() -> Asked {
    door_with(Settings::default(), Readiness::Ready)
}

/// A door with these settings, in front of a node in this state.
pub(crate) fn door_with(settings: Settings, readiness: Readiness) -> Asked {
    let gate = Arc::new(Gate::default());
    let backend: Arc<dyn Backend> = gate.clone();
    Asked { gate, router: Door::new(settings, backend, Arc::new(Quiet(readiness))).router() }
}

impl Asked {
    /// Asks without credentials, as from another machine.
    pub(crate) async fn ask(&self, line: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.ask_from(None, line, headers, body).await
    }

    /// Asks as from this address.
    pub(crate) async fn ask_from(
        &self,
        address: Option<&str>,
        line: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(address) = address {
            request = request.extension(Origin { protocol: Protocol::Http, address: Some(address.parse().unwrap()) });
        }
        *self.gate.seen.lock().unwrap() = None;
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A GET with the right token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[("authorization", "Bearer good")], "").await
    }

    /// A JSON request with the right token.
    pub(crate) async fn json(&self, line: &str, body: impl Into<Body>) -> Answer {
        let headers = [("authorization", "Bearer good"), ("content-type", "application/json")];
        self.ask(line, &headers, body).await
    }

    /// The request that reached the gate with the last question.
    pub(crate) fn seen(&self) -> String {
        self.gate.seen.lock().unwrap().clone().unwrap_or_else(|| "nothing".to_owned())
    }

    /// Where the last caller came from.
    pub(crate) fn origin(&self) -> Option<Origin> {
        *self.gate.origin.lock().unwrap()
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status, and the code of a problem after checking that it is one.
    pub(crate) fn line(&self) -> String {
        let mut line = self.status.as_u16().to_string();
        if self.status.is_client_error() || self.status.is_server_error() {
            assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
            let problem = self.json();
            assert_eq!(problem["status"], self.status.as_u16());
            let code = problem["code"].as_str().unwrap();
            assert_eq!(problem["type"], format!("/errors/{code}"));
            write!(line, " {code}").unwrap();
        }
        line
    }
}

/// Compares with a golden file; `BLESS=1` writes it.
pub(crate) fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != found {
        let at = expected.lines().zip(found.lines()).position(|(old, new)| old != new);
        let at = at.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
        panic!("{name} differs in line {}: {:?} is {:?} now", at + 1, expected.lines().nth(at), found.lines().nth(at));
    }
}
