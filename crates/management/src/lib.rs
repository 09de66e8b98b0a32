//! The management door: RabbitMQ's HTTP API, as its tools expect it, and the metrics of its dashboards.
//!
//! A door translates and holds no rules: RabbitMQ's JSON in, `model` requests to the `Backend`, RabbitMQ's JSON out, with
//! the field names of its version 4. Reading order: `door` (what is served), `caller`, `body`, `host`, `paging`, `lists`
//! (what every room needs), then one room a noun.
//! Invariant: what a caller may see and do here is what it may see and do at every door; the machine decides it.
//! What is done and what is not is in `docs/management.md`. Tests: the binary, and the tools themselves in its suites.

pub mod limits;

mod answer;
mod arguments;
mod bindings;
mod body;
mod caller;
mod connections;
mod definitions;
mod door;
mod exchanges;
mod health;
mod host;
mod import;
mod layers;
mod lists;
mod messages;
mod metrics;
mod overview;
mod paging;
mod permissions;
mod policies;
mod queues;
mod streams;
mod users;
mod vhosts;

pub use door::{Door, Listener, Readiness, Settings};
