"""The broker is killed, or its flushes fail with EIO, while pika and RabbitMQ's Java client publish. Nothing that was
confirmed may be missing afterwards, nothing may come twice, and nothing that was sent after a failed flush is confirmed.
What one client published the other drains.

Called as: acceptance.py BROKER HOME PORT KILLS FAILURES CLASSPATH
"""

import random
import re
import subprocess
import sys
import time
from pathlib import Path

BROKER, HOME, PORT, KILLS, FAILURES, CLASSES = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:6]), sys.argv[6]
URL = f"amqp://admin:correct-horse-battery@127.0.0.1:{PORT}/%2f"
CLIENTS = {
    "pika": [sys.executable, str(Path(__file__).with_name("client.py"))],
    "java": ["java", "-XX:TieredStopAtLevel=1", "-cp", CLASSES, "Client"],
}
CALLS = "fdatasync,fsync"
# The first flush of a thread that is made to fail: those before it belong to the start.
FIRST_FAILURE = 20
running = []


def until(holds, seconds, what):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def start(below=()):
    """Starts the broker; none when it ended instead."""
    words = [*below, BROKER, "serve", "--data", HOME / "data", "--http", "none", "--grpc", "none"]
    words += ["--amqp", f"127.0.0.1:{PORT}", "--log", "warn", "--admin-password-file", HOME / "password"]
    banner = open(HOME / "banner", "w")
    broker = subprocess.Popen(words, stdout=banner, stderr=open(HOME / "log", "a"))
    running.append(broker)
    ready = lambda: re.search("^ *next", (HOME / "banner").read_text(), re.M)
    until(lambda: ready() or broker.poll() is not None, 60, "the broker is not ready")
    return broker if broker.poll() is None else None


def end(process, how):
    """Ends a process and waits for it."""
    if process.poll() is None:
        how(process)
    process.wait(timeout=60)
    running.remove(process)


class Run:
    """What clients did, read from what they wrote."""

    def __init__(self, label, client):
        self.label, self.file = label, HOME / f"{label}.lines"
        self.client = subprocess.Popen([*CLIENTS[client], "publish", URL, "flow", label], stdout=open(self.file, "w"))
        running.append(self.client)

    def lines(self, word):
        found = (line.split() for line in self.file.read_text().splitlines())
        return [line[1:] for line in found if line[:1] == [word] and len(line) == (3 if word == "sent" else 2)]

    def bodies(self, word):
        return [line[0] for line in self.lines(word)]


def drained(client):
    """Everything that is there, taken by a client."""
    output = subprocess.run([*CLIENTS[client], "drain", URL, "flow"], stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    return [line.split()[1] for line in output.stdout.splitlines()]


def judge(run, taken, who):
    sent, confirmed = set(run.bodies("sent")), run.bodies("confirmed")
    missing = set(confirmed) - set(taken)
    assert not missing, f"{who}: {len(missing)} of {len(confirmed)} confirmed messages are missing: {sorted(missing)[:5]}"
    assert len(taken) == len(set(taken)), f"{who}: messages came twice"
    assert set(taken) <= sent, f"{who}: messages came that nobody sent"
    return len(confirmed)


def killed(number, client, other):
    broker = start()
    run = Run(f"kill{number}", client)
    until(lambda: run.bodies("confirmed"), 60, f"{client}: nothing is confirmed")
    time.sleep(random.uniform(0.2, 1.5))
    end(broker, subprocess.Popen.kill)
    end(run.client, lambda process: process.wait(timeout=20))
    broker = start()
    count = judge(run, drained(other), client)
    end(broker, subprocess.Popen.terminate)
    print(f"  kill {number}: {count} confirmed to {client}, all taken by {other}")
    return count


def injected(trace):
    """When the first flush was made to fail, in microseconds."""
    times = [line.split()[1] for line in trace.read_text().splitlines() if "INJECTED" in line] if trace.exists() else []
    return min((int(float(time) * 1_000_000) for time in times), default=None)


def failed(number, client, other):
    trace, nth = HOME / "trace", FIRST_FAILURE + number
    trace.unlink(missing_ok=True)
    inject = f"inject={CALLS}:error=EIO:when={nth}+"
    broker = start(["strace", "-D", "-f", "-qq", "-ttt", "-e", f"trace={CALLS}", "-e", inject, "-o", str(trace)])
    assert broker, f"flush {nth}: it failed in the start; choose a later one"
    run = Run(f"flush{number}", client)
    until(lambda: injected(trace), 60, f"flush {nth}: it never came")
    time.sleep(1)
    end(run.client, subprocess.Popen.terminate)
    end(broker, subprocess.Popen.terminate)
    assert broker.returncode != 0, f"flush {nth}: it ended as if all were well"
    confirmed = set(run.bodies("confirmed"))
    at = injected(trace)
    late = [body for body, micros in run.lines("sent") if int(micros) > at and body in confirmed]
    assert not late, f"flush {nth}: {late[:5]} were sent after it had failed, and are confirmed"
    after = sum(int(micros) > at for _, micros in run.lines("sent"))
    broker = start()
    count = judge(run, drained(other), client)
    end(broker, subprocess.Popen.terminate)
    print(f"  flush {nth} and all after it fail: {count} confirmed to {client} and taken by {other}, {after} sent later, none confirmed")
    return count


def main():
    seed = time.time_ns()
    random.seed(seed)
    print(f"  seed {seed}")
    pairs = [("pika", "java"), ("java", "pika")]
    counts = [killed(number, *pairs[number % 2]) for number in range(KILLS)]
    counts += [failed(number, *pairs[number % 2]) for number in range(FAILURES)]
    assert all(counts), f"nothing was confirmed in a run: it proves nothing: {counts}"
    print(f"{KILLS} kills, {FAILURES} failed flushes, {sum(counts)} confirmed, 0 lost")


try:
    main()
finally:
    for process in running:
        process.kill()
