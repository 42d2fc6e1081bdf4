"""What only Django has: settings, URLs, its check framework, signals."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import django
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import Error, Info
from django.core.checks.registry import registry as django_registry
from django.core.handlers.asgi import ASGIHandler
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, connections
from django.test import Client, RequestFactory, override_settings
from django.urls import include, path, reverse

from dockerflow.checks import default_registry
from dockerflow.django import signals, views
from dockerflow.django.middleware import DockerflowMiddleware
from tests.adapters.conftest import Log
from tests.adapters.django import BEATS, OURS, SYNC, alone, asgi, asgi_heartbeat, heartbeat, migrate
from tests.adapters.harness import ASGIApp


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with alone():
        yield


@pytest.fixture(scope="session")
def migrated() -> None:
    """A database with the tables of the installed applications."""
    migrate()


def included(prefix: str = "ops/") -> type:
    return type("Urls", (), {"urlpatterns": [path(prefix, include("dockerflow.django.urls"))]})


# ---------------------------------------------------------------------- the endpoints


def test_placed_first() -> None:
    """Placed first, the endpoints answer before hosts, SSL and users are asked about."""
    stack = [
        OURS,
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ]
    for hosts, refusal in ((["example.org"], 400), (["*"], 301)):
        with override_settings(ALLOWED_HOSTS=hosts, SECURE_SSL_REDIRECT=True, MIDDLEWARE=stack):
            for name in ("heartbeat", "lbheartbeat"):
                assert Client().get(f"/__{name}__").status_code == 200
            assert Client().get("/").status_code == refusal


@pytest.mark.parametrize("where", ["/x__lbheartbeat__", "/__lbheartbeat__//"])
def test_other_paths(where: str) -> None:
    """Paths that look like an endpoint are the application's own."""
    assert Client().get(where).status_code == 404


def test_urls() -> None:
    """The endpoints can be included at a prefix, with their names."""
    with override_settings(ROOT_URLCONF=included(), MIDDLEWARE=[]):
        assert Client().get("/ops/__lbheartbeat__").status_code == 200
        assert Client().get("/ops/__heartbeat__/").json()["status"] == "ok"
        assert Client().get("/ops/__version__").status_code == 404
        assert Client().post("/ops/__version__").headers["Cache-Control"] == "no-store"
        assert "__error__" in reverse("dockerflow:error")
        with pytest.raises(Exception, match="__error__ endpoint"):
            Client().get("/ops/__error__")
        with override_settings(DOCKERFLOW_ERROR_ENDPOINT=False):
            assert Client().get("/ops/__error__").status_code == 404


