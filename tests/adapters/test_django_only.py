"""Django only: settings, URLs, its check framework, signals."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import json
import pathlib
import sys
from collections.abc import Iterator
from typing import Any, ClassVar
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
from tests.adapters.django import AUTH, BOTH, OURS, SYNC, Get, alone, get, heartbeat, serving
from tests.adapters.harness import ASGIApp

SECURITY = "django.middleware.security.SecurityMiddleware"


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    with alone():
        yield


class Mine(DockerflowMiddleware):
    """A project's middleware, with a sync method."""

    def process_request(self, request: Any) -> Any:
        """Return the response."""
        return super().process_request(request)


class Included:
    """The URLs of a project that includes the endpoints."""

    urlpatterns: ClassVar = [path("ops/", include("dockerflow.django.urls"))]


def manage_check() -> str:
    """Return the output of manage.py check."""
    output = io.StringIO()
    call_command("check", stdout=output, stderr=output)
    return output.getvalue()


# ---------------------------------------------------------------------- the endpoints


@pytest.mark.parametrize(
    ("hosts", "refusal"), [(["example.org"], 400), (["*"], 301)], ids=["host", "https"]
)
def test_placed_first(hosts: list[str], refusal: int) -> None:
    """Placed first, the endpoints answer before checks of host, HTTPS and login."""
    stack = [OURS, SECURITY, "django.middleware.common.CommonMiddleware"]
    guards: dict[str, Any] = {"ALLOWED_HOSTS": hosts, "SECURE_SSL_REDIRECT": True}
    statuses = [
        get(where, MIDDLEWARE=stack, **guards).status
        for where in ("/__heartbeat__", "/__lbheartbeat__", "/")
    ]
    assert statuses == [200, 200, refusal]


@pytest.mark.parametrize("where", ["/x__lbheartbeat__", "/__lbheartbeat__//"])
def test_other_paths(where: str) -> None:
    """Paths that only look like an endpoint are the application's own."""
    assert get(where).status == 404


def test_urls() -> None:
    """The endpoints can be included at a prefix, with their names."""
    with serving(Included, MIDDLEWARE=[]):
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
    """Neither ATOMIC_REQUESTS nor a required login stops a probe."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    stack: list[str] = []
    if django.VERSION >= (5, 1):
        stack = [*AUTH, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    with mock.patch.object(connection, "ensure_connection", side_effect=AssertionError):
        page = get("/ops/__heartbeat__", Included, MIDDLEWARE=stack)
    assert page.status == 200


@pytest.mark.parametrize(
    ("where", "stack"),
    [
        ("/ops/__heartbeat__", []),
        ("/__heartbeat__", [OURS]),
        ("/__heartbeat__", [OURS, SYNC]),
        ("/__heartbeat__", [f"{__name__}.Mine"]),
    ],
    ids=["urls", "middleware", "beside a sync one", "subclass"],
)
def test_loop_of_async_checks(where: str, stack: list[str]) -> None:
    """Under ASGI async checks run on the application's loop, wherever the request is answered."""
    loops: list[object] = []

    @default_registry.register
    async def check() -> None:
        loops.append(asyncio.get_running_loop())

    with (
        serving(Included, MIDDLEWARE=stack),
        contextlib.closing(ASGIApp(ASGIHandler())) as app,
    ):
        assert app.request(where).status == 200
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


def version_of(root: str) -> dict[str, Any]:
    """Be a version callback that queries the database."""
    return {"version": root, "users": User.objects.count()}


async def version_of_async(root: str) -> dict[str, Any]:
    """Be an async version callback."""
    return {"version": root, "users": await User.objects.acount()}


@BOTH
@pytest.mark.parametrize("callback", ["version_of", "version_of_async"])
def test_version_callback(answer: Get, tmp_path: pathlib.Path, callback: str) -> None:
    """A callback is found by its path, gets BASE_DIR or else /app, and may use the ORM."""
    mine = {"DOCKERFLOW_VERSION_CALLBACK": f"{__name__}.{callback}"}
    placed = json.loads(answer("/__version__", BASE_DIR=tmp_path, **mine).body)
    assert placed == {"version": str(tmp_path), "users": 0}
    assert json.loads(answer("/__version__", **mine).body) == {"version": "/app", "users": 0}


