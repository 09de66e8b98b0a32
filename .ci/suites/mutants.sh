#!/usr/bin/env bash
# Every deliberate fault that `cargo xtask mutants` lists is switched on in turn, and a test must turn red. A fault
# that stays unnoticed, or that has no row here, fails the suite. Reasons: docs/adr/0009-mutants-at-run-time.md.
# when: long
# time limit: 1500
set -euo pipefail
cd "$(dirname "$0")/../.."

# fault, crate, test; "waits" where the test waits for what never comes instead of failing
rows="
ack-before-sync              storage crash_points
no-folder-sync               storage crash_points
retry-failed-sync            storage faults
truncate-at-bad-checksum     storage bit_flips
vote-not-synced              storage crash_points
checkpoint-not-synced        storage crash_points
roll-without-sync            storage crash_points
checksum-without-length      storage bit_flips
cut-keeps-old-frames         storage crash_points
ack-at-append                shard   faults
reserve-off                  shard   faults
log-cut-at-newest-checkpoint shard   housekeeping waits
settle-ignores-epoch         broker  stale_receipts
settle-ignores-attempt       broker  machine_scripts
redelivery-not-counted       broker  machine_scripts
key-freed-at-lease           broker  machine_scripts
local-clock                  shard   crash_points
delay-ends-early             broker  machine_scripts
hash-order                   shard   crash_points
window-not-saved             shard   crash_points
delayed-not-restored         shard   crash_points
dead-letter-move-half        broker  machine_scripts
relocation-drops-unsettled   broker  queue_properties
delete-live-segment          shard   crash_points
commit-ignores-owner         broker  machine_scripts
commit-runs-backwards        broker  machine_scripts
delete-without-right         broker  machine_scripts
"
unnoticed=0 noticed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# is_red FAULT CRATE TEST [waits]: whether the test fails with the fault on. One that is only slow has not failed.
is_red() {
    local verdict=0 limit=240
    [ "${4:-}" = waits ] && limit=60
    RECADO_MUTANT=$1 timeout "$limit" cargo test --quiet --locked --package "$2" --features mutants --test "$3" \
        >"$log" 2>&1 || verdict=$?
    grep -q '^test result: FAILED' "$log" || { [ "${4:-}" = waits ] && [ "$verdict" -eq 124 ]; }
}

for package in storage broker shard; do
    cargo test --quiet --locked --package "$package" --features mutants --no-run
done
for fault in $(cargo xtask mutants | cut -d ' ' -f 1); do
    read -r _ package test waits <<<"$(grep "^$fault " <<<"$rows" || true)"
    if [ -z "${test:-}" ]; then
        echo "$fault: no test is named for it" >&2
        unnoticed=$((unnoticed + 1))
    elif is_red "$fault" "$package" "$test" "$waits"; then
        echo "$fault: $package $test turns red"
        noticed=$((noticed + 1))
    else
        echo "$fault: $package $test stays green" >&2
        unnoticed=$((unnoticed + 1))
    fi
    test=
done
echo "mutants: $noticed noticed, $unnoticed unnoticed"
[ "$unnoticed" -eq 0 ]
