//! Puts the door on the network: accepts, TLS, one task a connection, an orderly end.
//! Invariants: a client that has not logged in holds a place among few and not for long; connections are bounded.
//! Called by the binary; tests there, with real clients.

mod certificate;
mod connection;
mod registry;
mod shared;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::Backend;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::limits::{ACCEPT_PAUSE, CONNECTIONS_MAX, DRAIN_GRACE, HANDSHAKE_TIMEOUT, STRANGERS_MAX};
use crate::session::Identity;
use connection::{Connection, Ends};
pub use registry::Registry;
pub(crate) use shared::{ConnectionId, Shared};

/// What RabbitMQ's clients compare, and what this really is: `docs/adr/0011-amqp-says-rabbitmq.md`.
fn identity() -> Identity {
    Identity {
        product: "RabbitMQ".to_owned(),
        version: "4.1.0".to_owned(),
        platform: format!("Recado {}", env!("CARGO_PKG_VERSION")),
        cluster: "recado".to_owned(),
    }
}

/// What an operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a client may leave a delivery unsettled whose queue and consumer say nothing of it.
    pub consumer_timeout: Option<Duration>,
}

/// Serves on a listener until `draining` turns true; connections are then told, and have a moment to agree. Those that are
/// open stand in `registry`.
///
/// # Errors
/// None so far: a failed accept is waited out, since the next may succeed.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    backend: Arc<dyn Backend>,
    settings: Settings,
    registry: Arc<Registry>,
    mut draining: watch::Receiver<bool>,
) -> io::Result<()> {
    let acceptor = tls.map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let shared = Arc::new(Shared::new(backend, settings, identity(), registry, STRANGERS_MAX));
    let mut connections = JoinSet::new();
    let told = draining.clone();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
            (place, listener.accept().await)
        };
        // A sender that is gone stops the door too.
        let drained = async { drop(draining.wait_for(|draining| *draining).await) };
        tokio::select! {
            biased;
            () = drained => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, address)) => {
                    let shared = Arc::clone(&shared);
                    let peer = Peer { shared, address, place, draining: told.clone() };
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
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(DRAIN_GRACE, all).await.is_err() {
        tracing::debug!("connections that did not agree to their end are cut off");
    }
    connections.shutdown().await;
    Ok(())
}

struct Peer {
    shared: Arc<Shared>,
    address: SocketAddr,
    place: OwnedSemaphorePermit,
    draining: watch::Receiver<bool>,
}

impl Peer {
    async fn run(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
        let Ok(own) = stream.local_addr() else { return };
        let Ok(stranger) = Arc::clone(&self.shared.strangers).acquire_owned().await else { return };
        let ends = Ends { peer: self.address, own, is_secured: acceptor.is_some() };
        let Some(acceptor) = acceptor else { return self.talk(stream, ends, stranger, None).await };
        match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(secured)) => {
                let chain = secured.get_ref().1.peer_certificates();
                let certified = chain.and_then(|chain| certificate::user(chain.first()?));
                self.talk(secured, ends, stranger, certified).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, peer = %self.address, "a TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.address, "a TLS handshake took too long"),
        }
    }

    async fn talk(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send,
        ends: Ends,
        stranger: OwnedSemaphorePermit,
        certified: Option<String>,
    ) {
        let Self { shared, address, place, draining } = self;
        let _held = place;
        // On the heap once: what lasts as long as the connection lies in its task only as a pointer.
        let connection = Box::new(Connection::new(shared, stream, ends, stranger).certified(certified));
        if let Err(error) = connection.run(draining).await {
            tracing::debug!(%error, peer = %address, "a connection broke");
        }
    }
}
