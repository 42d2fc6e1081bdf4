"""What is imported, and when: a process that only registers checks starts at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("asyncio", "dataclasses", "inspect", "logging", "re", "typing")


def run(program: str) -> str:
    """Run a program in a fresh process, in which nothing has been imported yet."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_registering_needs_little() -> None:
    """To import and register needs none of the modules that running checks does."""
    program = f"""
import sys
before = set(sys.modules)
from dockerflow import checks

@checks.register(name="one", timeout=2)
def check(): ...

class Extension(checks.ChecksOfExtension): ...
Extension().check(lambda: checks.Error("m", id="t.1"), name="two")
print(sorted((set(sys.modules) - before) & set({HEAVY})))
"""
    assert run(program) == "[]"


def test_logger_of_the_registry() -> None:
    """The logger of the registry is found like any name, and a test may put another there."""
    program = """
import logging
from unittest import mock
from dockerflow import checks
from dockerflow.checks import registry
assert registry.logger is logging.getLogger("dockerflow.checks.registry")
with mock.patch("dockerflow.checks.registry.logger") as logger:
    checks.register(lambda: None, name="one")
    checks.register(lambda: None, name="one")
assert registry.logger is logging.getLogger("dockerflow.checks.registry")
print(logger.warning.call_count)
"""
    assert run(program) == "1"


@pytest.mark.parametrize("timeout", ["5", "None"])
def test_sync_checks_need_no_asyncio(timeout: str) -> None:
    """Where no check is async, asyncio is not imported."""
    program = f"""
import sys
from dockerflow import checks
checks.register(lambda: checks.Warning("m", id="t.1"), name="one")
results = checks.default_registry.run_checks(timeout={timeout})
print(results.statuses, "asyncio" in sys.modules)
"""
    assert run(program) == "{'one': 'warning'} False"


def test_first_heartbeats_at_once() -> None:
    """The first heartbeats of a process may come in many threads, with sync and async checks."""
    program = """
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
    assert run(program) == "8 True"


def test_importing_takes_nothing_of_a_check_s_time() -> None:
    """The first async check has its whole time: what it needs is imported before."""
    program = """
import sys
import time
from dockerflow import checks

monotonic = time.monotonic

class SlowDisk:
    def find_spec(name, path, target=None):
        if name == "asyncio":
            time.monotonic = lambda: monotonic() + 1000

sys.meta_path.insert(0, SlowDisk)

async def check():
    import asyncio
    await asyncio.sleep(0.5)  # more than the grace of a run that is past its time

checks.register(check, timeout=30)
print(checks.default_registry.run_checks().statuses)
"""
    assert run(program) == "{'check': 'ok'}"


def test_public_names() -> None:
    """Names that are imported on use are found like any, and others are not."""
    program = """
import dataclasses
from dockerflow.checks import *
from dockerflow.checks import registry
import dockerflow.checks as checks
assert dataclasses.is_dataclass(ChecksResults)
assert CheckDetails.__required_keys__ == {"status", "level", "messages"}
assert registry.ChecksResults is ChecksResults is checks.ChecksResults
assert [name for name in checks.__all__ if not hasattr(checks, name)] == []
assert not hasattr(checks, "ChecksResult") and not hasattr(registry, "ChecksResult")
Check | None, list[Check]
print("ok")
"""
    assert run(program) == "ok"
