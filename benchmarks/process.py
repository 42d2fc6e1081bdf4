"""The workers, as the command sees them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent

_PATIENCE = 120.0  # seconds for one answer; a subject that blocks for ever must not stall the run


class WorkerFailed(RuntimeError):
    """A subject that gave a wrong answer or none; what was measured with it is worth nothing."""


class NotMeasured(Exception):
    """A subject that is not there, or that the installed package cannot run; says why."""


class Worker:
    """A process that does the work of one subject when told to.

    It is started at once and may be waited for later, so that several get ready together.

    :param python: The interpreter of the environment whose `dockerflow` is measured.
    :param subject: The subject's name.
    """

    def __init__(self, python: str, subject: str) -> None:
        self.subject = subject
        self._python = python
        self._ready = False
        self._ending = False
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "HATCH", "DOCKERFLOW", "DJANGO"))
        }
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", subject],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
        )

    def wait_ready(self, core: int | None = None) -> None:
        """Wait until the subject's output was found right, and keep to *core* from then on.

        :raises NotMeasured: The subject is not there.
        :raises WorkerFailed: Its output is wrong.
        """
        if self._ready:
            return
        word, rest = self._answer()
        if word == "unknown":
            raise NotMeasured(f"there is no subject {self.subject}")
        if word == "unavailable":
            raise NotMeasured(json.loads(rest))
        self._ready = True
        if core is not None:
            self._ask(f"pin {core}")

    def run(self, count: int) -> int:
        """Have the work done `count` times and return the nanoseconds it took."""
        return self._ask(f"run {count}")

    def end(self) -> None:
        """Tell the worker to check its output once more, and go on meanwhile."""
        if self._ready and not self._ending:
            self._tell("check")
            self._ending = True

    def confirm(self) -> None:
        """Wait for the check that `end` asked for.

        :raises WorkerFailed: The output is wrong by now.
        """
        if self._ending:
            self._answer()

    def close(self) -> None:
        """End the worker."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, line: str) -> int:
        self._tell(line)
        return int(self._answer()[1])

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has said why, or its end says it
            self._process.stdin.write(f"{line}\n".encode())

    def _answer(self) -> tuple[str, str]:
        """Return the next answer: its first word, and the rest."""
        stream = self._process.stdout
        assert stream is not None
        if not select.select([stream], [], [], _PATIENCE)[0]:
            self._process.kill()
            raise WorkerFailed(
                f"{self.subject} gave no answer within {_PATIENCE:g} s{self._heard()}"
            )
        word, _, rest = stream.readline().decode().strip().partition(" ")
        if word == "failed":
            raise WorkerFailed(f"{self.subject} is wrong ({self._python}):\n{json.loads(rest)}")
        if not word:
            raise WorkerFailed(f"{self.subject} has ended ({self._python}){self._heard()}")
        return word, rest

    def _heard(self) -> str:
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace")[-4000:]
        return f":\n{said}" if said else ""
