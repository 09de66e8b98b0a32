#!/usr/bin/env bash
# The whole enumeration of crash points in release: more than 20,000 distinct disks, no recovery wrong.
# What it tries: docs/crash-points-and-fuzzing.md.
# when: long
# time limit: 900
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo xtask crash-points --seed "${SEED:-1}"
