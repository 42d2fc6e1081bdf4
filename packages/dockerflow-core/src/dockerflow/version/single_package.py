"""Detect the single ``dockerflow`` package, which owns files with the same paths as these."""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import distributions

NAMES = ("core", "logging", "django", "flask", "sanic", "fastapi", "wsgi", "asgi", "celery")


def warn_if_installed() -> None:
    """Warn if the single package is also installed, with the commands that remove it.

    It has a ``dockerflow/__init__.py``, which gives the namespace of these packages an origin.
    """
    namespace = sys.modules["dockerflow"].__spec__
    if namespace is None or namespace.origin is None:
        return
    names = (f"dockerflow-{name}" for name in NAMES)
    present = " ".join(name for name in names if any(distributions(name=name)))
    warnings.warn(
        "The single package 'dockerflow' is installed together with the packages that replace it, "
        "and has files with the same paths. Remove it, and restore the files that this deletes:\n"
        "  pip uninstall -y dockerflow\n"
        f"  pip install --force-reinstall --no-deps {present}",
        RuntimeWarning,
        stacklevel=2,
    )
