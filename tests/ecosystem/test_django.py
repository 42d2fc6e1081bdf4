"""Django with the libraries that projects use: the project of ``apps/shop`` on real servers."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
import pytest
from simple_websocket import Client, ConnectionClosed

from tests.adapters.django import BOTH, OURS, Get, alone, heartbeat
from tests.ecosystem.conftest import Serve
from tests.servers.web import ROOT, WebServer
from tests.services.beats import wait_until
from tests.services.servers import PostgresServer, RedisServer

SECURITY = "django.middleware.security.SecurityMiddleware"
SHOP = "tests.ecosystem.apps.shop"
SERVERS = {
    "gunicorn": ("-m", "gunicorn", "--threads=8", "--bind=127.0.0.1:{port}", f"{SHOP}.wsgi"),
    "daphne": ("-m", "daphne", "-v0", "--port={port}", f"{SHOP}.asgi:application"),
}
new_in_5_1 = pytest.mark.skipif(django.VERSION < (5, 1), reason="new in Django 5.1")
HEALTHY = {
    "status": "ok",
    "checks": {"check_database_connected": "ok", "check_migrations_applied": "ok"},
    "details": {},
}


def prepare(folder: pathlib.Path, **environ: str) -> dict[str, str]:
    """Make the project's tables and a static file; return its environment."""
    assets = folder / "assets"
    assets.mkdir()
    (assets / "shop.css").write_text("body { margin: 2em }")
    environ |= {"DJANGO_SETTINGS_MODULE": f"{SHOP}.settings", "FOLDER": str(folder)}
    printed = run("django", "migrate", "--verbosity=0", **environ)
    assert "rest_framework.W001" in printed, "which is what test_system_checks does not want"
    return environ


def run(*words: str, **environ: str) -> str:
    """Run a Python module, and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the project over SQLite."""
    return prepare(tmp_path_factory.mktemp("shop"))


@pytest.fixture(params=SERVERS, scope="module")
def server(request: pytest.FixtureRequest, environ: dict[str, str]) -> Iterator[WebServer]:
    """The project on each server."""
    with contextlib.closing(WebServer(SERVERS[request.param])) as server:
        server.environ.update(environ)
        server.start()
        yield server


def fetch(
    server: WebServer, path: str, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Return status, headers and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, 30)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def test_system_checks(server: WebServer) -> None:
    """Messages of a library's system checks are neither in the heartbeat nor in the log."""
    assert json.loads(fetch(server, "/__heartbeat__")[2]) == HEALTHY
    assert "rest_framework.W001" not in server.log


@pytest.mark.parametrize("code", [200, 403, 404, 429, 500])
def test_rest_framework(server: WebServer, code: int) -> None:
    """An APIView's requests have ids on all lines, and one summary with the user's id."""
    rid = f"api-{code}"
    status, headers, _ = fetch(server, f"/orders/{code}", **{"X-Request-ID": rid})
    assert (status, headers["X-Request-ID"]) == (code, rid)
    fields = server.summary(rid)
    assert (fields["code"], fields["uid"]) == (code, 7)
    assert fields["errno"] == (500 if code == 500 else 0)
    expected = {"shop.orders", "request.summary"} | ({"django.request"} if code > 200 else set())
    wait_until(lambda: {line["Type"] for line in server.lines(rid)} == expected)
    errors = [line["Type"] for line in server.lines(rid) if line["Severity"] <= 3]
    assert sorted(errors) == (["django.request", "request.summary"] if code == 500 else [])


def test_debug_toolbar(server: WebServer) -> None:
    """The toolbar is on pages, with their ids, and not on the endpoints."""
    _, headers, body = fetch(server, "/page", **{"X-Request-ID": "toolbar"})
    assert b"djDebug" in body
    assert "TimerPanel" in headers["Server-Timing"]
    assert headers["X-Request-ID"] == server.summary("toolbar")["rid"]
    for path in ("/__heartbeat__", "/__lbheartbeat__"):
        assert "TimerPanel" not in fetch(server, path)[1].get("Server-Timing", "")