def test_urls_of_a_project_that_guards_its_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a transaction for each request nor a login stands before a probe."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    stack: list[str] = []
    if django.VERSION >= (5, 1):
        stack = [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
    with (
        override_settings(ROOT_URLCONF=included(), MIDDLEWARE=stack),
        mock.patch.object(connection, "ensure_connection", side_effect=AssertionError),
    ):
        assert Client().get("/ops/__heartbeat__").status_code == 200


class Extended(DockerflowMiddleware):
    """A middleware of a project, with a method in sync."""

    def process_request(self, request: Any) -> Any:
        """Hand on."""
        return super().process_request(request)


@pytest.mark.parametrize(
    ("path", "stack"),
    [
        ("/ops/__heartbeat__", []),
        ("/__heartbeat__", [OURS]),
        ("/__heartbeat__", [OURS, SYNC]),
        ("/__heartbeat__", [f"{__name__}.Extended"]),
    ],
    ids=["urls", "middleware", "beside a sync one", "subclass"],
)
def test_loop_of_async_checks(path: str, stack: list[str]) -> None:
    """Under ASGI async checks run on the application's loop, wherever the request is answered."""
    loops: list[object] = []

    async def check() -> None:
        loops.append(asyncio.get_running_loop())

    default_registry.register(check)
    with override_settings(ROOT_URLCONF=included(), MIDDLEWARE=stack):
        app = ASGIApp(ASGIHandler())
        try:
            assert app.request(path).status == 200
        finally:
            app.close()
    assert loops == [app.loop]


def test_views_by_themselves() -> None:
    """The views can be called without the middleware."""
    rf = RequestFactory()
    assert views.heartbeat(rf.get("/")).status_code == 200
    assert views.lbheartbeat(rf.head("/")).content == b""
    (view,) = [view for pattern, view in views.viewpatterns if pattern.match("/__heartbeat__/")]
    assert view is views.heartbeat
    assert views.django_check_registry is django_registry


# ---------------------------------------------------------------------- the version


def version_of(root: str) -> dict[str, str]:
    """Be a version callback."""
    return {"version": root}


async def version_of_async(root: str) -> dict[str, str]:
    """Be an async version callback."""
    return {"version": root}


def version_by_query(root: str) -> dict[str, int]:
    """Be a version callback that asks the database."""
    return {"users": User.objects.count()}


def test_no_base_dir() -> None:
    """Without BASE_DIR the version is looked for in /app."""
    with mock.patch("dockerflow.version.get_version", return_value={"a": 1}) as get_version:
        assert heartbeat("/__version__") == {"a": 1}
    assert get_version.call_args_list == [mock.call("/app")]


@pytest.mark.parametrize("callback", ["version_of", "version_of_async"])
def test_version_callback_by_its_path(tmp_path: pathlib.Path, callback: str) -> None:
    """DOCKERFLOW_VERSION_CALLBACK takes a dotted path, and gets BASE_DIR as text or else /app."""
    mine = {"DOCKERFLOW_VERSION_CALLBACK": f"{__name__}.{callback}"}
    assert heartbeat("/__version__", BASE_DIR=tmp_path, **mine) == {"version": str(tmp_path)}
    assert json.loads(asgi("/__version__", **mine).body) == {"version": "/app"}


def test_version_callback_that_asks_the_database(migrated: None) -> None:
    """A version callback may use the ORM, under ASGI too."""
    mine = {"DOCKERFLOW_VERSION_CALLBACK": f"{__name__}.version_by_query"}
    assert heartbeat("/__version__", **mine) == asgi_heartbeat("/__version__", **mine)


def test_version_callback_that_is_not_there(log: Log) -> None:
    """A callback that can't be imported is a 500 that names the setting, and is logged."""
    with override_settings(DOCKERFLOW_VERSION_CALLBACK="tests.adapters.no_such.callback"):
        answer = Client().get("/__version__")
    assert answer.status_code == 500
    assert answer.content.startswith(
        b"DOCKERFLOW_VERSION_CALLBACK is 'tests.adapters.no_such.callback'"
    )
    assert b"No module" not in answer.content  # an import error may hold a password
    assert len(log.of("dockerflow.django")) == 1


# ---------------------------------------------------------------------- which checks run


def acme_check(app_configs: Any, **kwargs: Any) -> list[Any]:
    """Be a check of an application."""
    return [Info(f"{app_configs} {kwargs}", id="acme.I001")]


class Elsewhere:
    """Another place with a check of the same name."""

    @staticmethod
    def acme_check(**kwargs: Any) -> list[Any]:
        """Be a check of the same name."""
        return []


def test_default_checks(migrated: None) -> None:
    """Without DOCKERFLOW_CHECKS the database and its migrations are checked."""
    with override_settings():
        del settings.DOCKERFLOW_CHECKS
        body = heartbeat()
    assert body["checks"] == {"check_database_connected": "ok", "check_migrations_applied": "ok"}


@BEATS
def test_arguments(beat: Callable[..., Any]) -> None:
    """Checks get what Django's framework gives, as far as they take it."""

    def takes_one(databases: Any) -> Any:
        return Info(databases[0])

    def takes_none() -> Any:
        return Info("called")

    default_registry.register(takes_one)
    default_registry.register(takes_none)
    default_registry.register(list, name="builtin")
    body = beat(DOCKERFLOW_CHECKS=[f"{__name__}.acme_check", Elsewhere.acme_check])
    texts = [text for each in body["details"].values() for text in each["messages"].values()]
    assert texts == ["None {'databases': ['default']}", "default", "called"]


def test_checks_of_one_name() -> None:
    """Two checks of one name are told apart by their dotted paths, and one check runs once."""
    django_registry.register(Elsewhere.acme_check)
    django_registry.register(acme_check)
    body = heartbeat(DOCKERFLOW_CHECKS=[f"{__name__}.acme_check"] * 2)
    assert body["checks"] == {
        f"{__name__}.acme_check": "info",
        f"{__name__}.Elsewhere.acme_check": "ok",
    }
    default_registry.register(acme_check, name="mine")
    assert heartbeat()["checks"] == {"acme_check": "ok", "mine": "info"}


def test_checks_of_django() -> None:
    """Other code's checks run, Django's own only if they are listed, or all are asked for."""
    django_registry.register(acme_check)
    assert heartbeat()["checks"] == {"acme_check": "info"}
    listed = ["django.core.checks.security.base.check_secret_key"]
    assert list(heartbeat(DOCKERFLOW_CHECKS=listed)["checks"]) == ["check_secret_key", "acme_check"]
    everything = heartbeat(DOCKERFLOW_SYSTEM_CHECKS=True)["checks"]
    assert {"acme_check", "check_all_models"} < everything.keys()
    assert not any("settings_make_sense" in name for name in everything)


def test_checks_of_installed_packages(tmp_path: pathlib.Path) -> None:
    """Of the checks registered with Django, an installed package's run only where all are to."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    source = "from django.core.checks import Info\ndef complains(**kwargs): return [Info('x')]\n"
    (folder / "acme_installed.py").write_text(source)
    with mock.patch.object(sys, "path", [str(folder), *sys.path]):
        complains = importlib.import_module("acme_installed").complains
    django_registry.register(complains)
    assert heartbeat()["checks"] == {}
    assert "complains" in heartbeat(DOCKERFLOW_SYSTEM_CHECKS=True)["checks"]
    assert heartbeat(ROOT_URLCONF="acme_installed.urls")["checks"] == {"complains": "info"}
    del sys.modules["acme_installed"]


def test_silenced_checks(log: Log) -> None:
    """SILENCED_SYSTEM_CHECKS counts as it is at that moment, also where it was appended to."""
    default_registry.register(acme_check)
    with override_settings(SILENCED_SYSTEM_CHECKS=[]):
        assert heartbeat()["status"] == "info"
        settings.SILENCED_SYSTEM_CHECKS.append("acme.I001")
        assert heartbeat()["status"] == "ok"
        assert len(log.of("dockerflow.checks.registry")) == 2


@BEATS
def test_unknown_check(log: Log, beat: Callable[..., Any]) -> None:
    """A path that leads nowhere fails the heartbeat, and the log names it."""
    assert beat(DOCKERFLOW_CHECKS=None)["checks"] == {}
    body = beat(DOCKERFLOW_CHECKS=["acme.no.such", f"{__name__}.acme_check"])
    assert body["checks"] == {"such": "error", "acme_check": "info"}
    (line,) = [line for line in log.of("dockerflow.checks.registry") if line["Severity"] == 3]
    assert "DOCKERFLOW_CHECKS is 'acme.no.such'" in line["Fields"]["traceback"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"DOCKERFLOW_CHECKS": ["acme.no.such"]},
        {"DOCKERFLOW_CHECKS": 7},
        {"DOCKERFLOW_CHECKS": [f"{__name__}.OURS"]},
        {"DOCKERFLOW_VERSION_CALLBACK": "acme.no.such"},
    ],
    ids=str,
)
def test_wrong_settings(log: Log, wrong: dict[str, Any]) -> None:
    """A wrong setting is an error of manage.py check, and changes no answer but the endpoint's."""
    (name,) = wrong
    with override_settings(**wrong):
        with pytest.raises(SystemCheckError, match=name):
            call_command("check", stdout=io.StringIO())
        assert Client().get("/").status_code == 200
        assert Client().get("/__heartbeat__").status_code in (200, 500)


SECURITY = "django.middleware.security.SecurityMiddleware"


class Mine(DockerflowMiddleware):
    """A middleware of a project."""


@pytest.mark.parametrize("ours", [OURS, f"{__name__}.Mine"])
def test_middleware_that_is_not_first(ours: str) -> None:
    """manage.py check warns where another middleware may answer before ours, and still passes."""

    def checked(*stack: str) -> str:
        output = io.StringIO()
        with override_settings(MIDDLEWARE=list(stack)):
            call_command("check", stdout=output, stderr=output)
        return output.getvalue()

    assert f"(dockerflow.W001) {SECURITY} stands before" in checked(SECURITY, ours)
    assert "dockerflow.W001" not in checked(ours, SECURITY)
    assert "dockerflow.W001" not in checked(SECURITY)


def test_details_by_default() -> None:
    """The heartbeat shows its details where DEBUG is on."""
    with override_settings():
        del settings.DOCKERFLOW_HEARTBEAT_SHOW_DETAILS
        assert heartbeat(DEBUG=False) == {"status": "ok"}
        assert "checks" in heartbeat(DEBUG=True)


HANGING = """
import asyncio
from django.test import Client
import tests.adapters.apps.django
from dockerflow import checks

@checks.register(timeout=0.1)
async def hung():
    await asyncio.Event().wait()

assert Client().get("/__heartbeat__").status_code == 500
"""


def test_hung_async_check_at_exit() -> None:
    """An async check that hangs does not keep the process alive."""
    subprocess.run([sys.executable, "-c", HANGING], check=True, timeout=30)


# ---------------------------------------------------------------------- signals


@BEATS
@pytest.mark.parametrize("failed", [False, True])
def test_signals(migrated: None, log: Log, beat: Callable[..., Any], failed: bool) -> None:
    """Each heartbeat sends one signal; receivers may use the ORM, and one that raises is logged."""
    received: list[Any] = []

    def raises(**kwargs: Any) -> None:
        raise LookupError("mine")

    def receiver(sender: Any, level: int, **kwargs: Any) -> None:
        received.append((sender, level, User.objects.count()))

    right = signals.heartbeat_failed if failed else signals.heartbeat_passed
    wrong = signals.heartbeat_passed if failed else signals.heartbeat_failed
    for signal in (right, wrong):
        signal.connect(raises)
        signal.connect(receiver)
    default_registry.register(lambda: Error("m") if failed else None, name="check")
    try:
        assert beat()["status"] == ("error" if failed else "ok")
    finally:
        for signal in (right, wrong):
            signal.disconnect(raises)
            signal.disconnect(receiver)
    assert [each[:2] for each in received] == [(views.heartbeat, 40 if failed else 0)]
    (line,) = log.of("django.dispatch")
    assert "LookupError" in line["Fields"]["traceback"]
