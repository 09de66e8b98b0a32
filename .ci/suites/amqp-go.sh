#!/usr/bin/env bash
# The Go client of RabbitMQ against the binary, unmodified. It needs a proxy of Go modules.
# when: long
# time limit: 600
# apt: go:golang
set -euo pipefail
source "$(dirname "$0")/amqp/broker.sh"
cp -r "$here/go" "$home/go"
(cd "$home/go" && timeout 300 go run . "$url" "$restart")
no_complaints
