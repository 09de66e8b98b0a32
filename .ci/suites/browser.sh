#!/usr/bin/env bash
# The console in a real browser: every page with stored markup as messages, a publish, the live tail, a purge.
# Fails on any dialog, any error of a page and any report against its policy.
# time limit: 900
# apt: chromium curl
# pip: playwright==1.65.2
set -euo pipefail
cd "$(dirname "$0")/../.."

target="${CARGO_TARGET_DIR:-$PWD/target}"
cargo build --locked --quiet -p server
folder=$(mktemp -d)
broker=
end() {
    [ -z "$broker" ] || kill "$broker" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap end EXIT

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
http=$(port)
printf 'correct horse battery' >"$folder/password"
"$target/debug/recado" serve --data "$folder/data" --http "127.0.0.1:$http" --grpc none --amqp none \
    --admin-password-file "$folder/password" >"$folder/log" 2>&1 &
broker=$!
for _ in $(seq 150); do
    curl --silent --fail --output /dev/null "http://127.0.0.1:$http/health/ready" && break
    sleep 0.2
done
python3 .ci/suites/browser.py "$http" "$folder/password" || { cat "$folder/log"; exit 1; }
