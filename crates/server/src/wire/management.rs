//! The management door: what it is told of this process, and how it is served.
//! Invariant: it names only ports that are open.
//! Called by `wire`.

use std::net::SocketAddr;
use std::sync::Arc;

use management::{Door, Listener, Readiness, Settings as DoorSettings};
use model::node;
use tokio::net::TcpListener;
use tokio::sync::watch;
use web::MetricsSource;

use super::Running;
use crate::config::Settings;
use crate::exit::{Complaint, Exit};

/// Where the kernel tells the name of this machine.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

struct Ready(Arc<dyn MetricsSource>);

impl Readiness for Ready {
    fn readiness(&self) -> node::Readiness {
        self.0.readiness()
    }
}

impl Running {
    pub(super) fn management_door(&self, settings: &Settings) -> Door {
        let word = |plain, secured| if settings.tls.is_some() { secured } else { plain };
        let ports: [(&'static str, Option<SocketAddr>); 4] = [
            (word("amqp", "amqp/ssl"), self.amqp),
            (word("http", "https"), self.management),
            (word("http/rest", "https/rest"), self.http),
            (word("grpc", "grpc/ssl"), self.grpc),
        ];
        let listener = |(protocol, address): (&'static str, Option<SocketAddr>)| {
            address.map(|address| Listener { protocol, address })
        };
        let door = DoorSettings { node: node_name(), listeners: ports.into_iter().filter_map(listener).collect() };
        let ready = Arc::new(Ready(Arc::clone(&self.engine.metrics)));
        let connections: Arc<amqp::Registry> = Arc::clone(&self.connections);
        Door::new(door, Arc::clone(&self.backend), ready, connections)
    }
}

/// The name that a node of RabbitMQ would have on this machine.
fn node_name() -> String {
    let host = std::fs::read_to_string(HOST_NAME).unwrap_or_default();
    let host = host.trim().split('.').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if host.is_empty() || !host.bytes().all(plain) { "rabbit@localhost".to_owned() } else { format!("rabbit@{host}") }
}

/// Serves it as any HTTP door is served.
pub(super) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    door: Door,
    mut drained: watch::Receiver<bool>,
) -> Result<(), Complaint> {
    let shutdown = async move {
        // A sender that is gone stops the door too.
        let _ = drained.wait_for(|draining| *draining).await;
    };
    let served = web::serve(listener, tls, door.router(), shutdown).await;
    served.map_err(|error| Complaint::here(Exit::Local, "management", error.to_string(), "check the address"))
}
