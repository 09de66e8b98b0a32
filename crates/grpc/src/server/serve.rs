//! Puts the services on the network, alone or beside others.
//! Invariant: windows, message sizes and the number of streams are bounded by `limits`.

use std::io;
use std::sync::Arc;

use model::Backend;
use tokio::net::{TcpListener, UnixListener};
use tokio_stream::Stream;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::service::Routes;
use tonic::transport::server::{Connected, TcpIncoming};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::HealthReporter;

use super::gate::Gated;
use super::lifecycle::Lifecycle;
use super::{Door, Settings};
use crate::limits::{
    ACCESS_MESSAGE_BYTES_MAX, CONNECTION_STREAMS_MAX, CONNECTION_WINDOW_BYTES, DRAIN_GRACE, GRPC_MESSAGE_BYTES_MAX,
    KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, STREAM_WINDOW_BYTES,
};
use crate::proto::{
    DESCRIPTORS, access_server::AccessServer, exchanges_server::ExchangesServer, node_server::NodeServer,
    policies_server::PoliciesServer, queues_server::QueuesServer, subscriptions_server::SubscriptionsServer,
    topics_server::TopicsServer,
};

/// The names under which health answers; the empty one means the server as a whole.
const SERVICES: [&str; 8] = [
    "",
    "recado.v1.Queues",
    "recado.v1.Topics",
    "recado.v1.Subscriptions",
    "recado.v1.Exchanges",
    "recado.v1.Policies",
    "recado.v1.Access",
    "recado.v1.Node",
];

/// Certificate chain and key for TLS, as PEM.
#[derive(Clone)]
pub struct Tls {
    /// The certificate, then those that lead to its authority.
    pub certificate_pem: Vec<u8>,
    /// Its private key.
    pub key_pem: Vec<u8>,
}

/// Why the server could not start or go on.
#[derive(Debug)]
pub enum ServeError {
    /// The contract inside the binary cannot be shown by reflection.
    Reflection(tonic_reflection::server::Error),
    /// TLS cannot start, or the listener failed.
    Transport(tonic::transport::Error),
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reflection(_) => f.write_str("the contract cannot be read for reflection"),
            Self::Transport(_) => f.write_str("the gRPC server failed: check certificate, key and listener"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Reflection(error) => Some(error),
            Self::Transport(error) => Some(error),
        }
    }
}

/// All services with health and reflection, to be mounted on any listener. That listener must put a `PeerAddress`
/// into the extensions of each request, or no caller counts as local. Call it inside a tokio runtime.
///
/// # Errors
/// `Reflection` when the contract inside the binary is broken.
pub fn routes(backend: Arc<dyn Backend>, settings: Settings, lifecycle: Lifecycle) -> Result<Routes, ServeError> {
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .map_err(ServeError::Reflection)?;
    let health = health(&lifecycle);
    let door = Door { backend: Arc::clone(&backend), settings, lifecycle };
    macro_rules! gated {
        ($server:ident, $bytes_max:expr) => {
            Gated::new(
                $server::new(door.clone())
                    .max_decoding_message_size($bytes_max)
                    .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX),
                Arc::clone(&backend),
            )
        };
    }
    Ok(Routes::new(health)
        .add_service(reflection)
        .add_service(gated!(QueuesServer, GRPC_MESSAGE_BYTES_MAX))
        .add_service(gated!(TopicsServer, GRPC_MESSAGE_BYTES_MAX))
        .add_service(gated!(SubscriptionsServer, GRPC_MESSAGE_BYTES_MAX))
        .add_service(gated!(ExchangesServer, GRPC_MESSAGE_BYTES_MAX))
        .add_service(gated!(PoliciesServer, GRPC_MESSAGE_BYTES_MAX))
        .add_service(gated!(AccessServer, ACCESS_MESSAGE_BYTES_MAX))
        .add_service(gated!(NodeServer, GRPC_MESSAGE_BYTES_MAX)))
}

/// The health service, following the readiness of the node.
fn health(lifecycle: &Lifecycle) -> HealthServer<impl Health> {
    let (reporter, server) = tonic_health::server::health_reporter();
    let mut ready = lifecycle.ready.clone();
    tokio::spawn(async move {
        loop {
            let serving = *ready.borrow_and_update();
            report(&reporter, serving).await;
            if ready.changed().await.is_err() {
                return;
            }
        }
    });
    server
}

async fn report(reporter: &HealthReporter, serving: bool) {
    use tonic_health::ServingStatus::{NotServing, Serving};
    for service in SERVICES {
        reporter.set_service_status(service, if serving { Serving } else { NotServing }).await;
    }
}

/// Serves on a TCP listener until `lifecycle.draining` turns true; calls under way then have ten seconds to end.
///
/// # Errors
/// `ServeError` when TLS cannot start or the listener fails.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    backend: Arc<dyn Backend>,
    settings: Settings,
    lifecycle: Lifecycle,
) -> Result<(), ServeError> {
    let routes = routes(backend, settings, lifecycle.clone())?;
    let mut server = server();
    if let Some(tls) = tls {
        let identity = Identity::from_pem(tls.certificate_pem, tls.key_pem);
        server = server.tls_config(ServerTlsConfig::new().identity(identity)).map_err(ServeError::Transport)?;
    }
    run(server, routes, TcpIncoming::from(listener).with_nodelay(Some(true)), lifecycle).await
}

/// Serves on a Unix socket, without TLS, until `lifecycle.draining` turns true.
///
/// # Errors
/// `ServeError` when the listener fails.
pub async fn serve_unix(
    listener: UnixListener,
    backend: Arc<dyn Backend>,
    settings: Settings,
    lifecycle: Lifecycle,
) -> Result<(), ServeError> {
    let routes = routes(backend, settings, lifecycle.clone())?;
    run(server(), routes, UnixListenerStream::new(listener), lifecycle).await
}

fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(CONNECTION_STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .tcp_nodelay(true)
}

async fn run<IO>(
    mut server: Server,
    routes: Routes,
    incoming: impl Stream<Item = io::Result<IO>>,
    lifecycle: Lifecycle,
) -> Result<(), ServeError>
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
{
    let grace = lifecycle.clone();
    let serving = server.add_routes(routes).serve_with_incoming_shutdown(incoming, lifecycle.drained());
    tokio::select! {
        served = serving => served.map_err(ServeError::Transport),
        () = async { grace.drained().await; tokio::time::sleep(DRAIN_GRACE).await } => Ok(()),
    }
}
