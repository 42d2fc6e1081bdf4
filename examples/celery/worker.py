"""A small worker: it counts visits in Redis, and says how each task went.

It needs a Redis, which ``REDIS_URL`` names::

    REDIS_URL=redis://:password@host:6379/0

``LIVENESS_FILE`` names a file that it keeps fresh, for a probe.
"""

from __future__ import annotations

import logging
import os

import redis
from celery import Celery

from dockerflow.celery import observe
from dockerflow.logging import configure

# Everything that is logged goes to stdout, with the id of the request that has sent a task.
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
