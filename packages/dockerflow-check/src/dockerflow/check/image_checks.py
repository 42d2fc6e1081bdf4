"""What the clauses of an image ask of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import chain
from typing import NoReturn, cast

from dockerflow.version.build import KEYS, problems

from .archive import Image, as_list, as_mapping
from .layers import Directory, Leaf, Node, walk
from .printing import shown
from .secret_names import has_password, has_token, is_secret, secret_names
from .tar import Kind

ID = 10001
"""The number of the user and of the group."""

MAX_TEXT = 10**6
"""Bytes of a file that is read."""


class FaultError(Exception):
    """A clause is broken; the text says how."""


class UnseenError(Exception):
    """A clause can't be looked at; the text says why."""


def fail(text: str) -> NoReturn:
    """Say that a clause is broken.

    :param text: how.
    """
    raise FaultError(text)


class Checks:
    """The checks of one image: a method for each clause, which returns what is well.

    :param max_size: bytes of its layers, not compressed.
    """

    def __init__(self, image: Image, max_size: int) -> None:
        self._image = image
        self._max_size = max_size
        self._config = as_mapping(image.config.get("config"))
        pairs = (each.partition("=") for each in texts(self._config.get("Env")))
        self._environment = {name: value for name, _, value in pairs}
        self._contents = self._read("/etc/group", "/etc/passwd", "/app/version.json")

    def _read(self, *paths: str) -> dict[str, bytes | str]:
        """Return the content of files by path, or else, as a text, what is wrong with them."""
        found: dict[str, Leaf] = {}
        contents: dict[str, bytes | str] = {}
        for path in paths:
            target = self._image.find(path)
            node = target.node if target else None
            if node is None:
                contents[path] = f"there is no {path}, or it is a link that leads nowhere"
            elif isinstance(node, Directory) or node.kind is not Kind.FILE:
                kind = "directory" if isinstance(node, Directory) else node.kind.value
                contents[path] = f"{path} is a {kind} and no file"
            elif node.size > MAX_TEXT:
                contents[path] = f"{path} is larger than {MAX_TEXT} bytes"
            else:
                found[path] = node
        read = self._image.read(found.values())
        return {**contents, **{path: read[leaf] for path, leaf in found.items()}}

    def _content(self, path: str) -> bytes:
        content = self._contents[path]
        return content if isinstance(content, bytes) else fail(content)

    def _rows(self, path: str) -> list[list[str]]:
        """Return the rows of a database of users or groups; they have four fields at least."""
        lines = self._content(path).decode("utf-8", "replace").split("\n")
        return [line.rstrip("\r").split(":") for line in lines if line.count(":") >= 3]

    def _row(self, path: str, what: str) -> list[str]:
        """Return the row of app, whose third field is its number."""
        row = next((row for row in self._rows(path) if row[0] == "app"), None)
        return fail(f"{path} has no {what} app") if row is None else row

    def group_app(self) -> str:
        """Check the group."""
        id = self._row("/etc/group", "group")[2]
        if id != str(ID):
            fail(f"the group app has the GID {shown(id, 20)}, not {ID}")
        return f"the group app has the GID {ID}"

    def user_app(self) -> str:
        """Check the user, and that the group has it."""
        user = self._row("/etc/passwd", "user")
        if user[2] != str(ID):
            fail(f"the user app has the UID {shown(user[2], 20)}, not {ID}")
        group = self._row("/etc/group", "group")
        if user[3] != group[2] and "app" not in group[3].split(","):
            fail("the user app is no member of the group app")
        return f"the user app has the UID {ID}, and is in the group app"

    def default_user(self) -> str:
        """Check USER, which may be a number, and may name a group."""
        value = self._config.get("User")
        if not isinstance(value, str) or not value:
            fail("no USER is set, so the service runs as root")
        if not {*value.split(":")} <= {"app", str(ID)}:
            fail(f"USER is {shown(value)}, not app")
        return f"USER is {value}"

    def entrypoint_and_cmd(self) -> str:
        """Check that both are there."""
        keys = {"ENTRYPOINT": "Entrypoint", "CMD": "Cmd"}
        missing = [word for word, key in keys.items() if not texts(self._config.get(key))]
        if missing:
            fail(f"there is no {' and no '.join(missing)}")
        return "there are an ENTRYPOINT and a CMD"

    def app_directory(self) -> str:
        """Check that there is /app."""
        found = self._image.find("/app")
        if found is None or not isinstance(found.node, Directory):
            fail("there is no directory /app")
        return "there is a directory /app"

    def version_file(self) -> str:
        """Check that there is /app/version.json."""
        return f"/app/version.json has {len(self._content('/app/version.json'))} bytes"

    def version_object(self) -> str:
        """Check that it has the four keys."""
        content = self._version()
        if isinstance(content, str):
            fail(content)
        wrong = [key for key in KEYS if not isinstance(content.get(key), str)]
        if wrong:
            fail(f"in version.json, missing or no string: {', '.join(wrong)}")
        return f"version.json has {', '.join(KEYS)}"

    def version_values(self) -> str:
        """Check the values, as ``python -m dockerflow.version check`` does."""
        content = self._version()
        if isinstance(content, str):
            raise UnseenError(content)
        faults = list(problems(content))
        if faults:
            fail(f"version.json: {'; '.join(faults)}")
        return "its URLs and its commit are well-formed"

    def _version(self) -> dict[str, object] | str:
        """Return the content of version.json, or what is wrong with it."""
        data = self._contents["/app/version.json"]
        if isinstance(data, str):
            raise UnseenError(data)
        try:
            content: object = json.loads(data.decode("utf-8"), parse_constant=fail)
        except UnicodeDecodeError:
            return "version.json is not UTF-8"
        except FaultError as constant:
            return f"version.json is no valid JSON: it has {constant}"
        except (ValueError, RecursionError):  # ValueError also for a byte order mark
            return "version.json is no valid JSON"
        if not isinstance(content, dict):
            return "version.json is no JSON object"
        return cast("dict[str, object]", content)

    def port(self) -> str:
        """Check PORT, or else EXPOSE."""
        port = self._environment.get("PORT")
        exposed = sorted(as_mapping(self._config.get("ExposedPorts")))
        if port is not None:
            if port != "8000":
                fail(f"PORT is {shown(port, 20)}, and 8000 is recommended")
            return "PORT is 8000"
        if not exposed:
            fail("there is no PORT in the environment, and no EXPOSE")
        if not {"8000", "8000/tcp"} & {*exposed}:
            fail(f"EXPOSE has {shown(', '.join(exposed))}, and 8000 is recommended")
        return "EXPOSE has 8000"

    def read_only_files(self) -> str:
        """Check what app may write below /app."""
        found = self._image.find("/app")
        if found is None or not isinstance(found.node, Directory):
            raise UnseenError("there is no directory /app")
        groups = {ID}
        if isinstance(self._contents["/etc/group"], bytes):
            rows = [row for row in self._rows("/etc/group") if "app" in row[3].split(",")]
            groups |= {int(row[2]) for row in rows if re.fullmatch(r"[0-9]{1,10}", row[2])}
        nodes = chain([("/app", found.node)], walk(found.node, "/app"))
        if text := some(path for path, node in nodes if is_writable(node, groups)):
            fail(f"app can write to {text}")
        return "app can't write to anything of /app"

    def secrets(self) -> str:
        """Check the environment and the history."""
        faults = [
            f"{shown(name)} of the environment"
            for name, value in self._environment.items()
            if is_secret(name, value) or has_password(value) or has_token(value)
        ]
        for number, step in enumerate(as_list(self._image.config.get("history")), 1):
            text = as_mapping(step).get("created_by")
            if isinstance(text, str):
                names = sorted({*secret_names(text)})
                names += ["a URL with a password"] * has_password(text)
                names += ["a token or a key"] * has_token(text)
                faults += [f"{shown(name)} in step {number} of the history" for name in names]
        if faults:
            more = f", and {len(faults) - 10} more" if len(faults) > 10 else ""
            fail(f"these look like secrets: {', '.join(faults[:10])}{more}")
        return "nothing looks like a secret"

    def size(self) -> str:
        """Check the size of all layers."""
        size, limit = self._image.size, self._max_size
        layers = len(self._image.layers)
        text = f"{shown(self._image.platform)}: {size / 10**6:,.1f} MB in layers: {layers}"
        if size > limit:
            fail(f"{text}, and the limit is {limit / 10**6:,.1f} MB")
        return text

    def files_of_developers(self) -> str:
        """Check each layer, since what a later one removes is still there."""
        found = self._image.find("/app")
        app = found.path if found else "/app"
        paths = (
            path
            for layer in self._image.layers
            for path, node in walk(below(layer, app), app)
            if is_of_developer(path, node)
        )
        if text := some(paths):
            fail(f"the layers have {text}")
        return "there is none"

    def device_files(self) -> str:
        """Check the whole image."""
        nodes = walk(self._image.root, "/")
        if text := some(path for path, node in nodes if is_device(node)):
            fail(f"there is {text}")
        return "there is none"


