#!/usr/bin/env bash
# Every operation of the REST door against its own document: valid and invalid requests by the thousand, and
# no answer is a server error, has an undocumented status or media type, or breaks its schema.
# Event streams are left out: they answer without end, and have tests of their own in crates/web.
# One worker: in Python 3.11 two threads that parse at once meet "AST constructor recursion depth mismatch" (gh-106905).
# time limit: 1200
# pip: schemathesis==4.32.5
set -euo pipefail
cd "$(dirname "$0")/../.."
target="${CARGO_TARGET_DIR:-$PWD/target}"
binary="${RECADO_BINARY:-$target/release/recado}"
cases_wanted=5000
# A failing run is repeated with: SEED=N bash .ci/suites/schemathesis.sh
seed="${SEED:-$(date +%s)}"

# By hand, without the folder of packages that .ci/run prepares:
if ! command -v schemathesis >/dev/null; then
    venv="$target/ci-venv-schemathesis"
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$(sed -n 's/^# pip: *//p' "$0")"
    PATH="$venv/bin:$PATH"
fi
[ -n "${RECADO_BINARY:-}" ] || cargo build --quiet --release --locked --package server

home=$(mktemp -d)
broker=
finish() {
    if [ -n "$broker" ]; then
        kill "$broker" 2>/dev/null || true
        wait "$broker" 2>/dev/null || true
    fi
    rm -rf "$home"
}
trap finish EXIT

password=correct-horse-battery
echo "$password" >"$home/password"
"$binary" serve --data "$home/data" --http 127.0.0.1:0 --grpc none --amqp none --log warn \
    --admin-password-file "$home/password" >"$home/banner" 2>"$home/log" &
broker=$!
url=
for _ in $(seq 300); do
    url=$(sed -n 's|^ *REST *\(http://[^ ]*\)/v1$|\1|p' "$home/banner")
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "$url" ] || { echo "the broker does not come up:" >&2; cat "$home/log" >&2; exit 1; }

echo "seed $seed"
# The cases grow with the number of examples an operation; coverage alone brings some seven thousand.
verdict=0
cd "$home"
timeout 800 schemathesis run "$url/openapi.json" --auth "admin:$password" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --phases examples,coverage,fuzzing --max-examples 20 --workers 1 --seed "$seed" \
    --exclude-path-regex '/stream$' --continue-on-failure --request-timeout 90 \
    --suppress-health-check all --warnings off --no-color >"$home/report" 2>&1 || verdict=$?
if [ "$verdict" -ne 0 ]; then
    cat "$home/report"
else
    tail -n 25 "$home/report"
fi

ready=$(python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).status)' \
    "$url/health/ready") || ready=no
[ "$ready" = 200 ] || { echo "the broker is not ready any more" >&2; cat "$home/log" >&2; exit 1; }
cases=$(sed -n 's/^ *\([0-9]*\) generated.*/\1/p' "$home/report" | tail -n 1)
if [ "${cases:-0}" -lt "$cases_wanted" ]; then
    echo "only ${cases:-0} cases were tried, $cases_wanted are wanted" >&2
    exit 1
fi
exit "$verdict"
