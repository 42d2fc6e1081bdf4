"""What the summary of a request says of it."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.types import Scope

from dockerflow.logging.summary import decode_query, known_identity, summary_fields

from .observed import KEY, ObservedRequest
from .settings import request_settings

Arrived = tuple[object, str, str, str, Scope | None]
"""What a request was as it arrived, since its scope is changed further in.

``app`` and ``path`` of its scope, its ``User-Agent`` and ``Accept-Language``, and all of its scope
where somebody asks for that.
"""


def request_as_it_arrived(scope: Scope, arrived: Arrived) -> Request:
    """Return a request at its end, with what a mounted application has changed put back.

    :param scope: its scope.
    :param arrived: what was in it.
    """
    app, path, _, _, whole = arrived
    as_it_arrived = {**scope, "app": app, "path": path}
    for name in ("raw_path", "root_path"):
        if whole is not None and whole.get(name) is not None:
            as_it_arrived[name] = whole[name]
    return Request(as_it_arrived)


def summary_of(request: Request, uid: object = "") -> dict[str, Any]:
    """Return the fields of a request's summary but for ``code`` and ``t``.

    :param request: the request as it arrived.
    :param uid: who is asking.
    """
    scope, headers = request.scope, request.headers
    observed = scope.get(KEY)
    with_query = request_settings(scope.get("app")).log_querystring
    return summary_fields(
        request.method,
        scope["path"],
        headers.get("user-agent", ""),
        headers.get("accept-language", ""),
        "" if uid is None else uid,
        observed.request_id if isinstance(observed, ObservedRequest) else None,
        decode_query(scope.get("query_string", b"")) if with_query else None,
    )


def user_id_of(request: Request) -> Any:
    """Return the identity of the authenticated user whom the application has put into the scope.

    That is what Starlette's ``AuthenticationMiddleware`` does; without it there is ``""``.
    """
    user = request.scope.get("user")
    if user is None:
        return ""
    key = known_identity(user)
    if key is not None:
        return key
    try:
        identity = user.identity if user.is_authenticated else None
    except (AttributeError, NotImplementedError):  # BaseUser's, where a subclass leaves them out
        identity = None
    return "" if identity is None else identity
