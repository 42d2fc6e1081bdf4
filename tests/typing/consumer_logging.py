"""A consumer of logging; only the type checkers read it."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from typing import Any, assert_type

from dockerflow.logging import (
    JsonLogFormatter,
    MozlogFormatter,
    MozlogHandler,
    RequestIdLogFilter,
    SafeJSONEncoder,
    get_or_generate_request_id,
    request_id_context,
    safer_format_traceback,
)


class Formatter(MozlogFormatter):
    """Overrides the methods that applications override."""

    def convert_record(self, record: logging.LogRecord) -> dict[str, Any]:
        out = super().convert_record(record)
        out["Fields"]["region"] = "eu"
        return out

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record)

    def is_value_jsonlike(self, value: object) -> bool:
        return False


def formatters(record: logging.LogRecord) -> None:
    formatter: logging.Formatter = MozlogFormatter(
        fmt=None, datefmt=None, style="%", logger_name="acme"
    )
    assert_type(formatter.format(record), str)
    assert_type(Formatter(logger_name="acme").convert_record(record), dict[str, Any])
    assert_type(JsonLogFormatter(logger_name="acme").logger_name, str)
    assert_type(MozlogFormatter.LOGGING_FORMAT_VERSION, str)
    assert_type(MozlogFormatter.SYSLOG_LEVEL_MAP[logging.INFO], int)
    assert_type(MozlogFormatter.DEFAULT_SYSLOG_LEVEL, int)
    assert "msg" in MozlogFormatter.EXCLUDED_LOGRECORD_ATTRS
    MozlogFormatter(logger_name=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def handlers() -> None:
    handler: logging.Handler = MozlogHandler(sys.stderr, name="acme")
    handler.addFilter(RequestIdLogFilter())
    assert_type(MozlogHandler().logger_name, str)


def request_ids() -> None:
    assert_type(request_id_context, ContextVar[str | None])
    assert_type(get_or_generate_request_id({"X-Request-ID": "1"}), str)
    assert_type(get_or_generate_request_id({}, header_name="X-Trace"), str)


def the_rest() -> None:
    assert_type(json.dumps({"at": object()}, cls=SafeJSONEncoder), str)
    try:
        raise ValueError("text")
    except ValueError as error:
        assert_type(safer_format_traceback(type(error), error, error.__traceback__), str)
