//! The way between the nodes of a cluster: who they are to each other, and one listener of their own.
//!
//! Reading order: `authority` (certificates), `token` (how a node comes in), `host` (what a node answers), `service` and
//! `client` (both ends of a connection).
//! **Invariant**: nothing but `Join` is answered to who has no certificate of the cluster.
//! **Boundary**: knows nothing of shards and messages; what replicas say to each other are bytes here.

pub mod limits;

mod authority;
mod client;
mod gate;
mod host;
mod proto;
mod service;
mod token;

pub use authority::{Authority, AuthorityBroken, Identity, server_name};
pub use client::{Borrowed, Client, Joined, Link, Links, join};
pub use host::{Host, Lender, Refused, Reply};
pub use proto::{Cluster, File, Member, Position, Terms};
pub use service::{Tokens, serve};
pub use token::{JoinToken, TokenBroken};
