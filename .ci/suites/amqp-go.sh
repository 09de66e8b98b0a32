#!/usr/bin/env bash
# The Go client of RabbitMQ against the binary, unmodified: a whole scenario, with the broker killed in its middle. The tests of
# the client's own module are in amqp-go-own. It needs a proxy of Go modules.
# time limit: 600
# apt: go:golang gcc:gcc
set -euo pipefail
source "$(dirname "$0")/amqp/broker.sh"
cp -r "$here/go" "$home/go"
cd "$home/go"
timeout 500 go run . "$url" "$restart"
no_complaints
