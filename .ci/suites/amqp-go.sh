#!/usr/bin/env bash
# The Go client of RabbitMQ against the binary, unmodified: a whole scenario, then the tests of the client's own module,
# with another user and address. Those of its recovery close connections through the management API and are left out.
# It needs a proxy of Go modules.
# when: long
# time limit: 900
# apt: go:golang gcc:gcc
set -euo pipefail
source "$(dirname "$0")/amqp/broker.sh"
cp -r "$here/go" "$home/go"
cd "$home/go"
timeout 300 go run . "$url" "$restart"

cp -r "$(go list -m -f '{{.Dir}}' github.com/rabbitmq/amqp091-go)" "$home/own"
chmod -R u+w "$home/own"
cd "$home/own"
sed -i -e 's/\(defaultLogin *= \)"guest"/\1"admin"/' -e "s/\(defaultPassword *= \)\"guest\"/\1\"$password\"/" client_test.go
grep -q "defaultPassword *= \"$password\"" client_test.go
if ! AMQP_URL="$url" timeout 500 go test -tags integration -v -timeout 480s -skip Recovery . >"$home/own.log" 2>&1; then
    grep -B 20 -e '^ *--- FAIL' -e panic "$home/own.log" >&2 || tail -n 60 "$home/own.log" >&2
    exit 1
fi
echo "the client's own tests: $(grep -c '^--- PASS' "$home/own.log") passed, $(grep -c '^--- SKIP' "$home/own.log") skipped"
no_complaints
