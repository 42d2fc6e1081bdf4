"""Mozlog JSON for Python's logging, and request ids on its lines.

Needs nothing but the standard library and knows no web framework.
"""

from .formatter import JsonLogFormatter, MozlogFormatter
from .handler import MozlogHandler
from .request_id import RequestIdLogFilter, get_or_generate_request_id, request_id_context
from .strict import SafeJSONEncoder
from .traceback import safer_format_traceback

__all__ = [
    "JsonLogFormatter",
    "MozlogFormatter",
    "MozlogHandler",
    "RequestIdLogFilter",
    "SafeJSONEncoder",
    "get_or_generate_request_id",
    "request_id_context",
    "safer_format_traceback",
]
