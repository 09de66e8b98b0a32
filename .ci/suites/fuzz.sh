#!/usr/bin/env bash
# A few seconds of fuzzing for each parser of bytes from outside or from disk, after all inputs that are kept. What is
# fuzzed and for how long it was: docs/crash-points-and-fuzzing.md. `SECONDS_EACH=600 bash .ci/suites/fuzz.sh batch record`
# runs those two for longer.
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
    amqp_tables amqp_methods amqp_frames amqp_conversation)

export PATH="$tools/bin:$PATH"
if ! command -v cargo-fuzz >/dev/null; then
    cargo install cargo-fuzz --locked --version 0.13.2 --root "$tools" --target-dir "$root/fuzz-tools-build"
fi
# Coverage needs flags that a stable compiler takes only when it is told so; no nightly toolchain is fetched. The
# sanitizer stays off: there is no unsafe code of ours, and allocations are counted by the targets themselves.
# Assertions and checks of overflow stay on.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$root/fuzz" RUSTC_WRAPPER="$PWD/fuzz/instrumented.sh"
options=(--fuzz-dir fuzz --sanitizer none)
limits=(-max_len="${LENGTH_MAX:-8192}" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 -print_final_stats=1)
# The engine's builder has no `--locked`.
cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
cargo fuzz build "${options[@]}"

# Runs a target and shows what counts of its words; all of them when it fails.
run() {
    local target=$1 log="$root/fuzz/$1.log"
    shift
    if ! cargo fuzz run "${options[@]}" "$target" "$@" "${limits[@]}" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "fuzz $target: failed; an input that it found lies in fuzz/artifacts/$target" >&2
        exit 1
    fi
    grep -E 'stat::(number_of_executed_units|average_exec|peak_rss)' "$log"
    { grep 'most allocated' "$log" || true; } | tail -n 1
}

for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    echo "== fuzz $target"
    # First what is kept: the engine goes through it and ends.
    run "$target" "fuzz/seeds/$target" -- -runs=0
    run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time="$seconds"
done
