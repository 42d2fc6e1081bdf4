"""Configure logging for a service in one line."""

from __future__ import annotations

import importlib.util
import logging.config
import os
from typing import Any

from .console import is_terminal
from .summary import REQUEST_SUMMARY, TASK_SUMMARY

FORMAT_VARIABLE = "DOCKERFLOW_LOG_FORMAT"
"""The environment variable that overrides the format given in code."""

_FORMATTERS = {
    "mozlog": "dockerflow.logging.MozlogFormatter",
    "gcp": "dockerflow.logging.GoogleCloudFormatter",
    "console": "dockerflow.logging.ConsoleFormatter",
}

# Servers give these loggers their own handlers, which the root logger's handler replaces.
_SERVER_LOGGERS = (
    *("uvicorn", "uvicorn.error", "gunicorn.error", "hypercorn.error", "_granian"),
    *("sanic.root", "sanic.error", "sanic.server", "sanic.websockets"),
    *("django", "celery", "celery.task"),
)

# The loggers of servers' access logs, and the level that silences them: Django's development server
# logs 5xx responses as errors.
_ACCESS_LOGGERS = {
    **dict.fromkeys(("uvicorn.access", "gunicorn.access", "hypercorn.access"), "WARNING"),
    **dict.fromkeys(("granian.access", "sanic.access"), "WARNING"),
    **dict.fromkeys(("django.server", "django.channels.server"), "CRITICAL"),
}


class WerkzeugFilter(logging.Filter):
    """Leave out the line that Werkzeug's development server logs for each request.

    Werkzeug has no separate logger for it: the same logger says where the server listens.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is not a request's, which begins with the client's address.

        :param record: one of the logger ``werkzeug``.
        """
        return record.levelno > logging.INFO or " - - [" not in str(record.msg)


def dict_config(
    name: str,
    level: int | str = "INFO",
    format: str = "auto",
    *,
    queue: bool = False,
    access_log: bool = False,
) -> dict[str, Any]:
    """Return a configuration of logging, with one handler on standard output.

    It is a dictionary for ``logging.config.dictConfig()``, for Django's ``LOGGING``, for the
    ``log_config`` of uvicorn and Sanic, and for ``logconfig_dict`` of gunicorn and hypercorn. It
    removes the handlers of their own loggers, so that each line is written once.

    :param name: the name of the service, the ``Logger`` of its lines.
    :param level: the level of the root logger: a name, in upper or lower case, or a number.
    :param format: ``mozlog``, ``gcp`` (Google Cloud), ``console`` (for people), or ``auto``:
        ``console`` if standard output is a terminal, otherwise ``mozlog``. The environment variable
        ``DOCKERFLOW_LOG_FORMAT`` overrides it.
    :param queue: whether lines are written by a thread, so that no request waits for a slow reader
        (:class:`dockerflow.logging.QueuedMozlogHandler`).
    :param access_log: whether servers also write their own line for each request, in addition to
        the adapters' summary.
    :raises ValueError: for any other format or level.
    """
    chosen = _chosen_format(format)
    handler = "QueuedMozlogHandler" if queue else "MozlogHandler"
    filters = {"request_id": {"()": "dockerflow.logging.RequestIdLogFilter"}}
    if _has_opentelemetry():
        filters["trace_context"] = {"()": "dockerflow.logging.TraceContextLogFilter"}
    werkzeug = {"werkzeug": {"()": "dockerflow.logging.configuration.WerkzeugFilter"}}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {**filters, **werkzeug},
        "formatters": {chosen: {"()": _FORMATTERS[chosen]}},
        "handlers": {
            "stdout": {
                "class": f"dockerflow.logging.{handler}",
                "name": name,
                "formatter": chosen,
                "filters": list(filters),
            }
        },
        "root": {"level": _known_level(level), "handlers": ["stdout"]},
        "loggers": _loggers(access_log),
    }


def configure(
    name: str,
    level: int | str = "INFO",
    format: str = "auto",
    *,
    queue: bool = False,
    access_log: bool = False,
) -> None:
    """Configure logging; the parameters are those of :func:`dockerflow.logging.dict_config`."""
    config = dict_config(name, level, format, queue=queue, access_log=access_log)
    logging.config.dictConfig(config)


def _loggers(access_log: bool) -> dict[str, dict[str, Any]]:
    """Return the loggers that have their own handlers or levels, and those of summaries."""
    loggers: dict[str, dict[str, Any]] = {name: {} for name in _SERVER_LOGGERS}
    loggers |= {name: {"level": "INFO"} for name in (REQUEST_SUMMARY, TASK_SUMMARY)}
    loggers["werkzeug"] = {"filters": [] if access_log else ["werkzeug"]}
    for name, quiet in _ACCESS_LOGGERS.items():
        loggers[name] = {"level": "INFO" if access_log else quiet}
    return {name: {"handlers": [], "propagate": True, **each} for name, each in loggers.items()}


def _chosen_format(given: str) -> str:
    from_environment = os.environ.get(FORMAT_VARIABLE, "").strip().lower()
    chosen = from_environment or given
    if chosen == "auto":
        return "console" if is_terminal() else "mozlog"
    if chosen in _FORMATTERS:
        return chosen
    source = f"${FORMAT_VARIABLE}" if from_environment else "format"
    raise ValueError(f"{source} is {chosen!r}; set it to {', '.join(_FORMATTERS)} or auto")


def _known_level(given: int | str) -> int | str:
    if isinstance(given, int):
        return given
    known = logging.getLevelNamesMapping()
    for name in (given, str(given).upper()):  # an unset variable gives None
        if name in known:
            return name
    raise ValueError(f"level is {given!r}; set it to DEBUG, INFO, WARNING, ERROR or CRITICAL")


def _has_opentelemetry() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.trace") is not None
    except ImportError:  # opentelemetry is not installed
        return False
