"""The service in the pictures of the documentation: a shop whose database refuses connections."""

from __future__ import annotations

import logging

from flask import Flask

from dockerflow.flask import Dockerflow, checks
from dockerflow.logging import configure

configure("shop")
log = logging.getLogger("shop.orders")

app = Flask(__name__)
app.config["DOCKERFLOW_HEARTBEAT_GROUPS"] = {
    "startup": ["database", "model_is_loaded"],
    "readiness": ["model_is_loaded"],
}
dockerflow = Dockerflow(app, version_path=".")


@dockerflow.check
def database() -> checks.Error:
    """Fail, like the check of a database that refuses connections."""
    return checks.Error("Could not connect to database", id="dockerflow.health.E001")


@dockerflow.check
def queue_is_short() -> checks.Warning:
    """Warn about a long queue."""
    return checks.Warning("120 orders wait", id="shop.health.W001")


@dockerflow.check
def model_is_loaded() -> None:
    """Find no problem."""


@app.get("/orders/<int:number>")
def order(number: int) -> dict[str, int]:
    """Return an order."""
    log.info("looked up", extra={"order": number})
    return {"order": number, "items": 3}


@app.post("/orders/<int:number>/payment")
def pay(number: int) -> tuple[dict[str, str], int]:
    """Fail in the payment."""
    try:
        raise ConnectionRefusedError("payments.internal refused the connection")
    except OSError:
        log.exception("payment failed", extra={"order": number})
        return {"error": "Try again in a minute."}, 503
