#!/usr/bin/env bash
# The same seeds twice, and some in both builds: equal traces.
# when: long
# time limit: 900
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
first="${FIRST:-9000}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cargo build --quiet --release --locked --package sim
for run in once twice; do "$target/release/sim" --traces 50 --first "$first" >"$scratch/$run"; done
diff "$scratch/once" "$scratch/twice"
cargo run --quiet --locked --package sim -- --traces 4 --first "$first" >"$scratch/debug"
diff <(head -n 4 "$scratch/once") "$scratch/debug"
