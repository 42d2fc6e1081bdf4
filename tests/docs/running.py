"""Running a page: each of its code blocks in order, in one folder."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.docs import formats, printed
from tests.docs.commands import Command, commands, is_checked_only, is_server
from tests.docs.pages import Block, blocks
from tests.docs.printed import Wrong
from tests.docs.processes import PATIENCE, Namespace, PageServer
from tests.services.beats import wait_until

RECORDER = pathlib.Path(__file__).parent / "recorder"
# Runs a command, and keeps the folder and the variables that it leaves for the next one.
KEEPING = 'eval "$1"; status=$?; { pwd; env -0; } >"$2"; exit $status'


class Page:
    """A page of the documentation, or part of one.

    :param name: how failures call it.
    :param markdown: its text.
    :param folder: an empty folder, which its files are written into.
    :param environ: further variables of its environment.
    """

    def __init__(
        self, name: str, markdown: str, folder: pathlib.Path, environ: dict[str, str]
    ) -> None:
        self.name = name
        self.blocks = list(blocks(markdown))
        self.folder = self.cwd = folder / "service"
        self.folder.mkdir()
        self.state = folder / "state"
        self.record = folder / "record"
        self.record.touch()
        (folder / ".curlrc").write_text("silent\nshow-error\n")
        commands_of_python = pathlib.Path(sys.executable).parent
        self.environ = {
            "PATH": f"{commands_of_python}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),  # for curl
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(RECORDER),
            "DOCS_FOLDER": str(self.folder),
            "DOCS_RECORD": str(self.record),
            "PORT": "8000",
            **environ,
        }
        self.failures: list[str] = []
        self._namespace: Namespace | None = None
        self._server: PageServer | None = None
        self._printed = ""  # by the last snippet or command
        self._said = ""  # by all of them
        self._waiting: dict[pathlib.Path, int] = {}  # files to be run, and where they are shown

    def run(self) -> list[str]:
        """Run all blocks.

        :returns: what the page says wrongly, each beginning with the page and the line.
        """
        try:
            for block in self.blocks:
                self._try(block.line, self._block, block)
            for path, line in self._waiting.items():
                self._try(line, self._must_have_run, path)
        finally:
            if self._namespace:
                self._namespace.close()
            self._end_server()
        return self.failures

    def _try(self, line: int, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Wrong as error:
            self.failures.append(f"{self.name}:{line}: {error}")

    def _block(self, block: Block) -> None:
        if block.caption is not None:
            self._file(block)
        elif block.language in {"python", "pycon"}:
            self._snippet(block)
        elif block.language == "console":
            for command in commands(block.text, block.line):
                self._try(command.line, self._command, command)
        elif block.language == "json":
            self._must_have_printed(printed.canonical(block.text))
        elif block.language == "text":
            if not printed.matches(block.text, self._printed):
                raise Wrong(f"not what was printed:\n{self._difference(block.text)}")
        elif block.language in {"sh", "bash"}:
            formats.parse_shell(block.text)
            self._script(block.text)
        elif block.language in formats.PARSERS:
            self._documents(formats.parse_file(block.language, "", block.text))
        elif not block.language:
            raise Wrong("name the language of the code block, in a fence")
        else:
            raise Wrong(f"the tests can't execute the language {block.language!r}")

    # Files

    def _file(self, block: Block) -> None:
        assert block.caption
        path = self.folder / block.caption
        if path in self._waiting and not block.added:
            self._must_have_run(path)
        text = path.read_text() + "\n\n" + block.text if block.added else block.text
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self._documents(formats.parse_file(block.language, block.caption, text))
        if path.suffix == ".py":
            # What has run before was another text.
            self.record.write_text(self.record.read_text().replace(f"{path}\n", ""))
            self._waiting[path] = block.line

    def _must_have_run(self, path: pathlib.Path) -> None:
        if str(path) not in self.record.read_text().splitlines():
            raise Wrong(f"nothing has run {path.relative_to(self.folder)}, as it is shown here")

    def _documents(self, documents: list[Any]) -> None:
        for document in documents:
            for path in formats.probed_paths(document):
                if self._server is None:
                    raise Wrong(f"no service is running that could be asked for {path}")
                if (status := self._server.status(path)) != 200:
                    raise Wrong(f"the service answers {status} to the probe of {path}")
            for script in formats.scripts_of_steps(document):
                formats.parse_shell(script)
                self._script(script)

    # Python

    def _snippet(self, block: Block) -> None:
        if self._namespace is None:
            self._namespace = Namespace(self.folder, self.environ)
        failure, self._printed = self._namespace.run(
            block.text, self.name, block.line, compared=block.language == "pycon"
        )
        self._said += self._printed
        if failure:
            raise Wrong(failure)

    # Commands

    def _command(self, command: Command) -> None:
        formats.parse_shell(command.text)
        if is_checked_only(command.text):
            return
        if is_server(command.text):
            if command.output:
                raise Wrong("a server's transcript shows no output: what it logs goes below")
            self._start_server(command.text)
            return
        status = self._bash(command.text, self.environ)
        if command.output or status == 0:
            if not printed.matches(command.output, self._printed):
                raise Wrong(f"{command.text}\n{self._difference(command.output)}")
        else:
            raise Wrong(f"{command.text}\nended with status {status}:\n{self._printed}")

    def _script(self, script: str) -> None:
        """Run a script as continuous integration does, but for what is only checked."""
        lines = script.replace("\\\n", " ").splitlines()
        text = "\n".join("true" if is_checked_only(line) else line for line in lines)
        if status := self._bash(f"set -e\n{text}", formats.CI_ENVIRON | self.environ):
            raise Wrong(f"the script ended with status {status}:\n{self._printed}")

    def _bash(self, text: str, environ: dict[str, str]) -> int:
        try:
            done = subprocess.run(
                ["bash", "-c", KEEPING, "bash", self._with_port(text), str(self.state)],
                cwd=self.cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Wrong(f"{text}\nis still running after {PATIENCE} s") from None
        self._printed = self._without_port(done.stdout.decode(errors="replace").replace("\r", ""))
        self._said += self._printed
        if environ is self.environ and self.state.exists():
            folder, _, variables = self.state.read_text().partition("\n")
            self.cwd = pathlib.Path(folder)
            pairs = (pair.partition("=") for pair in variables.split("\0") if pair)
            self.environ |= {name: value for name, _, value in pairs}
        return done.returncode

    # Servers

    def _start_server(self, command: str) -> None:
        self._end_server()
        text = re.sub(r"\b8000\b", "{port}", command)
        self._server = PageServer(text, self.cwd, self.environ)
        self.environ["PORT"] = str(self._server.port)
        try:
            self._server.start()
        except RuntimeError as error:
            raise Wrong(f"{command}\n{error}") from None

    def _end_server(self) -> None:
        if self._server is not None:
            self._said += self._without_port(self._server.log)
            self._server.close()
            self._server = None

    def _must_have_printed(self, expected: str) -> None:
        def candidates() -> list[str]:
            log = self._without_port(self._server.log) if self._server else ""
            return printed.json_lines(self._said + log)

        wait = 5 if self._server else 0
        try:
            wait_until(lambda: any(printed.matches(expected, one) for one in candidates()), wait)
        except TimeoutError:
            near = printed.nearest(expected, candidates())
            shown = near and printed.difference(printed.pretty(expected), printed.pretty(near))
            raise Wrong(f"nothing on this page printed this line; the nearest:\n{shown}") from None

    def _with_port(self, text: str) -> str:
        return re.sub(r"\b8000\b", str(self._server.port), text) if self._server else text

    def _without_port(self, text: str) -> str:
        return re.sub(rf"\b{self._server.port}\b", "8000", text) if self._server else text

    def _difference(self, expected: str) -> str:
        return printed.difference(expected, self._printed)
