"""The common part of the applications for gevent's and eventlet's workers.

The environment variable ``CHECKS`` names their checks, and ``CHECK_TIMEOUT`` is the time limit.
Without ``CHECKS`` they don't use dockerflow.
"""

from __future__ import annotations

import logging
import os
import threading

from dockerflow.logging import MozlogHandler, RequestIdLogFilter, request_id_context

CHECKS = os.environ.get("CHECKS", "").split()
CHECK_TIMEOUT = os.environ.get("CHECK_TIMEOUT", "60")
REQUESTS = 20  # the view `meet` waits for it

_checks_meet = threading.Barrier(2)
_released = threading.Event()
_requests_meet = threading.Barrier(REQUESTS)
_log = logging.getLogger("app")


def log_to_stdout() -> None:
    """Log everything as mozlog, with the request's id."""
    handler = MozlogHandler()
    handler.addFilter(RequestIdLogFilter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def one() -> None:
    """Wait for the other check."""
    _checks_meet.wait()


def other() -> None:
    """Wait for the other check."""
    _checks_meet.wait()


def waits() -> None:
    """Wait until a request releases it."""
    _log.info("waits")
    _released.wait()


def release() -> str:
    """End the waiting check."""
    _released.set()
    return "released"


async def asynchronous() -> None:
    """Be an async check."""


def meet() -> str:
    """Wait for other requests, and return the id of this one."""
    _requests_meet.wait()
    _log.info("met")
    return request_id_context.get() or ""
