"""Set up by dictConfig, by an ini file and by hand."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator
from typing import Literal

import pytest

from dockerflow.logging import MozlogFormatter, request_id_context

from .lines import parse_all


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the loggers back as they were."""
    # dictConfig() and fileConfig() close all handlers of the process by it, pytest's own too.
    monkeypatch.setattr(logging, "shutdown", lambda handlers: None)
    logger, configured = logging.getLogger(), logging.getLogger("configured")
    handlers, level = logger.handlers[:], logger.level
    logger.handlers = []
    yield
    logger.handlers = handlers
    logger.setLevel(level)
    configured.handlers = []
    configured.setLevel(logging.NOTSET)


@pytest.mark.parametrize("key", ["()", "class"])
@pytest.mark.parametrize("name", ["MozlogFormatter", "JsonLogFormatter"])
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_dict_config(key: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With dictConfig come formatters, filter and handler, by factory or by class."""
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
    """An ini file works, whichever arguments its version of Python hands over."""
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
    """Put together in code, with a format of any style, the line is mozlog all the same."""
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
