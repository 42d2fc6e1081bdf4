"""``python -m dockerflow.probe`` against each adapter on each of its servers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.servers.web import WebServer


@pytest.mark.parametrize(("path", "status"), [("/__lbheartbeat__", 0), ("/missing", 1)])
def test_a_server(server: WebServer, path: str, status: int) -> None:
    """The probe gets an answer, and the server records a successful request."""
    url = f"http://127.0.0.1:{server.port}{path}"
    command = [sys.executable, "-m", "dockerflow.probe", url]
    assert subprocess.run(command, check=False).returncode == status
    assert not [line for line in server.lines() if line["Fields"].get("code") == 499]
