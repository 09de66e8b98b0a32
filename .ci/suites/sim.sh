#!/usr/bin/env bash
# The deterministic simulation: fresh seeds, the same seeds twice and in both builds, and the deliberate faults.
# Fails when a promise breaks, when a trace differs, or when a fault stays unnoticed. What it drives and how a seed is
# repeated: docs/simulator.md.
# time limit: 1200
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
# A failing run is repeated with: FIRST=N bash .ci/suites/sim.sh
first="${FIRST:-$(date +%s)}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The build with the faults comes first, so that the program of the other build is left in its place.
cargo build --quiet --release --locked --package sim --features mutants
cp "$target/release/sim" "$scratch/with-faults"
cargo build --quiet --release --locked --package sim
sim="$target/release/sim"

echo "seeds from $first on"
"$sim" --seeds 2500 --first "$first"

"$sim" --traces 50 --first "$first" >"$scratch/once"
"$sim" --traces 50 --first "$first" >"$scratch/twice"
diff "$scratch/once" "$scratch/twice"
cargo run --quiet --locked --package sim -- --traces 4 --first "$first" >"$scratch/debug"
diff <(head -n 4 "$scratch/once") "$scratch/debug"
echo "50 traces are the same twice, 4 in the other build"

"$scratch/with-faults" --mutants --seeds 500
