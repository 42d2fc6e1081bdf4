"""The libraries of the checks are extras: nothing needs them until a check does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from dockerflow.checks import alembic, redis, sqlalchemy

CODE = """
import sys
from dockerflow.checks import alembic, redis, sqlalchemy
libraries = {"redis", "sqlalchemy", "alembic"}
print(sorted(libraries & {name.partition(".")[0] for name in sys.modules}))
"""


def test_importing_the_checks_imports_no_library() -> None:
    """The modules of the checks can be imported where none of the libraries is."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("library", "check", "extra", "adapter_extra"),
    [
        ("redis", lambda: redis.redis_check(None), "redis", "redis"),
        ("redis", lambda: redis.check_redis_connected(None), "redis", "redis"),
        ("sqlalchemy", lambda: sqlalchemy.database_check(None), "sqlalchemy", "db"),
        ("sqlalchemy", lambda: sqlalchemy.check_database_connected(None), "sqlalchemy", "db"),
        ("alembic", lambda: alembic.migrations_check(None, None), "alembic", "migrate"),
        ("alembic", lambda: alembic.check_migrations_applied(None, None), "alembic", "migrate"),
    ],
    ids=[
        f"{library}-{way}" for library in ("redis", "db", "migrate") for way in ("built", "called")
    ],
)
def test_a_missing_library(
    monkeypatch: pytest.MonkeyPatch,
    library: str,
    check: Callable[[], Any],
    extra: str,
    adapter_extra: str,
) -> None:
    """Who asks for a check without its library is told which extra to install."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError) as caught:
        check()
    assert f'pip install "dockerflow-core[{extra}]"' in str(caught.value)
    assert f'"dockerflow-flask[{adapter_extra}]"' in str(caught.value)
