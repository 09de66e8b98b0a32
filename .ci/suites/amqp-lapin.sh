#!/usr/bin/env bash
# lapin, the AMQP client of Rust, against the binary, unmodified: a crate of its own with a Cargo.lock of its own.
# time limit: 900
set -euo pipefail
source "$(dirname "$0")/amqp/broker.sh"
cargo build --quiet --locked --manifest-path "$here/lapin/Cargo.toml" --target-dir "$target/ci-lapin"
timeout 120 "$target/ci-lapin/debug/scenario" "$url" "$restart"
no_complaints
