//! The HTTP door of Recado: REST v1, the ten operations of the system it grew from, OpenAPI, health, metrics.
//!
//! A door translates and holds no rules: JSON in, `model` requests to the `Backend`, answers out as JSON.
//! Reading order: `door` (what is served), `rest` (one small handler an operation), `wire` (the documents),
//! `translate` (documents to model and back, failures to problems), `extract` (credentials, paths, bodies),
//! `streams` (credit of event streams), `console` (the pages for people), `serve` (connections).
//! Invariant: no answer is anything but JSON, problem+json, text of metrics, or pages with a strict policy.
//! Tests: `tests/`.

pub mod limits;
pub mod wire;

mod console;
mod door;
mod extract;
mod layers;
mod metrics;
mod openapi;
mod rest;
mod serve;
mod streams;
mod translate;

pub use door::{Door, Settings};
pub use metrics::MetricsSource;
pub use serve::serve;
pub use translate::problem::status_of;
