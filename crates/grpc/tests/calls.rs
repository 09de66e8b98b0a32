//! Unary calls over a loopback socket: credentials, failures, deadlines, cancellation, endpoints.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, missing_docs)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use common::{Told, caller, caller_with, here, orders, published, ready, remote, start};
use grpc::proto as pb;
use model::access::{Right, WhoAmI};
use model::caller::{Credentials, Origin, Protocol, Secret};
use model::message::NewMessage;
use model::name::Source;
use model::number::Span;
use model::queue::{DescribeQueue, Publish, PurgeQueue, Receive, Removed};
use model::subscription::Done;
use model::{Backend, Failure, Refusal, Reply, Request, Response, Unavailable};
use tokio::sync::mpsc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

fn purge() -> Request {
    PurgeQueue { queue: orders() }.into()
}

fn purged() -> Response {
    Response::PurgeQueue(Removed { messages: 5 })
}

#[tokio::test]
async fn a_request_arrives_as_it_was_and_so_does_its_response() {
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let running = start(Told::submitting(move |_, request| {
        *keep.lock().unwrap() = Some(request);
        ready(Ok(published(&[NewMessage::new("4")])))
    }))
    .await;
    let request: Request = Publish { queue: orders(), messages: vec![NewMessage::new("4")] }.into();
    let response = remote(&[running.url()]).submit(&caller(), request.clone()).await;
    assert_eq!(response, Ok(published(&[NewMessage::new("4")])));
    assert_eq!(*seen.lock().unwrap(), Some(request));
}

#[tokio::test]
async fn credentials_of_every_kind_go_with_each_call() {
    let backend = Told::answering(Ok(purged()));
    let running = start(backend.clone()).await;
    let remote = remote(&[running.url()]);
    let password = |user: &str| Credentials::Password { user: user.to_owned(), password: Secret::new("p:ä") };
    let claim = Credentials::Claim { token: Secret::new("t"), user: "root".to_owned(), password: Secret::new("p:ä") };
    let token = Credentials::Token(Secret::new("right"));
    for credentials in [password("ana"), password("eu:ana"), token.clone(), claim] {
        remote.submit(&caller_with(credentials), purge()).await.unwrap();
    }
    let seen = backend.authenticated.lock().unwrap();
    let credentials: Vec<_> = seen.iter().map(|(credentials, _)| credentials.clone()).collect();
    assert_eq!(credentials, [password("ana"), password("eu:ana"), token, password("root")]);
    assert!(seen.iter().all(|(_, origin)| origin.protocol == Protocol::Grpc && origin.is_local()));
    assert!(seen.iter().all(|(_, origin)| origin.address.is_some()));
}

#[tokio::test]
async fn wrong_credentials_reach_no_operation() {
    let running = start(Told::submitting(|_, _| panic!("nothing may be submitted"))).await;
    let remote = remote(&[running.url()]);
    let wrong = caller_with(Credentials::Token(Secret::new("wrong")));
    assert_eq!(remote.submit(&wrong, purge()).await, Err(Refusal::Unauthenticated.into()));
    let unprintable = caller_with(Credentials::Token(Secret::new("a\nb")));
    assert_eq!(remote.submit(&unprintable, purge()).await, Err(Refusal::Unauthenticated.into()));
}

/// One unary call without the client of this crate.
async fn call<Q, A>(running: &common::Running, path: &'static str, token: &str, request: Q) -> Result<A, tonic::Status>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let channel = tonic::transport::Endpoint::from_shared(running.url()).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(request);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let path = PathAndQuery::from_static(path);
    client.unary(request, path, ProstCodec::<Q, A>::default()).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn nothing_is_read_from_those_who_are_not_known() {
    let running = start(Told::submitting(|_, _| panic!("nothing may be submitted"))).await;
    let path = "/recado.v1.Queues/PurgeQueue";
    // A message of another shape: whoever reads it finds it broken.
    let broken = || pb::RevokeTokenRequest { id: 5 };
    let known = call::<_, pb::Removed>(&running, path, "right", broken()).await.unwrap_err();
    assert_eq!(known.code(), tonic::Code::Internal);
    let unknown = call::<_, pb::Removed>(&running, path, "wrong", broken()).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::Unauthenticated);
    assert_eq!(grpc::problem_of(&unknown).unwrap().code, "unauthenticated");
}

#[tokio::test]
async fn what_anybody_may_send_is_small() {
    let running = start(Told::submitting(|_, _| panic!("nothing may be submitted"))).await;
    let with = |bytes: usize| pb::AuthenticateRequest {
        credentials: Some(pb::authenticate_request::Credentials::Token("x".repeat(bytes))),
        origin: None,
    };
    let path = "/recado.v1.Access/Authenticate";
    let large = with(grpc::limits::ACCESS_MESSAGE_BYTES_MAX);
    let status = call::<_, pb::CallerIdentity>(&running, path, "wrong", large).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::OutOfRange);
    let small = with(grpc::limits::ACCESS_MESSAGE_BYTES_MAX / 2);
    assert_eq!(call::<_, pb::CallerIdentity>(&running, path, "wrong", small).await.unwrap().name, "ana");
}

