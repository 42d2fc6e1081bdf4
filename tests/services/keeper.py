"""The parent of a test server: it ends the server when the test run ends, however that ends.

A run that gets SIGKILL can tidy up nothing, and its children live on. So every server is the child
of this small program instead, which watches the test process and outlives it. What it does:

- It reads orders from standard input, one JSON object a line (``command``, ``env`` and ``user``),
  starts the command, and answers with one line: ``{"pid": 123}`` or ``{"error": "..."}``.
- When standard input closes (the ordinary end) or the test process is gone (a pidfd tells, which a
  forked child of the test process can't hold open as it could a pipe), it kills all that it has
  started and removes the directory.

It leaves the session of the test process, so that a signal to that process group misses it. Linux
only: pidfds, ``/proc`` and ``PR_SET_CHILD_SUBREAPER``, which makes it the parent of orphans too
(the backends of a PostgreSQL whose postmaster was killed).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
from typing import Any

PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>


def descendants(ancestor: int) -> dict[int, str]:
    """Find the processes below one process, parents first.

    :param ancestor: the process id to look below.
    :returns: each process's id with its state letter (proc_pid_stat(5)). A zombie is among them
        until it is waited for: its other threads may still be about to close their sockets.
    """
    processes: dict[int, tuple[str, int]] = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # gone since it was listed
                # The name, in parentheses, may hold anything: read from behind its end.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                processes[int(entry.name)] = (state, int(parent))
    found = [ancestor]
    for pid in found:
        found.extend(child for child, (_, parent) in processes.items() if parent == pid)
    return {pid: processes[pid][0] for pid in found[1:]}


def kill_descendants(ancestor: int) -> None:
    """Send SIGKILL to all below one process and return when they are gone.

    :param ancestor: the process id to look below; it lives on.
    """
    while pids := descendants(ancestor):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                descriptor = os.pidfd_open(pid)
                try:
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    select.select([descriptor], [], [])
                finally:
                    os.close(descriptor)


def _reap(_number: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _start(order: dict[str, Any]) -> dict[str, Any]:
    user: int | None = order["user"]
    try:
        with pathlib.Path("server.log").open("ab") as log:
            process = subprocess.Popen(
                order["command"],
                env=order["env"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
    except OSError as error:
        return {"error": f"{order['command'][0]}: {error}"}
    process.returncode = 0  # _reap waits for it, so Popen shall not miss it
    return {"pid": process.pid}


def keep(parent: int, directory: str) -> None:
    """Obey orders until the test process ends, then kill and remove what there is.

    :param parent: the id of the test process.
    :param directory: the working directory of what is started, removed at the end.
    """
    os.chdir(directory)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGCHLD, _reap)
    gone = os.pidfd_open(parent)
    if os.getppid() == parent:  # else it died before it could be watched
        while gone not in select.select([sys.stdin, gone], [], [])[0]:
            line = sys.stdin.readline()
            if not line:
                break
            print(json.dumps(_start(json.loads(line))), flush=True)
    kill_descendants(os.getpid())
    os.chdir("/")
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    keep(int(sys.argv[1]), sys.argv[2])
