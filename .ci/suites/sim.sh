#!/usr/bin/env bash
# The deterministic simulation: fresh seeds, and the same seeds twice and in both builds. Fails when a promise breaks or
# when a trace differs. What it drives and how a seed is repeated: docs/simulator.md.
# time limit: 900
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
# A failing run is repeated with: FIRST=N bash .ci/suites/sim.sh
first="${FIRST:-$(date +%s)}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cargo build --quiet --release --locked --package sim
sim="$target/release/sim"

echo "seeds from $first on"
"$sim" --seeds "${SEEDS:-1200}" --first "$first"

"$sim" --traces 50 --first "$first" >"$scratch/once"
"$sim" --traces 50 --first "$first" >"$scratch/twice"
diff "$scratch/once" "$scratch/twice"
cargo run --quiet --locked --package sim -- --traces 4 --first "$first" >"$scratch/debug"
diff <(head -n 4 "$scratch/once") "$scratch/debug"
echo "50 traces are the same twice, 4 in the other build"
