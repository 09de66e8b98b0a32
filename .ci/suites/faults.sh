#!/usr/bin/env bash
# A short slice of the campaigns of `cargo xtask faults` against the release program: kills under load, failing
# flushes, a full disk, flipped bits. Figures of memory and time are printed and do not fail the suite, as the
# machine may be busy; anything lost, wrong or out of order does. The whole campaigns: docs/reliability.md.
# time limit: 360
# apt: strace
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
binary="${RECADO_BINARY:-$target/release/recado}"
# A failing run is repeated with: SEED=N bash .ci/suites/faults.sh
seed="${SEED:-$(date +%s)}"

[ -n "${RECADO_BINARY:-}" ] || cargo build --quiet --release --locked --package server

campaign() {
    cargo xtask faults "$@" --binary "$binary" --seed "$seed" --report-only
}

campaign flips --runs 40
campaign eio --runs 6
campaign kills --runs 3 --backlog 50000
campaign disk --backlog 100000
campaign memory --backlog 50000
