"""Celery as an application uses it: tasks, one for later, a chord, a broadcast. REDIS_URL says where and as whom."""

from __future__ import annotations

import os
import subprocess
import sys

from celery import Celery, chord

app = Celery("celery_work", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.update(
    broker_transport_options={"global_keyprefix": "shop:"},
    result_backend_transport_options={"global_keyprefix": "shop:"},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


def main():
    command = [sys.executable, "-m", "celery", "-A", "celery_work", "worker", "--pool", "solo", "--loglevel", "WARNING"]
    with subprocess.Popen(command) as worker:
        try:
            assert add.delay(2, 3).get(timeout=60) == 5
            assert add.apply_async((3, 4), countdown=1).get(timeout=60) == 7
            assert chord(add.s(n, n) for n in range(3))(total.s()).get(timeout=60) == 6
            assert app.control.ping(timeout=10, limit=1), "no worker answers a broadcast"
        finally:
            worker.terminate()


if __name__ == "__main__":
    main()
