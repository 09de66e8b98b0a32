#!/usr/bin/env bash
# rabbitmqadmin as Debian's package of RabbitMQ has it, unmodified: every list as JSON and as a table, and a topology made,
# used, exported, imported and deleted; every command must end with 0. Sourced by a suite with a broker that runs.
# shellcheck shell=bash
mkdir "$home/tool"
(
    cd "$home/tool"
    fetch() { apt-get -o APT::Sandbox::User=root download -qq rabbitmq-server; }
    fetch 2>/dev/null || { apt-get update -qq && fetch; }
    dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards '*/cli/rabbitmqadmin'
)
tool=$(find "$home/tool" -name rabbitmqadmin -type f)
count=0
# run WORDS...: a command; what it printed is in $home/out.
run() {
    count=$((count + 1))
    if ! python3 "$tool" --host 127.0.0.1 --port "$management" --username admin --password "$password" "$@" \
        >"$home/out" 2>"$home/err"; then
        echo "rabbitmqadmin $* failed:" >&2
        cat "$home/out" "$home/err" >&2
        exit 1
    fi
}
# json WORDS...: a command whose output is JSON in which the last word, a Python expression over `it`, is true.
json() {
    run --format raw_json "${@:1:$#-1}"
    python3 -c "import json, sys; it = json.load(open(sys.argv[1])); assert ${*: -1}, it" "$home/out"
}

json show overview 'it[0]["rabbitmq_version"]'
for noun in nodes vhosts users queues exchanges bindings connections channels consumers permissions policies \
    operator_policies parameters vhost_limits; do
    json list "$noun" 'isinstance(it, list)'
    run --format table list "$noun"
done
run declare vhost name=workshop
run declare user name=eve password=a-long-enough-secret tags=monitoring
run declare permission vhost=workshop user=eve configure='.*' write='.*' read='.*'
at=(--vhost workshop)
run declare permission vhost=workshop user=admin configure='.*' write='.*' read='.*'
run "${at[@]}" declare exchange name=news type=topic
run "${at[@]}" declare queue name=readers durable=true 'arguments={"x-max-length":100}'
run "${at[@]}" declare binding source=news destination=readers routing_key='sport.#'
run "${at[@]}" declare policy name=short pattern='^read' definition='{"max-length":50}' apply-to=queues
json "${at[@]}" list policies 'it[0]["definition"] == {"max-length": 50}'
run "${at[@]}" publish exchange=news routing_key=sport.chess payload=mate
json "${at[@]}" get queue=readers '[message["payload"] for message in it] == ["mate"]'
run "${at[@]}" get queue=readers ackmode=ack_requeue_false
json "${at[@]}" list queues name messages 'it == [{"messages": 0, "name": "readers"}]'
run export "$home/definitions.json"
run "${at[@]}" delete queue name=readers
run "${at[@]}" delete exchange name=news
run import "$home/definitions.json"
json "${at[@]}" list bindings 'any(binding["routing_key"] == "sport.#" for binding in it)'
run "${at[@]}" purge queue name=readers
run "${at[@]}" delete binding source=news destination_type=queue destination=readers properties_key='sport.%23'
run "${at[@]}" delete policy name=short
run "${at[@]}" delete queue name=readers
run "${at[@]}" delete exchange name=news
run delete user name=eve
run delete vhost name=workshop
echo "rabbitmqadmin: $count commands, all ended with 0"
