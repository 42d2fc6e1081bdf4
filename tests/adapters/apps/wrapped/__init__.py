"""Applications of many frameworks for dockerflow.wsgi and dockerflow.asgi to wrap.

A module has the name of its framework, and the applications in ``FRAMEWORKS``.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings

from tests.adapters.harness import Framework

NAMES = ["falcon", "pyramid", "bottle", "cherrypy", "flask"]
NAMES += ["starlette", "litestar", "quart", "blacksheep"]

# A process has one Django, which our adapter's tests set up.
if importlib.util.find_spec("dockerflow.django") is None:
    NAMES.append("django")


def installed(interface: str) -> list[Framework]:
    """Return the frameworks of an interface, ``wsgi`` or ``asgi``, that are installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the frameworks' own imports
        modules = [
            importlib.import_module(f"{__name__}.{name}")
            for name in NAMES
            if importlib.util.find_spec(name) is not None
        ]
    frameworks = [framework for module in modules for framework in module.FRAMEWORKS]
    return [each for each in frameworks if each.name.startswith(interface)]
