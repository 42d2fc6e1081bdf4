"""The settings of the endpoints. They are read when used, in the same way in every adapter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, Self, cast

from dockerflow.checks.findings import mask_urls
from dockerflow.checks.registry import DEFAULT_TIMEOUT, read_keep, read_timeout


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

    The texts ``0``, ``false``, ``no``, ``off``, ``f``, ``n``, ``none`` and the empty text mean no,
    in upper or lower case, because environment variables only hold texts.
    """
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "off", "f", "n", "none")
    return bool(value)


def read_groups(value: object) -> dict[str, tuple[str, ...]]:
    """Return the names of the checks in each group, by the name of the group.

    :param value: a mapping of lists, or its JSON text; None or an empty value for no groups.
    :raises ValueError: with the remedy, for any other value, or if the name of a group can't be a
        segment of a path without escapes.
    """
    if not value:
        return {}
    if isinstance(value, str):
        with suppress(ValueError):
            value = json.loads(value)
    if not isinstance(value, Mapping):
        raise ValueError(f"a dictionary such as {_GROUPS_EXAMPLE}, or its JSON text")
    groups: dict[str, tuple[str, ...]] = {}
    for name, checks in cast("Mapping[object, object]", value).items():
        if not isinstance(name, str) or not _SEGMENT.fullmatch(name):
            raise ValueError("groups whose names consist of letters, digits, '-', '_', '.' and '~'")
        names = cast("Iterable[object]", checks)
        if not isinstance(checks, list | tuple) or not all(isinstance(each, str) for each in names):
            raise ValueError(f"groups that are lists of names of checks: {_GROUPS_EXAMPLE}")
        groups[name] = tuple(cast("Iterable[str]", names))
    return groups


# The unreserved characters, but not "." and "..", which clients remove from paths.
# https://www.rfc-editor.org/rfc/rfc3986#section-2.3
_SEGMENT = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._~-]+")
_GROUPS_EXAMPLE = '{"readiness": ["check_redis_connected"]}'


def _setting(name: str, default: Any, read: Callable[[object], Any]) -> Any:
    # A factory, because dataclasses refuse a mapping as a default.
    metadata = {"name": name, "default": default, "read": read}
    return field(default_factory=lambda: default, metadata=metadata)


@dataclass(frozen=True)
class EndpointSettings:
    """The settings that the endpoints depend on.

    :param failed_status: the status of a failed heartbeat.
    :param show_details: whether the heartbeat shows its checks and their messages.
    :param check_timeout: the seconds that a check may take, None to run them one after another
        without limit.
    :param check_keep: the seconds for which a result without any message is reused, for checks
        without their own.
    :param groups: the names of the checks in each group of the heartbeat, by the group's name.
    :param error_endpoint: whether ``/__error__`` exists.
    """

    failed_status: int = _setting(
        "DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", 500, read_failed_status
    )
    show_details: bool = _setting("DOCKERFLOW_HEARTBEAT_SHOW_DETAILS", True, read_switch)
    check_timeout: float | None = _setting(
        "DOCKERFLOW_CHECK_TIMEOUT", DEFAULT_TIMEOUT, read_timeout
    )
    check_keep: float = _setting("DOCKERFLOW_CHECK_KEEP", 0.0, read_keep)
    groups: Mapping[str, tuple[str, ...]] = _setting("DOCKERFLOW_HEARTBEAT_GROUPS", {}, read_groups)
    error_endpoint: bool = _setting("DOCKERFLOW_ERROR_ENDPOINT", True, read_switch)

    @classmethod
    def read(
        cls, get: Callable[[str, Any], object], report: Callable[[str], object] | None = None
    ) -> Self:
        """Read the settings of an application.

        :param get: returns the value of a setting, given its name and its default.
        :param report: is called with a sentence for each invalid value; the default is used
            instead.
        :raises ValueError: for an invalid value, if there is no ``report``; it names the setting,
            the value and the remedy.
        """
        values: dict[str, Any] = {}
        for each in fields(cls):
            name = each.metadata["name"]
            default = each.metadata["default"]
            value = get(name, default)
            if value is default:
                continue
            try:
                values[each.name] = each.metadata["read"](value)
            except ValueError as remedy:
                problem = f"{name} is {mask_urls(repr(value))}; set it to {remedy}"
                if report is None:
                    raise ValueError(problem) from None
                report(problem)
        return cls(**values)
