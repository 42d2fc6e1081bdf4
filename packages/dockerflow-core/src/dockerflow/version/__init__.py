"""Read ``version.json``, the version object of the Dockerflow specification.

https://github.com/mozilla-services/Dockerflow/blob/main/docs/version_object.md
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from typing import Any, cast

__all__ = ["VersionError", "get_release", "get_version"]

_MAX_BYTES = 1_000_000

# https://docs.sentry.io/product/releases/naming-releases/
_RELEASE_NAME = re.compile(r"(?!\.{1,2}\Z|\s*\Z)[^\n\r\t/\\]{1,200}")


class VersionError(ValueError):
    """A ``version.json`` exists but can't be served; the text names the problem."""


def _read_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


# By default, json accepts NaN, and reads 1e999 as infinity.
_DECODER = json.JSONDecoder(parse_float=_read_number, parse_constant=_read_number)


def get_version(root: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read ``version.json``.

    :param root: the directory that holds it.
    :returns: its content, or ``None`` if there is no such file.
    :raises VersionError: if the file exists but can't be read, is larger than a megabyte, or is
        not a JSON object in UTF-8. A byte order mark is accepted.
    """
    path = os.path.join(root, "version.json")
    try:
        # Before opening it, because opening a named pipe would wait for its writer.
        info = os.stat(path)
        if not stat.S_ISREG(info.st_mode):
            raise VersionError(f"{path} is not a file")
        if info.st_size > _MAX_BYTES:
            raise VersionError(f"{path} is larger than {_MAX_BYTES} bytes")
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise VersionError(f"{path} can't be read: {error.strerror or error}") from error
    try:
        content: object = _DECODER.decode(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise VersionError(f"{path} is not UTF-8: {error}") from error
    except (ValueError, RecursionError) as error:
        raise VersionError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise VersionError(f"{path} is not a JSON object but of type {type(content).__name__}")
    return cast("dict[str, Any]", content)


def get_release(root: str | os.PathLike[str]) -> str | None:
    """Return a release name that Sentry accepts: the version, or else the commit.

    Sentry does not accept a version such as ``feature/cart``, the name of a branch.

    :param root: the directory that holds ``version.json``.
    :returns: ``None`` if there is no such file, or it has neither of them. A file that can't be
        read also gives ``None``, so that the service starts: ``/__version__`` names the problem.
    """
    try:
        content = get_version(root) or {}
    except VersionError:
        return None
    names = (content.get("version"), content.get("commit"))
    return next((name for name in names if _is_release_name(name)), None)


def _is_release_name(value: object) -> bool:
    return isinstance(value, str) and _RELEASE_NAME.fullmatch(value) is not None
