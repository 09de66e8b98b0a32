#!/usr/bin/env bash
# Frameworks over RabbitMQ's clients, each as a small real application with an outcome that it checks itself: Celery,
# Dramatiq, FastStream and NestJS. Spring is in amqp-spring.
# time limit: 600
# apt: node:nodejs npm:npm
# pip: celery==5.7.0 dramatiq[rabbitmq]==2.2.1 faststream[rabbit]==0.7.8
set -euo pipefail
source "$(dirname "$0")/amqp/broker.sh"
python_packages "$0" "celery, dramatiq, faststream.rabbit"

echo "== celery and dramatiq"
mkdir "$home/celery" "$home/dramatiq" "$home/nest"
# The long task takes longer than the lease of a queue; dramatiq runs meanwhile.
timeout 180 python3 "$here/frameworks/celery_tasks.py" "amqp://admin:$password@127.0.0.1:$port//" "$home/celery" 33 &
celery=$!
timeout 120 python3 "$here/frameworks/dramatiq_actors.py" "$url" "$home/dramatiq"
cp "$here/frameworks/nest/app.js" "$home/nest"
(
    cd "$home/nest"
    npm install --silent --no-audit --no-fund amqplib@2.3.1 amqp-connection-manager@5.0.0 reflect-metadata@0.2 rxjs@7 \
        @nestjs/common@12 @nestjs/core@12 @nestjs/microservices@12.1.1 >/dev/null
)
wait "$celery"
# These two kill the broker.
echo "== faststream"
timeout 120 python3 "$here/frameworks/faststream_app.py" "$url" "$restart"
echo "== nestjs"
(cd "$home/nest" && timeout 120 node app.js "$url" "$restart")
no_complaints
echo "4 frameworks, 0 failed"
