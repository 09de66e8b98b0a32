//! The gRPC door of Recado: its contract, its server, and a backend that reaches a broker elsewhere.
//!
//! Doors translate; they hold no rules. `proto/recado/v1` is the contract, `translate` ties it to the model by
//! tables, `server` turns calls into calls of a `Backend`, and `client` is a `Backend` over the same contract.
//! Invariant: whatever a backend answers reaches the other side as the same value, failures included.

mod client;
pub mod limits;
pub mod proto;
mod server;
mod status;
mod translate;
mod words;

pub use client::{
    Confirm, EndpointInvalid, Publisher, PublisherSettings, QueuePublisher, RemoteBackend, RemoteDeliveries,
    RemoteSettings, Settler, Settling, TopicPublisher,
};
pub use server::{Lifecycle, PeerAddress, ReportedOrigins, ServeError, Settings, Tls, routes, serve, serve_unix};
pub use status::{CODE_METADATA, HINT_METADATA, PROBLEM_TYPE_URL, RETRY_METADATA, problem_of};
