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
# compare NODES SEEDS SEEDS-IN-DEBUG
compare() {
  for run in once twice; do "$target/release/sim" --nodes "$1" --traces "$2" --first "$first" >"$scratch/$run"; done
  diff "$scratch/once" "$scratch/twice"
  cargo run --quiet --locked --package sim -- --nodes "$1" --traces "$3" --first "$first" >"$scratch/debug"
  diff <(head -n "$3" "$scratch/once") "$scratch/debug"
}
compare 1 50 4
compare 3 15 2
compare 5 5 1