def test_version_callback_that_is_not_there(
    log: Log, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A callback that can't be imported is a 500 that names the setting; the log has the reason."""
    (tmp_path / "acme_version.py").write_text("raise OSError('no redis://u:hunter2@cache')")
    monkeypatch.syspath_prepend(tmp_path)
    page = get("/__version__", DOCKERFLOW_VERSION_CALLBACK="acme_version.callback")
    assert page.status == 500
    assert page.body == (
        b"DOCKERFLOW_VERSION_CALLBACK is 'acme_version.callback', which can't be imported "
        b"(OSError); set it to the dotted path of a callable"
    )
    (line,) = log.of("dockerflow.django")
    assert "OSError: no redis://***@cache" in line["Fields"]["msg"]
    assert "hunter2" not in str(line)


# ---------------------------------------------------------------------- which checks run


def acme_check(app_configs: Any, **kwargs: Any) -> list[Any]:
    """Be a check of an application."""
    return [Info(f"{app_configs} {kwargs}", id="acme.I001")]


class Elsewhere:
    """A namespace for another check of the same name."""

    @staticmethod
    def acme_check(**kwargs: Any) -> list[Any]:
        """Be a check of the same name."""
        return []


ACME = f"{__name__}.acme_check"


def test_default_checks() -> None:
    """Without DOCKERFLOW_CHECKS the database and its migrations are checked."""
    with override_settings():
        del settings.DOCKERFLOW_CHECKS
        found = heartbeat()["checks"]
    assert found == {"check_database_connected": "ok", "check_migrations_applied": "ok"}


@BOTH
def test_arguments(answer: Get) -> None:
    """Checks get the arguments of Django's framework, as far as they accept them."""

    @default_registry.register
    def takes_one(databases: Any) -> Any:
        return Info(databases[0])

    @default_registry.register
    def takes_none() -> Any:
        return Info("called")

    default_registry.register(list, name="builtin")
    body = heartbeat(answer, DOCKERFLOW_CHECKS=[ACME, Elsewhere.acme_check])
    texts = [text for each in body["details"].values() for text in each["messages"].values()]
    assert texts == ["None {'databases': ['default']}", "default", "called"]


def test_checks_of_one_name() -> None:
    """Two checks of one name are shown by their dotted paths; a check listed twice runs once."""
    django_registry.register(Elsewhere.acme_check)
    django_registry.register(acme_check)
    found = heartbeat(DOCKERFLOW_CHECKS=[ACME, ACME])["checks"]
    assert found == {ACME: "info", f"{__name__}.Elsewhere.acme_check": "ok"}
    default_registry.register(acme_check, name="mine")
    assert heartbeat()["checks"] == {"acme_check": "ok", "mine": "info"}


@BOTH
def test_groups_by_dotted_path(answer: Get) -> None:
    """A group can name a check by its shown name or by its dotted path."""
    django_registry.register(acme_check)
    default_registry.register(list, name="mine")
    groups = {"name": ["acme_check"], "path": [ACME, "acme_check", "builtins.list"]}

    def shown(group: str, **settings: Any) -> Any:
        page = answer(f"/__heartbeat__/{group}", DOCKERFLOW_HEARTBEAT_GROUPS=groups, **settings)
        return json.loads(page.body)["checks"]

    assert shown("name") == {"acme_check": "info"}
    assert shown("path") == {"acme_check": "info", "mine": "ok"}
    django_registry.register(Elsewhere.acme_check)
    assert shown("path") == {ACME: "info", "acme_check": "error", "mine": "ok"}


def test_included_groups() -> None:
    """The URLs that a project includes contain those of groups, named heartbeat_group."""
    with serving(Included, MIDDLEWARE=[]):
        assert Client().get("/ops/__heartbeat__/ready").status_code == 404
        with override_settings(DOCKERFLOW_HEARTBEAT_GROUPS={"ready": []}):
            assert Client().get("/ops/__heartbeat__/ready/").json()["checks"] == {}
            assert Client().post("/ops/__heartbeat__/ready").status_code == 405
            where = reverse("dockerflow:heartbeat_group", kwargs={"group": "ready"})
            assert where == "/ops/__heartbeat__/ready"


def test_checks_of_django() -> None:
    """Other code's checks run; Django's own run only if they are listed, or all are requested."""
    django_registry.register(acme_check)
    assert heartbeat()["checks"] == {"acme_check": "info"}
    listed = ["django.core.checks.security.base.check_secret_key"]
    assert list(heartbeat(DOCKERFLOW_CHECKS=listed)["checks"]) == ["check_secret_key", "acme_check"]
    everything = heartbeat(DOCKERFLOW_SYSTEM_CHECKS=True)["checks"]
    assert {"acme_check", "check_all_models"} < everything.keys()
    assert not any("settings_make_sense" in name for name in everything)


def test_checks_of_installed_packages(tmp_path: pathlib.Path) -> None:
    """An installed package's checks, registered with Django, run only if all are requested."""
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
    """SILENCED_SYSTEM_CHECKS is read at each heartbeat, so appending to it works too."""
    default_registry.register(acme_check)
    with override_settings(SILENCED_SYSTEM_CHECKS=[]):
        assert heartbeat()["status"] == "info"
        settings.SILENCED_SYSTEM_CHECKS.append("acme.I001")
        assert heartbeat()["status"] == "ok"
        assert len(log.of("dockerflow.checks.registry")) == 2


@BOTH
def test_unknown_check(log: Log, answer: Get) -> None:
    """A path that can't be imported fails the heartbeat, and the log names it."""
    assert heartbeat(answer, DOCKERFLOW_CHECKS=None)["checks"] == {}
    found = heartbeat(answer, DOCKERFLOW_CHECKS=["acme.no.such", ACME])["checks"]
    assert found == {"such": "error", "acme_check": "info"}
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
def test_wrong_settings(wrong: dict[str, Any]) -> None:
    """An invalid setting is an error of manage.py check, and changes only its own endpoint."""
    (name,) = wrong
    with override_settings(**wrong), pytest.raises(SystemCheckError, match=name):
        manage_check()
    assert get("/", **wrong).status == 200
    assert get("/__heartbeat__", **wrong).status in (200, 500)


@pytest.mark.parametrize("ours", [OURS, f"{__name__}.Mine"])
def test_middleware_that_is_not_first(ours: str) -> None:
    """manage.py check warns if another middleware may answer before ours, and still passes."""
    with override_settings(MIDDLEWARE=[SECURITY, ours]):
        assert f"(dockerflow.W001) {SECURITY} comes before" in manage_check()
    for stack in ([ours, SECURITY], [SECURITY], [SYNC, ours]):
        with override_settings(MIDDLEWARE=stack):
            assert "dockerflow.W001" not in manage_check()


def test_details_by_default() -> None:
    """The heartbeat shows its details if DEBUG is on."""
    with override_settings():
        del settings.DOCKERFLOW_HEARTBEAT_SHOW_DETAILS
        assert heartbeat(DEBUG=False) == {"status": "ok"}
        assert "checks" in heartbeat(DEBUG=True)


# ---------------------------------------------------------------------- signals


@BOTH
def test_signal_of_a_group(answer: Get) -> None:
    """Only the signal of a group's heartbeat has the name of the group."""
    received: list[dict[str, Any]] = []

    def receiver(signal: Any, sender: Any, **kwargs: Any) -> None:
        received.append(kwargs)

    signals.heartbeat_passed.connect(receiver)
    groups: dict[str, list[str]] = {"ready": []}
    answer("/__heartbeat__/ready", DOCKERFLOW_HEARTBEAT_GROUPS=groups)
    answer("/__heartbeat__", DOCKERFLOW_HEARTBEAT_GROUPS=groups)
    signals.heartbeat_passed.disconnect(receiver)
    assert received == [{"level": 0, "group": "ready"}, {"level": 0}]


@BOTH
@pytest.mark.parametrize(("failed", "level"), [(False, 0), (True, 40)])
def test_signals(log: Log, answer: Get, failed: bool, level: int) -> None:
    """Each heartbeat sends one signal; receivers may use the ORM, and one that raises is logged."""
    received: list[Any] = []

    def receiver(signal: Any, sender: Any, level: int, **kwargs: Any) -> None:
        received.append((signal, sender, level, User.objects.count()))
        raise LookupError("mine")

    both = (signals.heartbeat_passed, signals.heartbeat_failed)
    for signal in both:
        signal.connect(receiver)
    default_registry.register(lambda: Error("m") if failed else None, name="check")
    heartbeat(answer)
    for signal in both:
        signal.disconnect(receiver)
    assert received == [(both[failed], views.heartbeat, level, 0)]
    (line,) = log.of("django.dispatch")
    assert "LookupError" in line["Fields"]["traceback"]
