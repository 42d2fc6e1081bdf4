"""The id of the user who sent a request, if the application has loaded that user."""

from __future__ import annotations

from typing import Any

from django.utils.functional import LazyObject, empty

from .conf import logger


def loaded_user_id(request: Any) -> Any:
    """Return the ``pk`` of the authenticated user if the application has loaded it, else ``""``.

    This never reads the database or the session. If the user object raises, the error is logged.
    """
    try:
        user: Any = getattr(request, "user", None)
        # AuthenticationMiddleware sets a lazy object. Django has no public way to tell whether it
        # has been evaluated, or which user request.auser() has loaded. Reading an attribute would
        # load the user, and so would isinstance(), which reads its class.
        if issubclass(type(user), LazyObject):
            user = user._wrapped
            if user is empty:
                user = getattr(request, "_acached_user", None)
        pk = user.pk if getattr(user, "is_authenticated", False) else None
    except Exception:
        logger.exception("Can't read the user's id for the request summary")
        return ""
    return "" if pk is None else pk
