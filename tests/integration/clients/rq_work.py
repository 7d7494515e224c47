"""RQ as an application uses it: a worker, results, a failure, a job for later. REDIS_URL says where and as whom."""

from __future__ import annotations

import os
from datetime import timedelta

from redis import Redis
from rq import Queue, SimpleWorker
from rq.registry import FailedJobRegistry, ScheduledJobRegistry

connection = Redis.from_url(os.environ["REDIS_URL"])
queue = Queue(connection=connection)
done, fails = queue.enqueue(sum, (2, 3)), queue.enqueue("builtins.int", "no number")
later = queue.enqueue_in(timedelta(hours=1), sum, (3, 4))
SimpleWorker([queue], connection=connection).work(burst=True, with_scheduler=True)
assert done.return_value() == 5
assert fails.id in FailedJobRegistry(queue=queue).get_job_ids()
assert later.id in ScheduledJobRegistry(queue=queue).get_job_ids()
