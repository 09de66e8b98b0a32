#!/usr/bin/env bash
# A slice of every campaign of `cargo xtask faults` against the release program: kills under load and in starts, power
# cuts on ext4 and XFS, segments that go, failing, slow and full disks, flipped bits and stale files, pauses, clock
# jumps, two doors, damage of one of three nodes, a cluster in network namespaces.
# Before that a broker that never flushes must lose messages, or the power cuts measure nothing. Figures of memory and
# time are printed and do not fail the suite, as the machine may be busy; anything lost, wrong or out of order does.
# Needs root, FUSE, loop devices, ext4, XFS and the right to mount and to trace: without them it fails, as nothing
# would be shown. The whole campaigns, their figures and the deliberate faults: docs/reliability.md.
# time limit: 1800
# apt: strace faketime eatmydata util-linux mount e2fsprogs xfsprogs fuse3 iproute2 nftables vde2
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
binary="${RECADO_BINARY:-$target/release/recado}"
# A failing run is repeated with: SEED=N bash .ci/suites/faults.sh
seed="${SEED:-$(date +%s)}"

missing() {
    echo "FAULTS CANNOT BE SHOWN HERE: $1" >&2
    exit 1
}
[ "$(id -u)" -eq 0 ] || missing "run as root, to mount filesystems"
[ -c /dev/fuse ] || missing "/dev/fuse is not there; modprobe fuse, or give the container the device"
losetup --find >/dev/null || missing "no loop device is free; modprobe loop, or give the container the devices"
for name in ext4 xfs; do
    grep -qw "$name" /proc/filesystems || modprobe "$name" 2>/dev/null || missing "the kernel has no $name"
done
strace -o /dev/null true || missing "strace may not trace; in a container it needs SYS_PTRACE"

[ -n "${RECADO_BINARY:-}" ] || cargo build --quiet --release --locked --package server
cargo build --quiet --locked --package xtask

campaign() {
    cargo xtask faults "$@" --binary "$binary" --seed "$seed" --report-only
}

# These are mostly waiting: they run beside the others.
beside() {
    campaign memory --backlog 20000 && campaign holdouts --runs 1
}
beside >"$target/faults-beside.log" 2>&1 &
beside=$!

campaign power-cuts --runs 1 --below eatmydata --expect-loss
campaign power-cuts --runs 10
campaign rolls --runs 1
campaign write-errors --runs 3
campaign eio --first 20 --runs 8
campaign eio-writes --first 1 --runs 8
campaign boots --runs 3
campaign kills --runs 3 --backlog 20000
campaign pauses --runs 2
campaign clocks --runs 4
campaign doors --runs 2
campaign slow-disk --filesystem ext4
campaign stale
campaign confirms
campaign cluster-flips --runs 3
campaign flips --runs 25
campaign disk --backlog 60000
if unshare --net --mount --pid --fork --mount-proc ip link add hub type bridge; then
    campaign cluster --namespaces --seconds 8 --runs 4 --harm kill-leader --harm leader-deaf --harm halves --harm loss
else
    echo "SKIPPED: a cluster in network namespaces, which cannot be made here"
fi
verdict=0
wait "$beside" || verdict=$?
cat "$target/faults-beside.log"
exit "$verdict"
