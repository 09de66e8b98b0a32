"""A Celery application: tasks, a chain, a countdown, a retry, and the remote control that needs fanout exchanges."""

import subprocess
import sys
import time
from pathlib import Path

URL, HOME = sys.argv[1], Path(sys.argv[2])

APPLICATION = f"""
from celery import Celery

app = Celery("tasks", broker={URL!r}, backend="rpc://")
app.conf.task_acks_late = True
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_connection_retry_on_startup = True


@app.task
def add(x, y):
    return x + y


@app.task(bind=True, max_retries=3)
def stubborn(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.2)
    return self.request.retries
"""


def main():
    (HOME / "tasks.py").write_text(APPLICATION)
    sys.path.insert(0, str(HOME))
    log = open(HOME / "worker.log", "w")
    words = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--concurrency=2", "--pool=threads", "--loglevel=INFO"]
    worker = subprocess.Popen(words, cwd=HOME, stdout=log, stderr=log)
    try:
        from celery import chain
        from tasks import add, app, stubborn

        assert add.delay(2, 3).get(timeout=40) == 5
        assert chain(add.s(1, 1), add.s(10))().get(timeout=20) == 12
        began = time.monotonic()
        assert add.apply_async((1, 2), countdown=2).get(timeout=20) == 3
        assert time.monotonic() - began >= 2
        assert stubborn.delay().get(timeout=20) == 2
        results = [add.delay(number, number) for number in range(100)]
        assert [result.get(timeout=40) for result in results] == [2 * number for number in range(100)]
        pong = app.control.ping(timeout=5)
        assert pong, "no worker answered"
        active = app.control.inspect(timeout=5).active_queues()
        assert active and "celery" in str(active), active
    except BaseException:
        log.flush()
        print((HOME / "worker.log").read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        worker.terminate()
        worker.wait(timeout=30)
    print("celery: all well")


main()
