"""What the summary of a request says of it, whatever the request may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dockerflow.logging.summary import summary_fields

from .headers import ACCEPT_LANGUAGE, USER_AGENT

if TYPE_CHECKING:
    from sanic import Request

    AnyRequest = Request[Any, Any]


def fields_of(
    request: AnyRequest, rid: str | None, querystring: str | None = None
) -> dict[str, Any]:
    """Return the fields of a request's summary.

    :param request: the request.
    :param rid: its id.
    :param querystring: its query, decoded; None where it is not to be recorded.
    """
    headers: Any = request.headers
    return summary_fields(
        method=request.method,
        path=_path_of(request),
        agent=headers.get(USER_AGENT, ""),
        lang=headers.get(ACCEPT_LANGUAGE, ""),
        rid=rid,
        querystring=querystring,
    )


def _path_of(request: AnyRequest) -> str:
    """Return the path as the application sees it, percent-escapes included.

    A URL may have none, such as ``http://localhost``, and then Sanic raises.
    """
    try:
        return request.path
    except Exception:
        return request.raw_url.partition(b"?")[0].decode("utf-8", "backslashreplace")