def test_whitenoise(server: WebServer) -> None:
    """A static file arrives whole, or as 304 for a client that has it, and is recorded once."""
    _, headers, body = fetch(server, "/static/shop.css", **{"X-Request-ID": "file"})
    assert body == b"body { margin: 2em }"
    assert (server.summary("file")["code"], headers["X-Request-ID"]) == (200, "file")
    known = {"X-Request-ID": "known", "If-None-Match": headers["ETag"]}
    assert fetch(server, "/static/shop.css", **known)[0] == 304
    assert server.summary("known")["code"] == 304


@new_in_5_1
def test_login_required(server: WebServer) -> None:
    """LoginRequiredMiddleware redirects users who are not logged in, but no probe."""
    assert fetch(server, "/account", **{"X-Request-ID": "nobody"})[0] == 302
    assert (server.summary("nobody")["code"], server.summary("nobody")["uid"]) == (302, "")
    assert fetch(server, "/__heartbeat__")[0] == 200


def test_cors(server: WebServer) -> None:
    """Scripts from another origin may read the id."""
    _, headers, _ = fetch(server, "/page", Origin="https://www.example")
    assert headers["Access-Control-Expose-Headers"] == "X-Request-ID"
    assert headers["X-Request-ID"]


def test_prometheus(server: WebServer) -> None:
    """Views are counted by name, probes are not counted, and scrapes are not recorded."""

    def scrape() -> tuple[float, str]:
        text = fetch(server, "/metrics", **{"X-Request-ID": "scrape"})[2].decode()
        found = re.search(
            r"^django_http_requests_before_middlewares_total (.*)", text, re.MULTILINE
        )
        assert found is not None
        return float(found[1]), text

    before, _ = scrape()
    for path in ("/page", "/__heartbeat__", "/__lbheartbeat__"):
        fetch(server, path, **{"X-Request-ID": "counted"})
    wait_until(lambda: len(server.lines("counted")) == 3)
    after, text = scrape()
    assert after == before + 2  # the page and the second scrape
    assert f'transport="http",view="{SHOP}.urls.page"' in text
    assert server.lines("scrape") == []


@BOTH
@pytest.mark.parametrize(
    ("guard", "refusal"), [({"ALLOWED_HOSTS": []}, 400), ({"SECURE_SSL_REDIRECT": True}, 301)]
)
def test_guards(answer: Get, guard: dict[str, Any], refusal: int) -> None:
    """Requests for another host, or without https, are refused or redirected; probes are not."""
    stack = [OURS, SECURITY, "django.middleware.common.CommonMiddleware"]
    paths = ("/__heartbeat__", "/__lbheartbeat__", "/__version__", "/")
    statuses = [answer(path, MIDDLEWARE=stack, **guard).status for path in paths]
    assert statuses == [200, 200, 404, refusal]


@BOTH
def test_redirects_that_exempt_the_endpoints(answer: Get) -> None:
    """Below SecurityMiddleware, SECURE_REDIRECT_EXEMPT keeps the endpoints reachable."""
    settings = {
        "MIDDLEWARE": [SECURITY, OURS],
        "SECURE_REDIRECT_EXEMPT": ["^__(lb)?heartbeat__/?$", "^__version__/?$"],
        "SECURE_SSL_REDIRECT": True,
    }
    paths = ("/__heartbeat__/", "/__lbheartbeat__", "/__version__", "/")
    assert [answer(path, **settings).status for path in paths] == [200, 200, 404, 301]


# ---------------------------------------------------------------------- Channels under daphne

daphne = pytest.mark.parametrize("server", ["daphne"], indirect=True, scope="module")


