"""QueuedMozlogHandler: lines that a thread writes."""

from __future__ import annotations

import io
import logging
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from dockerflow.logging import QueuedMozlogHandler, RequestIdLogFilter, request_id_context

from .lines import Broken, parse_all, record
from .test_handler import Failing, Logging, app_logger, messages

# Large enough to fill the pipe of standard output when the process ends.
PREAMBLE = """
import logging, multiprocessing, os, sys, threading
from dockerflow.logging import configure
configure("shop", format="mozlog", queue=True)
log = logging.getLogger("app")
def work(name, count=200):
    for number in range(count):
        log.info("50%% of %s", f"{name}-{number}", extra={"padding": "x" * 1000})
if __name__ == "__main__":
"""


class Blocked(io.StringIO):
    """Standard output whose reader waits until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.released = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.released.wait()
        return super().write(text)


@pytest.fixture
def stream() -> Iterator[Blocked]:
    stream = Blocked()
    yield stream
    stream.released.set()


def end(handler: logging.Handler) -> None:
    """Close a handler as logging.shutdown() does."""
    handler.acquire()
    try:
        handler.close()
    finally:
        handler.release()


def test_a_stream_that_blocks(stream: Blocked) -> None:
    """No logging call waits for the stream; lines have the values of their moment, in order."""
    handler = QueuedMozlogHandler(stream, name="mine")
    handler.addFilter(RequestIdLogFilter())
    logger = app_logger(handler)
    seen: list[int] = []
    for number in range(100):
        seen.append(number)
        token = request_id_context.set(f"id-{number}")
        logger.info("100%% of %s", number, extra={"seen": seen})
        request_id_context.reset(token)
    try:
        raise ValueError("v")
    except ValueError:
        logger.exception("failed")
    stream.entered.wait()
    assert stream.getvalue() == ""
    stream.released.set()
    end(handler)
    *lines, failure = parse_all(stream.getvalue())
    assert [line["Fields"] for line in lines] == [
        {"seen": list(range(n + 1)), "rid": f"id-{n}", "msg": f"100% of {n}"} for n in range(100)
    ]
    assert {line["Logger"] for line in lines} == {"mine"}
    assert failure["Fields"]["error"] == "ValueError('v')"
    assert "in test_a_stream_that_blocks" in failure["Fields"]["traceback"]


def test_after_its_end() -> None:
    """A closed handler writes at once, also its first record."""
    stream = io.StringIO()
    handlers = QueuedMozlogHandler(stream), QueuedMozlogHandler(stream)
    handlers[0].handle(record("first"))
    for number, handler in enumerate(handlers):
        end(handler)
        handler.handle(record(number))
        assert messages(stream)[-1] == str(number)
    assert messages(stream) == ["first", "0", "1"]


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a thread lines are written at once, and queued again when a thread can start."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    stream = io.StringIO()
    with closing(QueuedMozlogHandler(stream)) as handler:
        logger = app_logger(handler)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            logger.info("first")
        assert messages(stream) == ["first"]
        logger.info("second")
    assert messages(stream) == ["first", "second"]


def test_its_formatter() -> None:
    """Another formatter is used in the thread that logs, and ``%`` in its lines is kept."""
    stream = io.StringIO()
    with closing(QueuedMozlogHandler(stream)) as handler:
        handler.setFormatter(logging.Formatter("%(threadName)s %(message)s"))
        app_logger(handler).info("50%%")
    assert stream.getvalue() == "MainThread 50%%\n"


def test_another_stream() -> None:
    """If the stream is replaced, lines go to the new one."""
    first, second = io.StringIO(), io.StringIO()
    with closing(QueuedMozlogHandler(first)) as handler:
        assert handler.setStream(second) is first
        assert handler.setStream(second) is None
        app_logger(handler).info("moved")
    assert (first.getvalue(), messages(second)) == ("", ["moved"])


def test_faults(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors of a stream and a formatter are reported as logging does, and raise nothing."""
    with closing(QueuedMozlogHandler(Failing())) as handler:
        logger = app_logger(handler)
        logger.info("lost")
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.info(Broken())
    errors = capsys.readouterr().err
    assert "disk full" in errors
    assert "OSError: str" in errors


def test_a_stream_that_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that a stream logs go to the process's own standard output, and the handler can end."""
    real = io.StringIO()
    monkeypatch.setattr(sys, "__stdout__", real)
    logger = app_logger()
    monkeypatch.setattr(sys, "stdout", Logging(logger))
    handler = QueuedMozlogHandler()
    logger.addHandler(handler)
    for number in range(100):
        logger.info("%s", number)
    end(handler)
    assert messages(real) == [str(number) for number in range(100)]


def run(*command: str) -> list[str]:
    """Run Python with a buffered standard output, and return the messages of its lines."""
    environ = {name: os.environ[name] for name in os.environ if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        # Python 3.12 and newer warn about every fork of a process with threads.
        [sys.executable, "-W", "ignore::DeprecationWarning", *command],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line["Fields"]["msg"] for line in parse_all(done.stdout)]


def said(*names: str, count: int = 200) -> list[str]:
    """Return the messages that work() logs for these names."""
    return [f"50% of {name}-{number}" for name in names for number in range(count)]


@pytest.mark.parametrize("how", ["pass", "sys.exit(0)", "logging.shutdown(); os._exit(0)"])
def test_end_of_a_process(how: str) -> None:
    """When a process ends, all waiting lines are written."""
    assert run("-c", f"{PREAMBLE}    work('main'); {how}") == said("main")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes(method: str, tmp_path: pathlib.Path) -> None:
    """A process of multiprocessing writes all of its own lines, and none of its parent's."""
    script = tmp_path / "script.py"
    script.write_text(
        f"""{PREAMBLE}
    work("before")
    process = multiprocessing.get_context("{method}").Process(target=work, args=("child",))
    process.start()
    process.join()
    work("after")
"""
    )
    assert sorted(run(str(script))) == sorted(said("before", "child", "after"))


def test_forks_while_lines_are_written() -> None:
    """A fork while a line is being written doubles no line, and both processes log on."""
    script = """
    for number in range(20):
        work(f"parent-{number}")
        if not os.fork():
            work("child", 1)
            sys.exit()
    for number in range(20):
        os.wait()
"""
    expected = said(*[f"parent-{number}" for number in range(20)]) + 20 * ["50% of child-0"]
    assert sorted(run("-c", PREAMBLE + script)) == sorted(expected)
