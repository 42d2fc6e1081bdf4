"""The settings of a Django project with the libraries that projects use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import django

from dockerflow.logging import dict_config

FOLDER = Path(os.environ.get("FOLDER", "."))
SECRET_KEY = "tests"
DEBUG = True
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.ecosystem.apps.shop.urls"
USE_TZ = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "channels",
    "corsheaders",
    "debug_toolbar",
    "django_prometheus",
    "rest_framework",
    "dockerflow.django",
]
MIDDLEWARE = [
    "dockerflow.django.middleware.DockerflowMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "debug_toolbar.middleware.DebugToolbarMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
if django.VERSION >= (5, 1):
    MIDDLEWARE.insert(-1, "django.contrib.auth.middleware.LoginRequiredMiddleware")
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

DATABASES: dict[str, Any] = {
    "default": {
        "ENGINE": "django_prometheus.db.backends.sqlite3",
        "NAME": str(FOLDER / "db.sqlite3"),
    }
}
if "POSTGRES_PORT" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "PASSWORD": "hunter2",
        "HOST": "127.0.0.1",
        "PORT": os.environ["POSTGRES_PORT"],
    }
    if django.VERSION >= (5, 1):
        DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 2, "max_size": 2}}

CORS_ALLOWED_ORIGINS = ["https://www.example"]
CORS_EXPOSE_HEADERS = ["X-Request-ID"]
DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": lambda request: True}
DOCKERFLOW_SUMMARY_EXCLUDE_PATHS = ["/metrics"]
REST_FRAMEWORK = {"PAGE_SIZE": 20}  # its own system check warns about this
STATIC_URL = "static/"
STATICFILES_DIRS = [FOLDER / "assets"]

LOGGING = dict_config("shop", queue="QUEUE" in os.environ)
