"""Log lines in the format that Google Cloud Logging reads from standard output.

- https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
- https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry: LogSeverity, HttpRequest
- https://cloud.google.com/error-reporting/docs/formatting-error-messages
"""

from __future__ import annotations

import logging
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from .formatter import MozlogFormatter, at_level, free_name
from .summary import REQUEST_SUMMARY
from .traceback import python_traceback
from .values import safe_repr

_LABELS = "logging.googleapis.com/labels"
_TRACE = "logging.googleapis.com/trace"
_SPAN = "logging.googleapis.com/spanId"

# Names that Google's agents interpret or remove. A caller's field must not have one of them:
# entries with the same insertId are merged, and one with a time of last year is discarded.
_SPECIAL = {
    *("severity", "message", "httpRequest", "stack_trace"),
    *("time", "timestamp", "timestampSeconds", "timestampNanos", "timeNanos"),
    *(_LABELS, _TRACE, _SPAN),
    *("logging.googleapis.com/httpRequest", "logging.googleapis.com/http_request"),
    *("logging.googleapis.com/insertId", "logging.googleapis.com/logName"),
    *("logging.googleapis.com/monitored_resource", "logging.googleapis.com/operation"),
    *("logging.googleapis.com/severity", "logging.googleapis.com/sourceLocation"),
    *("logging.googleapis.com/traceSampled", "logging.googleapis.com/trace_sampled"),
}

# Fields of a summary, with their names and types in HttpRequest.
_REQUEST_NAMES: dict[str, tuple[str, type]] = {
    "method": ("requestMethod", str),
    "path": ("requestUrl", str),
    "code": ("status", int),
    "agent": ("userAgent", str),
}

