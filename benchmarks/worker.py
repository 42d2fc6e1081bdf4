"""One subject in a process of its own: `python -m benchmarks.worker <subject>`.

Speaks first, once the subject is made and its output was found right: `ready`, `unavailable <why>`,
`unknown` or `failed <why>`. Then answers each line of stdin with one: `run <count>` with `ok
<nanoseconds>`, `check` with `ok 0`, `pin <core>` with `ok 0`. Ends at the end of stdin.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

from .subjects import Unavailable, make

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from .subjects import Subject

_CLOCKS = {"cpu": time.process_time_ns, "wall": time.perf_counter_ns}


def _prepare_nothing(count: int) -> None:
    """Stand in for `Prepared.prepare`."""


def _timer(subject: Subject) -> Callable[[int], int]:
    """Return what does the work `count` times and returns the nanoseconds it took."""
    some: Any = subject
    prepare = getattr(some, "prepare", _prepare_nothing)
    run = subject.run
    if subject.clock == "own":

        def spent(count: int) -> int:
            prepare(count)
            run(count)
            taken: int = some.spent()
            return taken

        return spent
    now = _CLOCKS[subject.clock]

    def taken(count: int) -> int:
        prepare(count)
        if count >= 10:
            run(count // 10)  # after the blocks of others, the processor's caches are theirs
        start = now()
        run(count)
        return now() - start

    return taken


def _serve(subject: Subject, commands: TextIO, answers: TextIO) -> None:
    taken = _timer(subject)
    # What is there by now (modules, records) is not traversed again by each full collection, as in
    # a server that has been up for a while.
    gc.collect()
    gc.freeze()
    for line in commands:
        command, _, argument = line.strip().partition(" ")
        spent = 0
        if command == "run":
            spent = taken(int(argument))
        elif command == "check":
            subject.check()
        elif command == "pin" and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {int(argument)})
        print("ok", spent, file=answers, flush=True)


def main(name: str, commands: TextIO, answers: TextIO) -> int:
    """Make the subject *name* and serve it until *commands* end; return the exit status."""
    try:
        try:
            subject = make(name)
        except Unavailable as error:
            print("unavailable", json.dumps(str(error)), file=answers, flush=True)
            return 0
        except LookupError:
            print("unknown", file=answers, flush=True)
            return 0
        subject.check()
        print("ready", file=answers, flush=True)
        _serve(subject, commands, answers)
    except BaseException:
        print("failed", json.dumps(traceback.format_exc()), file=answers, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    # What the subject prints must not pass for an answer.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as own_stdout:
        os.dup2(2, 1)
        sys.exit(main(sys.argv[1], sys.stdin, own_stdout))
