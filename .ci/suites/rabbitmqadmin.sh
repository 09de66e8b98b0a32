#!/usr/bin/env bash
# rabbitmqadmin v2, RabbitMQ's own tool for its HTTP API, unmodified: what it lists, declares, deletes, publishes, gets,
# exports and imports, as tables and as JSON; every command must end with 0.
# when: long
# time limit: 1800
# apt: cmake:cmake
set -euo pipefail
management=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
broker_options="--management 127.0.0.1:$management"
source "$(dirname "$0")/amqp/broker.sh"
tool="${RABBITMQADMIN:-$target/ci-rabbitmqadmin/bin/rabbitmqadmin}"
if [ ! -x "$tool" ]; then
    cargo install --quiet --locked --debug --version 2.35.0 --root "$target/ci-rabbitmqadmin" \
        --target-dir "$target/ci-rabbitmqadmin/target" rabbitmqadmin
fi
cd "$home"
export HOME="$home"
count=0
# run WORDS...: a command; what it printed is in $home/out.
run() {
    count=$((count + 1))
    if ! "$tool" --host 127.0.0.1 --port "$management" --username admin --password "$password" "$@" \
        >"$home/out" 2>"$home/err"; then
        echo "rabbitmqadmin $* failed:" >&2
        cat "$home/out" "$home/err" >&2
        exit 1
    fi
}
# both WORDS...: as a table for people, and as one for scripts.
both() {
    run --table-style ascii "$@"
    run --non-interactive --quiet "$@"
}
# says TEXT: the last command printed it.
says() {
    grep -qF -- "$1" "$home/out" || { echo "no '$1' in:" >&2; cat "$home/out" >&2; exit 1; }
}

both show overview
both list nodes
both list vhosts
both list users
both list queues
both list exchanges
both list bindings
both list connections
both list channels
both list consumers
both list permissions
both list policies
both list operator_policies
both list deprecated_features
both show churn
both show endpoint
both list parameters
both list vhost_limits
both list user_limits
both list feature_flags
run --vhost / list queues
run declare vhost --name shop
run list vhosts
says shop
run users list
run declare user --name ana --password-hash kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR --tags monitoring
run --vhost shop declare permissions --user ana --configure '.*' --read '.*' --write '.*'
run list permissions
says ana
run --vhost shop declare exchange --name events --type topic --durable true
run --vhost shop declare queue --name orders --type quorum --durable true --auto-delete false \
    --arguments '{"x-delivery-limit": 5}'
run --vhost shop declare queue --name inbox --type classic --durable true --auto-delete false
run --vhost shop declare stream --name log --expiration 7D --max-length-bytes 1000000
run --vhost shop list queues
says orders
says log
run --vhost shop declare binding --source events --destination-type queue --destination orders --routing-key 'order.#'
run --vhost shop declare binding --source events --destination-type queue --destination log --routing-key '#'
run --vhost shop list bindings
says 'order.#'
run --vhost shop publish message --exchange events --routing-key order.new --payload hello
run --vhost shop get messages --queue orders --count 1 --ack-mode ack_requeue_true
says hello
run --vhost shop purge queue --name orders
run health_check local_alarms
run health_check cluster_wide_alarms
run health_check port_listener --port "$port"
run health_check protocol_listener --protocol amqp
run definitions export --file "$home/definitions.json"
python3 -c "import json, sys; d = json.load(open(sys.argv[1])); assert len(d['queues']) == 3, d" "$home/definitions.json"
run --vhost shop definitions export_from_vhost --file "$home/shop.json"
run --vhost shop delete binding --source events --destination-type queue --destination orders --routing-key 'order.#'
run --vhost shop delete queue --name orders
run --vhost shop delete queue --name inbox
run --vhost shop delete queue --name log
run --vhost shop delete exchange --name events
run --vhost shop delete permissions --user ana
run delete user --name ana
run delete vhost --name shop
run definitions import --file "$home/definitions.json"
run --vhost shop list queues
says orders
says log
run --vhost shop list bindings
says 'order.#'
run definitions export --file "$home/again.json"
cmp "$home/definitions.json" "$home/again.json"
run delete vhost --name shop
run declare vhost --name other
run --vhost other definitions import_into_vhost --file "$home/shop.json"
run --vhost other list queues
says orders
run delete vhost --name other
no_complaints
echo "$count commands of rabbitmqadmin, 0 failed"
