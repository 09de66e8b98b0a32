//! The composition root: opens the broker, puts doors in front of it, and stops them in order.
//! Invariants: nothing listens before the broker is open; doors stop before the broker does; a second signal ends
//! the process at once.
//! Called by `main`, `demo` and `bench`.

mod engine;
mod management;
mod tls;
mod waiting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use grpc::{Lifecycle, ReportedOrigins};
use model::Backend;
use model::caller::Secret;
use model::queue::Durability;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::banner::Banner;
use crate::config::Settings;
use crate::exit::{Complaint, Exit};
use crate::{output, telemetry};

pub(crate) use engine::Engine;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything in one process.
    Serve,
    /// Shards and gRPC.
    Broker,
    /// Doors in front of brokers elsewhere.
    Gateway,
}

impl Role {
    const fn word(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Broker => "broker",
            Self::Gateway => "gateway",
        }
    }
}

/// Doors that serve.
pub(crate) struct Running {
    /// Where HTTP is, once its port is known.
    pub(crate) http: Option<SocketAddr>,
    /// Where gRPC is.
    pub(crate) grpc: Option<SocketAddr>,
    /// Where AMQP is.
    pub(crate) amqp: Option<SocketAddr>,
    /// Where the management API is.
    pub(crate) management: Option<SocketAddr>,
    /// The broker itself.
    pub(crate) backend: Arc<dyn Backend>,
    /// The connections of AMQP.
    connections: Arc<amqp::Registry>,
    /// The one-time token of a broker without administrator.
    pub(crate) claim: Option<Secret>,
    /// How a confirmed write is durable, where it is known.
    pub(crate) durability: Option<Durability>,
    draining: watch::Sender<bool>,
    doors: JoinSet<Result<(), Complaint>>,
    engine: Engine,
}

/// Opens the broker and its doors.
pub(crate) async fn start(role: Role, settings: &Settings) -> Result<Running, Complaint> {
    // Before the engine, which may take a while: a port that is in use is known at once.
    let http = listen("http", settings.http).await?;
    let grpc = listen("grpc", settings.grpc).await?;
    let amqp = listen("amqp", settings.amqp).await?;
    let peers = listen("peer-address", settings.peer_address).await?;
    let management = listen("management", settings.management).await?;
    let certificate = settings.tls.as_ref().map(tls::Certificate::read).transpose()?;
    let engine = match role {
        Role::Serve | Role::Broker => match peers {
            Some(listener) => Engine::in_cluster(settings, listener).await?,
            None => Engine::open(settings).await?,
        },
        Role::Gateway => Engine::remote(settings)?,
    };
    let (draining, drained) = watch::channel(false);
    let mut running = Running {
        http: http.as_ref().and_then(|listener| listener.local_addr().ok()),
        grpc: grpc.as_ref().and_then(|listener| listener.local_addr().ok()),
        amqp: amqp.as_ref().and_then(|listener| listener.local_addr().ok()),
        management: management.as_ref().and_then(|listener| listener.local_addr().ok()),
        backend: Arc::clone(&engine.backend),
        connections: Arc::default(),
        claim: engine.claim.clone(),
        durability: engine.durability,
        draining,
        doors: JoinSet::new(),
        engine,
    };
    if let Some(listener) = http {
        let tls = certificate.as_ref().map(tls::Certificate::rustls).transpose()?;
        let door = running.http_door(settings);
        running.doors.spawn(serve_http(listener, tls, door, drained.clone()));
    }
    if let Some(listener) = management {
        let tls = certificate.as_ref().map(tls::Certificate::rustls).transpose()?;
        let door = running.management_door(settings);
        running.doors.spawn(management::serve(listener, tls, door, drained.clone()));
    }
    if let Some(listener) = amqp {
        let authority = settings.amqp_client_authority.as_deref();
        let tls = certificate.as_ref().map(|own| own.rustls_for(authority)).transpose()?;
        running.doors.spawn(serve_amqp(
            listener,
            tls,
            Arc::clone(&running.backend),
            amqp_settings(settings),
            Arc::clone(&running.connections),
            drained.clone(),
        ));
    }
    if let Some(listener) = grpc {
        let lifecycle = Lifecycle { ready: running.engine.ready.clone(), draining: drained };
        let tls = certificate.map(tls::Certificate::grpc);
        let door = grpc::Settings { reported_origins: origins(settings) };
        let backend = Arc::clone(&running.backend);
        running.doors.spawn(async move {
            grpc::serve(listener, tls, backend, door, lifecycle).await.map_err(|error| {
                Complaint::here(Exit::Local, "grpc", chain(&error), "check certificate, key and address")
            })
        });
    }
    Ok(running)
}

const fn origins(settings: &Settings) -> ReportedOrigins {
    if settings.trust_gateways { ReportedOrigins::FromEverybody } else { ReportedOrigins::FromThisMachine }
}

const fn amqp_settings(settings: &Settings) -> amqp::Settings {
    amqp::Settings { consumer_timeout: settings.amqp_consumer_timeout }
}

