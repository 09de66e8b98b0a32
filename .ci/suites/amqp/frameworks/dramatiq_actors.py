"""A Dramatiq application: actors, priorities, delay, retries with their backoff, dead letters after the last one, and a
worker that is killed in the middle of a message.

Called as: dramatiq_actors.py URL FOLDER
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

URL, HOME = sys.argv[1], Path(sys.argv[2])

APPLICATION = f"""
import time
from pathlib import Path

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

HOME = Path({str(HOME)!r})
broker = RabbitmqBroker(url={URL!r}, confirm_delivery=True, max_priority=5)
dramatiq.set_broker(broker)


def note(name, what):
    with open(HOME / name, "a") as lines:
        lines.write(f"{{what}}\\n")


@dramatiq.actor
def count(number):
    note("counted", number)


@dramatiq.actor(max_retries=3, min_backoff=100, max_backoff=200)
def stubborn():
    note("tries", time.time())
    if len((HOME / "tries").read_text().splitlines()) < 3:
        raise RuntimeError("not yet")


@dramatiq.actor(max_retries=0)
def hopeless():
    raise RuntimeError("never")


@dramatiq.actor(queue_name="fragile")
def fragile():
    note("fragile", "began")
    if len((HOME / "fragile").read_text().splitlines()) == 1:
        time.sleep(600)
"""


def worker(queues):
    log = open(HOME / "worker.log", "a")
    words = [sys.executable, "-m", "dramatiq", "actors", "--processes", "1", "--threads", "4", "--queues", *queues]
    return subprocess.Popen(words, cwd=HOME, stdout=log, stderr=log, start_new_session=True)


def lines(name):
    path = HOME / name
    return path.read_text().splitlines() if path.exists() else []


def until(holds, what):
    deadline = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def ordinary():
    from actors import broker, count, hopeless, stubborn

    for number in range(200):
        count.send_with_options(args=(number,), broker_priority=number % 5)
    until(lambda: len(lines("counted")) == 200, "200 messages were sent")
    assert sorted(map(int, lines("counted"))) == list(range(200))
    began = time.monotonic()
    count.send_with_options(args=(1000,), delay=1000)
    until(lambda: "1000" in lines("counted"), "the delayed message came not")
    assert time.monotonic() - began >= 1
    stubborn.send()
    until(lambda: len(lines("tries")) == 3, "it is tried three times")
    hopeless.send()
    until(lambda: broker.get_queue_message_counts("default")[2] == 1, "what cannot be done is a dead letter")
    assert broker.get_queue_message_counts("default") == (0, 0, 1)


def killed(workers):
    from actors import fragile

    workers.append(worker(["fragile"]))
    fragile.send()
    until(lambda: lines("fragile"), "the message came not")
    os.killpg(workers[-1].pid, signal.SIGKILL)
    workers.pop().wait()
    workers.append(worker(["fragile"]))
    until(lambda: len(lines("fragile")) == 2, "the message comes to another worker")


def main():
    (HOME / "actors.py").write_text(APPLICATION)
    sys.path.insert(0, str(HOME))
    workers = [worker(["default"])]
    try:
        ordinary()
        killed(workers)
    except BaseException:
        print((HOME / "worker.log").read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        for each in workers:
            each.terminate()
        for each in workers:
            each.wait(timeout=30)
    print("dramatiq: all well")


main()
