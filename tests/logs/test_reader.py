"""``python -m dockerflow.logging``: the lines of a log as text."""

from __future__ import annotations

import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import IO, Any

import pytest

from dockerflow.logging import GoogleCloudFormatter, MozlogFormatter

from .lines import record

COMMAND = [sys.executable, "-m", "dockerflow.logging"]
COLORS = {"NO_COLOR": "", "FORCE_COLOR": "", "TERM": "xterm"}
SUMMARY: dict[str, Any] = {"method": "GET", "path": "/orders/17", "code": 200, "t": 3, "created": 0}
LINE = MozlogFormatter().format(record("hello", created=0)).encode()


def read(log: bytes, *arguments: str, encoding: str = "utf-8") -> bytes:
    """Return the command's output for a log, in Tokyo."""
    environ = {**os.environ, **COLORS, "TZ": "Asia/Tokyo", "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [*COMMAND, *arguments], input=log, env=environ, stdout=subprocess.PIPE, check=True
    )
    return done.stdout


@pytest.mark.parametrize("formatter", [MozlogFormatter(), GoogleCloudFormatter()])
@pytest.mark.parametrize("prefix", ["", "shop-1  | ", "\x1b[36mshop-1 |\x1b[0m "])
def test_log_lines(formatter: MozlogFormatter, prefix: str) -> None:
    """Lines of both formats are shown with date and time, after their prefix."""
    try:
        raise ValueError("wrong")
    except ValueError as error:
        failure = record("failed", level=40, name="orders", exc_info=error, order=17, created=0)
    records = [failure, record("", name="request.summary", **SUMMARY, rid="c68c9409-7f")]
    log = "".join(f"{prefix}{formatter.format(each)}\n" for each in records)
    failed, *traceback, asked = read(log.encode()).decode().splitlines()
    time = f"{prefix}1970-01-01 09:00:00.000"
    assert failed == f"{time} ERROR    orders: failed  order=17"
    assert traceback[0] == "    Traceback (most recent call last):"
    assert "ValueError" in traceback[-1]
    assert asked == f"{time} INFO     GET /orders/17 200 3 ms  c68c9409"


def odd_lines() -> Iterator[bytes]:
    yield from [b"\n", b"  \r\n", b"Traceback:\r\n", b"\xff\xfe\x00 { \n", b"{}\n", b"[{}]\n"]
    yield from [b"{" * 100_000 + b"\n", b'{"a": ' * 100_000 + b"\n", b'{"Fields": {}}\n', LINE[:-1]]
    yield b'{"severity": "INFO", "message": "of another service"}\n'
    odd: list[Any] = ["soon", 10**30, None, [], {}, -1.5, float("nan"), "9" * 5000]
    for name in ("Timestamp", "Severity", "Fields"):
        for value in odd:
            if (name, value) not in [("Fields", {}), ("Timestamp", -1.5)]:
                yield json.dumps(json.loads(LINE) | {name: value}).encode() + b"\n"
        yield LINE.replace(f'"{name}"'.encode(), b'"Other"') + b"\n"
    yield b"the last one"


def test_other_lines() -> None:
    """Any text that is no log line, or an odd one, is passed through byte for byte."""
    log = b"".join(odd_lines())
    assert read(log) == log
    assert read(log, "--rid", "c6", "--level", "error") == log


