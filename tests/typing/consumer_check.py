"""A consumer of the checker; only the type checkers read it."""

from __future__ import annotations

import warnings
from typing import assert_type

import pytest

from dockerflow.check import DockerflowWarning

warnings.simplefilter("error", DockerflowWarning)


@pytest.fixture(scope="session")
def dockerflow_url() -> str:
    return "http://127.0.0.1:8000"


def raise_it(text: str) -> None:
    warning = DockerflowWarning(text)
    assert_type(warning, DockerflowWarning)
    raise warning


wrong: int = DockerflowWarning("text")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
