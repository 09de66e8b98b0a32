# A broker for the suites of AMQP clients, sourced by them: builds the binary, starts it, and knows how to kill it and
# start it again on the same port. Afterwards: $target, $here (this folder), $home (a folder that goes with the suite),
# $url, $password, $port and $restart, a command that kills the broker and starts it again. What $broker_options holds
# beforehand are further options of the broker.
# shellcheck shell=bash
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
binary="${RECADO_BINARY:-$target/debug/recado}"
here="$PWD/.ci/suites/amqp"
[ -n "${RECADO_BINARY:-}" ] || cargo build --quiet --locked --package server

home=$(mktemp -d)
finish() {
    local pid
    if [ -s "$home/pid" ]; then
        pid=$(cat "$home/pid")
        kill "$pid" 2>/dev/null || true
        # Its folder is not written any more once it is gone.
        while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
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
    --admin-password-file "$home/password" ${broker_options:-} >"$home/banner" 2>>"$home/log" &
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
restart="bash $home/restart"
url="amqp://admin:$password@127.0.0.1:$port/%2f"

# python_packages SUITE IMPORT: by hand, without the folder of packages that .ci/run prepares from the head of the suite.
python_packages() {
    python3 -c "import $2" 2>/dev/null && return
    local venv
    venv="$target/ci-venv-$(basename "$1" .sh)"
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    # shellcheck disable=SC2046 # the packages are words
    "$venv/bin/pip" install --quiet --disable-pip-version-check $(sed -n 's/^# pip: *//p' "$1")
    PATH="$venv/bin:$PATH"
}

# The suite fails when the broker warned of anything.
no_complaints() {
    if grep -E 'WARN|ERROR|panicked' "$home/log"; then
        echo "the broker complained" >&2
        return 1
    fi
}