#[tokio::test]
async fn authenticate_passes_credentials_and_the_reported_origin() {
    let backend = Told::answering(Ok(purged()));
    let running = start(backend.clone()).await;
    let remote = remote(&[running.url()]);
    let credentials = Credentials::Password { user: "ana".to_owned(), password: Secret::new("secret") };
    let origin = Origin { protocol: Protocol::Kafka, address: Some("203.0.113.9".parse().unwrap()) };
    let caller = remote.authenticate(credentials.clone(), origin).await.unwrap();
    assert_eq!(caller, model::Caller { origin, ..caller_with(credentials.clone()) });
    assert_eq!(*backend.authenticated.lock().unwrap(), [(credentials, origin)]);
    let wrong = remote.authenticate(Credentials::Token(Secret::new("wrong")), here()).await;
    assert_eq!(wrong, Err(Refusal::Unauthenticated.into()));
}

#[tokio::test]
async fn failures_arrive_as_they_were_made() {
    for failure in [
        Failure::Refused(Refusal::Forbidden { right: Right::Purge }),
        Failure::Refused(Refusal::QueueNotEmpty { name: "größe %".to_owned(), messages: 12 }),
        Failure::Unavailable(Unavailable::DiskNearlyFull),
        Failure::Unavailable(Unavailable::Unknown),
        Failure::Fault(model::Fault { what: "log/7: checksum".to_owned() }),
        Failure::Refused(Refusal::invalid("é".repeat(512), "漢".repeat(341))),
    ] {
        let running = start(Told::answering(Err(failure.clone()))).await;
        assert_eq!(remote(&[running.url()]).submit(&caller(), purge()).await, Err(failure));
    }
}

#[tokio::test]
async fn a_wrong_response_is_a_fault_and_no_panic() {
    let running = start(Told::answering(Ok(Response::Logout(Done)))).await;
    let result = remote(&[running.url()]).submit(&caller(), purge()).await;
    assert!(matches!(result, Err(Failure::Fault(_))), "{result:?}");
}

/// Tells when it is dropped.
struct Dropped(mpsc::UnboundedSender<()>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

/// A backend that never answers; the receivers tell when an operation starts and when it is dropped.
fn never_answering() -> (Arc<Told>, mpsc::UnboundedReceiver<()>, mpsc::UnboundedReceiver<()>) {
    let (started, starts) = mpsc::unbounded_channel();
    let (dropped, drops) = mpsc::unbounded_channel();
    let backend = Told::submitting(move |_, _| -> Reply<Response> {
        let guard = Dropped(dropped.clone());
        started.send(()).unwrap();
        Box::pin(async move {
            let _guard = guard;
            std::future::pending().await
        })
    });
    (backend, starts, drops)
}

#[tokio::test]
async fn a_caller_that_goes_away_ends_the_wait() {
    let (backend, mut starts, mut drops) = never_answering();
    let running = start(backend).await;
    let remote = remote(&[running.url()]);
    let receive =
        Receive { source: Source::Queue(orders()), max: 1, wait: Span::new(60_000), lease: None, member: None };
    let call = tokio::spawn(async move { remote.submit(&caller(), receive.into()).await });
    starts.recv().await.unwrap();
    call.abort();
    drops.recv().await.unwrap();
}

#[tokio::test]
async fn a_deadline_ends_the_wait() {
    let (backend, _starts, mut drops) = never_answering();
    let running = start(backend).await;
    let channel = tonic::transport::Endpoint::from_shared(running.url()).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(pb::WhoAmIRequest {});
    request.metadata_mut().insert("authorization", "Bearer right".parse().unwrap());
    request.metadata_mut().insert("grpc-timeout", "20m".parse().unwrap());
    let codec = ProstCodec::<pb::WhoAmIRequest, pb::UserDescription>::default();
    let status = client.unary(request, PathAndQuery::from_static("/recado.v1.Access/WhoAmI"), codec).await.unwrap_err();
    // The deadline passes at the client and at the server; whichever tells first, the wait is over at both.
    assert!(matches!(status.code(), tonic::Code::DeadlineExceeded | tonic::Code::Cancelled), "{status:?}");
    drops.recv().await.unwrap();
}

/// An address where nobody listens.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn what_was_not_sent_is_unreachable() {
    let remote = remote(&[nowhere().await]);
    let unreachable = Err(Failure::Unavailable(Unavailable::Unreachable));
    assert_eq!(remote.submit(&caller(), purge()).await, unreachable);
    assert_eq!(remote.submit(&caller(), WhoAmI.into()).await, unreachable);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_and_is_not_sent_again() {
    let (backend, mut starts, _drops) = never_answering();
    let running = start(backend).await;
    let other = start(Told::submitting(|_, _| panic!("a write may not be sent twice"))).await;
    // Between client and broker: a wire that the test cuts.
    let wire = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", wire.local_addr().unwrap());
    let broker = running.address;
    let carrier = tokio::spawn(async move {
        let (mut near, _) = wire.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(broker).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
    });
    let remote = remote(&[url, other.url()]);
    let call = tokio::spawn(async move { remote.submit(&caller(), purge()).await });
    starts.recv().await.unwrap();
    carrier.abort();
    assert_eq!(call.await.unwrap(), Err(Unavailable::Unknown.into()));
}

#[tokio::test]
async fn calls_move_on_to_an_endpoint_that_serves() {
    let draining = start(Told::answering(Err(Unavailable::Draining.into()))).await;
    let serving = start(Told::answering(Ok(purged()))).await;
    let remote = remote(&[nowhere().await, draining.url(), serving.url()]);
    for _ in 0..3 {
        assert_eq!(remote.submit(&caller(), purge()).await, Ok(purged()));
    }
}

/// One machine is gone, and the others elect a leader: calls are not held back until long after there is one.
#[tokio::test]
async fn a_broker_that_answers_is_asked_again_without_a_pause() {
    let electing = start(Told::answering(Err(Unavailable::NoLeader.into()))).await;
    let remote = remote(&[electing.url(), nowhere().await]);
    for _ in 0..20 {
        assert_eq!(remote.submit(&caller(), purge()).await, Err(Unavailable::NoLeader.into()));
    }
}

#[tokio::test]
async fn calls_go_to_the_broker_that_answers_by_itself() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let leading = start(Told::submitting(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        ready(Ok(purged()))
    }))
    .await;
    let [first, second] = [start(Told::passing_on(Ok(purged()))).await, start(Told::passing_on(Ok(purged()))).await];
    let remote = remote(&[first.url(), second.url(), leading.url()]);
    let began = Instant::now();
    while asked.load(Ordering::Relaxed) == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody looked for the broker that answers");
        remote.submit(&caller(), purge()).await.unwrap();
    }
    for _ in 0..20 {
        remote.submit(&caller(), purge()).await.unwrap();
    }
    assert_eq!(asked.load(Ordering::Relaxed), 21);
}

