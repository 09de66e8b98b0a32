//! Compiles the contract between nodes with protox, so that no protoc is needed, and generates its Rust types.
//! Invariant: what holds a secret has no debug print.

#![allow(clippy::print_stdout, reason = "cargo reads the instructions of a build script from its output")]

use std::error::Error;

const FILE: &str = "recado/peer/v1/peer.proto";
const SECRETS: &[&str] = &["recado.peer.v1.JoinRequest", "recado.peer.v1.JoinReply", "recado.peer.v1.TokenReply"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto/{FILE}");
    let descriptors = protox::compile([FILE], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".")
        .skip_debug(SECRETS)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
