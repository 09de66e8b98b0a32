#!/usr/bin/env bash
# The deterministic simulation: seeds, fresh ones each time. Fails when a promise breaks. What it drives and how a seed is
# repeated: docs/simulator.md.
# time limit: 600
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
# A failing run is repeated with: FIRST=N bash .ci/suites/sim.sh
first="${FIRST:-$(date +%s)}"

cargo build --quiet --release --locked --package sim
echo "seeds from $first on"
"$target/release/sim" --seeds "${SEEDS:-150}" --first "$first"
