//! The listeners: TLS, Unix sockets, health and reflection.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, missing_docs)]

mod common;

use common::{Told, caller, orders, remote, start, start_with};
use grpc::{Lifecycle, RemoteBackend, RemoteSettings, Settings, Tls, serve_unix};
use model::queue::{PurgeQueue, Removed};
use model::{Backend, Failure, Response, Unavailable};
use tokio::sync::watch;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

fn purged() -> Response {
    Response::PurgeQueue(Removed { messages: 5 })
}

#[tokio::test]
async fn tls_serves_those_who_trust_its_authority() {
    let made = rcgen::generate_simple_self_signed(vec!["broker.example".to_owned()]).unwrap();
    let pem = made.cert.pem().into_bytes();
    let tls = Tls { certificate_pem: pem.clone(), key_pem: made.signing_key.serialize_pem().into_bytes() };
    let running = start_with(Told::answering(Ok(purged())), Some(tls)).await;
    let with = |authority_pem, name: Option<&str>| {
        RemoteBackend::new(&RemoteSettings {
            endpoints: vec![format!("https://{}", running.address)],
            authority_pem,
            server_name: name.map(str::to_owned),
            identity_pem: None,
        })
        .unwrap()
    };
    let purge = || PurgeQueue { queue: orders() }.into();
    let trusting = with(Some(pem.clone()), Some("broker.example"));
    assert_eq!(trusting.submit(&caller(), purge()).await, Ok(purged()));
    let unreachable = Err(Failure::Unavailable(Unavailable::Unreachable));
    assert_eq!(with(None, Some("broker.example")).submit(&caller(), purge()).await, unreachable);
    assert_eq!(with(Some(pem), None).submit(&caller(), purge()).await, unreachable);
}

#[tokio::test]
async fn a_unix_socket_serves_and_its_peers_are_local() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recado.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let (_ready, ready) = watch::channel(true);
    let (_draining, draining) = watch::channel(false);
    let backend = Told::answering(Ok(purged()));
    let lifecycle = Lifecycle { ready, draining };
    tokio::spawn(serve_unix(listener, backend.clone(), Settings::default(), lifecycle));
    let remote = remote(&[format!("unix://{}", path.display())]);
    assert_eq!(remote.submit(&caller(), PurgeQueue { queue: orders() }.into()).await, Ok(purged()));
    let seen = backend.authenticated.lock().unwrap();
    assert_eq!(seen[0].1.address, None);
}

#[tokio::test]
async fn health_follows_the_readiness_of_the_node() {
    let running = start(Told::answering(Ok(purged()))).await;
    let channel = tonic::transport::Endpoint::from_shared(running.url()).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    for service in ["", "recado.v1.Queues"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let mut watched = health.watch(request).await.unwrap().into_inner();
        for (ready, expected) in [(true, ServingStatus::Serving), (false, ServingStatus::NotServing)] {
            running.ready.send(ready).unwrap();
            loop {
                let status = watched.message().await.unwrap().unwrap().status;
                if status == i32::from(expected) {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn reflection_lists_every_service() {
    let running = start(Told::answering(Ok(purged()))).await;
    let channel = tonic::transport::Endpoint::from_shared(running.url()).unwrap().connect().await.unwrap();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("not a list: {answer:?}") };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    let ours = ["Access", "Node", "Queues", "Subscriptions", "Topics"].map(|name| format!("recado.v1.{name}"));
    for name in ours.iter().map(String::as_str).chain(["grpc.health.v1.Health"]) {
        assert!(names.iter().any(|listed| listed == name), "{name} is not in {names:?}");
    }
}
