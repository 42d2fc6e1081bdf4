"""Reading ``version.json``, the version object of the Dockerflow specification.

https://github.com/mozilla-services/Dockerflow/blob/main/docs/version_object.md
"""

from __future__ import annotations

import json
import os
import stat
import time
from typing import Any, NoReturn, cast

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
    path = os.path.join(root, "version.json")
    try:
        content: Any = _DECODER.decode(_read(path))
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
    if not isinstance(content, dict):
        raise VersionError(f"{path} is not a JSON object but {_JSON_NAMES[type(content)]}")
    return cast("dict[str, Any]", content)


# The text of a file with what os.stat() said of it then: not to read it again, by three system
# calls and a decoder, is half the time of an answer.
_texts: dict[str, tuple[tuple[int, ...], str]] = {}
_MAX_TEXTS = 16

# Nanoseconds after which a file that is written again has other times than before.
_SETTLED = 2_000_000_000


def _read(path: str) -> str:
    # Asked first, since to open a pipe would wait for one who writes to it.
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        raise VersionError(f"{path} is not a file")
    times = (status.st_mtime_ns, status.st_ctime_ns)
    state = (status.st_dev, status.st_ino, status.st_size, *times)
    known = _texts.get(path)
    if known is not None and known[0] == state:
        return known[1]
    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    if time.time_ns() - max(times) > _SETTLED:
        if len(_texts) >= _MAX_TEXTS:
            _texts.clear()
        _texts[path] = (state, text)
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


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
