//! The door: its settings, what it shares among requests, and the router it yields.
//! Invariant: every path, known or not, answers through the same layers.
//! Built by the binary, which serves the router as it serves the one of `web`.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use model::node;
use model::{Backend, Call, Caller, Code, Failure, Unavailable, backend};
use rabbit::Connections;

use crate::answer::Trouble;
use crate::limits::BUSY_TRIES_MAX;
use crate::{
    bindings, connections, definitions, exchanges, health, layers, messages, metrics, overview, permissions, policies,
    queues, users, vhosts,
};

/// A port of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// RabbitMQ's word for the protocol: `amqp`, `amqp/ssl`, `http`, `https`, or another for what RabbitMQ lacks.
    pub protocol: &'static str,
    /// Where it is.
    pub address: SocketAddr,
}

/// What a door may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name of this node, such as `rabbit@host`.
    pub node: String,
    /// Where clients may connect to, this door included.
    pub listeners: Vec<Listener>,
}

/// Where the door learns whether the node behind it can do its work.
pub trait Readiness: Send + Sync + 'static {
    /// Whether it can.
    fn readiness(&self) -> node::Readiness;
}

struct Inside {
    settings: Settings,
    backend: Arc<dyn Backend>,
    node: Arc<dyn Readiness>,
    connections: Arc<dyn Connections>,
}

/// The management door. Cloning gives another handle on the same door.
#[derive(Clone)]
pub struct Door(Arc<Inside>);

impl Door {
    /// A door in front of a backend, beside one with connections.
    pub fn new(
        settings: Settings,
        backend: Arc<dyn Backend>,
        node: Arc<dyn Readiness>,
        connections: Arc<dyn Connections>,
    ) -> Self {
        Self(Arc::new(Inside { settings, backend, node, connections }))
    }

    /// Everything that this door serves.
    pub fn router(&self) -> Router {
        let api = Router::new()
            .merge(overview::routes())
            .merge(health::routes())
            .merge(vhosts::routes())
            .merge(users::routes())
            .merge(permissions::routes())
            .merge(queues::routes())
            .merge(exchanges::routes())
            .merge(bindings::routes())
            .merge(messages::routes())
            .merge(policies::routes())
            .merge(definitions::routes())
            .merge(connections::routes());
        let all = Router::new()
            .nest("/api", api)
            .merge(metrics::routes())
            .fallback(no_such_path)
            .method_not_allowed_fallback(no_such_method)
            .layer(from_fn(layers::deadline))
            .layer(from_fn(layers::own_site))
            .layer(from_fn(layers::secure))
            .with_state(self.clone());
        // What wraps the routes themselves comes too late to change the path.
        Router::new().fallback_service(all).layer(from_fn(layers::without_last_slash))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.0.backend
    }

    pub(crate) fn connections(&self) -> &dyn Connections {
        &*self.0.connections
    }

    pub(crate) fn readiness(&self) -> node::Readiness {
        self.0.node.readiness()
    }

    /// Does one operation.
    pub(crate) async fn ask<C: Call>(&self, caller: &Caller, request: C) -> Result<C::Reply, Failure> {
        backend::call(self.backend(), caller, request).await
    }

    /// Does one operation; a failure becomes an answer.
    pub(crate) async fn call<C: Call>(&self, caller: &Caller, request: C) -> Result<C::Reply, Trouble> {
        self.ask(caller, request).await.map_err(Trouble::from)
    }

    /// Does one of many changes: while the broker is busy with others it waits for its turn.
    pub(crate) async fn patiently<C: Call + Clone>(&self, caller: &Caller, request: C) -> Result<C::Reply, Failure> {
        for _ in 0..BUSY_TRIES_MAX {
            match self.ask(caller, request.clone()).await {
                Err(Failure::Unavailable(Unavailable::Busy)) => {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
                answer => return answer,
            }
        }
        Err(Unavailable::Busy.into())
    }
}

async fn no_such_path() -> Trouble {
    Trouble::not_found()
}

async fn no_such_method() -> Trouble {
    Trouble::new(Code::MethodNotAllowed, "this path does not have this method")
}
