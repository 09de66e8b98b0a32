#!/usr/bin/env bash
# Every deliberate fault is switched on in the simulation, and must be noticed within 500 seeds.
# when: long
# time limit: 3600
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --quiet --release --locked --package sim --features mutants
"$target/release/sim" --mutants --seeds 500
