"""The settings of the endpoints: read when they are used, with one meaning in every adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Self

from dockerflow.checks.findings import mask_urls
from dockerflow.checks.registry import DEFAULT_TIMEOUT, read_timeout


def read_failed_status(value: object) -> int:
    """Return the status of a failed heartbeat.

    :param value: an integer from 500 to 599, or its digits.
    :raises ValueError: with the remedy, if it is anything else.
    """
    code = value
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:4])
    if isinstance(code, int) and 500 <= code <= 599:
        return int(code)
    raise ValueError("a status from 500 to 599, such as 503")


def read_switch(value: object) -> bool:
    """Return whether a switch is on.

    Of a text, ``0``, ``false``, ``no``, ``off``, ``f``, ``n``, ``none`` and the empty one mean no,
    in any case, since environment variables have no other way to say it.
    """
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "off", "f", "n", "none")
    return bool(value)


def _setting(name: str, default: Any, read: Callable[[object], Any]) -> Any:
    return field(default=default, metadata={"name": name, "read": read})


@dataclass(frozen=True)
class EndpointSettings:
    """The settings that the endpoints depend on.

    :param failed_status: the status of a failed heartbeat.
    :param show_details: whether the heartbeat names its checks and what they said.
    :param check_timeout: the seconds that a check may take, None to run them one after another
        without limit.
    :param error_endpoint: whether ``/__error__`` is there.
    """

    failed_status: int = _setting(
        "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", 500, read_failed_status
    )
    show_details: bool = _setting("DOCKERFLOW_HEARTBEAT_SHOW_DETAILS", True, read_switch)
    check_timeout: float | None = _setting(
        "DOCKERFLOW_CHECK_TIMEOUT", DEFAULT_TIMEOUT, read_timeout
    )
    error_endpoint: bool = _setting("DOCKERFLOW_ERROR_ENDPOINT", True, read_switch)

    @classmethod
    def read(
        cls, get: Callable[[str, Any], object], report: Callable[[str], object] | None = None
    ) -> Self:
        """Read the settings of an application.

        :param get: returns the value of a setting by its name, or the default that it is given.
        :param report: gets a sentence for each value that makes no sense, for which the default is
            used then.
        :raises ValueError: for a value that makes no sense, if there is no ``report``; it names the
            setting, the value and the remedy.
        """
        values: dict[str, Any] = {}
        for each in fields(cls):
            name = each.metadata["name"]
            value = get(name, each.default)
            try:
                values[each.name] = each.metadata["read"](value)
            except ValueError as remedy:
                problem = f"{name} is {mask_urls(repr(value))}; set it to {remedy}"
                if report is None:
                    raise ValueError(problem) from None
                report(problem)
        return cls(**values)
