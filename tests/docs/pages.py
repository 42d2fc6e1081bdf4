"""The code blocks of a page of MyST Markdown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

CODE = {"code-block", "code", "sourcecode"}
WITHOUT_MARKDOWN = {"contents", "eval-rst", "image", "toctree"}
INCLUDED = {"include", "literalinclude"}  # tests would have to follow them

WITHOUT_CODE = {"../CHANGELOG.md"}  # tests/docs/test_pages.py sees to it


@dataclasses.dataclass(frozen=True)
class Block:
    """A code block.

    :param language: as it is highlighted; empty where the page names none.
    :param text: what the reader sees.
    :param line: the page's line on which the text begins, from 1.
    :param caption: the name of the file that the block is, or is added to.
    :param added: whether it is added to a file.
    """

    language: str
    text: str
    line: int
    caption: str | None = None
    added: bool = False


def blocks(markdown: str, offset: int = 0) -> Iterator[Block]:
    """Read the code blocks of a page in order, those inside of notes, tabs and lists included.

    :param offset: how many lines of the page come before ``markdown``.
    """
    parser = MarkdownIt("commonmark").use(front_matter_plugin).use(colon_fence_plugin)
    for token in parser.parse(markdown):
        if token.type == "code_block" and token.map:
            yield Block("", token.content, offset + token.map[0] + 1)
        elif token.type in {"fence", "colon_fence"} and token.map:
            start = offset + token.map[0] + 1
            info = token.info.strip()
            if info.startswith("{"):
                name, _, argument = info[1:].partition("}")
                yield from _directive(name, argument.strip(), token.content, start)
            else:
                yield Block(info, token.content, start + 1)


def _directive(name: str, argument: str, content: str, start: int) -> Iterator[Block]:
    lines = content.splitlines(keepends=True)
    options: dict[str, str] = {}
    while lines and re.match(r":[\w-]+:", lines[0]):
        key, _, value = lines.pop(0)[1:].partition(":")
        options[key] = value.strip()
        start += 1
    if name in CODE:
        while lines and not lines[0].strip():
            lines.pop(0)
            start += 1
        caption, added = options.get("caption"), False
        if caption is not None:
            added = caption.endswith(" (added)")
            caption = caption.removesuffix(" (added)").strip("`")
        yield Block(argument, "".join(lines), start + 1, caption, added)
    elif name == "eval-rst":
        if "code-block::" in content or content.rstrip().endswith("::"):
            yield Block("", content, start + 1)
    elif name in INCLUDED:
        if argument not in WITHOUT_CODE:
            yield Block(name, content, start)
    elif name not in WITHOUT_MARKDOWN:
        yield from blocks("".join(lines), start)
