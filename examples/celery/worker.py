"""A small worker that counts visits in Redis and logs the result of each task.

It needs a Redis server; ``REDIS_URL`` is its address::

    REDIS_URL=redis://:password@host:6379/0

``LIVENESS_FILE`` is the path of a file that it touches regularly, for a probe.
"""

from __future__ import annotations

import logging
import os

import redis
from celery import Celery

from dockerflow.celery import observe
from dockerflow.logging import configure

# All logs go to stdout, with the id of the request that has sent the task.
configure("visits")
log = logging.getLogger("visits")

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")

app = Celery("visits", broker=REDIS_URL)
app.conf.broker_connection_retry_on_startup = True
observe(app, liveness_file=os.environ.get("LIVENESS_FILE"))

cache = redis.Redis.from_url(REDIS_URL)


@app.task(name="count")
def count(path: str) -> None:
    """Count a visit."""
    log.info("counted", extra={"path": path, "visits": cache.incr(f"visits:{path}")})
