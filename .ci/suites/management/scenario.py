"""Moves a RabbitMQ here by its definitions, and looks at everything that its tools ask for.

Usage: scenario.py MANAGEMENT_URL AMQP_URL RESTART_COMMAND
"""

import base64
import json
import pathlib
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pika

MANAGEMENT, AMQP, RESTART = sys.argv[1:]
ADMINISTRATOR = urllib.parse.urlparse(AMQP)
HERE = pathlib.Path(__file__).parent


def ask(method, path, document=None, user=None):
    """Asks once: the status, and the document."""
    name, password = user or (ADMINISTRATOR.username, ADMINISTRATOR.password)
    basic = base64.b64encode(f"{name}:{password}".encode()).decode()
    data = None if document is None else json.dumps(document).encode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
    request = urllib.request.Request(MANAGEMENT + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
            return answer.status, json.loads(body) if body.startswith((b"{", b"[")) else body.decode()
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def expect(status, method, path, document=None, user=None):
    found, answer = ask(method, path, document, user)
    assert found == status, f"{method} {path}: {found}, not {status}: {answer}"
    return answer


def connection(user, password, host):
    credentials = pika.PlainCredentials(user, password)
    return pika.BlockingConnection(
        pika.ConnectionParameters(ADMINISTRATOR.hostname, ADMINISTRATOR.port, host, credentials)
    )


def by_key(items, *fields):
    return sorted(items, key=lambda item: [str(item.get(field)) for field in fields])


def pick(definitions, like):
    """Of the definitions, what is in `like` too, with the fields that it has there."""
    fields = {
        "vhosts": ["name"],
        "permissions": ["user", "vhost", "configure", "write", "read"],
        "queues": ["name", "vhost", "durable", "auto_delete", "arguments"],
        "exchanges": ["name", "vhost", "type", "durable", "auto_delete", "internal", "arguments"],
        "bindings": ["source", "vhost", "destination", "destination_type", "routing_key", "arguments"],
    }
    picked = {}
    for kind, names in fields.items():
        items = [{name: item[name] for name in names} for item in definitions[kind]]
        wanted = [{name: item[name] for name in names} for item in like[kind]]
        picked[kind] = by_key([item for item in items if item in wanted], *names)
    return picked


given = json.loads((HERE / "definitions.json").read_text())
expect(204, "POST", "/api/definitions", given)
expect(204, "POST", "/api/definitions", given)
print("imported, twice")

exported = expect(200, "GET", "/api/definitions")
assert pick(exported, given) == pick(given, given), json.dumps(exported, indent=1)
assert {user["name"] for user in exported["users"]} == {"admin", "shop", "watcher"}
print("exported as it was given")

# The application with its old password; the second login is by the hash of the broker's own.
for _ in range(2):
    shop = connection("shop", "test12", "shop")
    channel = shop.channel()
    channel.confirm_delivery()
    channel.queue_declare("orders", durable=True, arguments=given["queues"][0]["arguments"])
    channel.basic_publish("events", "order.new", b"one", mandatory=True)
    method, _, body = channel.basic_get("orders")
    assert body == b"one"
    channel.basic_nack(method.delivery_tag, requeue=False)
    shop.close()
try:
    connection("shop", "test13", "shop")
    raise SystemExit("a wrong password is let in")
except pika.exceptions.AMQPError:
    pass
shop = connection("shop", "test12", "shop")
try:
    shop.channel().queue_declare("theirs", durable=True)
    raise SystemExit("a queue is made beyond what is permitted")
except pika.exceptions.ChannelClosedByBroker as closed:
    assert closed.reply_code == 403, closed
shop.close()
print("the application works with its old password, and within its permissions")

# As Flower, KEDA and Nagios ask.
queues = {queue["name"]: queue for queue in expect(200, "GET", "/api/queues/shop", user=("shop", "test12"))}
assert queues["orders.dead"]["messages_ready"] == 2 and queues["orders.log"]["messages"] == 2, queues
for field in ("messages", "messages_ready", "messages_unacknowledged", "consumers", "message_stats", "state"):
    assert field in queues["orders"], field
page = expect(200, "GET", "/api/queues?page=1&page_size=2&use_regex=true&name=%5Eorders&pagination=false")
assert (page["item_count"], page["filtered_count"], page["page_count"]) == (2, 3, 2), page
dead = expect(200, "POST", "/api/queues/shop/orders.dead/get", {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto"})
assert dead[0]["properties"]["headers"]["x-death"][0]["queue"] == "orders", dead
assert expect(200, "GET", "/api/aliveness-test/%2F") == {"status": "ok"}
assert expect(200, "GET", "/api/health/checks/alarms")["status"] == "ok"
node = expect(200, "GET", "/api/overview", user=("watcher", "test12"))["node"]
assert expect(200, "GET", f"/api/nodes/{node}", user=("watcher", "test12"))["running"] is True
metrics = expect(200, "GET", "/metrics", user=("watcher", "test12"))
assert "\nrabbitmq_build_info{" in metrics, metrics
expect(401, "GET", "/api/users", user=("shop", "test12"))
print("what monitoring asks for is there")

# As Terraform does: 404 is gone, PUT may be repeated, a binding is found by its key.
made = {"type": "headers", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
expect(201, "PUT", "/api/exchanges/shop/by-header", made)
expect(204, "PUT", "/api/exchanges/shop/by-header", made)
place = "/api/bindings/shop/e/by-header/q/orders"
expect(201, "POST", place, {"routing_key": "a/b", "arguments": {"x-match": "all", "kind": "order"}})
(binding,) = expect(200, "GET", place)
key = urllib.parse.quote(binding["properties_key"], safe="")
assert expect(200, "GET", f"{place}/{key}")["arguments"] == {"x-match": "all", "kind": "order"}
expect(204, "DELETE", f"{place}/{key}")
expect(404, "GET", f"{place}/{key}")
expect(204, "DELETE", "/api/exchanges/shop/by-header")
expect(404, "GET", "/api/exchanges/shop/by-header")
expect(400, "PUT", "/api/queues/shop/orders", {"durable": True, "arguments": {"x-queue-type": "classic"}})
print("things are made, found and deleted")

before = expect(200, "GET", "/api/definitions")
subprocess.run(RESTART, shell=True, check=True)
assert expect(200, "GET", "/api/definitions") == before
connection("shop", "test12", "shop").close()
print("after a kill everything is there as it was")
expect(204, "DELETE", "/api/vhosts/shop")
expect(404, "GET", "/api/vhosts/shop")
