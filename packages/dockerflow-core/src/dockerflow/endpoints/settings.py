"""The settings of the endpoints: read when they are used, with one meaning in every adapter."""

from __future__ import annotations

from dockerflow.checks.registry import DEFAULT_TIMEOUT, check_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

DEFAULT_FAILED_STATUS = 500


class EndpointSettings:
    """The settings of one application.

    :param get: returns the value of a setting by name and default, such as ``app.config.get``.
    :param logger: where a wrong value that is met while a request is served is logged.
    """

    def __init__(self, get: Callable[[str, Any], Any], logger: logging.Logger) -> None:
        self._get = get
        self._logger = logger

    def validate(self) -> None:
        """Refuse wrong values at start-up.

        :raises ValueError: naming the setting, the value found, and the remedy.
        """
        self._read_failed_status()
        self._read_check_timeout()

    @property
    def failed_status(self) -> int:
        """``DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE``, or 500 where it makes no sense."""
        return self._or_default(self._read_failed_status, DEFAULT_FAILED_STATUS)

    @property
    def check_timeout(self) -> float | None:
        """``DOCKERFLOW_CHECK_TIMEOUT`` in seconds, or 5 where it makes no sense."""
        default: float | None = DEFAULT_TIMEOUT
        return self._or_default(self._read_check_timeout, default)

    @property
    def error_endpoint(self) -> bool:
        """``DOCKERFLOW_ERROR_ENDPOINT``: whether ``/__error__`` is there."""
        return enabled(self._get("DOCKERFLOW_ERROR_ENDPOINT", True))

    def show_details(self, default: bool = True) -> bool:
        """``DOCKERFLOW_HEARTBEAT_SHOW_DETAILS``: whether the heartbeat names its checks.

        :param default: what holds where the setting is not there.
        """
        return enabled(self._get("DOCKERFLOW_HEARTBEAT_SHOW_DETAILS", default))

    def _read_failed_status(self) -> int:
        return failed_status_code(
            self._get("DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE", DEFAULT_FAILED_STATUS)
        )

    def _read_check_timeout(self) -> float | None:
        name = "DOCKERFLOW_CHECK_TIMEOUT"
        return check_limit(self._get(name, DEFAULT_TIMEOUT), name)

    def _or_default(self, read: Callable[[], T], default: T) -> T:
        try:
            return read()
        except ValueError as error:
            self._logger.error("%s; until then %s is used", error, default)
            return default


def failed_status_code(value: object) -> int:
    """Return the status of a failed heartbeat.

    :param value: an integer, or the digits of one, from 500 to 599.
    :raises ValueError: if it is anything else.
    """
    code = value
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code[:4])
    if isinstance(code, int) and 500 <= code <= 599:
        return int(code)
    raise ValueError(
        f"DOCKERFLOW_HEARTBEAT_FAILED_STATUS_CODE is {value!r}; "
        "set it to a status from 500 to 599, such as 503"
    )


def enabled(value: object) -> bool:
    """Read a switch: Python's truth, and the words that environment variables use for "no".

    :param value: of a text, ``0``, ``false``, ``no``, ``off``, ``f``, ``n``, ``none`` and nothing
        mean no, in any case.
    """
    if isinstance(value, str):
        return value.strip().lower() not in ("", "0", "false", "no", "off", "f", "n", "none")
    return bool(value)
