"""The first heartbeats of a process, in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

FIRST_HEARTBEATS = """
import threading
from dockerflow import checks

async def slow(): ...
def returns_coroutine(): return slow()
checks.register(slow)
checks.register(returns_coroutine)
checks.register(lambda: None, name="sync")
start = threading.Barrier(8)
seen = []

def heartbeat():
    start.wait()
    seen.append(checks.default_registry.run_checks(timeout=30).statuses)

threads = [threading.Thread(target=heartbeat) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(seen), all(set(each.values()) == {"ok"} for each in seen))
"""

HUNG_AT_EXIT = """
import threading
from dockerflow import checks

checks.register(threading.Event().wait, name="hung")
print(checks.default_registry.run_checks(timeout=0.01).statuses)
"""


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_first_heartbeats_at_once() -> None:
    """The first heartbeats of a process may come in many threads, with sync and async checks."""
    assert run(FIRST_HEARTBEATS) == "8 True"


def test_a_hung_check_does_not_delay_the_exit() -> None:
    """A process ends while a check of it hangs."""
    assert run(HUNG_AT_EXIT) == "{'hung': 'error'}"
