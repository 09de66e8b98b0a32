//! Connections: who is served, who is cut off, and how the door closes. Time moves by itself when everything waits.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use model::Origin;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use web::limits::{DRAIN, HEADER_READ, IDLE};

struct Serving {
    address: SocketAddr,
    close: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

async fn serving(tls: Option<Arc<ServerConfig>>, router: Router) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closed) = oneshot::channel();
    let shutdown = async {
        closed.await.unwrap();
    };
    Serving { address, close, ended: tokio::spawn(web::serve(listener, tls, router, shutdown)) }
}

async fn ask(stream: &mut (impl AsyncWrite + Unpin), path: &str) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
}

fn origin_page() -> Router {
    Router::new().route("/", get(|Extension(origin): Extension<Origin>| async move { format!("{origin:?}") }))
}

#[tokio::test]
async fn a_request_knows_its_peer() {
    let serving = serving(None, origin_page()).await;
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    ask(&mut stream, "/").await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("Origin { protocol: Http, address: Some(127.0.0.1) }"), "{answer}");
    serving.close.send(()).unwrap();
    serving.ended.await.unwrap().unwrap();
    assert!(TcpStream::connect(serving.address).await.is_err(), "the port is free again");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_speak_is_cut_off() {
    let serving = serving(None, origin_page()).await;
    for said in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HT", "GET / HTTP/1.1\r\nhost: x\r\nslow: "] {
        let started = Instant::now();
        let mut stream = TcpStream::connect(serving.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{said:?}");
        let took = started.elapsed();
        assert!(took >= HEADER_READ && took < HEADER_READ * 3, "{said:?} held its connection for {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_kept_for_the_next_request() {
    let serving = serving(None, origin_page()).await;
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    let mut answer = [0; 4096];
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let read = stream.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "the connection was closed meanwhile");
        tokio::time::advance(IDLE - Duration::from_secs(1)).await;
    }
    let started = Instant::now();
    assert_eq!(stream.read(&mut answer).await.unwrap(), 0, "silence has an end");
    assert!(started.elapsed() < IDLE, "it lasted for {:?} more", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_open_request_ends_before_the_door_closes() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let handler = {
        let (begun, go) = (begun.clone(), go.clone());
        move || async move {
            begun.notify_one();
            go.notified().await;
            "done"
        }
    };
    let serving = serving(None, Router::new().route("/", get(handler))).await;
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    ask(&mut stream, "/").await;
    begun.notified().await;
    serving.close.send(()).unwrap();
    go.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    serving.ended.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_without_end_does_not_hold_the_door_open() {
    let begun = Arc::new(Notify::new());
    let handler = {
        let begun = begun.clone();
        move || async move {
            begun.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let serving = serving(None, Router::new().route("/", get(handler))).await;
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    ask(&mut stream, "/").await;
    begun.notified().await;
    let closing = Instant::now();
    serving.close.send(()).unwrap();
    serving.ended.await.unwrap().unwrap();
    let took = closing.elapsed();
    assert!(took >= DRAIN && took < DRAIN + Duration::from_secs(5), "{took:?}");
}

fn certificate() -> (Arc<ServerConfig>, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key);
    (Arc::new(config.unwrap()), roots)
}

#[tokio::test]
async fn both_versions_of_http_are_offered_over_tls() {
    let (server, roots) = certificate();
    let serving = serving(Some(server), origin_page()).await;
    for (offer, expected) in [(vec!["h2", "http/1.1"], "h2"), (vec!["http/1.1"], "http/1.1")] {
        let mut client = ClientConfig::builder().with_root_certificates(roots.clone()).with_no_client_auth();
        client.alpn_protocols = offer.into_iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(serving.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(expected.as_bytes()));
        if expected == "http/1.1" {
            ask(&mut stream, "/").await;
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tls_handshake_has_a_deadline() {
    let (server, _) = certificate();
    let serving = serving(Some(server), origin_page()).await;
    let started = Instant::now();
    let mut stream = TcpStream::connect(serving.address).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let took = started.elapsed();
    assert!(took >= HEADER_READ && took < HEADER_READ * 2, "{took:?}");
}
