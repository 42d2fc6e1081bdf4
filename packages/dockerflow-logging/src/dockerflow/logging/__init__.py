"""Mozlog JSON for Python's logging, request ids and the summary of a request.

Needs nothing but the standard library and knows no web framework.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .formatter import JsonLogFormatter, MozlogFormatter
    from .handler import MozlogHandler
    from .request_id import (
        DEFAULT_HEADER,
        RequestIdLogFilter,
        get_or_generate_request_id,
        new_request_id,
        request_id_context,
        sane_request_id,
    )
    from .safe_json import SafeJSONEncoder
    from .summary import (
        SUMMARY_LOGGER,
        RequestSummary,
        as_paths,
        decode_query,
        excluded_paths,
        known_identity,
        summary_fields,
    )
    from .traceback import safer_format_traceback

__all__ = [
    "DEFAULT_HEADER",
    "SUMMARY_LOGGER",
    "JsonLogFormatter",
    "MozlogFormatter",
    "MozlogHandler",
    "RequestIdLogFilter",
    "RequestSummary",
    "SafeJSONEncoder",
    "as_paths",
    "decode_query",
    "excluded_paths",
    "get_or_generate_request_id",
    "known_identity",
    "new_request_id",
    "request_id_context",
    "safer_format_traceback",
    "sane_request_id",
    "summary_fields",
]

# A module is imported when one of its names is used: the adapter of a web framework needs no
# formatter, and a formatter no summaries.
_NAMES = {
    "formatter": ("JsonLogFormatter", "MozlogFormatter"),
    "handler": ("MozlogHandler",),
    "request_id": (
        *("DEFAULT_HEADER", "RequestIdLogFilter", "get_or_generate_request_id"),
        *("new_request_id", "request_id_context", "sane_request_id"),
    ),
    "safe_json": ("SafeJSONEncoder",),
    "summary": (
        *("SUMMARY_LOGGER", "RequestSummary", "as_paths", "decode_query", "excluded_paths"),
        *("known_identity", "summary_fields"),
    ),
    "traceback": ("safer_format_traceback",),
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        from importlib import import_module

        for module, names in _NAMES.items():
            if name == module:  # as `import dockerflow.logging` has always brought it along
                return import_module(f"{__name__}.{module}")
            if name in names:
                value = getattr(import_module(f"{__name__}.{module}"), name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_NAMES})
