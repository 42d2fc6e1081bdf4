"""Structured logging for Python's own, and request ids on its lines.

Needs nothing but the standard library and knows no web framework.
"""

from .console import ConsoleFormatter
from .formatter import JsonLogFormatter, MozlogFormatter
from .google_cloud import GoogleCloudFormatter
from .handler import MozlogHandler
from .request_id import RequestIdLogFilter, get_or_generate_request_id, request_id_context
from .strict import SafeJSONEncoder
from .traceback import safer_format_traceback

__all__ = [
    "ConsoleFormatter",
    "GoogleCloudFormatter",
    "JsonLogFormatter",
    "MozlogFormatter",
    "MozlogHandler",
    "RequestIdLogFilter",
    "SafeJSONEncoder",
    "get_or_generate_request_id",
    "request_id_context",
    "safer_format_traceback",
]