# As in syslog; this formatter writes some of them.
_SEVERITY_NAMES = "EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"
_SYSLOG_SEVERITIES = {name: number for number, name in enumerate(_SEVERITY_NAMES)} | {"DEFAULT": 7}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class GoogleCloudFormatter(MozlogFormatter):
    """Formats records as JSON for Google Cloud Logging.

    The values of ``extra`` are fields of the payload. If a name is special to Google Cloud, such as
    ``severity``, it is prefixed with ``extra_``. A summary has an ``httpRequest``, which the Logs
    Explorer shows, and no ``message`` that repeats it.

    :param fmt: accepted, as by any formatter; it has no effect.
    :param datefmt: the same.
    :param style: the same.
    :param logger_name: the label ``service`` of lines whose record has no ``logger_name``.
    :param project: the id of the Google Cloud project that has the traces; by default
        ``$GOOGLE_CLOUD_PROJECT``.
    """

    #: Severities by logging level. A level between two of them counts as the lower one.
    SEVERITIES: ClassVar[dict[int, str]] = {
        logging.CRITICAL: "CRITICAL",
        logging.ERROR: "ERROR",
        logging.WARNING: "WARNING",
        logging.INFO: "INFO",
        logging.DEBUG: "DEBUG",
    }

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        logger_name: str = "Dockerflow",
        project: str | None = None,
    ) -> None:
        super().__init__(fmt, datefmt, style, logger_name)
        self.project = os.environ.get("GOOGLE_CLOUD_PROJECT") if project is None else project

    def envelope(self, record: logging.LogRecord, fields: dict[str, Any]) -> dict[str, Any]:
        """Return a line with Google Cloud's special fields and the other fields.

        :param record: any record; it is not changed.
        :param fields: as :class:`~dockerflow.logging.MozlogFormatter` makes them.
        """
        for name in [name for name in fields if name in _SPECIAL]:
            _rename(fields, name, f"extra_{name}", "extra_")
        line: dict[str, Any] = {
            "severity": at_level(record.levelno, self.SEVERITIES, "DEFAULT"),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if "msg" in fields:
            line["message"] = fields.pop("msg")
        if record.exc_info or record.exc_text:
            name = free_name("traceback", vars(record))
            if name in fields:
                line["stack_trace"] = fields.pop(name)
        if record.name == REQUEST_SUMMARY and (request := _http_request(fields)):
            line["httpRequest"] = request
        if isinstance(fields.get("trace_id"), str):
            trace_id = fields.pop("trace_id")
            line[_TRACE] = (
                f"projects/{self.project}/traces/{trace_id}" if self.project else trace_id
            )
        if isinstance(fields.get("span_id"), str):
            line[_SPAN] = fields.pop("span_id")
        service = vars(record).get("logger_name", self.logger_name)
        line[_LABELS] = {"logger": _text(record.name), "service": _text(service)}
        line.update(fields)
        return line

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """Return the text of an exception in Python's own form, which Error Reporting reads.

        :param ei: type, value and traceback, as ``sys.exc_info()`` gives them.
        """
        return python_traceback(*ei)


def mozlog_line(line: dict[str, Any]) -> dict[str, Any] | None:
    """Return the content of a line of :class:`GoogleCloudFormatter`, with the names of mozlog.

    :param line: any JSON object.
    :returns: ``Timestamp``, ``Type``, ``Logger``, ``Severity`` and ``Fields``; None if the object
        is not such a line.
    """
    fields = dict(line)
    try:
        severity = _SYSLOG_SEVERITIES[fields.pop("severity")]
        since_epoch = datetime.fromisoformat(fields.pop("time")) - _EPOCH
        labels = fields.pop(_LABELS)
        logger, service = str(labels["logger"]), str(labels["service"])
    except (LookupError, TypeError, ValueError):
        return None
    if isinstance(fields.get(_TRACE), str):
        fields[_TRACE] = re.sub(r"^projects/[^/]*/traces/", "", fields[_TRACE])
    if isinstance(fields.get("httpRequest"), dict):
        fields.update(_summary_fields(fields.pop("httpRequest")))
    names = {"message": "msg", "stack_trace": "traceback", _TRACE: "trace_id", _SPAN: "span_id"}
    for name, new in names.items():
        if name in fields:
            _rename(fields, name, new, "exc_")
    return {
        "Timestamp": since_epoch // timedelta(microseconds=1) * 1000,
        "Type": logger,
        "Logger": service,
        "Severity": severity,
        "Fields": fields,
    }


def _rename(fields: dict[str, Any], name: str, new: str, prefix: str) -> None:
    """Rename a field; repeat the prefix until the new name is free."""
    value = fields.pop(name)
    fields[free_name(new, fields, prefix)] = value


def _text(value: object) -> str:
    return value if isinstance(value, str) else safe_repr(value)


def _http_request(fields: dict[str, Any]) -> dict[str, Any]:
    """Return an HttpRequest made from fields of a summary, which are removed there."""
    request: dict[str, Any] = {}
    for name, (key, kind) in _REQUEST_NAMES.items():
        if type(fields.get(name)) is kind:
            request[key] = fields.pop(name)
    query = fields.get("querystring")
    if "requestUrl" in request and isinstance(query, str) and query:
        request["requestUrl"] += f"?{fields.pop('querystring')}"
    if type(fields.get("t")) is int:
        request["latency"] = f"{fields.pop('t') / 1000:.3f}s"
    return request


def _summary_fields(request: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a summary from its HttpRequest, which keeps all other values."""
    request = dict(request)
    fields = {name: request.pop(key) for name, (key, _) in _REQUEST_NAMES.items() if key in request}
    if isinstance(fields.get("path"), str) and "?" in fields["path"]:
        fields["path"], _, fields["querystring"] = fields["path"].partition("?")
    if seconds := re.fullmatch(r"(\d+)\.(\d{3})s", str(request.get("latency"))):
        fields["t"] = int(seconds[1] + seconds[2])
        del request["latency"]
    return {**fields, "httpRequest": request} if request else fields
