"""Who is asking, as far as the application has found out."""

from __future__ import annotations

from typing import Any

from django.utils.functional import LazyObject, empty

from .conf import logger


def loaded_user_id(request: Any) -> Any:
    """Return the ``pk`` of an authenticated user whom the application has loaded, else ``""``.

    Neither database nor session is asked. What a user of the application's own raises is logged.
    """
    try:
        user: Any = getattr(request, "user", None)
        # AuthenticationMiddleware sets a lazy object, and Django has no public way to ask whether
        # it has been evaluated, or whom request.auser() has loaded; to look at it would load the
        # user, and so would isinstance(), which asks it for its class.
        if issubclass(type(user), LazyObject):
            user = user._wrapped
            if user is empty:
                user = getattr(request, "_acached_user", None)
        pk = user.pk if getattr(user, "is_authenticated", False) else None
    except Exception:
        logger.exception("The user's id can't be had for the request summary")
        return ""
    return "" if pk is None else pk
