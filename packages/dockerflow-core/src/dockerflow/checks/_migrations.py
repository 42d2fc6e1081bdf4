"""The revisions that a migration directory holds, read once for each state of its files."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

# asyncio, 20 ms, is imported by the one function that is async.
if TYPE_CHECKING:
    from concurrent.futures import Future

    from alembic.config import Config
    from alembic.script import ScriptDirectory

    Source = Config | str | os.PathLike[str]


class NoScripts(Exception):
    """There is no migration directory to be read; the text says which and why."""


@dataclasses.dataclass(frozen=True)
class Revisions:
    """What the scripts say, without the scripts.

    :param heads: the revisions that no other one follows.
    :param parents: for each revision those it follows or depends on.
    """

    heads: tuple[str, ...]
    parents: dict[str, tuple[str, ...]]

    def unknown(self, applied: Iterable[str]) -> list[str]:
        """Return those of the database's revisions that no script has."""
        return sorted(set(applied) - self.parents.keys())

    def missing_heads(self, applied: Collection[str]) -> list[str]:
        """Return the heads that the database, being at these revisions, has not reached."""
        reached: set[str] = set()
        pending = list(applied)
        while pending:
            revision = pending.pop()
            if revision not in reached:
                reached.add(revision)
                pending.extend(self.parents.get(revision, ()))
        return sorted(set(self.heads) - reached)


State = tuple[tuple[str, int, int], ...]

_known: dict[tuple[str, ...], tuple[State, Revisions]] = {}
_reading = threading.Lock()
_pending: dict[Source, Future[Revisions]] = {}


def read_revisions(source: Source) -> Revisions:
    """Return the revisions of a migration directory.

    Alembic imports every migration to know them, so they are kept until a file changes.

    :param source: an Alembic configuration, or the path of its file.
    :raises NoScripts: there is no such directory, or its scripts make no sense.
    """
    from alembic.config import Config
    from alembic.util import CommandError

    config = source if isinstance(source, Config) else Config(os.fspath(source))
    with _reading:
        length = len(sys.path)
        try:
            scripts, directories = _open(config)
            state = tuple(_files(directories))
            key = (scripts.dir, *directories)
            if key not in _known or _known[key][0] != state:
                _known[key] = (state, _revisions(scripts))
            return _known[key][1]
        except CommandError as error:
            raise NoScripts(str(error)) from error
        finally:
            # the setting prepend_sys_path would make it longer with each heartbeat
            for entry in sys.path[: max(0, len(sys.path) - length)]:
                sys.path.remove(entry)


async def read_revisions_async(source: Source) -> Revisions:
    """Do as :func:`read_revisions` does, in a thread, of which each source has one at a time."""
    import asyncio
    from concurrent.futures import Future

    future = _pending.get(source)
    if future is None:
        future = _pending[source] = Future()
        future.set_running_or_notify_cancel()  # who waits may be cancelled, the reading isn't
        name = "dockerflow-migrations"
        threading.Thread(target=_read_into, args=(future, source), name=name, daemon=True).start()
    return await asyncio.wrap_future(future)


def _read_into(future: Future[Revisions], source: Source) -> None:
    try:
        revisions = read_revisions(source)
    except BaseException as error:
        _pending.pop(source, None)
        future.set_exception(error)
    else:
        _pending.pop(source, None)
        future.set_result(revisions)


def _open(config: Config) -> tuple[ScriptDirectory, list[str]]:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    # since Alembic 1.16 it may stand in pyproject.toml as well
    get_option = getattr(config, "get_alembic_option", config.get_main_option)
    location = None
    with contextlib.suppress(CommandError):  # no such file, or no such section
        location = get_option("script_location")
    if location is not None:
        _check_directories([location])
    elif config.config_file_name and not os.path.exists(config.config_file_name):
        raise NoScripts(f"the file {os.fspath(config.config_file_name)!r} does not exist")
    scripts = ScriptDirectory.from_config(config)
    return scripts, _check_directories(
        scripts.version_locations or [os.path.join(scripts.dir, "versions")]
    )


def _check_directories(locations: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return the paths of directories, of which one at least exists."""
    from alembic.util import coerce_resource_to_filename

    # a location may be "package:path"
    paths = [os.fspath(coerce_resource_to_filename(os.fspath(each))) for each in locations]
    if not any(map(os.path.isdir, paths)):
        raise NoScripts(f"the migration directory {', '.join(paths)!r} does not exist")
    return paths


def _files(directories: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    for directory in directories:
        for root, folders, names in os.walk(directory):
            folders.sort()
            if "__pycache__" in folders:
                folders.remove("__pycache__")
            for name in sorted(names):
                path = os.path.join(root, name)
                status = os.stat(path)
                yield path, status.st_mtime_ns, status.st_size


def _revisions(scripts: ScriptDirectory) -> Revisions:
    parents: dict[str, tuple[str, ...]] = {}
    for script in scripts.walk_revisions():
        dependencies = scripts.get_revisions(script.dependencies) if script.dependencies else ()
        followed = [*_several(script.down_revision), *(each.revision for each in dependencies)]
        parents[script.revision] = tuple(followed)
    return Revisions(heads=tuple(scripts.get_heads()), parents=parents)


def _several(revision: Any) -> tuple[str, ...]:
    if revision is None:
        return ()
    return (revision,) if isinstance(revision, str) else tuple(revision)
