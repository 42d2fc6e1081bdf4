"""Django under ASGI."""

from __future__ import annotations

from functools import partial

from . import requests
from .django import ask

measure = partial(requests.measure, partial(ask, is_async=True))
