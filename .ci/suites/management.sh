#!/usr/bin/env bash
# RabbitMQ's HTTP API as tools use it: the definitions of a RabbitMQ with the hashes of its users are imported, its
# application works with its old password, and everything comes out again as it went in, also after the broker was killed.
# Then rabbitmqadmin as Debian has it, and Flower beside a worker of Celery. The tool's second version is in rabbitmqadmin.
# time limit: 400
# pip: pika==1.4.4 celery==5.7.0 flower==2.2.0
set -euo pipefail
management=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
broker_options="--management 127.0.0.1:$management"
source "$(dirname "$0")/amqp/broker.sh"
python_packages "$0" "pika, celery, flower"
timeout 120 python3 .ci/suites/management/scenario.py "http://127.0.0.1:$management" "$url" "$restart"
source .ci/suites/management/rabbitmqadmin.sh
timeout 150 python3 .ci/suites/management/flower.py "http://admin:$password@127.0.0.1:$management" "$url" "$home"
no_complaints
