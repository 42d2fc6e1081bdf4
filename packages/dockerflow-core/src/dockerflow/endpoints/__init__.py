"""What the operational endpoints answer, decided once and free of any framework.

An adapter turns a request into a call of one of these functions, and the :class:`Reply` into a
response of its framework.
"""

from __future__ import annotations

from .replies import (
    ErrorEndpointCalled,
    Reply,
    error_called,
    heartbeat_reply,
    lbheartbeat_reply,
    version_broken,
    version_reply,
)
from .settings import EndpointSettings, enabled, failed_status_code
from .version import (
    CONTAINER_ROOT,
    find_version,
    find_version_to_send,
    version_endpoint,
    version_endpoint_async,
)

__all__ = [
    "CONTAINER_ROOT",
    "EndpointSettings",
    "ErrorEndpointCalled",
    "Reply",
    "enabled",
    "error_called",
    "failed_status_code",
    "find_version",
    "find_version_to_send",
    "heartbeat_reply",
    "lbheartbeat_reply",
    "version_broken",
    "version_endpoint",
    "version_endpoint_async",
    "version_reply",
]
