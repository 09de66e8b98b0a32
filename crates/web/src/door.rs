//! The door: its settings, what it shares among requests, and the router it yields.
//! Invariant: every path, known or not, answers through the same layers, so no answer lacks the security headers.
//! Built by the binary; tests in `tests/`.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use bytes::Bytes;
use model::backend;
use model::{Backend, Call, Caller};

use crate::console;
use crate::layers;
use crate::limits::{BODY_BYTES_MAX, PUBLISH_BODY_BYTES_MAX};
use crate::metrics::{HttpMetrics, MetricsSource};
use crate::openapi;
use crate::rest;
use crate::streams::Streams;
use crate::translate::problem::Problem;

/// What a door may be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The door serves without TLS beyond this machine by an explicit switch: every answer says so in a header.
    pub insecure_plaintext_visible: bool,
    /// The door serves with TLS: the console's cookie is marked for TLS only.
    pub tls: bool,
    /// Whether `/metrics` is open to everybody; otherwise it needs the right to monitor.
    pub metrics_open: bool,
    /// Largest body of a publish in bytes; at most `limits::PUBLISH_BODY_BYTES_MAX`.
    pub publish_body_bytes_max: usize,
    /// Largest body of any other request in bytes; at most `limits::BODY_BYTES_MAX`.
    pub body_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            insecure_plaintext_visible: false,
            tls: false,
            metrics_open: false,
            publish_body_bytes_max: PUBLISH_BODY_BYTES_MAX,
            body_bytes_max: BODY_BYTES_MAX,
        }
    }
}

struct Inside {
    settings: Settings,
    backend: Arc<dyn Backend>,
    metrics: Arc<dyn MetricsSource>,
    http: HttpMetrics,
    streams: Streams,
    document: OnceLock<Bytes>,
}

/// The HTTP door. Cloning gives another handle on the same door.
#[derive(Clone)]
pub struct Door(Arc<Inside>);

impl Door {
    /// A door in front of a backend.
    pub fn new(settings: Settings, backend: Arc<dyn Backend>, metrics: Arc<dyn MetricsSource>) -> Self {
        let settings = Settings {
            publish_body_bytes_max: settings.publish_body_bytes_max.min(PUBLISH_BODY_BYTES_MAX),
            body_bytes_max: settings.body_bytes_max.min(BODY_BYTES_MAX),
            ..settings
        };
        Self(Arc::new(Inside {
            settings,
            backend,
            metrics,
            http: HttpMetrics::default(),
            streams: Streams::default(),
            document: OnceLock::new(),
        }))
    }

    /// Everything that this door serves.
    pub fn router(&self) -> Router {
        rest::routes()
            .merge(openapi::ui())
            .merge(console::routes())
            .fallback(rest::no_such_path)
            .method_not_allowed_fallback(rest::no_such_method)
            .layer(from_fn(layers::deadline))
            .layer(from_fn(layers::own_site))
            .layer(from_fn_with_state(self.clone(), layers::measure))
            .layer(from_fn_with_state(self.clone(), layers::secure))
            .layer(from_fn(layers::origin))
            .with_state(self.clone())
    }

    /// The OpenAPI document of this door, as JSON.
    pub fn document() -> String {
        serde_json::to_string_pretty(&rest::document()).expect("the document holds only strings, numbers and maps")
    }

    /// The document, made at the first call.
    pub(crate) fn document_bytes(&self) -> Bytes {
        let made = || serde_json::to_vec(&rest::document()).expect("the document holds only strings, numbers and maps");
        self.0.document.get_or_init(|| Bytes::from(made())).clone()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.0.backend
    }

    pub(crate) fn metrics(&self) -> &dyn MetricsSource {
        &*self.0.metrics
    }

    pub(crate) fn http(&self) -> &HttpMetrics {
        &self.0.http
    }

    pub(crate) fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// Does one operation; a failure becomes a problem.
    pub(crate) async fn call<C: Call>(&self, caller: &Caller, request: C) -> Result<C::Reply, Problem> {
        backend::call(self.backend(), caller, request).await.map_err(Problem::from)
    }
}
