"""Flask, called as a WSGI server calls it."""

from __future__ import annotations

from functools import partial

from flask import Flask

from benchmarks.work import Work
from dockerflow.checks import register
from dockerflow.flask import Dockerflow

from . import requests


def ask(path: str, package: str, checks: requests.Checks = ()) -> Work:
    """Return what asks a new application for a path."""
    app = Flask("service", root_path=".")
    app.add_url_rule("/hello", view_func=lambda: "hello")
    for check in checks:
        register(check)
    if package:
        Dockerflow(app, version_path=requests.version_folder())
    return requests.wsgi(app, path)


measure = partial(requests.measure, ask)