def texts(value: object) -> list[str]:
    """Return the strings of a JSON array."""
    return [each for each in as_list(value) if isinstance(each, str)]


def some(paths: Iterable[str]) -> str:
    """Return the first of some paths and the number of the others; empty for none."""
    first = ""
    count = 0
    for path in paths:
        first = first or path
        count += 1
    return shown(first) + (f" and {count - 1} more" if count > 1 else "")


def below(layer: Directory, path: str) -> Directory:
    """Return what a layer has below a path without links."""
    for name in path.split("/")[1:]:
        child = layer.children.get(name)
        layer = child if isinstance(child, Directory) else Directory()
    return layer


def is_writable(node: Node, groups: set[int]) -> bool:
    """Return whether app can write to a file or a directory.

    :param groups: the ids of its groups.
    """
    if isinstance(node, Leaf) and node.kind is not Kind.FILE:
        return False  # the mode of a link says nothing
    if node.uid == ID:
        return bool(node.mode & 0o200)
    return bool(node.mode & (0o020 if node.gid in groups else 0o002))


def is_of_developer(path: str, node: Node) -> bool:
    """Return whether this is ``.git``, or a file ``.env``; a directory of it is an environment."""
    name = path.rpartition("/")[2]
    return name == ".git" or (name == ".env" and isinstance(node, Leaf))


def is_device(node: Node) -> bool:
    """Return whether this is a device file."""
    return isinstance(node, Leaf) and node.kind is Kind.DEVICE
