"""Reading ``version.json``, the version object of the Dockerflow specification.

https://github.com/mozilla-services/Dockerflow/blob/main/docs/version_object.md
"""

from __future__ import annotations

import json
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeVar

    T = TypeVar("T")

__all__ = ["VersionError", "get_version"]


class VersionError(ValueError):
    """There is a ``version.json``, and it can't be served; the text says what is wrong with it."""


def get_version(root: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Read ``version.json``.

    :param root: the directory that holds it.
    :returns: its content, or ``None`` where there is no such file.
    :raises VersionError: if the file is there but can't be read, or is not a JSON object in UTF-8.
        A byte order mark is accepted.
    """
    return _made(root, _parsed)


class EncodedVersion:
    """What :func:`get_version` returns, as JSON text already.

    :ivar body: what :func:`json.dumps` makes of it, encoded.
    """

    __slots__ = ("body",)

    def __init__(self, body: bytes) -> None:
        self.body = body


def encoded_version(root: str | os.PathLike[str]) -> EncodedVersion | None:
    """Do as :func:`get_version` does, for those who would only encode what it returns.

    A file that stays as it is is parsed and encoded once.

    :param root: as there.
    :raises VersionError: as there.
    """
    return _made(root, _encoded)


def is_patched() -> bool:
    """Say whether :func:`get_version` has been replaced, as applications' tests do."""
    return get_version is not _get_version


_get_version = get_version


def _made(root: str | os.PathLike[str], make: Callable[[str, _Text], T]) -> T | None:
    """Return what is made of the text in the file of a directory, ``None`` where there is none."""
    path = os.path.join(root, "version.json")
    try:
        return make(path, _read(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise VersionError(f"{path} can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise VersionError(f"{path} is not UTF-8: {error}") from error
    except VersionError:
        raise
    except (ValueError, RecursionError) as error:
        raise VersionError(f"{path} is not valid JSON: {error}") from error


def _parsed(path: str, text: _Text) -> dict[str, Any]:
    content: Any = _DECODER.decode(text.text)
    other = _JSON_NAMES.get(content.__class__)
    if other is not None:
        raise VersionError(f"{path} is not a JSON object but {other}")
    found: dict[str, Any] = content
    return found


def _encoded(path: str, text: _Text) -> EncodedVersion:
    encoded = text.encoded
    if encoded is None:
        body = json.dumps(_parsed(path, text)).encode("ascii")
        encoded = text.encoded = EncodedVersion(body)
    return encoded


class _Text:
    """The text of a file with what os.stat() said of it then."""

    __slots__ = ("encoded", "state", "text")

    def __init__(self, state: tuple[int, ...], text: str) -> None:
        self.state = state
        self.text = text
        self.encoded: EncodedVersion | None = None


# Not to read a file again, by three system calls and a decoder, is half the time of an answer.
_texts: dict[str, _Text] = {}
_MAX_TEXTS = 16

# Nanoseconds after which a file that is written again has other times than before.
_SETTLED = 2_000_000_000


def _read(path: str) -> _Text:
    # Asked first, since to open a pipe would wait for one who writes to it.
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise VersionError(f"{path} is not a file")
    times = (status.st_mtime_ns, status.st_ctime_ns)
    state = (status.st_dev, status.st_ino, status.st_size, *times)
    known = _texts.get(path)
    if known is not None and known.state == state:
        return known
    with open(path, encoding="utf-8-sig") as file:
        text = _Text(state, file.read())
    if time.time_ns() - max(times) > _SETTLED:
        if len(_texts) >= _MAX_TEXTS:
            _texts.clear()
        _texts[path] = text
    return text


_JSON_NAMES: dict[type, str] = {
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError(f"{text} is too large a number")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
