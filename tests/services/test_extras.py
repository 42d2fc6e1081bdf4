"""The libraries of the checks are extras: nothing needs them until a check does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from dockerflow.checks.alembic import check_migrations_applied, migrations_check
from dockerflow.checks.redis import check_redis_connected, redis_check
from dockerflow.checks.sqlalchemy import check_database_connected, database_check

CODE = """
import sys
from dockerflow.checks import alembic, redis, sqlalchemy
libraries = {"redis", "sqlalchemy", "alembic"}
print(sorted(libraries & {name.partition(".")[0] for name in sys.modules}))
"""


def test_importing_the_checks_imports_no_library() -> None:
    """The modules of the checks can be imported without any of the libraries."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("function", "library", "adapter_extra"),
    [
        (redis_check, "redis", "redis"),
        (check_redis_connected, "redis", "redis"),
        (database_check, "sqlalchemy", "db"),
        (check_database_connected, "sqlalchemy", "db"),
        (migrations_check, "alembic", "migrate"),
        (check_migrations_applied, "alembic", "migrate"),
    ],
)
def test_a_missing_library(
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[[Any], Any],
    library: str,
    adapter_extra: str,
) -> None:
    """Requesting a check without its library raises an error that names the extra to install."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        function(None)
    assert f'pip install "dockerflow-core[{library}]"' in str(caught.value)
    assert f'"dockerflow-flask[{adapter_extra}]"' in str(caught.value)
