"""FastAPI."""

# mypy: ignore-errors
# pyright: basic, reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportMissingImports=false, reportOperatorIssue=false

import fastapi
from recording import FOLDER, ask_asgi, fact, recorded

import dockerflow.fastapi
from dockerflow.fastapi import router
from dockerflow.fastapi.middleware import MozlogRequestSummaryLogger, RequestIdMiddleware


def make(times=1, **state):
    app = fastapi.FastAPI()
    app.include_router(router)
    for _ in range(times):
        app.add_middleware(MozlogRequestSummaryLogger)
    app.add_middleware(RequestIdMiddleware)
    for name, value in state.items():
        setattr(app.state, name, value)

    @app.get("/503")
    async def unavailable():
        raise fastapi.HTTPException(503)

    return app


app = make(APP_DIR=FOLDER)


@fact
def no_version_in_fastapi():
    status, _, body = ask_asgi(app, "/__version__")
    return [status, body.decode()]


@fact
def head_of_version_in_fastapi():
    return ask_asgi(app, "/__version__", "HEAD")[0] == 405


@fact
def summary_of_fastapi():
    ask_asgi(app, "/503")
    return recorded("request.summary", "levelname", "errno", "uid", "lang")


@fact
def header_name_in_fastapi():
    named = make(DOCKERFLOW_REQUEST_ID_HEADER_NAME="X-Trace")
    ask_asgi(named, "/", headers=[(b"x-trace", b"mine")])
    return recorded("request.summary", "rid") == [["mine"]]


@fact
def three_middlewares():
    ask_asgi(make(times=3), "/")
    return len(recorded("request.summary"))


@fact
def names_of_fastapi():
    return hasattr(dockerflow.fastapi, "heartbeat")
