"""The operational endpoints, written once for all frameworks.

For adapters of frameworks; no promise of stability. An adapter subclasses :class:`Endpoints`, turns
a request into a call of its methods, and the :class:`Reply` into a response of its framework.
"""

from __future__ import annotations

from .checks import NamedCheck
from .extension import ERROR_PATH, HEARTBEAT, LBHEARTBEAT, PROBES, VERSION, Endpoints, Path
from .receivers import AsyncEndpoints, Receiver
from .replies import Reply
from .settings import EndpointSettings, read_switch
from .wrapper import WrapperEndpoints

__all__ = [
    "ERROR_PATH",
    "HEARTBEAT",
    "LBHEARTBEAT",
    "PROBES",
    "VERSION",
    "AsyncEndpoints",
    "EndpointSettings",
    "Endpoints",
    "NamedCheck",
    "Path",
    "Receiver",
    "Reply",
    "WrapperEndpoints",
    "read_switch",
]
