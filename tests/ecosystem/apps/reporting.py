"""The conformance suite's applications, set up by a recipe of the docs: the file $RECIPE."""

from __future__ import annotations

import importlib
import os
import runpy
import sys
from typing import Any, NoReturn

from dockerflow.checks import Error, register
from tests.adapters.harness import Options
from tests.servers.apps import log_to_stdout


@register
def failing() -> Error:
    """Fail, as the check of a service that is down."""
    return Error("the queue is full", id="queue.E001")


@register
def raising() -> NoReturn:
    """Raise, like a broken check."""
    raise LookupError("no such queue")


OPTIONS = Options(checks={"failing": failing, "raising": raising})


def prepare(framework: str) -> Any:
    """Run the recipe, then import the framework's application."""
    log_to_stdout()
    runpy.run_path(os.environ["RECIPE"])
    return importlib.import_module(f"tests.adapters.apps.{framework}")


def flask() -> Any:
    """Build Flask's application, with a resource of Flask-RESTX."""
    app = prepare("flask").create_app(OPTIONS)
    importlib.import_module("tests.ecosystem.apps.restx").add_to(app)
    return app


def fastapi() -> Any:
    """Build FastAPI's application."""
    return prepare("fastapi").create_fastapi(OPTIONS)


def wsgi() -> Any:
    """Build Django's application for a WSGI server."""
    prepare("django")
    return importlib.import_module("django.core.wsgi").get_wsgi_application()


def asgi() -> Any:
    """Build Django's application for an ASGI server."""
    prepare("django")
    return importlib.import_module("django.core.asgi").get_asgi_application()


def sanic(port: int) -> None:
    """Run Sanic's application on its own server."""
    module = prepare("sanic")
    module.Sanic.test_mode = False
    module.Sanic.start_method = "fork"  # the application's handlers are not module-level functions
    module.create_app(OPTIONS).run(port=port)


if __name__ == "__main__":
    sanic(int(sys.argv[1]))
