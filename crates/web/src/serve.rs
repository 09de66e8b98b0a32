//! Connections: accept, TLS, HTTP/1.1 and HTTP/2 by ALPN or preface, and an orderly end.
//! Invariant: a peer that says nothing holds a connection no longer than `HEADER_READ`, and between two requests no
//! longer than `IDLE`; every wait has an end.
//! Called by the binary; tests in `tests/serving.rs`.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use model::Origin;
use model::caller::Protocol;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::limits::{
    ACCEPT_PAUSE, CONCURRENT_REQUESTS_MAX, CONNECTIONS_MAX, DRAIN, HEADER_BYTES_MAX, HEADER_READ, HEADERS_MAX, IDLE,
    LOCAL_RESETS_MAX, PENDING_RESETS_MAX, PING,
};

/// Serves a router until `shutdown`, then lets open requests end for at most `limits::DRAIN`.
/// With `tls`, HTTP/2 and HTTP/1.1 are offered when the configuration names no protocols itself.
///
/// # Errors
/// None so far: a failed accept is waited out, since the next may succeed.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    serve_at_most(CONNECTIONS_MAX, listener, tls, router, shutdown).await;
    Ok(())
}

async fn serve_at_most(
    connections_max: usize,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    shutdown: impl Future<Output = ()>,
) {
    let acceptor = tls.map(with_protocols).map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
            (place, listener.accept().await)
        };
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let peer = Peer { router: router.clone(), address: peer, watcher: graceful.watcher(), place };
                    connections.spawn(peer.run(stream, acceptor.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!(open = connections.len(), "requests that did not end in time are cut off");
    }
    connections.shutdown().await;
}

fn with_protocols(config: Arc<ServerConfig>) -> Arc<ServerConfig> {
    if !config.alpn_protocols.is_empty() {
        return config;
    }
    let mut config = Arc::unwrap_or_clone(config);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

struct Peer {
    router: Router,
    address: SocketAddr,
    watcher: Watcher,
    place: OwnedSemaphorePermit,
}

impl Peer {
    async fn run(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
        let Some(acceptor) = acceptor else { return self.talk(stream).await };
        match timeout(HEADER_READ, acceptor.accept(stream)).await {
            Ok(Ok(secured)) => self.talk(secured).await,
            Ok(Err(error)) => tracing::debug!(%error, peer = %self.address, "a TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.address, "a TLS handshake took too long"),
        }
    }

    async fn talk(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { router, address, watcher, place } = self;
        let _held = place;
        let origin = Origin { protocol: Protocol::Http, address: Some(address.ip()) };
        let asked = Arc::new(AtomicBool::new(false));
        let service = {
            let asked = Arc::clone(&asked);
            service_fn(move |mut request: http::Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(origin);
                let router = router.clone();
                async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
            })
        };
        let builder = builder();
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let mut connection = pin!(watcher.watch(connection));
        // The first request must come soon, in whichever protocol; only who has asked once may be idle.
        let silent = async {
            sleep(HEADER_READ).await;
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = &mut connection => if let Err(error) = ended {
                tracing::debug!(error = %error, peer = %address, "a connection broke");
            },
            () = silent => tracing::debug!(peer = %address, "a connection asked nothing in time"),
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(CONCURRENT_REQUESTS_MAX)
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(LOCAL_RESETS_MAX)
        .keep_alive_interval(PING)
        .keep_alive_timeout(HEADER_READ);
    builder
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::future::pending;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_connection_too_many_waits_for_a_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", axum::routing::get(|| async { "here" }));
        tokio::spawn(serve_at_most(2, listener, None, router, pending()));
        let question = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let mut open = Vec::new();
        for _ in 0..3 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(question).await.unwrap();
            open.push(stream);
        }
        let mut answer = [0; 15];
        for served in &mut open[..2] {
            served.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
        }
        let waits = timeout(Duration::from_secs(1), open[2].read_exact(&mut answer)).await;
        assert!(waits.is_err(), "the third is not served yet");
        open.remove(0);
        open[1].read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
}
