#!/usr/bin/env bash
# RabbitMQ's HTTP API as tools use it: the definitions of a RabbitMQ with the hashes of its users are imported, its
# application works with its old password, and everything comes out again as it went in, also after the broker was killed.
# time limit: 300
# pip: pika==1.4.4
set -euo pipefail
management=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
broker_options="--management 127.0.0.1:$management"
source "$(dirname "$0")/amqp/broker.sh"
python_packages "$0" pika
timeout 120 python3 .ci/suites/management/scenario.py "http://127.0.0.1:$management" "$url" "$restart"
no_complaints
