#!/usr/bin/env bash
# pika over TLS against the binary: a login by certificate, and a stream. docs/amqp.md says what both are here.
# time limit: 300
# apt: openssl
# pip: pika==1.4.4
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
binary="${RECADO_BINARY:-$target/debug/recado}"
here="$PWD/.ci/suites/amqp"

# By hand, without the folder of packages that .ci/run prepares:
if ! python3 -c 'import pika' 2>/dev/null; then
    venv="$target/ci-venv-amqp-tls"
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    # shellcheck disable=SC2046 # the packages are words
    "$venv/bin/pip" install --quiet --disable-pip-version-check $(sed -n 's/^# pip: *//p' "$0")
    PATH="$venv/bin:$PATH"
fi
[ -n "${RECADO_BINARY:-}" ] || cargo build --quiet --locked --package server

home=$(mktemp -d)
finish() {
    if [ -s "$home/pid" ]; then
        kill "$(cat "$home/pid")" 2>/dev/null || true
    fi
    rm -rf "$home"
}
trap finish EXIT

# An authority, the server's certificate, and one of a client whose common name is the user.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
    -addext basicConstraints=critical,CA:TRUE -keyout "$home/authority.key" -out "$home/authority.pem" 2>/dev/null
signed() {
    local name=$1 common_name=$2 extensions=$3
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$common_name" \
        -keyout "$home/$name.key" -out "$home/$name.request" 2>/dev/null
    echo "$extensions" >"$home/$name.extensions"
    openssl x509 -req -in "$home/$name.request" -CA "$home/authority.pem" -CAkey "$home/authority.key" -days 2 \
        -CAcreateserial -extfile "$home/$name.extensions" -out "$home/$name.pem" 2>/dev/null
}
signed server localhost 'subjectAltName=DNS:localhost,IP:127.0.0.1'
signed client admin 'extendedKeyUsage=clientAuth'

password=correct-horse-battery
echo "$password" >"$home/password"
"$binary" serve --data "$home/data" --http none --grpc none --amqp 127.0.0.1:0 --log warn \
    --admin-password-file "$home/password" --tls-certificate "$home/server.pem" --tls-key "$home/server.key" \
    --amqp-client-authority "$home/authority.pem" >"$home/banner" 2>"$home/log" &
echo $! >"$home/pid"
for _ in $(seq 300); do
    grep -q '^ *next' "$home/banner" && break
    sleep 0.1
done
port=$(sed -n 's/^ *AMQP *amqps:.*:\([0-9]*\)$/\1/p' "$home/banner")
[ -n "$port" ] || { cat "$home/log" >&2; exit 1; }
timeout 120 python3 "$here/scenario_streams.py" "$port" "$home/authority.pem" "$home/client.pem" "$home/client.key" "$password"
if grep -E 'WARN|ERROR|panicked' "$home/log"; then
    echo "the broker complained" >&2
    exit 1
fi
echo "amqps, a certificate and a stream: 0 failed"
