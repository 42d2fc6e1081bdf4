"""Other packages that do a part of the same, set up as they document it, and encoders alone.

They are imported by name: only the environment of the benchmarks has them.
"""

from __future__ import annotations

import json
import logging
from importlib import import_module
from importlib.util import find_spec
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from . import Unavailable
from .logging import Formatted, exception, message, strict_object, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    from . import Subject

_SUMMARY = {"errno", "agent", "lang", "method", "path", "uid", "rid", "code", "t"}


class PeerFormatted(Formatted):
    """`format` of another formatter, on the same records.

    :param formatter: The other formatter.
    :param make: Makes the records.
    """

    def __init__(
        self, formatter: logging.Formatter, make: Callable[[int], logging.LogRecord]
    ) -> None:
        super().__init__(make)
        self._format = formatter.format

    def check(self) -> None:
        """Look at the line of each record: its names differ, but all is said."""
        lines: set[str] = set()
        for made in self._pool:
            line = self._format(made)
            found = strict_object(line)
            texts = [one for one in found.values() if isinstance(one, str)]
            assert made.name in texts
            assert made.getMessage() in texts
            if made.name == "request.summary":
                assert {name: found[name] for name in _SUMMARY} == {
                    name: vars(made)[name] for name in _SUMMARY
                }
            if made.exc_info:
                trace = next(one for one in texts if one.startswith("Traceback "))
                assert trace.count('  File "') == 5
                made.exc_text = None  # or the next line would cost no traceback
            lines.add(line)
        assert len(lines) == len(self._pool), "two records have one line"


class PeerException(PeerFormatted):
    """The same for exceptions, whose text `logging` keeps on the record for the next formatter."""

    def run(self, count: int) -> None:
        """Format *count* records."""
        form = self._format
        for made in islice(self._next, count):
            form(made)
            made.exc_text = None


def _pythonjsonlogger(module: str, name: str) -> logging.Formatter:
    fmt = "%(created)f %(name)s %(levelno)d %(process)d %(message)s"
    made: logging.Formatter = getattr(import_module(module), name)(fmt)
    return made


def _structlog() -> logging.Formatter:
    structlog: Any = import_module("structlog")
    dumps = import_module("orjson").dumps

    def serializer(value: object, **options: Any) -> str:
        text: bytes = dumps(value, **options)
        return text.decode()

    made: logging.Formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=serializer),
        ],
    )
    return made


_FORMATTERS: dict[str, Callable[[], logging.Formatter]] = {
    "pythonjsonlogger": lambda: _pythonjsonlogger("pythonjsonlogger.json", "JsonFormatter"),
    "pythonjsonlogger_orjson": lambda: _pythonjsonlogger(
        "pythonjsonlogger.orjson", "OrjsonFormatter"
    ),
    "structlog_orjson": _structlog,
}


class Encoded:
    """An encoder alone, on dictionaries that are what a line says.

    :param encode: The encoder.
    """

    clock = "cpu"

    def __init__(self, encode: Callable[[Any], str | bytes]) -> None:
        ours = Formatted(summary)
        self._dictionaries = [json.loads(line) for line in ours.lines()]
        self._encode = encode
        self._next: Iterator[Any] = cycle(self._dictionaries)

    def run(self, count: int) -> None:
        """Encode *count* dictionaries."""
        encode = self._encode
        for one in islice(self._next, count):
            encode(one)

    def check(self) -> None:
        """Look at the text of each dictionary."""
        for one in self._dictionaries:
            text = self._encode(one)
            assert strict_object(text if isinstance(text, str) else text.decode()) == one


def _c_encoder() -> Callable[[Any], str]:
    from json import encoder

    made: Any = vars(encoder)["c_make_encoder"]
    quote = encoder.encode_basestring_ascii
    encode = made(None, None, quote, None, ": ", ", ", False, False, False)
    return lambda value: "".join(encode(value, 0))


def _asgi_correlation_id() -> Subject:
    from . import fastapi

    middleware: Any = import_module("asgi_correlation_id").CorrelationIdMiddleware
    app = fastapi.bare()
    app.add_middleware(middleware)
    ids: list[bytes] = []

    class Identified(fastapi.Requests):
        def check(self) -> None:
            super().check()
            before = len(ids)
            self._loop.run_until_complete(self._request(self._keep))
            assert len(ids) == before + 1
            assert len(set(ids)) == len(ids), "an id came twice"

        @staticmethod
        async def _keep(message: MutableMapping[str, Any]) -> None:
            ids.extend(
                value
                for name, value in message.get("headers", ())
                if name.lower() == b"x-request-id"
            )

    return Identified(app, "/baskets/7", "basket 7", observed=False)


def _django_guid() -> Subject:
    if find_spec("django_guid") is None:
        raise Unavailable("there is no django-guid here")
    from django.apps import apps
    from django.conf import settings

    from . import django

    ids: list[str] = []

    class Interface(django.WSGI):
        def __init__(self) -> None:
            settings.MIDDLEWARE = ["django_guid.middleware.guid_middleware"]
            settings.DJANGO_GUID = {"GUID_HEADER_NAME": "X-Request-ID", "RETURN_HEADER": True}
            apps.set_installed_apps([*settings.INSTALLED_APPS, "django_guid"])
            super().__init__()

        def _start_response(self, status: str, headers: Any, exc_info: object = None) -> None:
            super()._start_response(status, headers, exc_info)
            self.headers = headers

        def answer(self, where: str) -> tuple[str, bytes]:
            answer = super().answer(where)
            ids.append(dict(self.headers)["X-Request-ID"])
            return answer

    class Identified(django.Requests):
        def check(self) -> None:
            super().check()
            assert len(ids) >= 3
            assert len(set(ids)) == len(ids), "an id came twice"

    # The package says each id at INFO; that is no part of what is compared.
    logging.getLogger("django_guid").setLevel(logging.WARNING)
    return Identified(Interface, "/hello", dockerflow=False)


def _formatted(
    formatter: Callable[[], logging.Formatter], make: Callable[[int], logging.LogRecord]
) -> Callable[[], Subject]:
    kind = PeerException if make is exception else PeerFormatted
    return lambda: kind(formatter(), make)


SUBJECTS: dict[str, Callable[[], Subject]] = {
    **{
        f"peers.{kind}_{name}": _formatted(formatter, make)
        for name, formatter in _FORMATTERS.items()
        for kind, make in (("summary", summary), ("message", message), ("exception", exception))
    },
    "peers.limit_json": lambda: Encoded(_c_encoder()),
    "peers.limit_orjson": lambda: Encoded(import_module("orjson").dumps),
    "peers.asgi_correlation_id": _asgi_correlation_id,
    "peers.django_guid": _django_guid,
}
