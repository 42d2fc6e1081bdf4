"""Reading the ``version.json`` that a service is expected to show."""

from __future__ import annotations

import json
import os
from typing import Any, cast

from .findings import TargetError

MAX_BYTES = 1_000_000


def read_version(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a version.json, whatever the file's name.

    :raises TargetError: if it can't be read, or is no JSON object of at most a megabyte.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TargetError(f"{path} can't be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise TargetError(f"{path} is larger than {MAX_BYTES} bytes, which no version.json is")
    try:
        content: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TargetError(f"{path} is not JSON") from error
    if not isinstance(content, dict):
        raise TargetError(f"{path} is no JSON object")
    return cast(dict[str, Any], content)
