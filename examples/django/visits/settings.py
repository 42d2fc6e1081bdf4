"""The settings of the service, from the environment."""

from __future__ import annotations

import os
from pathlib import Path

import dj_database_url

from dockerflow.logging import dict_config

BASE_DIR = Path(__file__).parent.parent
SECRET_KEY = os.environ.get("SECRET_KEY", "not a secret: nothing here is signed")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1").split(",")
INSTALLED_APPS = ["dockerflow.django", "visits"]
# First, so that it answers probes before other middleware can refuse them.
MIDDLEWARE = [
    "dockerflow.django.middleware.DockerflowMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "visits.urls"
DATABASES = {"default": dj_database_url.config(default=f"sqlite:///{BASE_DIR}/visits.db")}
USE_TZ = True

DOCKERFLOW_HEARTBEAT_SHOW_DETAILS = True
DOCKERFLOW_CHECKS = [
    "dockerflow.django.checks.check_database_connected",
    "dockerflow.django.checks.check_migrations_applied",
    "visits.checks.enough_disk",
]
if redis_url := os.environ.get("REDIS_URL"):
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}
    }
    DOCKERFLOW_CHECKS.append("dockerflow.django.checks.check_redis_connected")

# All logs, including the server's, go to stdout with the request id: JSON in a container, readable
# text in a terminal.
LOGGING = dict_config("visits")
