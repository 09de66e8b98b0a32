"""The whole scenario with pika: topology, confirms, consume, requeue, dead letter, delay, and a restart without loss.

Called as: scenario_pika.py URL RESTART, where RESTART is a command that kills the broker and starts it again.
"""

import subprocess
import sys
import time

import pika

URL, RESTART = sys.argv[1], sys.argv[2]
MESSAGES = 500


def connect():
    deadline = time.monotonic() + 60
    while True:
        try:
            return pika.BlockingConnection(pika.URLParameters(URL))
        except pika.exceptions.AMQPConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def take(channel, queue, seconds=10):
    """The next message of a queue, settled by nobody."""
    for method, properties, body in channel.consume(queue, inactivity_timeout=seconds):
        assert method is not None, f"nothing came from {queue}"
        return method, properties, body


def topology(channel):
    channel.exchange_declare("orders", "topic", durable=True)
    channel.queue_declare("dead", durable=True)
    channel.queue_declare(
        "work",
        durable=True,
        arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead", "x-max-priority": 5},
    )
    channel.queue_bind("work", "orders", "eu.#")


def properties_survive(channel):
    sent = pika.BasicProperties(
        content_type="text/plain",
        content_encoding="utf-8",
        headers={"number": 7, "text": "é", "list": [1, {"deep": True}], "nothing": None},
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        reply_to="r",
        expiration="60000",
        message_id="m",
        timestamp=1_700_000_000,
        type="t",
        app_id="a",
    )
    channel.basic_publish("orders", "eu.de", b"hello", sent, mandatory=True)
    method, got, body = take(channel, "work")
    assert (method.exchange, method.routing_key, method.redelivered, body) == ("orders", "eu.de", False, b"hello")
    assert got == sent, f"{got} is not {sent}"
    channel.basic_nack(method.delivery_tag, requeue=True)
    channel.cancel()
    method, got, _ = take(channel, "work")
    assert method.redelivered and got.headers["x-delivery-count"] >= 1
    channel.basic_reject(method.delivery_tag, requeue=False)
    channel.cancel()
    method, got, _ = take(channel, "dead")
    death = got.headers["x-death"][0]
    assert (death["queue"], death["reason"], death["count"]) == ("work", "rejected", 1), death
    assert got.headers["x-first-death-queue"] == "work" and got.expiration is None
    channel.basic_ack(method.delivery_tag)
    channel.cancel()


def nobody_wants_it(channel):
    try:
        channel.basic_publish("orders", "us", b"lost", mandatory=True)
    except pika.exceptions.UnroutableError as error:
        assert error.messages[0].body == b"lost"
    else:
        raise AssertionError("an unroutable message came not back")


def delayed(channel):
    channel.exchange_declare("later", "x-delayed-message", durable=True, arguments={"x-delayed-type": "direct"})
    channel.queue_declare("late", durable=True)
    channel.queue_bind("late", "later", "k")
    channel.queue_declare("short-lived", arguments={"x-message-ttl": 300, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "late"})
    began = time.monotonic()
    channel.basic_publish("later", "k", b"delayed", pika.BasicProperties(headers={"x-delay": 600}))
    channel.basic_publish("", "short-lived", b"expired")
    bodies = []
    for method, _, body in channel.consume("late", inactivity_timeout=10):
        assert method is not None, bodies
        channel.basic_ack(method.delivery_tag)
        bodies.append(body)
        if len(bodies) == 2:
            break
    channel.cancel()
    assert bodies == [b"expired", b"delayed"] and time.monotonic() - began >= 0.6, bodies


def errors(connection):
    def refused(code, ask):
        channel = connection.channel()
        try:
            ask(channel)
        except pika.exceptions.ChannelClosedByBroker as error:
            assert error.reply_code == code, error
        else:
            raise AssertionError(f"{code} was expected")

    refused(404, lambda channel: channel.queue_declare("nowhere", passive=True))
    refused(404, lambda channel: channel.basic_consume("nowhere", print))
    refused(406, lambda channel: channel.queue_declare("work", durable=False))
    refused(406, lambda channel: channel.exchange_declare("orders", "fanout"))
    refused(403, lambda channel: channel.queue_declare("amq.mine"))
    refused(403, lambda channel: channel.exchange_delete(""))
    own = connection.channel().queue_declare("", exclusive=True).method.queue
    other = connect()
    try:
        other.channel().queue_declare(own, passive=True)
    except pika.exceptions.ChannelClosedByBroker as error:
        assert error.reply_code == 405, error
    other.close()


def restart(channel):
    """What was confirmed before the broker is killed is there afterwards, once."""
    for number in range(MESSAGES):
        channel.basic_publish("orders", "eu.x", str(number).encode(), mandatory=True)
    # One is taken and not settled: it comes back.
    take(channel, "work")
    subprocess.run(RESTART, shell=True, check=True)
    connection = connect()
    channel = connection.channel()
    channel.basic_qos(prefetch_count=50)
    seen = []
    for method, _, body in channel.consume("work", inactivity_timeout=5):
        if method is None:
            break
        seen.append(int(body))
        channel.basic_ack(method.delivery_tag)
    assert sorted(seen) == list(range(MESSAGES)), f"{len(seen)} of {MESSAGES}"
    connection.close()


def main():
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    topology(channel)
    properties_survive(channel)
    nobody_wants_it(channel)
    delayed(channel)
    errors(connection)
    restart(channel)
    print("pika: all well")


main()
