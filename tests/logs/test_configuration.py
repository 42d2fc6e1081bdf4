"""Logging set up by one line, by dictConfig, by an ini file and by hand."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import logging.config
import pickle
import pty
import re
import sys
import types
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, Literal

import pytest

from dockerflow.logging import (
    ConsoleFormatter,
    GoogleCloudFormatter,
    MozlogFormatter,
    MozlogHandler,
    QueuedMozlogHandler,
    configure,
    dict_config,
    request_id_context,
)

from .lines import parse_all


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the loggers afterwards."""
    # dictConfig() and fileConfig() close all handlers of the process, also pytest's own.
    monkeypatch.setattr(logging, "shutdown", lambda handlers: None)
    monkeypatch.delenv("DOCKERFLOW_LOG_FORMAT", raising=False)
    names = [None, "configured", *dict_config("shop")["loggers"]]
    kept = [
        (logger, logger.level, logger.propagate, logger.handlers[:], logger.filters[:])
        for logger in map(logging.getLogger, names)
    ]
    logging.getLogger().handlers = []
    yield
    for logger, level, propagate, handlers, filters in kept:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers = handlers
        logger.filters = filters


@pytest.mark.parametrize("key", ["()", "class"])
@pytest.mark.parametrize("name", ["MozlogFormatter", "JsonLogFormatter"])
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_dict_config(key: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Formatters, filter and handler can be created by dictConfig, by factory or by class."""
    stream = {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}
    mozlog = {key: "dockerflow.logging.MozlogHandler", "formatter": "factory"}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "factory": {"()": f"dockerflow.logging.{name}", "logger_name": "myproject"},
                "class": {"class": f"dockerflow.logging.{name}"},
            },
            "filters": {"rid": {"()": "dockerflow.logging.RequestIdLogFilter"}},
            "handlers": {
                "0": {**stream, "formatter": "factory", "filters": ["rid"]},
                "1": {**stream, "formatter": "class"},
                "2": mozlog,
                "3": {**mozlog, "name": "of the handler"},
            },
            "loggers": {"configured": {"handlers": ["0", "1", "2", "3"], "level": "DEBUG"}},
        }
    )
    token = request_id_context.set("the-id")
    logging.getLogger("configured").debug("hello")
    request_id_context.reset(token)
    lines = parse_all(capsys.readouterr().out)
    assert [line["Fields"] for line in lines] == [{"rid": "the-id", "msg": "hello"}] * 4
    loggers = [line["Logger"] for line in lines]
    assert loggers == ["myproject", "Dockerflow", "Dockerflow", "of the handler"]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", ["MozlogFormatter", "JsonLogFormatter"])
def test_ini_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An ini file works, whichever arguments the Python version passes."""
    text = f"""
[loggers]
keys = root
[handlers]
keys = console, mozlog
[formatters]
keys = json
[logger_root]
level = INFO
handlers = console, mozlog
[handler_console]
class = StreamHandler
args = (sys.stdout,)
formatter = json
[handler_mozlog]
class = dockerflow.logging.MozlogHandler
kwargs = {{"name": "ini"}}
[formatter_json]
class = dockerflow.logging.{name}
format = %(message)s
datefmt = %H
"""
    logging.config.fileConfig(io.StringIO(text), disable_existing_loggers=False)
    logging.getLogger("configured").info("hello %s", "ini")
    first, second = parse_all(capsys.readouterr().out)
    assert first["Fields"] == second["Fields"] == {"msg": "hello ini"}
    assert (first["Logger"], second["Logger"]) == ("Dockerflow", "ini")


@pytest.mark.parametrize(
    ("style", "format_text"), [("%", "%(message)s"), ("{", "{message}"), ("$", "$message")]
)
def test_by_hand(style: Literal["%", "{", "$"], format_text: str) -> None:
    """Set up in code, with a format of any style, the line is still mozlog."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MozlogFormatter(format_text, "%H", style, "by hand"))
    logger = logging.Logger("mine")  # noqa: LOG001 - shared with no other test
    logger.addHandler(handler)
    logger.error("hello", extra={"a": 1}, stack_info=True)
    (line,) = parse_all(stream.getvalue())
    assert line["Logger"] == "by hand"
    assert line["Fields"].keys() == {"a", "msg", "stack"}
    assert "in test_by_hand" in line["Fields"]["stack"]


@pytest.mark.parametrize("copy", [dict, lambda each: json.loads(json.dumps(each)), deepcopy])
def test_one_line(
    copy: Callable[[dict[str, Any]], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain dict, which survives JSON and pickle, gives each line once, with name and id."""
    config = dict_config("shop")
    assert pickle.loads(pickle.dumps(config)) == config
    uvicorn = logging.getLogger("uvicorn")
    uvicorn.addHandler(logging.StreamHandler(sys.stdout))
    uvicorn.propagate = False
    logging.config.dictConfig(copy(config))
    token = request_id_context.set("the-id")
    for name in ("app", "uvicorn.error"):
        logging.getLogger(name).info("hello")
        logging.getLogger(name).debug("not at this level")
    request_id_context.reset(token)
    lines = parse_all(capsys.readouterr().out)
    assert [(line["Type"], line["Logger"], line["Fields"]) for line in lines] == [
        ("app", "shop", {"rid": "the-id", "msg": "hello"}),
        ("uvicorn.error", "shop", {"rid": "the-id", "msg": "hello"}),
    ]


def handler_of(*args: Any, **kwargs: Any) -> logging.Handler:
    """Return the only handler after configure()."""
    configure(*args, **kwargs)
    (handler,) = logging.getLogger().handlers
    return handler


@pytest.mark.parametrize(
    ("given", "environ", "terminal", "kind"),
    [
        ("auto", "", False, MozlogFormatter),
        ("auto", "", True, ConsoleFormatter),
        ("mozlog", "", True, MozlogFormatter),
        ("console", "", False, ConsoleFormatter),
        ("gcp", "", True, GoogleCloudFormatter),
        ("mozlog", "gcp", False, GoogleCloudFormatter),
        ("gcp", "auto", False, MozlogFormatter),
        ("unknown", "console", False, ConsoleFormatter),
        ("auto", " GCP\n", False, GoogleCloudFormatter),
        ("gcp", " ", False, GoogleCloudFormatter),
    ],
)
def test_format(
    given: str, environ: str, terminal: bool, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment variable beats the parameter; auto depends on standard output."""
    monkeypatch.setenv("DOCKERFLOW_LOG_FORMAT", environ)
    with contextlib.ExitStack() as stack:
        ends = [stack.enter_context(open(end, "w")) for end in pty.openpty()]
        monkeypatch.setattr(sys, "stdout", ends[1] if terminal else io.StringIO())
        assert type(handler_of("shop", format=given).formatter) is kind


def test_format_without_a_terminal_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output may be missing, closed, or an object that can only write."""
    closed = io.StringIO()
    closed.close()
    for stdout in (None, closed, types.SimpleNamespace(write=print, flush=print)):
        monkeypatch.setattr(sys, "stdout", stdout)
        assert list(dict_config("shop")["formatters"]) == ["mozlog"]


@pytest.mark.parametrize("level", ["WARNING", "warning", logging.WARNING])
def test_level(level: int | str) -> None:
    """A level is a name in any case, or a number."""
    configure("shop", level)
    assert logging.getLogger().level == logging.WARNING


@pytest.mark.parametrize(
    ("variable", "arguments", "message"),
    [
        ("", {"format": "xml"}, "format is 'xml'; set it to mozlog, gcp, console or auto"),
        ("json", {}, "$DOCKERFLOW_LOG_FORMAT is 'json'; set it to mozlog, gcp, console or auto"),
        ("", {"level": "l"}, "level is 'l'; set it to DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("", {"level": None}, "level is None; set it to DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    ],
)
def test_refused(
    variable: str, arguments: Any, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid value is refused with its source, the value and the remedy."""
    monkeypatch.setenv("DOCKERFLOW_LOG_FORMAT", variable)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        configure("shop", **arguments)


@pytest.mark.parametrize("name", ["uvicorn.access", "django.server"])
def test_access_log(name: str) -> None:
    """Access lines are off unless requested."""
    configure("shop")
    assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    configure("shop", level="ERROR", access_log=True)
    assert logging.getLogger(name).isEnabledFor(logging.INFO)


@pytest.mark.parametrize("name", ["request.summary", "task.summary"])
def test_level_of_summaries(name: str) -> None:
    """Summaries are logged whatever the level of the root logger is."""
    configure("shop", "WARNING")
    assert not logging.getLogger("orders").isEnabledFor(logging.INFO)
    assert logging.getLogger(name).isEnabledFor(logging.INFO)


def test_access_log_of_werkzeug(capsys: pytest.CaptureFixture[str]) -> None:
    """Werkzeug's lines for requests are off unless requested, but not its other lines."""
    for access_log, expected in ((True, "Running, 200, 500"), (False, "Running, 500")):
        configure("shop", access_log=access_log)
        logger = logging.getLogger("werkzeug")
        logger.info("Running")
        logger.info("%s - - [%s] 200", "127.0.0.1", "now")
        logger.error("500")
        lines = map(json.loads, capsys.readouterr().out.splitlines())
        assert ", ".join(each["Fields"]["msg"].split()[-1] for each in lines) == expected


def test_queue() -> None:
    """With a queue, the handler is the one that writes in a thread."""
    assert type(handler_of("shop")) is MozlogHandler
    with contextlib.closing(handler_of("shop", queue=True)) as handler:
        assert type(handler) is QueuedMozlogHandler
