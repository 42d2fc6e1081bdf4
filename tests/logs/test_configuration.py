"""Set up by dictConfig, by an ini file and by hand."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dockerflow.logging import MozlogFormatter, MozlogHandler, request_id_context


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


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


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
    lines = said(capsys)
    assert [line["Fields"] for line in lines] == [{"rid": "the-id", "msg": "hello"}] * 4
    loggers = [line["Logger"] for line in lines]
    assert loggers == ["myproject", "Dockerflow", "Dockerflow", "of the handler"]


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", ["MozlogFormatter", "JsonLogFormatter"])
def test_ini_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ini file works, whichever arguments its version of Python hands over."""
    ini = tmp_path / "logging.ini"
    ini.write_text(
        f"""
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
level = DEBUG
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
    )
    logging.config.fileConfig(ini, disable_existing_loggers=False)
    logging.getLogger("configured").info("hello %s", "ini")
    first, second = said(capsys)
    assert first["Fields"] == second["Fields"] == {"msg": "hello ini"}
    assert (first["Logger"], second["Logger"]) == ("Dockerflow", "ini")


def test_by_hand() -> None:
    """Everything can be put together in code."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MozlogFormatter("%(message)s", "%H", "%", "by hand"))
    logger = logging.Logger("mine")  # noqa: LOG001 - shared with no other test
    logger.addHandler(handler)
    logger.addHandler(MozlogHandler(stream))
    logger.error("hello", extra={"a": 1}, stack_info=True)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["Logger"] == "by hand"
    assert second["Logger"] == "Dockerflow"
    assert first["Fields"] == second["Fields"]
    assert "test_by_hand" in first["Fields"]["stack"]


def test_styles() -> None:
    """Every style and format that logging knows is accepted; the line is mozlog all the same."""
    for style, fmt in (("%", "%(message)s"), ("{", "{message}"), ("$", "$message")):
        made = logging.makeLogRecord({"msg": "x"})
        formatter = MozlogFormatter(fmt, style=style)  # type: ignore[arg-type]
        assert json.loads(formatter.format(made))["Fields"] == {"msg": "x"}
