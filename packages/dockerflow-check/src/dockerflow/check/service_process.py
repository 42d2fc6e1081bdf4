"""A service as a child process: its output is read at once, and nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import IO, Self

from .findings import TargetError
from .printing import shown

KEPT_OUTPUT = 20_000_000
"""Bytes of one output stream that are kept, from its start; the rest is counted only."""

_TAIL = 4096  # bytes
_LAST_LINES = 5
_MOST_SHOWN = 200  # characters of one line
_CLOSING = 3  # seconds for an end in good order when the check breaks off

_USER_PART = re.compile(r"(?<=://)[^\s\"']*@")
_SECRET = re.compile(
    r"(?i)((?:password|passwd|secret|token|api[_-]?key|authorization)\w*[\"']?\s*[=:]\s*)\S.*"
)


def masked(text: str) -> str:
    """Return text that can be printed: without control characters, secrets, or great length."""
    # Masked before it is cut: half a password is enough.
    text = _SECRET.sub(r"\1***", _USER_PART.sub("***@", text))
    return shown(text, _MOST_SHOWN)


def ending(status: int) -> str:
    """Say how a process ended.

    :param status: its exit status, negative for a signal.
    """
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"


class Output:
    """One output stream of a service, which a thread reads so that the service never waits.

    :param stream: the reading end of its pipe; the thread closes it.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self.size = 0
        """Bytes so far."""
        self.newlines = 0
        """Lines so far."""
        self._stream = stream
        self._kept = 0
        self._tail = b""
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 65536):
                with self._lock:
                    self.size += len(chunk)
                    self.newlines += chunk.count(b"\n")
                    self._tail = (self._tail + chunk)[-_TAIL:]
                    if self._kept < KEPT_OUTPUT and not self._file.closed:
                        self._kept += self._file.write(chunk[: KEPT_OUTPUT - self._kept])

    def at_end(self, timeout: float) -> bool:
        """Wait for the end of the stream, and return whether it came.

        :param timeout: the seconds to wait.
        """
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def lines(self) -> Iterator[bytes]:
        """Give the lines that were kept; the last one only if it is complete."""
        with self._lock:
            self._file.seek(0)
            for line in self._file:
                if line.endswith(b"\n") or self._kept == self.size:
                    yield line
            self._file.seek(0, os.SEEK_END)

    def last_lines(self) -> list[str]:
        """Return the last lines, fit for a message."""
        with self._lock:
            tail, cut = self._tail, self.size > len(self._tail)
        # The first may be the rest of a line, and begin within a password.
        lines = tail.decode(errors="replace").splitlines()[int(cut) :]
        return [masked(line) for line in lines if line.strip()][-_LAST_LINES:]

    def close(self) -> None:
        """Forget what was kept."""
        with self._lock:
            self._file.close()


class ServiceProcess:
    """A running service, in a session and a process group of its own, with an empty stdin.

    It is a context manager, at whose end nothing of the group is left.

    :param command: the program and its arguments.
    :param environ: its environment variables, ``PORT`` excepted.
    :param port: the port for ``PORT``.
    :raises TargetError: if it can't be started.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], port: int) -> None:
        self.port = port
        try:
            self._process = subprocess.Popen(  # noqa: S603 - running it is the user's wish
                list(command),
                env={**environ, "PORT": str(port)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise TargetError(f"{masked(command[0])} can't be started: {reason}.") from error
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdout = Output(self._process.stdout)
        self.stderr = Output(self._process.stderr)

    @property
    def status(self) -> int | None:
        """The exit status of the process that was started, or None while it runs."""
        return self._process.poll()

    def said(self) -> str:
        """Return the last lines of its output as the end of a sentence."""
        lines = [*self.stdout.last_lines(), *self.stderr.last_lines()][-_LAST_LINES:]
        if lines:
            return f"; it wrote last: {' | '.join(lines)}"
        return "; it wrote nothing" if not self.stdout.size + self.stderr.size else ""

    def terminate(self) -> None:
        """Send SIGTERM to the process that was started, as container runtimes do to process 1."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> bool:
        """Return whether the process that was started ends.

        :param timeout: the seconds to wait.
        """
        try:
            self._process.wait(max(timeout, 0))
        except subprocess.TimeoutExpired:
            return False
        return True

    def members(self) -> list[str]:
        """Return the processes of the group that live, such as ``node (123)``."""
        group = self._process.pid
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return []
        except PermissionError:  # macOS says so of zombies
            return []
        processes = pathlib.Path("/proc")
        if not (processes / "self/stat").exists():
            return [f"a process of group {group}"]
        found: list[str] = []
        for stat in processes.glob("[0-9]*/stat"):
            try:
                before, _, after = stat.read_text(errors="replace").rpartition(")")
            except OSError:  # it has just ended
                continue
            state, _, its_group, *_ = after.split()
            # Where process 1 of a container reaps nobody, ended processes stay as zombies.
            if int(its_group) == group and state not in "ZX":
                found.append(f"{shown(before.partition('(')[2])} ({stat.parent.name})")
        return sorted(found)

    def wait_for_members(self, timeout: float) -> list[str]:
        """Wait until no process of the group lives.

        :param timeout: the seconds to wait.
        :returns: those that live even then.
        """
        end = time.monotonic() + timeout
        while (members := self.members()) and time.monotonic() < end:
            time.sleep(0.05)
        return members

    def kill(self) -> None:
        """End all processes of the group at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # all have ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.stdout.at_end(1)
        self.stderr.at_end(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self.status is None:  # a wrapper such as `docker run` has something to tidy up
                self.terminate()
                self.wait(_CLOSING)
        finally:
            self.kill()
            self.stdout.close()
            self.stderr.close()
