"""The application of tests/services/apps/celery.py, set up by the recipe $RECIPE."""

from __future__ import annotations

import os
import runpy

runpy.run_path(os.environ["RECIPE"])

from tests.services.apps.celery import app  # noqa: E402

__all__ = ["app"]
