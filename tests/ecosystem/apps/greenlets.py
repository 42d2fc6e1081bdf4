"""What the applications of gevent's and eventlet's workers have in common.

The environment names their checks in ``CHECKS``, without which they have no dockerflow at all, and
the time limit of these in ``CHECK_TIMEOUT``.
"""

from __future__ import annotations

import logging
import os
import threading

from dockerflow.logging import MozlogHandler, RequestIdLogFilter, request_id_context

CHECKS = os.environ.get("CHECKS", "").split()
CHECK_TIMEOUT = os.environ.get("CHECK_TIMEOUT", "60")
REQUESTS = 20  # that the view `meet` waits for

_checks_meet = threading.Barrier(2)
_released = threading.Event()
_requests_meet = threading.Barrier(REQUESTS)
_log = logging.getLogger("app")


def log_to_stdout() -> None:
    """Write all that is logged as mozlog, with the request's id."""
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
    """Wait until the application has been asked to release it."""
    _log.info("waits")
    _released.wait()


def release() -> str:
    """End the check that waits."""
    _released.set()
    return "released"


async def asynchronous() -> None:
    """Be an async check."""


def meet() -> str:
    """Wait for other requests, and return the id of this one."""
    _requests_meet.wait()
    _log.info("met")
    return request_id_context.get() or ""
