"""Noticing the single ``dockerflow`` package, which owns files of the same paths as these."""

from __future__ import annotations

import sys
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

DISTRIBUTIONS = (
    "dockerflow-core",
    "dockerflow-logging",
    "dockerflow-django",
    "dockerflow-flask",
    "dockerflow-sanic",
    "dockerflow-fastapi",
)


def warn_if_installed() -> None:
    """Warn, with the commands that help, where the single package shares this environment.

    It brings a ``dockerflow/__init__.py``, so that the namespace of these packages has an origin.
    """
    namespace = sys.modules["dockerflow"].__spec__
    if namespace is None or namespace.origin is None:
        return
    present = " ".join(_installed(DISTRIBUTIONS))
    warnings.warn(
        "The single package 'dockerflow' is installed beside the packages that replace it, and "
        "owns files of the same paths. Remove it, and put back the files that go with it:\n"
        "  pip uninstall -y dockerflow\n"
        f"  pip install --force-reinstall --no-deps {present}",
        RuntimeWarning,
        stacklevel=2,
    )


def _installed(names: Iterable[str]) -> list[str]:
    from importlib.metadata import PackageNotFoundError, distribution

    found: list[str] = []
    for name in names:
        try:
            distribution(name)
        except PackageNotFoundError:
            continue
        found.append(name)
    return found
