"""Structured JSON logs for Python's own ``logging``, with request ids.

It needs only the standard library, and works with any web framework or none.
"""

from .configuration import configure, dict_config
from .console import ConsoleFormatter
from .formatter import JsonLogFormatter, MozlogFormatter
from .google_cloud import GoogleCloudFormatter
from .handler import MozlogHandler
from .queued import QueuedMozlogHandler
from .request_id import (
    RequestIdLogFilter,
    get_or_generate_request_id,
    outgoing_headers,
    request_id_context,
)
from .strict import SafeJSONEncoder
from .trace_context import TraceContextLogFilter
from .traceback import safer_format_traceback

__all__ = [
    "ConsoleFormatter",
    "GoogleCloudFormatter",
    "JsonLogFormatter",
    "MozlogFormatter",
    "MozlogHandler",
    "QueuedMozlogHandler",
    "RequestIdLogFilter",
    "SafeJSONEncoder",
    "TraceContextLogFilter",
    "configure",
    "dict_config",
    "get_or_generate_request_id",
    "outgoing_headers",
    "request_id_context",
    "safer_format_traceback",
]
