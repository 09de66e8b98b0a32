#!/usr/bin/env bash
# The tests of the Go client's own module against the binary, with another user and other ports. Those of its recovery close
# connections through the management API. It needs a proxy of Go modules.
# when: long
# time limit: 900
# apt: go:golang gcc:gcc
set -euo pipefail
management=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# shellcheck disable=SC2034 # of the file that is read here
broker_options="--management 127.0.0.1:$management"
source "$(dirname "$0")/amqp/broker.sh"
cp -r "$here/go" "$home/go"
cd "$home/go"
cp -r "$(go list -m -f '{{.Dir}}' github.com/rabbitmq/amqp091-go)" "$home/own"
chmod -R u+w "$home/own"
cd "$home/own"
sed -i -e 's/\(defaultLogin *= \)"guest"/\1"admin"/' -e "s/\(defaultPassword *= \)\"guest\"/\1\"$password\"/" client_test.go
sed -i -e "s/localhost:15672/127.0.0.1:$management/" -e "s/localhost:\"+port/127.0.0.1:\"+port/" \
    -e "s/\"guest\", \"guest\"/\"admin\", \"$password\"/" internal/utils/http.go
sed -i -e "s/\"15672\"/\"$management\"/" recovery_test.go
grep -q "defaultPassword *= \"$password\"" client_test.go
if ! AMQP_URL="$url" timeout 800 go test -tags integration -v -timeout 780s "$@" >"$home/own.log" 2>&1; then
    grep -B 20 -e '^ *--- FAIL' -e panic "$home/own.log" >&2 || tail -n 60 "$home/own.log" >&2
    exit 1
fi
echo "the client's own tests: $(grep -c '^--- PASS' "$home/own.log") passed, $(grep -c '^--- SKIP' "$home/own.log") skipped"
no_complaints
