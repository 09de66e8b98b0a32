#!/usr/bin/env bash
# The deterministic simulation: a range of seeds, and some of them twice and in both builds. Fails when a promise breaks or
# when a trace differs. What it drives and how a seed is repeated: docs/simulator.md.
# time limit: 900
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
# Fresh seeds: FIRST=$(date +%s) SEEDS=1000 bash .ci/suites/sim.sh. The default is a fixed range until what seed 1795529401
# reports is understood: docs/simulator.md, "Open".
first="${FIRST:-9000}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cargo build --quiet --release --locked --package sim
sim="$target/release/sim"

echo "seeds from $first on"
"$sim" --seeds "${SEEDS:-300}" --first "$first"

"$sim" --traces 30 --first "$first" >"$scratch/once"
"$sim" --traces 30 --first "$first" >"$scratch/twice"
diff "$scratch/once" "$scratch/twice"
cargo run --quiet --locked --package sim -- --traces 4 --first "$first" >"$scratch/debug"
diff <(head -n 4 "$scratch/once") "$scratch/debug"
echo "30 traces are the same twice, 4 in the other build"
