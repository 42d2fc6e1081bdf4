"""A Celery application, for tests/services/test_celery.py."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from celery import Celery, Task, chain, chord, group
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded

from dockerflow.celery import observe
from dockerflow.logging import configure, request_id_context

if "LOGGER_NAME" in os.environ:
    configure(os.environ["LOGGER_NAME"])
log = logging.getLogger("app")
app = Celery("orders", broker=os.environ.get("BROKER_URL"), backend=os.environ.get("BROKER_URL"))
app.conf.broker_connection_retry_on_startup = True
app.conf.beat_schedule = {"often": {"task": "quick", "schedule": 0.5}}
observe(app, liveness_file=os.environ.get("LIVENESS_FILE"))


class ExpectedError(Exception):
    """An exception that tasks raise regularly."""


class GreenletExit(BaseException):
    """Stands for the exception of the package greenlet, which is not always installed."""


ERRORS: dict[str, BaseException] = {
    "error": ValueError("broken"),
    "braces": ValueError('{"user": 1}'),
    "expected": ExpectedError("usual"),
    "ignore": Ignore(),
    "reject": Reject("no"),
    "exit": SystemExit(3),
    "hook": ValueError("for the hook"),
    "killed greenlet": GreenletExit(),
}


@app.task(name="quick")
def quick(result: object = None) -> str:
    """End at once; as a callback, accept the result of a task."""
    log.info("quick")
    return "done"


class Hooked(Task):  # type: ignore[type-arg]
    """Tasks whose hook fails."""

    def on_failure(self, exc: Exception, *args: Any, **kwargs: Any) -> None:
        """Fail with one of the errors."""
        if "hook" in str(exc):
            raise RuntimeError("hook")


@app.task(name="ends", base=Hooked, bind=True, max_retries=3, throws=(ExpectedError,))
def ends(self: Any, how: str) -> None:
    """End in the given way."""
    log.info("ends")
    if how == "retry" and not self.request.retries:
        self.retry(exc=ValueError("again"), countdown=0)
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "sleep":
        time.sleep(60)
    elif how == "caught":
        try:
            time.sleep(60)
        except SoftTimeLimitExceeded:
            log.info("caught")
    elif how == "context":
        request_id_context.set("left behind")
    elif how in ERRORS:
        raise ERRORS[how]


@app.task(name="sends")
def sends() -> None:
    """Send tasks in every way, nine in all."""
    quick.apply_async(countdown=0.1)  # 1
    chain(quick.si(), group(quick.si(), quick.si()), quick.si()).delay()  # 4
    chord([quick.s(), quick.s()], quick.s()).delay()  # 3
    ends.apply_async(("error",), link_error=quick.si())  # 1, and the one that fails
