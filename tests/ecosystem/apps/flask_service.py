"""Flask with Flask-Sock, for servers; one page hangs, and the heartbeat fails."""

from __future__ import annotations

import logging
import os
import threading

from flask import Flask
from flask_sock import Sock
from simple_websocket import Server

from dockerflow.checks import CheckRegistry, Error
from dockerflow.flask import Dockerflow
from dockerflow.logging import configure

configure("service", queue="QUEUE" in os.environ, access_log="ACCESS_LOG" in os.environ)
if "CRASH" in os.environ:
    raise RuntimeError("crash")

app = Flask(__name__)
app.config.from_prefixed_env()
sock = Sock(app)
dockerflow = Dockerflow(app, registry=CheckRegistry())


@dockerflow.check
def always_down() -> Error:
    return Error("down")


@app.get("/")
def index() -> str:
    logging.getLogger("app").info("asked")
    return "hello"


@app.get("/boom")
def boom() -> str:
    raise ValueError("boom")


@app.get("/hangs")
def hangs() -> str:
    threading.Event().wait()
    return "unreachable"


@sock.route("/echo")
def echo(ws: Server) -> None:
    logging.getLogger("app").info("in the websocket")
    while True:
        ws.send(ws.receive())


@sock.route("/fails")
def fails(ws: Server) -> None:
    raise ValueError(ws.receive())
