//! Compiles the contract in `proto/` with protox, so that no protoc is needed, and generates its Rust types.
//! The descriptor set is kept too: the reflection service answers from it.
//! Invariant: what holds a secret has no debug print.

#![allow(clippy::print_stdout, reason = "cargo reads the instructions of a build script from its output")]

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

const FILES: &[&str] = &[
    "recado/v1/types.proto",
    "recado/v1/queue.proto",
    "recado/v1/topic.proto",
    "recado/v1/subscription.proto",
    "recado/v1/exchange.proto",
    "recado/v1/policy.proto",
    "recado/v1/access.proto",
    "recado/v1/node.proto",
];

const SECRETS: &[&str] = &[
    "recado.v1.CreateUserRequest",
    "recado.v1.AlterUserRequest",
    "recado.v1.NewToken",
    "recado.v1.PasswordCredentials",
    "recado.v1.ClaimCredentials",
    "recado.v1.AuthenticateRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed=proto/{file}");
    }
    let descriptors = protox::compile(FILES, ["proto"])?;
    let target = PathBuf::from(env::var("OUT_DIR")?).join("recado_v1_descriptors.bin");
    fs::write(target, prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure()
        .bytes(".")
        .skip_debug(SECRETS)
        .build_client(false)
        .build_transport(false)
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
