"""A resource of Flask-RESTX."""

from __future__ import annotations

from flask import Flask
from flask_restx import Api, Resource, abort


class Refused(Resource):
    """Answers with an error, which Flask-RESTX signals as an exception."""

    def get(self) -> None:
        """Answer with 404."""
        abort(404)


def add_to(app: Flask) -> None:
    """Add the resource to an application."""
    Api(app, prefix="/api", doc=False).add_resource(Refused, "/refused")
