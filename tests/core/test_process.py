"""What only a new process shows: its first heartbeats, and its end."""

from __future__ import annotations

import subprocess
import sys

FIRST_HEARTBEATS = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from dockerflow import checks

async def slow(): ...
def returns_coroutine(): return slow()
checks.register(slow)
checks.register(returns_coroutine)
checks.register(list, name="sync")
start = Barrier(8)

def heartbeat(number):
    start.wait()
    return checks.default_registry.run_checks(timeout=30).statuses

with ThreadPoolExecutor(8) as pool:
    for statuses in pool.map(heartbeat, range(8)):
        assert set(statuses.values()) == {"ok"}, statuses
"""

HUNG_AT_EXIT = """
import threading
from dockerflow import checks

checks.register(threading.Event().wait, name="hung")
assert checks.default_registry.run_checks(timeout=0.01).statuses == {"hung": "error"}
"""


def run(program: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_first_heartbeats_at_once() -> None:
    """The first heartbeats of a process may come in many threads, with sync and async checks."""
    run(FIRST_HEARTBEATS)


def test_a_hung_check_does_not_delay_the_exit() -> None:
    """A process can end while one of its checks hangs."""
    run(HUNG_AT_EXIT)
