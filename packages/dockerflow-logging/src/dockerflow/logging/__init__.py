"""Mozlog JSON for Python's logging, request ids and the summary of a request.

Needs nothing but the standard library and knows no web framework.
"""

from .encoder import SafeJSONEncoder
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
