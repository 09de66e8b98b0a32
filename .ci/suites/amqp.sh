#!/usr/bin/env bash
# RabbitMQ's clients against the binary, unmodified, each with a whole scenario and the broker killed in its middle: pika,
# aio-pika, amqplib, amqp-connection-manager and RabbitMQ's own for Java. Those that are compiled are in amqp-go and
# amqp-lapin, frameworks in amqp-frameworks. What differs from RabbitMQ is in docs/amqp.md.
# time limit: 600
# apt: node:nodejs npm:npm javac:openjdk-17-jdk-headless curl:curl
# pip: pika==1.4.4 aio-pika==10.2.1
set -euo pipefail
source "$(dirname "$0")/amqp/broker.sh"
python_packages "$0" "pika, aio_pika"

echo "== pika"
timeout 120 python3 "$here/scenario_pika.py" "$url" "$restart"
echo "== aio-pika"
timeout 120 python3 "$here/scenario_aio_pika.py" "$url" "$restart"
echo "== amqplib and amqp-connection-manager"
mkdir "$home/node"
cp "$here"/scenario_amqplib.js "$here"/scenario_connection_manager.js "$home/node"
(
    cd "$home/node"
    npm install --silent --no-audit --no-fund amqplib@2.3.1 amqp-connection-manager@5.0.0 >/dev/null
    timeout 120 node scenario_amqplib.js "$url" "$restart"
    timeout 120 node scenario_connection_manager.js "$url" "$restart"
)
echo "== RabbitMQ's Java client"
bash "$here/java/compile.sh" "$target/ci-java" "$home/java"
timeout 120 java -cp "$home/java:$target/ci-java/*" Scenario "$url" "$restart"
no_complaints
echo "5 clients, 0 failed"
