"""Helpers for the checks of backing services. For adapters too; no promise of stability."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import quote

from .findings import mask_urls

# If Redis does not support a command, such as HELLO or AUTH, its error repeats the arguments. Redis
# cuts them to 128 bytes, so that a long password could not be recognised.
_ARGUMENTS = re.compile(r", with args beginning with:.*", re.DOTALL)


def import_extra(module: str, extra: str, adapter_extra: str) -> ModuleType:
    """Import a module of a library that an extra installs.

    :param module: the module's import name, such as ``"redis.exceptions"``.
    :param extra: the extra of dockerflow-core that installs the library.
    :param adapter_extra: the extra of the adapters that installs it.
    :raises ModuleNotFoundError: if the library is not installed, with the command to install it.
    """
    library = module.partition(".")[0]
    try:
        import_module(library)
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != library:  # the library is there, but something that it needs is not
            raise
        raise ModuleNotFoundError(
            f"this check needs {library!r}, which is not installed: "
            f'pip install "dockerflow-core[{extra}]", or the extra "{adapter_extra}" of your '
            f'adapter, as in "dockerflow-flask[{adapter_extra}]"',
            name=library,
        ) from error


def public_text(text: object, secrets: Iterable[object] = ()) -> str:
    """Return a text on one line, without secrets.

    :param secrets: passwords to mask, also where they are percent-encoded, in part or in full, or
        shown as their ``repr``; empty ones are skipped. The user part of URLs and the arguments
        that Redis repeats are always left out.
    """
    line = _ARGUMENTS.sub("", str(text))
    known = (each.decode(errors="replace") if isinstance(each, bytes) else each for each in secrets)
    longest_first = sorted({str(secret) for secret in known if secret}, key=len, reverse=True)
    if longest_first:
        line = re.sub("|".join(map(_spellings, longest_first)), "***", line)
    return " ".join(mask_urls(line).split())


def misplaced_parts(host: object, database: object) -> Iterator[str]:
    """Yield the parts of a password that are in other fields because of an unescaped ``@``."""
    # In "user:pass@word@host", SQLAlchemy takes "word@host" for the host. In "user:pass@wo/rd@host"
    # it takes "wo" for the host, and "rd@host" for the database.
    in_host, in_database = (str(each or "").rpartition("@")[0] for each in (host, database))
    yield from (in_host, in_database, str(host) if in_database else "")


def wrong_type(argument: str, value: object, remedy: str) -> TypeError:
    """Return an error that shows an argument, its type, its value if that is safe, and a remedy."""
    shown = ""
    if isinstance(value, type | ModuleType):
        shown = f" ({value.__name__})"
    elif isinstance(value, int | float):
        shown = f" ({value!r})"
    elif isinstance(value, str) and "://" in value:  # a password may be anywhere after it
        shown = f" ({value.partition('://')[0]}://...)"
    return TypeError(f"{argument} is of type {type(value).__name__}{shown}; set it to {remedy}")


def require_type(argument: str, value: object, kind: Any, remedy: str) -> None:
    """Raise a TypeError if an argument is neither None nor of the given type."""
    if not isinstance(value, kind | None):
        raise wrong_type(argument, value, remedy)


def is_instance_with(value: object, attribute: str) -> bool:
    """Return whether an object has an attribute, and is neither a class nor a module."""
    return hasattr(value, attribute) and not isinstance(value, type | ModuleType)


def _spellings(secret: str) -> str:
    """Return a pattern that matches a text in which any character may be escaped."""

    def spellings(character: str) -> str:
        escaped, quoted = repr(character)[1:-1], quote(character, safe="")
        return f"(?:{re.escape(character)}|{re.escape(escaped)}|(?i:{re.escape(quoted)}))"

    return "".join(map(spellings, secret))
