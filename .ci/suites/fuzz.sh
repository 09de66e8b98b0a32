#!/usr/bin/env bash
# A few seconds of fuzzing for each parser of bytes from outside or from disk. What is fuzzed and for how long it was:
# docs/crash-points-and-fuzzing.md. `SECONDS_EACH=600 bash .ci/suites/fuzz.sh batch record` runs those two for longer.
# when: long
# time limit: 1500
# apt: g++ libc6-dev
set -euo pipefail
cd "$(dirname "$0")/../.."
root="${CARGO_TARGET_DIR:-$PWD/target}"
tools="$root/fuzz-tools"
seconds="${SECONDS_EACH:-10}"
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(segment checkpoint slots state batch record entry names config rest grpc
    amqp_tables amqp_methods amqp_frames)

export PATH="$tools/bin:$PATH"
if ! command -v cargo-fuzz >/dev/null; then
    cargo install cargo-fuzz --locked --version 0.13.2 --root "$tools" --target-dir "$root/fuzz-tools-build"
fi
# Coverage needs flags that a stable compiler takes only when it is told so; no nightly toolchain is fetched. The
# sanitizer stays off: there is no unsafe code of ours, and allocations are counted by the targets themselves.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$root/fuzz"
options=(--fuzz-dir fuzz --sanitizer none)
cargo test --quiet --locked --manifest-path fuzz/Cargo.toml
cargo fuzz build "${options[@]}"
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    echo "== fuzz $target"
    cargo fuzz run "${options[@]}" "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len="${LENGTH_MAX:-8192}" -timeout=10 -rss_limit_mb=1024 \
        -malloc_limit_mb=64 -print_final_stats=1 2>&1 |
        grep -E 'panicked|assertion|ERROR|Test unit|stat::number_of_executed_units|stat::average_exec|^Done|made the parser' || true
    # `|| true` belongs to grep; a finding leaves a file behind.
    if compgen -G "fuzz/artifacts/$target/*" >/dev/null; then
        echo "fuzz $target: a finding lies in fuzz/artifacts/$target" >&2
        exit 1
    fi
done