def test_hostile_lines() -> None:
    """A line from another program can't control the terminal either."""
    fields = {"msg": "\x1b[2J\ud800\u202e", "größe": "é", "rid": 5}
    line = json.dumps(json.loads(LINE) | {"Fields": fields, "Type": ["\x9b"]}).encode()
    shown = read(line).decode()
    assert shown.endswith(' ["\\x9b"]: \\x1b[2J\\ud800\\u202e  größe=é rid=5\n')
    assert read(line, encoding="ascii").endswith(b"  gr\\xf6\\xdfe=\\xe9 rid=5\n")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), "debug info warning error critical"),
        (("--level", "debug"), "debug info warning error critical"),
        (("--level", "INFO"), "info warning error critical"),
        (("--level", "warning"), "warning error critical"),
        (("--level", "critical"), "critical"),
        (("--rid", "c68c"), "info critical"),
        (("--rid", "c68c9409-2"), "critical"),
        (("--rid", "c68c", "--level", "error"), "critical"),
        (("--rid", "68c9409"), ""),
        (("--rid", "N"), ""),
    ],
)
def test_what_is_shown(arguments: tuple[str, ...], shown: str) -> None:
    """Lines are chosen by their level and by the start of the request's id."""
    ids = {"info": "c68c9409-1", "critical": "c68c9409-2", "error": None, "warning": 5}
    levels = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
    records = [record(name, level=level, rid=ids.get(name)) for name, level in levels.items()]
    log = "".join(f"{MozlogFormatter().format(each)}\n" for each in records)
    lines = read(log.encode(), *arguments).decode().splitlines()
    assert [line.partition("app: ")[2].split()[0] for line in lines] == shown.split()


def test_files(tmp_path: pathlib.Path) -> None:
    """Several files are read, one after the other."""
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(LINE.replace(b"hello", name.encode()) + b"\n")
    assert read(b"", *(str(tmp_path / name) for name in ("two", "one"))).split()[4::5] == [
        b"two",
        b"one",
    ]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--level", "loud"], "'loud'"), (["missing.log"], "'missing.log'"), (["/"], "'/'")],
)
def test_mistakes(arguments: list[str], named: str) -> None:
    """An unknown level and an unreadable file are named, with exit status 2."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def terminal(command: list[str], environ: dict[str, str]) -> bytes:
    """Return a command's output on a terminal."""
    main, other = pty.openpty()
    with subprocess.Popen(command, env={**os.environ, **COLORS, **environ}, stdout=other):
        os.close(other)
        printed = b""
        try:
            while chunk := os.read(main, 4096):
                printed += chunk
        except OSError:  # Linux's way to say that the other end is closed
            pass
    os.close(main)
    return printed


@pytest.mark.parametrize("subject", ["command", "formatter"])
@pytest.mark.parametrize(
    ("environ", "on_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colours(
    subject: str,
    environ: dict[str, str],
    on_terminal: bool,
    elsewhere: bool,
    tmp_path: pathlib.Path,
) -> None:
    """On a terminal there are colours, unless the environment says otherwise."""
    (tmp_path / "log").write_bytes(LINE)
    command = [*COMMAND, str(tmp_path / "log")]
    if subject == "formatter":
        program = "from dockerflow.logging import *; print(ConsoleFormatter().color and '\\x1b')"
        command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, env={**os.environ, **COLORS, **environ}, stdout=subprocess.PIPE, check=True
    )
    assert (b"\x1b" in terminal(command, environ)) is on_terminal
    assert (b"\x1b" in done.stdout) is elsewhere


def test_colours_by_option() -> None:
    """Options decide, whatever the output is."""
    assert b"\x1b[32mINFO" in read(LINE, "--color")
    assert b"\x1b" not in read(LINE, "--no-color")


@pytest.fixture
def running() -> Iterator[subprocess.Popen[bytes]]:
    """Start the command with pipes, and let it show one line."""
    pipe, environ = subprocess.PIPE, {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(COMMAND, env=environ, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        send(process.stdin)
        assert process.stdout
        assert process.stdout.readline().endswith(b" app: hello\n"), "a line is shown at once"
        yield process
        process.kill()


def send(stream: IO[bytes] | None) -> None:
    assert stream
    stream.write(LINE + b"\n")
    stream.flush()


def test_a_closed_pipe(running: subprocess.Popen[bytes]) -> None:
    """When the reader stops, as in `| head`, the command ends silently."""
    assert running.stdout
    running.stdout.close()
    send(running.stdin)
    assert running.wait(30) == -signal.SIGPIPE
    assert running.stderr
    assert running.stderr.read() == b""


def test_ctrl_c(running: subprocess.Popen[bytes]) -> None:
    """Ctrl-C ends the command silently."""
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == -signal.SIGINT
    assert running.stderr
    assert running.stderr.read() == b""
