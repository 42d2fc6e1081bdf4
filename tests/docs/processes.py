"""The processes of a page: its web servers, and the one that executes its snippets."""

from __future__ import annotations

import json
import os
import pathlib
import select
import socket
import subprocess
import sys

from tests.docs import namespace
from tests.services.servers import Server

PATIENCE = 60  # seconds for a snippet or a command


class PageServer(Server):
    """A server that a page starts, in the page's folder.

    :param command: what bash runs; ``{port}`` is for the free port.
    :param folder: where.
    :param environ: its environment variables; it is given ``PORT`` beside them.
    """

    def __init__(self, command: str, folder: pathlib.Path, environ: dict[str, str]) -> None:
        super().__init__()
        self.folder = folder
        self.typed = command.rstrip().removesuffix("&").replace("{port}", str(self.port))
        self.environ = {**environ, "PORT": str(self.port)}

    def command(self) -> list[str]:
        """Say the command line."""
        return ["bash", "-c", f'cd "{self.folder}" && {self.typed}']

    def ready(self) -> bool:
        """Tell whether it answers; a Celery worker, which has no port, says that it is ready."""
        if "celery" in self.typed:
            return "ready" in self.log
        return bool(self.status("/__lbheartbeat__"))

    def status(self, path: str) -> int:
        """Ask for a path, and return the status of the answer, 0 where there was none."""
        head = f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nConnection: close\r\n\r\n"
        with self._connection() as sock:
            sock.sendall(head.encode())
            answer = sock.makefile("rb").readline().split()
        return int(answer[1]) if len(answer) > 1 else 0

    def _connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), 10)


class Namespace:
    """A process that executes snippets of Python, one after another.

    :param folder: where it runs.
    :param environ: its environment variables.
    """

    def __init__(self, folder: pathlib.Path, environ: dict[str, str]) -> None:
        orders, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self._output = folder.parent / "output"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, namespace.__file__, str(orders), str(answers)],
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(orders, answers),
                start_new_session=True,
            )
        os.close(orders)
        os.close(answers)

    def run(self, text: str, page: str, line: int, *, compared: bool) -> tuple[str, str]:
        """Execute a snippet.

        :param compared: whether it is a session of the interactive interpreter.
        :returns: what went wrong, if anything, and what was printed.
        """
        before = self._output.stat().st_size
        order = {"text": text, "page": page, "line": line, "compared": compared}
        answer = b""
        try:
            os.write(self._orders, json.dumps(order).encode() + b"\n")
            while not answer.endswith(b"\n"):
                if not select.select([self._answers], [], [], PATIENCE)[0]:
                    return f"still running after {PATIENCE} s", ""
                more = os.read(self._answers, 65536)
                if not more:
                    raise BrokenPipeError
                answer += more
            failure: str = json.loads(answer)
        except BrokenPipeError:
            failure = f"Python ended with status {self._process.wait()}"
        printed = self._output.read_bytes()[before:].decode(errors="replace")
        return failure and f"{failure}\n{printed}", printed

    def close(self) -> None:
        """End the process."""
        os.close(self._orders)
        self._process.kill()
        self._process.wait()
        os.close(self._answers)
