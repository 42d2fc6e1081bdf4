"""The tables of the service."""

from __future__ import annotations

from django.db import models


class Visit(models.Model):
    """One visit."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
