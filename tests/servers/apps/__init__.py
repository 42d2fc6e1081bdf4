"""What the servers are given: the conformance suite's applications, logging mozlog to stdout."""

from __future__ import annotations

import logging
import threading

from dockerflow import checks
from dockerflow.logging import MozlogHandler, RequestIdLogFilter
from tests.adapters.harness import Options


def log_to_stdout() -> None:
    """Write all that is logged as mozlog, with the request's id."""
    handler = MozlogHandler(name="served")
    handler.addFilter(RequestIdLogFilter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def hung() -> None:
    """Hang for as long as the process lives, as a check may."""
    threading.Event().wait()


def says() -> checks.CheckMessage:
    """Log a line of its own, and say something."""
    logging.getLogger("app").info("in check")
    return checks.Info("fine", id="served.I001")


OPTIONS = Options(settings={"DOCKERFLOW_CHECK_TIMEOUT": 0.2}, checks={"hung": hung, "says": says})
