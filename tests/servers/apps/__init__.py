"""What the servers are given: the conformance suite's applications, logging mozlog to stdout."""

from __future__ import annotations

import logging
from logging.config import dictConfig

from dockerflow import checks


def log_to_stdout() -> None:
    """Configure logging as the documentation says."""
    dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request_id": {"()": "dockerflow.logging.RequestIdLogFilter"}},
            "handlers": {
                "mozlog": {
                    "class": "dockerflow.logging.MozlogHandler",
                    "name": "served",
                    "filters": ["request_id"],
                }
            },
            "root": {"level": "INFO", "handlers": ["mozlog"]},
        }
    )


def hung() -> None:
    """Hang for as long as the process lives, as a check may."""
    import threading

    threading.Event().wait()


def says() -> checks.CheckMessage:
    """Log a line of its own, and say something."""
    logging.getLogger("app").info("in check")
    return checks.Info("fine", id="served.I001")


CHECKS = {"hung": hung, "says": says}
SETTINGS = {"DOCKERFLOW_CHECK_TIMEOUT": 0.2}
