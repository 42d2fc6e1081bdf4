"""Who is asking, as far as the application has found out."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.utils.functional import LazyObject, empty

from .conf import report


def loaded_user_id(attributes: dict[str, Any]) -> Any:
    """Return the ``pk`` of an authenticated user whom the application has loaded, else ``""``.

    Nobody is loaded for it: it asks no database and no session. What a user of the application's
    own raises is logged.

    :param attributes: those of the request.
    """
    try:
        return _id_of(_loaded_user(attributes))
    except Exception:
        report("The user's id can't be had for the request summary", exc_info=True)
        return ""


def _id_of(user: Any) -> Any:
    if user is None or not getattr(user, "is_authenticated", False):
        return ""
    if isinstance(user, Model):
        fields = getattr(user._meta, "pk_fields", None) or [user._meta.pk]
        if any(field.attname not in vars(user) for field in fields):
            return ""  # deferred: to read it is a query
    pk = getattr(user, "pk", None)
    return "" if pk is None else pk


def _loaded_user(attributes: dict[str, Any]) -> Any:
    user = attributes.get("user")
    # type(), since isinstance() asks a lazy object for its class, which loads it
    if user is not None and issubclass(type(user), LazyObject):
        user = object.__getattribute__(user, "__dict__").get("_wrapped", empty)
        user = None if user is empty else user
    for name in ("_cached_user", "_acached_user"):  # by request.user, by request.auser()
        if user is None:
            user = attributes.get(name)
    return user