async fn serve_http(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    door: web::Door,
    mut drained: watch::Receiver<bool>,
) -> Result<(), Complaint> {
    let shutdown = async move {
        // A sender that is gone stops the door too.
        let _ = drained.wait_for(|draining| *draining).await;
    };
    let served = web::serve(listener, tls, door.router(), shutdown).await;
    served.map_err(|error| Complaint::here(Exit::Local, "http", error.to_string(), "check the address"))
}

async fn serve_amqp(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    backend: Arc<dyn Backend>,
    settings: amqp::Settings,
    connections: Arc<amqp::Registry>,
    drained: watch::Receiver<bool>,
) -> Result<(), Complaint> {
    let served = amqp::serve(listener, tls, backend, settings, connections, drained).await;
    served.map_err(|error| Complaint::here(Exit::Local, "amqp", error.to_string(), "check the address"))
}

impl Running {
    fn http_door(&self, settings: &Settings) -> web::Door {
        let door = web::Settings {
            insecure_plaintext_visible: settings.insecure_plaintext && settings.tls.is_none(),
            tls: settings.tls.is_some(),
            metrics_open: settings.metrics_open,
            ..web::Settings::default()
        };
        web::Door::new(door, Arc::clone(&self.backend), Arc::clone(&self.engine.metrics))
    }

    /// Stops the doors, giving requests under way this long, and then the broker.
    pub(crate) async fn stop(self, drain: Duration) -> Result<(), Complaint> {
        let Self { draining, mut doors, engine, .. } = self;
        // Requests that still come are passed on to the node that leads then.
        engine.hand_over().await;
        draining.send_replace(true);
        engine.drain();
        let deadline = tokio::time::Instant::now() + drain;
        let mut first = Ok(());
        loop {
            match tokio::time::timeout_at(deadline, doors.join_next()).await {
                Ok(None) => break,
                Ok(Some(ended)) => first = first.and(flat(ended)),
                Err(_) => {
                    tracing::warn!("requests that did not end in time are cut off");
                    doors.shutdown().await;
                    break;
                }
            }
        }
        engine.close().await?;
        first
    }

    /// Ready when a door ends by itself, which only a fault makes it do.
    async fn broken(&mut self) -> Complaint {
        match self.doors.join_next().await.map(flat) {
            Some(Err(complaint)) => complaint,
            Some(Ok(())) => Complaint::here(Exit::Fault, "internal", "a door ended by itself", "read the log"),
            // Without doors there is nothing to wait for but a signal.
            None => std::future::pending().await,
        }
    }
}

fn flat(ended: Result<Result<(), Complaint>, tokio::task::JoinError>) -> Result<(), Complaint> {
    ended.unwrap_or_else(|error| Err(Complaint::here(Exit::Fault, "internal", format!("a door broke: {error}"), "")))
}

async fn listen(name: &str, address: Option<SocketAddr>) -> Result<Option<TcpListener>, Complaint> {
    let Some(address) = address else { return Ok(None) };
    TcpListener::bind(address).await.map(Some).map_err(|error| {
        let hint = if error.kind() == std::io::ErrorKind::AddrInUse {
            format!("another process listens there: stop it, or give --{name} another port")
        } else if error.kind() == std::io::ErrorKind::PermissionDenied {
            format!("this user may not listen there: give --{name} a port above 1023")
        } else {
            format!("give --{name} an address of this machine")
        };
        Complaint::here(Exit::Local, "listen", format!("cannot listen on {address} for {name}: {error}"), hint)
    })
}

/// An error with everything that it came from.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Runs a server until a signal or a fault, and drains it.
pub(crate) async fn run(role: Role, settings: Settings) -> Result<(), Complaint> {
    telemetry::start(&settings)?;
    let mut stopping = Signals::new()?;
    let mut running = tokio::select! {
        started = start(role, &settings) => started?,
        () = stopping.next() => return Ok(()),
    };
    let banner = Banner {
        role: role.word(),
        data: (role != Role::Gateway).then_some(settings.data.as_path()),
        durability: running.durability,
        tls: settings.tls.is_some(),
        insecure_plaintext: settings.insecure_plaintext,
        http: running.http,
        grpc: running.grpc,
        amqp: running.amqp,
        management: running.management,
        claim: running.claim.as_ref().map(Secret::reveal),
        brokers: &settings.brokers,
    };
    output::line(&banner.text())?;
    let broken = tokio::select! {
        () = stopping.next() => None,
        complaint = running.broken() => Some(complaint),
    };
    tokio::spawn(async move {
        stopping.next().await;
        output::note("stopped at once by a second signal; the log on disk is complete");
        std::process::exit(i32::from(Exit::Found.number()));
    });
    tracing::info!("draining: requests under way end, new ones are sent away");
    let stopped = running.stop(settings.drain).await;
    match broken {
        Some(complaint) => Err(complaint),
        None => stopped,
    }
}

/// The signals that ask a server to stop.
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// Starts to listen for them.
    pub(crate) fn new() -> Result<Self, Complaint> {
        let failed = |error: std::io::Error| {
            Complaint::here(Exit::Local, "signals", format!("cannot listen for signals: {error}"), "")
        };
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    /// Ready at the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
