"""Django."""

# mypy: ignore-errors
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportMissingImports=false, reportOperatorIssue=false

import io
import os
import sys
import types

import django
from django.conf import settings
from django.core.management import call_command
from django.http import Http404, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from recording import FOLDER, fact, recorded

urls = types.ModuleType("urls_of_facts")


def missing(request):
    raise Http404


def failing(get_response):
    def middleware(request):
        if request.path == "/failing":
            raise ValueError("in a middleware")
        return get_response(request)

    return middleware


urls.urlpatterns = [
    path("", lambda request: HttpResponse("x")),
    path("missing", missing),
    path("user", lambda request: HttpResponse(str(request.user.pk))),
]
urls.failing = failing
sys.modules["urls_of_facts"] = urls
database = os.path.join(FOLDER, "db")
settings.configure(
    ALLOWED_HOSTS=["*"],
    BASE_DIR=FOLDER,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "dockerflow.django",
    ],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[
        "dockerflow.django.middleware.DockerflowMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "urls_of_facts.failing",
    ],
    ROOT_URLCONF="urls_of_facts",
    SECRET_KEY="x" * 60,
)
django.setup()
call_command("migrate", verbosity=0)
from django.contrib.auth.models import User  # noqa: E402 - Django has to be set up

from dockerflow import checks  # noqa: E402 - Django has to be set up
from dockerflow.django import signals  # noqa: E402 - Django has to be set up

client = Client(raise_request_exception=False)


@fact
def post_to_django():
    return client.post("/__lbheartbeat__").status_code


@fact
def without_base_dir():
    with override_settings():
        del settings.BASE_DIR
        return client.get("/__version__").status_code


@fact
def details_by_debug():
    with override_settings(DEBUG=True):
        return "details" in client.get("/__heartbeat__").json()


@fact
def system_checks():
    with override_settings(DEBUG=True):
        return len(client.get("/__heartbeat__").json()["checks"]) > 10


@fact
def system_checks_switched_on():
    with override_settings(DEBUG=True, DOCKERFLOW_SYSTEM_CHECKS=True):
        return len(client.get("/__heartbeat__").json()["checks"]) > 10


@fact
def registered_check_in_django():
    checks.register(name="mine")(lambda: [checks.Error("x", id="i")])
    try:
        return client.get("/__heartbeat__").status_code
    finally:
        checks.clear_checks()


@fact
def manage_py_check():
    from django.db import connection

    asked = []

    def notice(execute, *arguments):
        asked.append(arguments)
        return execute(*arguments)

    with connection.execute_wrapper(notice):
        call_command("check", stdout=io.StringIO(), stderr=io.StringIO())
    return bool(asked)


@fact
def missing_page():
    client.get("/missing")
    return recorded("request.summary", "levelname", "errno")


@fact
def summary_of_error_endpoint():
    client.get("/__error__")
    return len(recorded("request.summary"))


@fact
def summary_of_failing_middleware():
    client.get("/failing")
    return recorded("request.summary", "levelname", "errno")


@fact
def check_that_is_missing():
    from dockerflow.django.checks import register

    with override_settings(DOCKERFLOW_CHECKS=["nowhere.check"]):
        register()
        return client.get("/__heartbeat__").status_code


@fact
def fields_of_endpoints():
    client.get("/__lbheartbeat__")
    ((rid, t, uid),) = recorded("request.summary", "rid", "t", "uid")
    return [rid is not None, t is not None, uid is not None]


@fact
def raising_receiver_in_django():
    def receiver(**_):
        raise ValueError

    for signal in (signals.heartbeat_passed, signals.heartbeat_failed):
        signal.connect(receiver)
    try:
        return client.get("/__heartbeat__").status_code
    finally:
        for signal in (signals.heartbeat_passed, signals.heartbeat_failed):
            signal.disconnect(receiver)


@fact
def user_who_was_not_loaded():
    client.force_login(User.objects.create_user("somebody"))
    client.get("/")
    return recorded("request.summary", "uid")


@fact
def user_who_was_loaded():
    client.get("/user")
    return recorded("request.summary", "uid")
