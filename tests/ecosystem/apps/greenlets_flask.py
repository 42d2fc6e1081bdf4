"""Flask in greenlets."""

from __future__ import annotations

import asyncio

from flask import Flask, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text

from dockerflow.checks import CheckRegistry
from dockerflow.flask import Dockerflow
from tests.ecosystem.apps import greenlets

greenlets.log_to_stdout()
app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///app.sqlite3"
app.config["DOCKERFLOW_CHECK_TIMEOUT"] = greenlets.CHECK_TIMEOUT
db = SQLAlchemy(app)


@app.get("/orm")
def orm() -> str:
    return str(db.session.execute(text("SELECT 17")).scalar_one())


@app.get("/async")
async def asynchronous() -> str:
    await asyncio.sleep(0)
    return "async"


@app.get("/meet")
def meet() -> str:
    return f"{greenlets.meet()} {g.request_id}"


@app.get("/release")
@app.get("/__lbheartbeat__")  # without dockerflow: the tests wait for it
def release() -> str:
    return greenlets.release()


if greenlets.CHECKS:
    registry = CheckRegistry()
    for name in greenlets.CHECKS:
        registry.register(getattr(greenlets, name))
    Dockerflow(app, db=db, registry=registry)
