#!/usr/bin/env bash
# RabbitMQ's clients against the binary, unmodified: pika with a whole scenario and a kill in its middle, aio-pika, Celery
# and amqplib; with the word `go` amqp091-go alone, which needs a proxy of Go modules. What differs from RabbitMQ is in
# docs/amqp.md.
# time limit: 600
# apt: node:nodejs npm:npm
# pip: pika==1.3.2 aio-pika==10.2.1 celery==5.7.0
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
binary="${RECADO_BINARY:-$target/debug/recado}"
here="$PWD/.ci/suites/amqp"

# By hand, without the folder of packages that .ci/run prepares:
if [ "${1:-}" != go ] && ! python3 -c 'import pika, aio_pika, celery' 2>/dev/null; then
    venv="$target/ci-venv-amqp"
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

password=correct-horse-battery
echo "$password" >"$home/password"
# The port must be the same after the restart; a free one is asked of the system.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$home/start" <<START
"$binary" serve --data "$home/data" --http none --grpc none --amqp 127.0.0.1:$port --log warn \\
    --admin-password-file "$home/password" >"$home/banner" 2>>"$home/log" &
echo \$! >"$home/pid"
for _ in \$(seq 300); do
    grep -q '^ *next' "$home/banner" && exit 0
    sleep 0.1
done
cat "$home/log" >&2
exit 1
START
cat >"$home/restart" <<RESTART
kill -9 \$(cat "$home/pid")
# Its port is free once it is gone.
while kill -0 \$(cat "$home/pid") 2>/dev/null; do sleep 0.05; done
: >"$home/banner"
bash "$home/start"
RESTART
bash "$home/start"
url="amqp://admin:$password@127.0.0.1:$port/%2f"

if [ "${1:-}" = go ]; then
    echo "== amqp091-go"
    cp -r "$here/go" "$home/go"
    (cd "$home/go" && timeout 300 go run . "$url")
    exit
fi
echo "== pika"
timeout 120 python3 "$here/scenario_pika.py" "$url" "bash $home/restart"
echo "== aio-pika"
timeout 120 python3 "$here/scenario_aio_pika.py" "$url"
echo "== celery"
timeout 180 python3 "$here/scenario_celery.py" "amqp://admin:$password@127.0.0.1:$port//" "$home"
echo "== amqplib"
mkdir "$home/node"
cp "$here/scenario_amqplib.js" "$home/node"
(cd "$home/node" && npm install --silent --no-audit --no-fund amqplib@2.3.1 >/dev/null && timeout 120 node scenario_amqplib.js "$url")
if grep -E 'WARN|ERROR|panicked' "$home/log"; then
    echo "the broker complained" >&2
    exit 1
fi
echo "4 clients, 0 failed"
