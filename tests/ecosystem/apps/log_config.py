"""The configuration file of gunicorn and Hypercorn, with logging only."""

from __future__ import annotations

import os

from dockerflow.logging import dict_config

logconfig_dict = dict_config(
    "service", queue="QUEUE" in os.environ, access_log="ACCESS_LOG" in os.environ
)
