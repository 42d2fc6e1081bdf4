"""What the checks of backing services share: their patience, and how they word a failure."""

from __future__ import annotations

import re
from importlib import import_module
from types import ModuleType
from typing import Final

# Seconds that connecting, and waiting for one answer, may take: less than the five after which a
# heartbeat answers anyway, so that a service that says nothing is reported by its own message.
PATIENCE: Final = 4.0


def needed(library: str, extra: str, adapter_extra: str) -> ModuleType:
    """Import a library that is an extra, or say which.

    :param library: the import name of the library's top package.
    :param extra: the extra of dockerflow-core that brings it.
    :param adapter_extra: the extra of the adapters that does.
    :raises ModuleNotFoundError: it is not installed.
    """
    try:
        return import_module(library)
    except ModuleNotFoundError as error:
        if error.name != library:  # the library is there, and misses something itself
            raise
        message = (
            f"this check needs {library!r}, which is not installed: "
            f'pip install "dockerflow-core[{extra}]", '
            f'or the extra "{adapter_extra}" of your adapter, '
            f'as in "dockerflow-flask[{adapter_extra}]"'
        )
        raise ModuleNotFoundError(message, name=library) from error


def one_line(text: object, *secrets: object) -> str:
    """Return the text on one line, without the secrets that stand in it as words of their own."""
    line = " ".join(str(text).split())
    for secret in secrets:
        if secret:
            line = re.sub(rf"(?<!\w){re.escape(str(secret))}(?!\w)", "***", line)
    return line
