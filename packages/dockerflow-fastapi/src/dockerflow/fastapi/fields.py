"""What the summary of a request says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.types import Scope

from dockerflow.logging.summary import decode_query, known_identity, summary_fields

from .observed import KEY, ObservedRequest, headers_of
from .settings import request_settings

if TYPE_CHECKING:
    from dockerflow.logging.direct import UsualFields

Arrived = tuple[object, str, Scope | None]
"""``app`` and ``path`` of a scope as it arrived, and all of it where somebody asks for that.

In this very scope a mounted application finds them changed.
"""


def request_as_it_arrived(scope: Scope, arrived: Arrived) -> Request:
    """Return a request at its end, with what a mounted application has changed put back.

    :param scope: its scope.
    :param arrived: what was in it.
    """
    app, path, whole = arrived
    as_it_arrived = {**scope, "app": app, "path": path}
    for name in ("raw_path", "root_path"):
        if whole is not None and whole.get(name) is not None:
            as_it_arrived[name] = whole[name]
    return Request(as_it_arrived)


def usual_fields(
    scope: Scope, headers: dict[bytes, bytes], path: str, uid: object, request_id: str | None
) -> UsualFields:
    """Return what every summary says of a request.

    :param headers: the headers as they arrived.
    :param path: the path as it arrived.
    :param uid: who is asking.
    """
    return (
        scope["method"],
        path,
        headers.get(b"user-agent", b"").decode("latin-1"),
        headers.get(b"accept-language", b"").decode("latin-1"),
        uid,
        request_id,
    )


def summary_of(request: Request, uid: object = "") -> dict[str, Any]:
    """Return the fields of a request's summary but for ``code`` and ``t``.

    :param request: the request as it arrived.
    :param uid: who is asking.
    """
    scope = request.scope
    observed = scope.get(KEY)
    usual = usual_fields(
        scope,
        headers_of(scope),
        scope["path"],
        "" if uid is None else uid,
        observed.request_id if isinstance(observed, ObservedRequest) else None,
    )
    with_query = request_settings(scope.get("app")).log_querystring
    return summary_fields(
        *usual, decode_query(scope.get("query_string", b"")) if with_query else None
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
