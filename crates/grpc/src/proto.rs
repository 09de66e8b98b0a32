//! The contract: what prost and tonic generate from `proto/recado/v1`, and the descriptor of it.
//! Nothing here is written by hand; comments come from the contract.

#![allow(missing_docs, unreachable_pub, rust_2018_idioms, reason = "generated from the contract")]
#![allow(
    clippy::all,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    reason = "generated"
)]

tonic::include_proto!("recado.v1");

/// The files of the contract as a descriptor set, for reflection and for tools.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/recado_v1_descriptors.bin"));
