"""Where ``version.json`` is looked for, and what ``/__version__`` makes of it."""

from __future__ import annotations

import inspect
import os

from dockerflow import version

from .replies import version_broken, version_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable
    from typing import Any

    from .replies import Reply

    Path = str | os.PathLike[str]

# https://github.com/mozilla-services/Dockerflow#specification: "/app/version.json"
CONTAINER_ROOT = "/app"
"""Where a container has its application, and so its ``version.json``."""


def find_version(
    configured: Path | None,
    defaults: Iterable[Path],
    get_version: Callable[[str], Any] | None = None,
) -> Any:
    """Read ``version.json`` from the one place that was configured, or else the first that has it.

    :param configured: the directory that the application named; no other is looked at then.
    :param defaults: the directories to look in where none was named; ``/app`` is always the last.
    :param get_version: reads a directory, by default :func:`dockerflow.version.get_version`.
    :raises dockerflow.version.VersionError: if a file is there and can't be served.
    """
    # Looked up now, since applications' tests patch it.
    read = get_version or version.get_version
    places = (*defaults, CONTAINER_ROOT) if configured is None else (configured,)
    for place in places:
        content = read(os.fspath(place))
        if content is not None:
            return content
    return None


def find_version_to_send(configured: Path | None, defaults: Iterable[Path]) -> Any:
    """Do as :func:`find_version` does, for :func:`version_endpoint` and its async twin alone.

    :param configured: as there.
    :param defaults: as there.
    :returns: what :func:`version_reply` takes: the content, or the JSON of it that is kept.
    :raises dockerflow.version.VersionError: as there.
    """
    read = None if version.is_patched() else version.encoded_version
    return find_version(configured, defaults, read)


def version_endpoint(read: Callable[[], object], logger: logging.Logger) -> Reply:
    """Answer ``/__version__``.

    :param read: gives the content, or ``None``. What it raises but
        :class:`~dockerflow.version.VersionError` is the application's own, and is left alone.
    :param logger: where a broken ``version.json`` is logged.
    """
    try:
        return version_reply(read())
    except version.VersionError as error:
        return version_broken(error, logger)


async def version_endpoint_async(read: Callable[[], object], logger: logging.Logger) -> Reply:
    """Answer ``/__version__`` from async code.

    :param read: as for :func:`version_endpoint`; sync or async.
    :param logger: as there.
    """
    try:
        content = read()
        if inspect.isawaitable(content):
            content = await content
        return version_reply(content)
    except version.VersionError as error:
        return version_broken(error, logger)
