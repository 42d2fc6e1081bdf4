"""Dockerflow for Flask: operational endpoints, request summaries and request ids.

::

    from dockerflow.flask import Dockerflow
    from flask import Flask

    app = Flask(__name__)
    dockerflow = Dockerflow(app)
"""

from __future__ import annotations

from dockerflow.version.single_package import warn_if_installed

from .app import Dockerflow, HeartbeatFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import checks, signals
else:

    def __getattr__(name: str) -> object:
        """Import these modules on use: half a millisecond for those who use neither."""
        if name in ("checks", "signals"):
            from importlib import import_module

            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Dockerflow", "HeartbeatFailure", "checks", "signals"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


warn_if_installed()
