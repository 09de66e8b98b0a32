"""A client of the acceptance with faults, with pika: publishes one message after the other with confirms on a few
connections, or drains a queue. What it does is on standard output before it goes on.

Called as: client.py publish URL QUEUE LABEL, or client.py drain URL QUEUE
Lines: `sent BODY MICROS` before a message is handed over, `confirmed BODY`, `refused BODY`, `taken BODY`.
"""

import sys
import threading
import time

import pika

CONNECTIONS = 4
# How long nothing may come before a queue counts as drained.
SILENCE = 2
BROKEN = (pika.exceptions.AMQPError, OSError)
lock = threading.Lock()


def say(*words):
    with lock:
        print(*words, flush=True)


def publish(url, queue, label):
    try:
        channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
        channel.queue_declare(queue, durable=True)
        channel.confirm_delivery()
        number = 0
        while True:
            body = f"{label}-{number}"
            say("sent", body, time.time_ns() // 1000)
            try:
                channel.basic_publish("", queue, body.encode(), pika.BasicProperties(delivery_mode=2), mandatory=True)
                say("confirmed", body)
            except pika.exceptions.NackError:
                say("refused", body)
                time.sleep(0.01)
            number += 1
    except BROKEN:
        pass  # The broker is gone, as it should be some time.


def drain(url, queue):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=100)
    for method, _, body in channel.consume(queue, inactivity_timeout=SILENCE):
        if method is None:
            break
        say("taken", body.decode())
        channel.basic_ack(method.delivery_tag)
    channel.cancel()
    left = channel.queue_declare(queue, passive=True).method.message_count
    connection.close()
    assert left == 0, f"{left} messages were not given out"


command, url, queue, *labels = sys.argv[1:]
if command == "drain":
    drain(url, queue)
else:
    threads = [threading.Thread(target=publish, args=(url, queue, f"{labels[0]}.{at}")) for at in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
