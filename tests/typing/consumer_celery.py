"""A consumer of the Celery adapter; only the type checkers read it."""

from __future__ import annotations

import pathlib
from typing import assert_type

from celery import Celery

from dockerflow.celery import observe

app = Celery("acme")

assert_type(observe(app), None)
observe(app, liveness_file="/tmp/worker-alive")
observe(app, liveness_file=pathlib.Path("/tmp/worker-alive"))
observe(app, liveness_file=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
observe("acme")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
