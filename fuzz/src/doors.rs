//! The doors: whole requests of REST and gRPC, in front of a backend that refuses everything that reaches it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use model::access::Scope;
use model::name::UserName;
use model::node::Readiness;
use model::number::UserId;
use model::{Backend, Caller, Consume, Credentials, Deliveries, Origin, Refusal, Reply, Response, Unavailable};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::bound::within;

/// Lets one caller in and passes nothing on.
struct Gate;

fn refuse<T: Send + 'static>(failure: impl Into<model::Failure>) -> Reply<T> {
    let failure = failure.into();
    Box::pin(async move { Err(failure) })
}

impl Backend for Gate {
    fn authenticate(&self, credentials: Credentials, origin: Origin) -> Reply<Caller> {
        match &credentials {
            Credentials::Token(token) if token.reveal() == "good" => {}
            Credentials::Token(_)
            | Credentials::Password { .. }
            | Credentials::Claim { .. }
            | Credentials::Certificate { .. } => {
                return refuse(Refusal::Unauthenticated);
            }
        }
        let name = UserName::parse("ann").expect("a name");
        let caller = Caller { user: UserId::new(7), name, scope: Scope::full(), token: None, origin, credentials };
        Box::pin(async move { Ok(caller) })
    }

    fn submit(&self, _: &Caller, request: model::Request) -> Reply<Response> {
        // What is passed on can be shown, as the log of a door does.
        assert!(!format!("{request:?}").is_empty());
        refuse(Unavailable::Unreachable)
    }

    fn consume(&self, _: &Caller, _: Consume) -> Reply<Box<dyn Deliveries>> {
        refuse(Unavailable::Unreachable)
    }
}

struct Quiet;

impl web::MetricsSource for Quiet {
    fn render(&self) -> String {
        String::new()
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

/// One door, and the runtime that it answers on.
struct Front {
    runtime: Runtime,
    router: Router,
}

impl Front {
    fn new(router: impl FnOnce() -> Router) -> Front {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let guard = runtime.enter();
        let router = router();
        drop(guard);
        Front { runtime, router }
    }

    fn ask(&self, request: Request<Body>) -> (StatusCode, Bytes) {
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("a router always answers");
            let status = response.status();
            let body = response.into_body().collect().await.map(|body| body.to_bytes());
            (status, body.unwrap_or_default())
        })
    }
}

fn rest_router() -> Router {
    web::Door::new(web::Settings::default(), Arc::new(Gate), Arc::new(Quiet)).router()
}

fn grpc_router() -> Router {
    let (ready, draining) = (watch::channel(true), watch::channel(false));
    let lifecycle = grpc::Lifecycle { ready: ready.1, draining: draining.1 };
    let routes = grpc::routes(Arc::new(Gate), grpc::Settings::default(), lifecycle).expect("the contract");
    // What says that the node lives stays as long as the process does.
    std::mem::forget((ready.0, draining.0));
    routes.prepare().into_axum_router()
}

// One for each door: what a target does not call is not linked into it.
thread_local! {
    static REST: Front = Front::new(rest_router);
    static GRPC: Front = Front::new(grpc_router);
}

/// A request of REST as text: `METHOD path`, headers, an empty line, the body.
pub fn rest(bytes: &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(end);
    let Ok(head) = std::str::from_utf8(head) else { return };
    let mut lines = head.split('\n');
    let Some((method, path)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let (Ok(method), Ok(uri)) = (Method::try_from(method), Uri::try_from(path)) else { return };
    let mut request = Request::new(Body::from(Bytes::copy_from_slice(body.get(2..).unwrap_or_default())));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer good"));
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            request.headers_mut().insert(name, value);
        }
    }
    REST.with(|front| {
        let (status, _) = within(bytes.len(), 1 << 20, 1024, || front.ask(request));
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{head}");
    });
}

/// The calls of the contract.
const CALLS: &[&str] = &[
    "Access/Authenticate",
    "Access/CreateUser",
    "Access/AlterUser",
    "Access/AddGrant",
    "Access/ListGrants",
    "Access/CreateToken",
    "Access/CreateNamespace",
    "Access/ListNamespaces",
    "Policies/SetPolicy",
    "Policies/DeletePolicy",
    "Policies/ListPolicies",
    "Node/DescribeNode",
    "Queues/CreateQueue",
    "Queues/AlterQueue",
    "Queues/DeleteQueue",
    "Queues/ListQueues",
    "Queues/Publish",
    "Queues/Receive",
    "Queues/Ack",
    "Queues/Nack",
    "Queues/Extend",
    "Queues/Peek",
    "Queues/CancelMessages",
    "Queues/Redrive",
    "Queues/PublishStream",
    "Queues/Deliver",
    "Subscriptions/CreateSubscription",
    "Subscriptions/ListSubscriptions",
    "Subscriptions/Commit",
    "Subscriptions/Seek",
    "Subscriptions/LeaveSubscription",
    "Topics/CreateTopic",
    "Topics/AlterTopic",
    "Topics/DeleteTopic",
    "Topics/PublishTopic",
    "Topics/ReadPartition",
    "Topics/PublishTopicStream",
];

/// The number of a call, for a seed.
pub(crate) fn call_number(name: &str) -> u8 {
    let at = CALLS.iter().position(|call| *call == name).expect("a call of the contract");
    u8::try_from(at).expect("the contract has fewer than 256 calls")
}

/// A call of gRPC: which call, then a message; with the highest bit set the frames are taken as they are.
pub fn grpc(bytes: &[u8]) {
    let Some((first, message)) = bytes.split_first() else { return };
    let call = CALLS[usize::from(first & 0x7F) % CALLS.len()];
    let mut body = BytesMut::new();
    // The library reserves what the header of a frame claims, up to the bound of a message, before the bytes come. It
    // does so for callers who are known, one frame at a time, and touches no page of it.
    let reserved = if first & 0x80 == 0 { 0 } else { grpc::limits::GRPC_MESSAGE_BYTES_MAX };
    if first & 0x80 == 0 {
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).expect("inputs are short"));
    }
    body.put_slice(message);
    let mut request = Request::new(Body::new(Full::new(body.freeze())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(format!("http://localhost/recado.v1.{call}")).expect("a call has a path");
    *request.version_mut() = http::Version::HTTP_2;
    for (name, value) in [("authorization", "Bearer good"), ("content-type", "application/grpc"), ("te", "trailers")] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    GRPC.with(|front| {
        let (status, _) = within(bytes.len(), (2 << 20) + reserved, 1024, || front.ask(request));
        assert_eq!(status, StatusCode::OK, "{call}");
    });
}