@daphne
def test_channels(server: WebServer) -> None:
    """A websocket's lines have its id, and it has no summary; a page served meanwhile has one."""
    url = f"ws://127.0.0.1:{server.port}/chat"
    websocket = Client.connect(url, headers={"X-Request-ID": "socket"})
    websocket.send("hello")
    assert websocket.receive(timeout=30) == "hello"
    fetch(server, "/page", **{"X-Request-ID": "beside"})
    assert server.summary("beside")["code"] == 200
    websocket.send("boom")
    with pytest.raises(ConnectionClosed):
        websocket.receive(timeout=30)
    assert json.loads(fetch(server, "/__heartbeat__")[2]) == HEALTHY
    assert {line["Type"] for line in server.lines("socket")} == {"shop.chat"}


@daphne
def test_client_that_leaves(server: WebServer) -> None:
    """Under daphne a client that leaves a stream is 499."""
    with server.connect("/endless", "impatient") as sock:
        assert sock.recv(65536)
    fields = server.summary("impatient")
    assert (fields["code"], fields["errno"]) == (499, 0)


# ---------------------------------------------------------------------- databases and caches


@pytest.fixture(scope="module")
def pooled(
    postgres_session: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The environment of the project over PostgreSQL, with a pool of two connections."""
    postgres_session.start()
    postgres_session.clear()
    port = str(postgres_session.port)
    return prepare(tmp_path_factory.mktemp("pooled"), POSTGRES_PORT=port)


@new_in_5_1
@pytest.mark.parametrize("name", SERVERS)
def test_pool(
    name: str, pooled: dict[str, str], serve: Serve, postgres_server: PostgresServer
) -> None:
    """Pages and heartbeats share a pool, and a restart of its database causes no failure."""
    server = serve(*SERVERS[name], **pooled)

    def use() -> list[int]:
        with ThreadPoolExecutor(8) as threads:
            paths = ["/__heartbeat__", "/page"] * 15
            return list(threads.map(lambda path: fetch(server, path)[0], paths))

    assert use() == [200] * 30
    assert postgres_server.clients() == 2
    postgres_server.kill()
    postgres_server.start()
    assert json.loads(fetch(server, "/__heartbeat__")[2]) == HEALTHY
    assert use() == [200] * 30


@pytest.mark.parametrize("kind", ["RedisCache", "NativeRedisCache"])
@BOTH
def test_prometheus_cache(answer: Get, kind: str, redis_server: RedisServer) -> None:
    """The check of Redis finds the client behind the caches of django-prometheus."""
    backends = "django_prometheus.cache.backends.redis"
    if not hasattr(importlib.import_module(backends), kind):
        pytest.skip(f"{kind} came after this django-prometheus")
    check = "dockerflow.django.checks.check_redis_connected"
    for url, status in [(redis_server.url, "ok"), ("redis://127.0.0.1:1", "error")]:
        local = {"BACKEND": "django_prometheus.cache.backends.locmem.LocMemCache"}
        caches = {"default": local, "shared": {"BACKEND": f"{backends}.{kind}", "LOCATION": url}}
        with alone():
            body = heartbeat(answer, CACHES=caches, DOCKERFLOW_CHECKS=[check])
        assert body["checks"] == {"check_redis_connected": status}


# ---------------------------------------------------------------------- tests of the project


@pytest.mark.parametrize("database", ["SQLite", "PostgreSQL"])
def test_pytest_django(
    database: str, tmp_path: pathlib.Path, postgres_server: PostgresServer
) -> None:
    """In the project's own tests heartbeats and async checks see a test's changes."""
    port = {"POSTGRES_PORT": str(postgres_server.port)} if database == "PostgreSQL" else {}
    options = ("-q", "-p", "no:cacheprovider", f"--ds={SHOP}.settings")
    tests = "tests/ecosystem/apps/shop/project_tests.py"
    assert "7 passed" in run("pytest", *options, tests, FOLDER=str(tmp_path), **port)
