"""The file system of an image: the trees of its layers, one laid over the other.

Only what is known of the files is kept, never what is in them.

https://github.com/opencontainers/image-spec/blob/main/layer.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .findings import TargetError
from .printing import shown
from .tar import Entry, Kind, Tar

LONG = 64  # characters that are kept of a file, a directory or a link at no further cost
MAX_LINKS = 40  # that a path may lead through, as in Linux
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
FOLLOWING = 1000  # what it takes of the budget to follow a link of a lower layer


@dataclass(frozen=True, slots=True)
class Leaf:
    """Whatever is no directory.

    :param link: where a link leads, otherwise empty.
    :param layer: the name of the layer that has its content.
    :param number: which entry of that layer it is, from 0 on.
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    link: str
    layer: str
    number: int


@dataclass(slots=True)
class Directory:
    """A directory, of one layer or of the image.

    :param is_given: whether it has an entry of its own; otherwise only paths lead through it.
    :param is_opaque: whether it hides what lower layers have in it.
    :param removed: the names that are removed from what lower layers have in it.
    """

    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    is_given: bool = False
    is_opaque: bool = False
    children: dict[str, Directory | Leaf] = field(default_factory=dict[str, "Directory | Leaf"])
    removed: list[str] = field(default_factory=list[str])


Node = Directory | Leaf


@dataclass(frozen=True)
class Found:
    """What a path leads to.

    :param path: its path without links, such as ``/srv/app``.
    """

    path: str
    node: Node


class Budget:
    """How many files, directories and links an image may still have."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit

    def spend(self, count: int = 1, text: str = "") -> None:
        """Note some more of them.

        :param text: their names and where they lead; long ones count more than once.

        :raises TargetError: if they are too many.
        """
        self._left -= count + len(text) // LONG
        if self._left < 0:
            raise TargetError(
                f"the image is refused: it has more than {self._limit} files, directories and links"
            )


def read_layer(tar: Tar, name: str, budget: Budget) -> Directory:
    """Return the tree of a layer.

    :param name: the name of the layer in the archive.
    :raises TargetError: if the archive is malformed or refused.
    """
    root = Directory(is_given=True)
    for number, entry in enumerate(tar):
        if entry.parts:
            add(root, entry, name, number, budget)
    return root


def add(root: Directory, entry: Entry, layer: str, number: int, budget: Budget) -> None:
    """Add an entry to the tree of its layer."""
    *above, name = entry.parts
    parent = root
    for part in above:
        child = parent.children.get(part)
        if isinstance(child, Leaf):
            # Engines disagree on what that means, and it is how archives climb out.
            path = shown("/".join(entry.parts))
            raise TargetError(f"a layer is refused: it has {path} below a {child.kind.value}")
        if child is None:
            budget.spend(text=part)
            child = parent.children[part] = Directory()
        parent = child
    if name == OPAQUE:
        parent.is_opaque = True
        return
    if name.startswith(WHITEOUT):
        removed = name.removeprefix(WHITEOUT)
        if not removed.startswith(WHITEOUT):  # otherwise the notes of AUFS
            budget.spend(text=removed)
            parent.removed.append(removed)
        return
    before = parent.children.get(name)
    budget.spend(int(before is None), name + entry.link)
    if entry.kind is Kind.DIRECTORY:
        if not isinstance(before, Directory):
            before = parent.children[name] = Directory()
        before.mode, before.uid, before.gid = entry.mode, entry.uid, entry.gid
        before.is_given = True
        return
    leaf = make_leaf(entry, layer, number)
    if entry.kind is Kind.HARDLINK:
        target = follow_nothing(root, entry.link)
        leaf = target if isinstance(target, Leaf) else leaf
    parent.children[name] = leaf


def make_leaf(entry: Entry, layer: str, number: int) -> Leaf:
    """Return what is known of an entry that is no directory."""
    return Leaf(entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.link, layer, number)


def follow_nothing(root: Directory, path: str) -> Node | None:
    """Return what is at the target of a hard link, or None."""
    node: Node | None = root
    for part in path.split("/"):
        if part == "..":
            raise TargetError(f"a layer is refused: its hard link to {shown(path)} leads out of it")
        if part not in {"", "."}:
            node = node.children.get(part) if isinstance(node, Directory) else None
    return node


def find(root: Directory, path: str) -> Found | None:
    """Return what a path leads to, through links within the image; None where that is nowhere.

    :param path: an absolute path. ``..`` of the root is the root, as in a container.
    """
    names: list[str] = []
    above = [root]
    todo = path.split("/")[::-1]
    links = 0
    while todo:
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if names:
                names.pop()
                above.pop()
            continue
        child = above[-1].children.get(part)
        if isinstance(child, Directory):
            names.append(part)
            above.append(child)
        elif child is None:
            return None
        elif child.kind is Kind.SYMLINK:
            links += 1
            if links > MAX_LINKS:
                return None
            if child.link.startswith("/"):
                names, above = [], [root]
            todo += child.link.split("/")[::-1]
        else:
            return None if any(todo) else Found("/" + "/".join([*names, part]), child)
    return Found("/" + "/".join(names), above[-1])


def lay_over(root: Directory, layer: Directory, budget: Budget) -> None:
    """Lay a layer over the file system that the layers below it make.

    :raises TargetError: if a hard link of it leads nowhere.
    """
    hard_links = resolve_hard_links(root, layer)
    begin(root, layer, budget)
    todo = [("/", root, iter(layer.children.items()))]
    while todo:
        path, below, children = todo[-1]
        name, node = next(children, ("", None))
        if node is None:
            todo.pop()
        elif isinstance(node, Leaf):
            below.children[name] = hard_links.get(id(node), node)
        else:
            inner = f"{path}{name}/"
            target = below.children.get(name)
            if isinstance(target, Leaf) and not node.is_given:
                # As `bin/tool` where a lower layer has made `bin` a link to `usr/bin`.
                budget.spend(FOLLOWING)
                found = find(root, inner)
                target = found.node if found else None
            if not isinstance(target, Directory):
                target = below.children[name] = Directory()
            if node.is_given:
                target.mode, target.uid, target.gid = node.mode, node.uid, node.gid
            begin(target, node, budget)
            todo.append((inner, target, iter(node.children.items())))


def begin(below: Directory, above: Directory, budget: Budget) -> None:
    """Remove what a directory of a layer hides of the one below it."""
    budget.spend(len(above.children))
    if above.is_opaque:
        below.children.clear()
    for name in above.removed:
        below.children.pop(name, None)


def resolve_hard_links(root: Directory, layer: Directory) -> dict[int, Leaf]:
    """Return the files that hard links of a layer lead to in lower layers, by identity."""
    found: dict[int, Leaf] = {}
    for path, node in walk(layer, "/"):
        if isinstance(node, Leaf) and node.kind is Kind.HARDLINK:
            target = follow_nothing(root, node.link)
            if not isinstance(target, Leaf):
                raise TargetError(
                    f"a layer is refused: its hard link {shown(path)} leads to no file"
                )
            found[id(node)] = target
    return found


def walk(directory: Directory, path: str) -> Iterator[tuple[str, Node]]:
    """Yield all that is below a directory, with paths.

    :param path: the path of the directory.
    """
    todo = [(path.rstrip("/"), iter(directory.children.items()))]
    while todo:  # as deep as the tree, and not as wide
        path, children = todo[-1]
        name, node = next(children, ("", None))
        if node is None:
            todo.pop()
            continue
        inner = f"{path}/{name}"
        yield inner, node
        if isinstance(node, Directory):
            todo.append((inner, iter(node.children.items())))
