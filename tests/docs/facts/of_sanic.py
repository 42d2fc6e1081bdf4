"""Sanic."""

# mypy: ignore-errors
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportMissingImports=false, reportOperatorIssue=false

import sanic as framework
from recording import ask_asgi, fact, recorded

from dockerflow.sanic import Dockerflow


def ask(path, method="GET"):
    framework.Sanic._app_registry.clear()
    app = framework.Sanic("facts", configure_logging=False)
    Dockerflow(app)
    return ask_asgi(app, path, method, lifespan=True)


@fact
def head_in_sanic():
    return ask("/__lbheartbeat__", "HEAD")[0]


@fact
def type_of_lbheartbeat_in_sanic():
    return ask("/__lbheartbeat__")[1].get("content-type")


@fact
def missing_in_sanic():
    ask("/missing")
    return [
        [level, errno, bool(exc_info)]
        for level, errno, exc_info in recorded("request.summary", "levelname", "errno", "exc_info")
    ]
