//! The contract between nodes: what prost and tonic generate from `proto/recado/peer/v1`.
//! Nothing here is written by hand; comments come from the contract.

#![allow(missing_docs, unreachable_pub, rust_2018_idioms, reason = "generated from the contract")]
#![allow(
    clippy::all,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    reason = "generated"
)]

tonic::include_proto!("recado.peer.v1");
