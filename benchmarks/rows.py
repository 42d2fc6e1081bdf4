"""The rows of the tables: which work is compared with which."""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE = "2026.3.4"
"""The release of the existing ``dockerflow``."""

_RECORDS = {
    "summary": "a `request.summary` record",
    "arguments": "a message with arguments",
    "message": "a message without arguments",
    "exception": "an exception through 5 frames",
    "ascii": "10 kB of text, ASCII",
    "cyrillic": "10 kB of text, Cyrillic",
    "emoji": "10 kB of text, with emoji",
}
_FRAMEWORKS = {
    "flask": "Flask",
    "fastapi": "FastAPI",
    "django_wsgi": "Django WSGI",
    "django_asgi": "Django ASGI",
    "sanic": "Sanic",
}
_ENDPOINTS = {
    "lbheartbeat": "`/__lbheartbeat__`",
    "version": "`/__version__`",
    "heartbeat": "`/__heartbeat__` without checks",
    "sync_checks": "`/__heartbeat__`, 16 sync checks of 50 ms",
    "async_checks": "`/__heartbeat__`, 16 async checks of 50 ms",
}
_FORMATTERS = {
    "jsonlogger": "python-json-logger",
    "jsonlogger_orjson": "python-json-logger with orjson",
    "structlog": "structlog with orjson",
}
_FORMATS = {"gcp": "Google Cloud", "console": "console"}
# The existing package awaits no async checks in these.
_ONLY_OURS = {f"{name}.async_checks" for name in ("flask", "django_wsgi", "django_asgi")}


@dataclass(frozen=True)
class Row:
    """One row.

    :ivar group: the table of the row.
    :ivar title: the text of its first column.
    :ivar ours: the name of the work: ``logging`` or a framework, a dot, and the kind of work.
    :ivar peer: the package to compare with, instead of the existing ``dockerflow``.
    """

    group: str
    title: str
    ours: str
    peer: str = ""

    @property
    def name(self) -> str:
        """The name of the work to compare with; on the command line, the row's name."""
        return f"{self.ours}.{self.peer}" if self.peer else self.ours

    @property
    def is_compared(self) -> bool:
        """Whether another package does this work."""
        return self.ours not in _ONLY_OURS


ROWS = (
    *(Row("Log records", title, f"logging.{kind}") for kind, title in _RECORDS.items()),
    *(Row("Added to a request", title, f"{name}.request") for name, title in _FRAMEWORKS.items()),
    *(
        Row("Endpoints", f"{title}, {framework}", f"{name}.{endpoint}")
        for endpoint, title in _ENDPOINTS.items()
        for name, framework in _FRAMEWORKS.items()
    ),
    *(
        Row("Other formats", f"{_RECORDS[kind]}: {title}", f"logging.{kind}", name)
        for kind in ("summary", "message")
        for name, title in _FORMATS.items()
    ),
    Row("Other formats", "`logger.info`: `MozlogHandler` by hand", "logging.info", "by_hand"),
    *(
        Row("Other packages", f"{_RECORDS[kind]}: {title}", f"logging.{kind}", peer)
        for kind in ("summary", "arguments", "exception")
        for peer, title in _FORMATTERS.items()
    ),
    *(
        Row("Other packages", f"added to a request, {title} (id alone)", ours, peer)
        for ours, peer, title in (
            ("fastapi.request", "asgi_correlation_id", "FastAPI: asgi-correlation-id"),
            ("django_wsgi.request", "django_guid", "Django WSGI: django-guid"),
            ("asgi.request", "asgi_correlation_id", "bare ASGI: asgi-correlation-id"),
        )
    ),
    *(
        Row("Other packages", f"added to a request, {title} (a line alone)", ours, "by_hand")
        for ours, title in (
            ("wsgi.request", "bare WSGI: logging middleware by hand"),
            ("asgi.request", "bare ASGI: logging middleware by hand"),
        )
    ),
)
