"""A consumer of core; only the type checkers read it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, assert_type

from dockerflow import checks, health
from dockerflow.checks import Check, CheckMessage, CheckRegistry, ChecksResults, Error, register
from dockerflow.checks.messages import STATUSES
from dockerflow.health import ERROR_CHECK_TIMEOUT
from dockerflow.version import VersionError, get_release, get_version


def messages() -> None:
    message = CheckMessage("text", checks.ERROR, hint="try", obj=object(), id="acme.E001")
    assert_type(message.msg, str)
    assert_type(message.level, int | None)
    assert_type(message.id, str | None)
    assert_type(message.is_serious(level=checks.WARNING), bool)
    for kind in (checks.Debug, checks.Info, checks.Warning, Error, checks.Critical):
        severity: type[CheckMessage] = kind
        assert severity("text", hint="try", id="acme.E001").is_serious()
    assert_type(checks.level_to_text(checks.CRITICAL), str)
    assert_type(STATUSES[checks.DEBUG], str)
    hash(message)
    CheckMessage(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def ids() -> None:
    assert_type(ERROR_CHECK_TIMEOUT, Literal["dockerflow.health.E013"])
    for each in (health.INFO_CANT_CHECK_MIGRATIONS, health.WARNING_UNAPPLIED_MIGRATION):
        assert_type(CheckMessage("text", id=each), CheckMessage)


@register
def bare(host: str = "localhost") -> list[Error]:
    return [Error(host)]


@register(name="named", timeout=None)
async def named() -> None: ...


def registration() -> None:
    # A decorated check keeps its own type.
    assert_type(bare("host"), list[Error])
    assert_type(checks.register_partial(bare, "host", name="partial"), functools.partial[Any])
    registry = CheckRegistry()
    keep: Callable[[], list[Error]] = registry.register(bare, name="again", keep=30)
    assert_type(keep(), list[Error])
    registry.forget_results()
    registry.register(1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert_type(registry.get_checks(), dict[str, Check])


def run() -> None:
    results = checks.run_checks([("named", named)], silenced_check_ids=["acme.E001"], timeout=None)
    assert_type(results, ChecksResults)
    assert_type(results.level, int)
    assert_type(results.statuses, dict[str, str])
    assert_type(results.durations, dict[str, float])
    assert_type(results.kept, set[str])
    for details in results.details.values():
        assert_type(details["status"], str)
        assert_type(details["level"], int)
        assert_type(details["messages"], dict[str, str])


async def run_async() -> None:
    assert_type(await checks.run_checks_async([("bare", bare)]), ChecksResults)


def version() -> None:
    try:
        assert_type(get_version("."), dict[str, Any] | None)
        assert_type(get_release("."), str | None)
    except VersionError as error:
        problem: ValueError = error
        assert problem.args
