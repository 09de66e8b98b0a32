"""A Celery application: tasks, a chain, a group, countdown and ETA, retries, the remote control that needs fanout
exchanges, a worker that is killed in the middle of a task, and a task that takes long.

Called as: celery_tasks.py URL FOLDER SECONDS, where SECONDS is how long the long task takes.
"""

import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

URL, HOME, LONG = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])

APPLICATION = f"""
import time
from pathlib import Path

from celery import Celery

app = Celery("tasks", broker={URL!r}, backend="rpc://")
app.conf.task_acks_late = True
app.conf.task_reject_on_worker_lost = True
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_connection_retry_on_startup = True
app.conf.task_default_queue = "celery"
app.conf.task_routes = {{"tasks.fragile": {{"queue": "celery-fragile"}}, "tasks.slow": {{"queue": "slow"}}}}


@app.task
def add(x, y):
    return x + y


@app.task(bind=True, max_retries=3)
def stubborn(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return self.request.retries


@app.task(bind=True)
def fragile(self):
    if self.request.delivery_info["redelivered"]:
        return "redelivered"
    Path({str(HOME / "fragile-began")!r}).write_text("")
    time.sleep(600)


@app.task
def slow(seconds):
    time.sleep(seconds)
    with open({str(HOME / "slow-ran")!r}, "a") as runs:
        runs.write("once")
    return "slept"
"""


def worker(queues, pool):
    log = open(HOME / "worker.log", "a")
    words = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-Q", queues, "-n", f"{queues}{time.monotonic_ns()}@here"]
    words += ["--concurrency=2", f"--pool={pool}", "--loglevel=INFO"]
    return subprocess.Popen(words, cwd=HOME, stdout=log, stderr=log, start_new_session=True)


def ordinary():
    from celery import chain, group
    from tasks import add, app, stubborn

    assert add.delay(2, 3).get(timeout=40) == 5
    assert chain(add.s(1, 1), add.s(10))().get(timeout=20) == 12
    assert group(add.s(number, 1) for number in range(10))().get(timeout=20) == list(range(1, 11))
    began = time.monotonic()
    later = datetime.now(timezone.utc) + timedelta(seconds=1)
    by_countdown, by_eta = add.apply_async((1, 2), countdown=2), add.apply_async((2, 2), eta=later)
    assert by_eta.get(timeout=20) == 4 and time.monotonic() - began >= 0.9
    assert by_countdown.get(timeout=20) == 3 and time.monotonic() - began >= 2
    assert stubborn.delay().get(timeout=20) == 2
    results = [add.delay(number, number) for number in range(100)]
    assert [result.get(timeout=40) for result in results] == [2 * number for number in range(100)]
    assert app.control.ping(timeout=5), "no worker answered"
    active = app.control.inspect(timeout=5).active_queues()
    assert active and "celery" in str(active), active


def killed(workers):
    """A task whose worker dies is given to another."""
    from tasks import fragile

    victim = worker("celery-fragile", "solo")
    workers.append(victim)
    result = fragile.delay()
    deadline = time.monotonic() + 40
    while not (HOME / "fragile-began").exists():
        assert time.monotonic() < deadline, "the task did not begin"
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    workers.append(worker("celery-fragile", "solo"))
    assert result.get(timeout=60) == "redelivered"


def main():
    (HOME / "tasks.py").write_text(APPLICATION)
    sys.path.insert(0, str(HOME))
    workers = [worker("celery,slow", "threads")]
    try:
        from tasks import slow

        long = slow.delay(LONG)
        ordinary()
        killed(workers)
        assert long.get(timeout=LONG + 60) == "slept"
        assert (HOME / "slow-ran").read_text() == "once", "the long task ran again"
    except BaseException:
        print((HOME / "worker.log").read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        for each in workers:
            each.terminate()
        for each in workers:
            each.wait(timeout=30)
    print("celery: all well")


main()
