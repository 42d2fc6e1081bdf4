"""How the messages and exceptions of checks are shown and logged."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockerflow import checks, health
from dockerflow.checks import CheckMessage, ChecksResults, Error
from dockerflow.checks.findings import mask_urls
from dockerflow.checks.services import public_text

LOGGER = "dockerflow.checks.registry"


def run(*results: Any) -> ChecksResults:
    pairs = [
        (f"check{number}", lambda result=result: result) for number, result in enumerate(results)
    ]
    return checks.run_checks(pairs)


def raises(error: BaseException) -> ChecksResults:
    def check() -> None:
        raise error

    return checks.run_checks([("check", check)])


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_raised(kind: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    """An exception of a check is shown as its type; the log has its text and traceback."""
    results = raises(kind("host db7 refused"))
    assert results.details["check"]["messages"] == {health.ERROR_CHECK_RAISED: kind.__name__}
    (record,) = caplog.records
    assert record.name == LOGGER
    assert record.message == f"dockerflow.health.E011: {kind.__name__}: host db7 refused"
    assert record.exc_info is not None
    assert record.exc_info[0] is kind


def test_secrets_of_an_exception(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the traceback of an exception, with the user part of URLs masked."""
    raises(ValueError("no answer from redis://admin:hunter2@db7/0"))
    assert "hunter2" not in caplog.text
    assert "redis://***@db7/0" in caplog.text
    assert "Traceback" in caplog.text


def test_exception_without_text(caplog: pytest.LogCaptureFixture) -> None:
    """Exceptions without a text, or whose text raises, are reported all the same."""

    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert raises(Unprintable()).statuses == {"check": "error"}
    assert raises(ValueError()).statuses == {"check": "error"}
    assert caplog.messages == [
        "dockerflow.health.E011: Unprintable: <Unprintable whose text raised RuntimeError>",
        "dockerflow.health.E011: ValueError",
    ]


def test_two_messages_of_one_id(caplog: pytest.LogCaptureFixture) -> None:
    """Messages of one id are joined, one without an id gets its check's name; each is logged."""
    results = run([Error("replica 0 down", id="db.E1"), Error("replica 1 down", id="db.E1")])
    assert results.details["check0"]["messages"] == {"db.E1": "replica 0 down; replica 1 down"}
    results = run([checks.Debug("a"), CheckMessage("b", level=35)])
    assert results.details["check0"] == {
        "status": "warning",
        "level": 35,
        "messages": {"check0": "a; b"},
    }
    assert caplog.messages[:2] == ["db.E1: replica 0 down", "db.E1: replica 1 down"]


def test_texts_are_finished(caplog: pytest.LogCaptureFixture) -> None:
    """Log records hold finished texts, with the level of the message and the check's name."""
    caplog.set_level(logging.DEBUG)
    run(checks.Warning("100 % full", id="disk.W1"), checks.Critical("gone"))
    assert [
        (each.levelno, each.msg, each.args, each.__dict__["check"]) for each in caplog.records
    ] == [
        (logging.WARNING, "disk.W1: 100 % full", (), "check0"),
        (logging.CRITICAL, "check1: gone", (), "check1"),
    ]


def test_lone_surrogates() -> None:
    """A text that can't be encoded is escaped."""
    results = run(Error("no file \udc80", id="t.1"))
    assert results.details["check0"]["messages"] == {"t.1": "no file \\udc80"}


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("redis://user:secret@host:6379/0 refused", "redis://***@host:6379/0 refused"),
        ("redis://:secret@host", "redis://***@host"),
        ("x://a:p@ss@host y://b:q/r?s#t@host", "x://***@host y://***@host"),
        ("a://u:p@h1,b://u:p@h2", "a://***@h1,b://***@h2"),
        ("postgresql+psycopg://secret@/db", "postgresql+psycopg://***@/db"),
        ("see https://sqlalche.me/e/20/e3q8", "see https://sqlalche.me/e/20/e3q8"),
        ("mail a@b", "mail a@b"),
    ],
)
def test_mask_urls(text: str, masked: str) -> None:
    """The user part of each URL is masked, whatever characters it has, and nothing else."""
    assert mask_urls(text) == masked
    assert run(Error(text, id="t.1")).details["check0"]["messages"] == {"t.1": masked}


@given(st.text(alphabet="ab:/@?#", max_size=30).filter(lambda text: "://" not in text))
def test_no_user_part_is_left(secret: str) -> None:
    """All text between :// and @ is masked, unless a blank or another URL begins there."""
    assert "SECRET" not in mask_urls(f"x://SECRET{secret}@host")


def test_long_texts() -> None:
    """A megabyte of hostile text is masked in linear time."""
    assert mask_urls("://" * 300_000 + "@") == "://" * 299_999 + "://***@"
    assert mask_urls("x://" + "a" * 1_000_000) == "x://" + "a" * 1_000_000


@pytest.mark.parametrize("password", ["p@s/s", b"p@s/s", "p@s/s\\'", "pä@s/ s", "p.*|(", "%2f@"])
def test_known_passwords(password: str | bytes) -> None:
    """A known password is masked wherever it appears, escaped or not; empty ones are ignored."""
    plain = password.decode() if isinstance(password, bytes) else password
    encoded = quote(plain, safe="")
    spelled = [plain, repr(plain)[1:-1], quote(plain), encoded, encoded.lower()]
    text = public_text("; ".join(spelled), ["", None, password, "ss"])
    assert text == "; ".join(["***"] * len(spelled))


def test_an_exception_as_the_object(caplog: pytest.LogCaptureFixture) -> None:
    """The exception that a message is about is logged, with URLs masked, and not shown."""
    try:
        raise OSError("no answer from redis://u:hunter2@db7")
    except OSError as error:
        results = run(Error("It is down.", obj=error, id="t.1"))
    assert results.details["check0"]["messages"] == {"t.1": "It is down."}
    assert caplog.messages[0].startswith("t.1: It is down.: no answer from redis://***@db7\nTrace")
    assert "hunter2" not in caplog.text
