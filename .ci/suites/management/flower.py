"""Flower, the console of Celery, beside a worker: its page of queues comes through RabbitMQ's HTTP API, its workers and
tasks through AMQP. Arguments: the management address, the AMQP address, a folder to work in."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

DEADLINE_SECONDS = 60
APPLICATION = """
import os
from celery import Celery
app = Celery("sums", broker=os.environ["BROKER"], backend="rpc://")

@app.task
def add(a, b):
    return a + b
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def eventually(what, look):
    """The first answer of `look` that is true; anything but an answer counts as not yet."""
    end, last = time.monotonic() + DEADLINE_SECONDS, None
    while time.monotonic() < end:
        try:
            last = look()
            if last:
                return last
        except OSError as error:
            last = error
        time.sleep(0.2)
    raise SystemExit(f"{what}: not within {DEADLINE_SECONDS} s; last seen: {last}")


def main():
    management, broker, folder = sys.argv[1:]
    with open(os.path.join(folder, "sums.py"), "w") as source:
        source.write(APPLICATION)
    environment = {**os.environ, "BROKER": broker, "FLOWER_UNAUTHENTICATED_API": "1"}
    os.environ["BROKER"] = broker
    port = free_port()
    celery = [sys.executable, "-m", "celery", "-A", "sums"]
    flower = ["flower", f"--broker_api={management}/api/", "--address=127.0.0.1", f"--port={port}"]
    commands = [[*celery, "worker", "-c", "1", "-E", "--loglevel", "WARNING"], [*celery, *flower]]
    log = open(os.path.join(folder, "flower.log"), "w")
    running = [
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
        for command in commands
    ]

    def get(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.read().decode()

    try:
        eventually("a worker in Flower", lambda: json.loads(get("/api/workers?refresh=1")))
        sys.path.insert(0, folder)
        from sums import add

        assert add.delay(2, 3).get(timeout=DEADLINE_SECONDS) == 5
        states = lambda: [task["state"] for task in json.loads(get("/api/tasks")).values()]
        eventually("the task in Flower", lambda: states() == ["SUCCESS"])
        queues = json.loads(get("/api/queues/length"))["active_queues"]
        [queue] = [queue for queue in queues if queue["name"] == "celery"]
        assert (queue["messages"], queue["consumers"]) == (0, 1), queue
        page = get("/broker")
        assert '<tr id="celery">' in page, page
    except BaseException:
        with open(log.name) as said:
            print(said.read()[-4000:], file=sys.stderr)
        raise
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=DEADLINE_SECONDS)
    print("flower: a worker, a task and the queues are shown")


main()
