"""Reading YAML of unknown origin as nodes with lines, in bounded time and memory.

Nothing is constructed: a tag names no class here, and an alias is the same node once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DOCUMENTS = 10_000
MAX_NODES = 200_000  # of a document
MAX_DEPTH = 60

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HELM = re.compile(r"\{\{[^{}]{0,200}?(?:\.(?:Values|Release|Chart|Capabilities)\b|\binclude \")")


class NodeError(ValueError):
    """The text can't be read.

    :param line: the line from which it can't be read.
    """

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


@dataclass(slots=True, eq=False)
class Node:
    """A value of a document.

    :param line: its line, from 1 on.
    :param text: the text of a scalar; None for a mapping or a sequence, and for null.
    :param items: the items of a sequence.
    :param values: the values of a mapping, by key.
    """

    line: int
    text: str | None = None
    items: list[Node] = field(default_factory=list["Node"])
    values: dict[str, Node] = field(default_factory=dict[str, "Node"])

    def at(self, *keys: str) -> Node:
        """Return the value at the end of a path of keys; an empty node if there is none."""
        node = self
        for key in keys:
            value = node.values.get(key)
            if value is None:
                return Node(node.line)
            node = value
        return node

    @property
    def is_there(self) -> bool:
        """Whether there is anything: no null and no empty collection."""
        return self.text is not None or bool(self.items or self.values)


def read_documents(text: str) -> Iterator[Node]:
    """Read the documents of a YAML or JSON file, one after the other.

    :raises NodeError: if it is not YAML, too deep or too large, or a template that must be
        rendered first.
    """
    for line, content in enumerate(text.split("\n"), 1):
        if _HELM.search(content) and not content.lstrip().startswith("#"):
            raise _template_error(line)
    events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
    count = 0
    try:
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > MAX_DOCUMENTS:
                    raise NodeError(f"it has more than {MAX_DOCUMENTS:,} documents", line)
                yield _Composer(events).read(next(events), 0)
    except yaml.YAMLError as error:
        mark: Any = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        if "{{" in text:
            raise _template_error(line) from error
        problem = getattr(error, "problem", None) or "characters that YAML does not allow"
        raise NodeError(f"it is no YAML: {problem}", line) from error


def _template_error(line: int) -> NodeError:
    """Return the error for a template."""
    return NodeError("it is a template; render it first, e.g. with `helm template`", line)


class _Composer:
    """Makes the nodes of one document from its events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str | None, Node] = {}
        self._count = 0

    def read(self, event: Any, depth: int) -> Node:
        """Read the node that begins with an event."""
        line: int = event.start_mark.line + 1
        self._add(1, line)
        if depth > MAX_DEPTH:
            raise NodeError(f"it is nested more than {MAX_DEPTH} deep", line)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise NodeError("an alias has no anchor", line)
            return self._anchors[event.anchor]
        node = Node(line)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        if isinstance(event, yaml.ScalarEvent):
            is_null = event.implicit[0] and event.value in {"", "~", "null", "Null", "NULL"}
            node.text = None if is_null else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                node.items.append(self.read(event, depth + 1))
        else:
            self._read_mapping(node, depth)
        return node

    def _read_mapping(self, node: Node, depth: int) -> None:
        """Read the keys and values of a mapping."""
        merged: list[Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self.read(event, depth + 1)
            value = self.read(next(self._events), depth + 1)
            if key.items or key.values:  # as in `image: {{ name }}`
                raise _template_error(key.line)
            if key.text == "<<":
                self._add(len(value.items), key.line)
                merged += [value, *value.items]
            else:
                node.values[key.text or ""] = value
        for other in merged:
            self._add(len(other.values), node.line)
            for name, value in other.values.items():
                node.values.setdefault(name, value)

    def _add(self, number: int, line: int) -> None:
        """Count nodes."""
        self._count += number
        if self._count > MAX_NODES:
            raise NodeError(f"a document has more than {MAX_NODES:,} values", line)
