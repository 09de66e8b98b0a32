#!/usr/bin/env bash
# kill -9 and failing flushes while pika and RabbitMQ's Java client publish: nothing confirmed is lost, and nothing is
# confirmed after a flush failed. The same for REST and gRPC, with power cuts and more: faults.
# time limit: 600
# apt: strace javac:openjdk-17-jdk-headless curl:curl
# pip: pika==1.4.4
set -euo pipefail
source "$(dirname "$0")/amqp/broker.sh"
python_packages "$0" pika
strace -o /dev/null true || { echo "strace may not trace; in a container it needs SYS_PTRACE" >&2; exit 1; }
# The acceptance starts brokers of its own, on that port.
kill "$(cat "$home/pid")"
while kill -0 "$(cat "$home/pid")" 2>/dev/null; do sleep 0.05; done
rm "$home/pid"
bash "$here/java/compile.sh" "$target/ci-java" "$home/java"
runs=4
timeout 500 python3 "$here/faults/acceptance.py" "$binary" "$home" "$port" "$runs" "$runs" "$home/java:$target/ci-java/*"