#[tokio::test]
async fn a_refusal_does_not_move_on() {
    let refusing = start(Told::answering(Err(Refusal::TokenNotFound.into()))).await;
    let other = start(Told::submitting(|_, _| panic!("the first endpoint answered"))).await;
    let remote = remote(&[refusing.url(), other.url()]);
    assert_eq!(remote.submit(&caller(), purge()).await, Err(Refusal::TokenNotFound.into()));
}

#[tokio::test]
async fn a_broker_that_comes_back_is_reached_again() {
    let address = nowhere().await;
    let remote = remote(std::slice::from_ref(&address));
    let describe = || Request::from(DescribeQueue { queue: orders() });
    assert!(remote.submit(&caller(), describe()).await.is_err());
    let listener = tokio::net::TcpListener::bind(address.trim_start_matches("http://")).await.unwrap();
    let (_ready, ready) = tokio::sync::watch::channel(true);
    let (_draining, draining) = tokio::sync::watch::channel(false);
    let backend = Told::answering(Err(Refusal::QueueNotFound { name: "default/orders".to_owned() }.into()));
    tokio::spawn(grpc::serve(listener, None, backend, grpc::Settings::default(), grpc::Lifecycle { ready, draining }));
    let answer = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match remote.submit(&caller(), describe()).await {
                Err(Failure::Unavailable(Unavailable::Unreachable)) => tokio::task::yield_now().await,
                answer => return answer,
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(answer, Err(Refusal::QueueNotFound { name: "default/orders".to_owned() }.into()));
}

#[tokio::test]
async fn more_calls_than_one_connection_takes_open_another() {
    let (backend, mut starts, _drops) = never_answering();
    let running = start(backend).await;
    let remote = remote(&[running.url()]);
    for _ in 0..450 {
        let remote = remote.clone();
        tokio::spawn(async move { remote.submit(&caller(), WhoAmI.into()).await });
    }
    for _ in 0..450 {
        tokio::time::timeout(Duration::from_secs(30), starts.recv()).await.unwrap().unwrap();
    }
}

/// A machine that is gone answers no connection. Everybody who waits for one hears so at once, not one after the other.
#[tokio::test]
async fn calls_that_wait_for_a_connection_fail_together() {
    // The kernel takes connections; nobody ever shakes hands.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let remote = remote(&[url.clone(), url]);
    let start = std::time::Instant::now();
    let calls: Vec<_> = (0..30).map(|_| tokio::spawn(remote.submit(&caller(), purge()))).collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), Err(Unavailable::Unreachable.into()));
    }
    assert!(start.elapsed() < Duration::from_secs(15), "one second for each: {:?}", start.elapsed());
}
