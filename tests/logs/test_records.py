"""Records of summaries are copies of a first one, and the same as those that loggers make."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dockerflow.logging import records


@pytest.fixture(autouse=True)
def prototypes() -> Iterator[dict[Any, dict[str, Any]]]:
    """No prototype of another test is left, and none stays."""
    records._prototypes.clear()
    yield records._prototypes
    records._prototypes.clear()


#: Of each moment, and compared by how near they are.
MOMENT = ("created", "msecs", "relativeCreated")


def compare(level: int = logging.INFO, **fields: object) -> dict[str, Any]:
    """Make a record both ways, assert that they are the same, and return what the copy holds."""
    logger = logging.getLogger("request.summary")
    records.make_record(logger, level, "first", {"first": 1})
    before = logger.makeRecord(
        *("request.summary", level, "(unknown file)", 0, "text", (), None, "(unknown function)"),
        extra=fields,
    )
    copied = records.make_record(logger, level, "text", fields)
    after = logging.LogRecord("", 0, "", 0, "", (), None)
    assert type(copied) is logging.LogRecord
    assert list(copied.__dict__) == list(before.__dict__)
    for name, value in before.__dict__.items():
        if name not in MOMENT:
            assert copied.__dict__[name] == value, name
    assert before.created <= copied.created <= after.created
    assert before.relativeCreated - 0.01 <= copied.relativeCreated
    assert copied.relativeCreated <= after.relativeCreated + 0.01
    assert copied.msecs == float(int(copied.msecs))
    assert type(copied.msecs) is float
    assert 0 <= copied.created - int(copied.created) - copied.msecs / 1000 < 0.0011
    return copied.__dict__


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.ERROR, 25])
def test_same_as_a_logger_makes(level: int) -> None:
    """A copied record has what a logger's own has, in the same order."""
    assert compare(level, code=200, rid="r")["code"] == 200


def test_nothing_is_left_of_the_first() -> None:
    """Neither text nor fields of an earlier record are in a later one."""
    attributes = compare(b=2)
    assert "first" not in attributes
    assert attributes["msg"] == "text"


def in_thread(work: Callable[[], object], name: str) -> None:
    faults: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=guarded, name=name)
    thread.start()
    thread.join()
    assert faults == []


def test_threads() -> None:
    """A record bears the thread that made it, under the name it has then."""
    compare()

    def work() -> None:
        assert compare()["threadName"] == "one"
        threading.current_thread().name = "two"
        assert compare()["threadName"] == "two"

    in_thread(work, "one")


def test_tasks() -> None:
    """A record bears the name of the asyncio task that made it, where Python has that."""

    async def work() -> dict[str, Any]:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("answering")
        return compare()

    compare()
    attributes = asyncio.run(work())
    assert attributes.get("taskName") == ("answering" if sys.version_info >= (3, 12) else None)
    assert compare().get("taskName") is None


def test_process_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record bears the process's name of the moment."""
    compare()
    monkeypatch.setattr(multiprocessing.current_process(), "name", "worker")
    assert compare()["processName"] == "worker"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_forked_processes(prototypes: dict[Any, dict[str, Any]]) -> None:
    """After a fork the child's records bear the child's number."""
    compare()
    assert prototypes
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if not prototypes and compare()["process"] == os.getpid() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_level_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A level that is renamed has its new name in the next record."""
    compare()
    monkeypatch.setitem(logging._levelToName, logging.INFO, "NOTICE")
    assert compare()["levelname"] == "NOTICE"


@pytest.mark.parametrize("flag", ["logThreads", "logProcesses", "logMultiprocessing"])
def test_what_logging_leaves_out(monkeypatch: pytest.MonkeyPatch, flag: str) -> None:
    """What the application has told logging not to collect is not in a record."""
    compare()
    monkeypatch.setattr(logging, flag, False)
    compare()


def test_tasks_that_logging_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of tasks can be left out, too."""
    monkeypatch.setattr(logging, "logAsyncioTasks", False, raising=False)

    async def work() -> dict[str, Any]:
        return compare()

    assert asyncio.run(work()).get("taskName") is None


def test_patched_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an application makes of every LogRecord is made of a summary's, too."""
    compare()
    init = logging.LogRecord.__init__

    def patched(self: logging.LogRecord, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.__dict__["host"] = "h"

    monkeypatch.setattr(logging.LogRecord, "__init__", patched)
    assert compare()["host"] == "h"


def test_loggers_without_end(prototypes: dict[Any, dict[str, Any]]) -> None:
    """Ever new loggers don't make what is kept of them grow without end."""
    for number in range(200):
        logger = logging.Logger(f"logger{number}")  # noqa: LOG001 - none that would stay
        assert records.make_record(logger, 20, "x", {}).name == f"logger{number}"
    assert len(prototypes) <= records._MAX_PROTOTYPES


@pytest.mark.parametrize("name", ["message", "asctime", "name", "msg", "created"])
def test_names_of_records(name: str) -> None:
    """A field of a name that a record has keeps its value, under another name."""
    logger = logging.getLogger("request.summary")
    for _ in range(2):
        made = records.make_record(logger, 20, "text", {"a": 1, name: "mine", f"extra_{name}": 2})
        said = made.__dict__
        assert said[f"extra_extra_{name}"] == "mine"
        assert (said["a"], said[f"extra_{name}"]) == (1, 2)
        assert (said["msg"], said["name"]) == ("text", "request.summary")
        assert said.get("asctime") is None
        assert type(said["created"]) is float


def test_loggers_in_part() -> None:
    """What is no logger, or not of the usual kind, is told apart."""

    class Other(logging.Logger):
        pass

    class Mine(logging.Logger):
        def log(self, *args: Any, **kwargs: Any) -> None:
            super().log(*args, **kwargs)

    plain = logging.Logger("x")  # noqa: LOG001 - likewise
    assert records.is_plain(plain)
    assert records.is_plain(Other("x"))
    assert not records.is_plain(Mine("x"))
    assert not records.is_plain(logging.LoggerAdapter(plain, {}))
    assert not records.is_plain(object())
    for name in ("log", "_log", "makeRecord"):
        plain.__dict__[name] = None
        assert not records.is_plain(plain)
        del plain.__dict__[name]
