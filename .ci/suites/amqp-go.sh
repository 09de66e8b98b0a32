#!/usr/bin/env bash
# The Go client of RabbitMQ against the binary, unmodified.
# when: long
# time limit: 600
# apt: go:golang
set -euo pipefail
exec bash "$(dirname "$0")/amqp.sh" go
