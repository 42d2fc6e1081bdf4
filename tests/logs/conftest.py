"""A fixture with the request summaries of a test."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from .lines import fields


class Summaries:
    """The request summaries of a test, whatever their logger."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.caplog = caplog

    @property
    def records(self) -> list[logging.LogRecord]:
        return self.caplog.records

    @property
    def only(self) -> dict[str, Any]:
        """The fields of the only summary."""
        (made,) = self.records
        return fields(made)

    @property
    def outcomes(self) -> list[tuple[int, int]]:
        """Code and errno of each summary."""
        return [(found["code"], found["errno"]) for found in map(fields, self.records)]


@pytest.fixture
def summaries(caplog: pytest.LogCaptureFixture) -> Summaries:
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.INFO, "request.summary")
    return Summaries(caplog)
