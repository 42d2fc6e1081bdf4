"""Wrap an ASGI application, whatever its framework."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from dockerflow.checks import CheckRegistry
from dockerflow.endpoints import AsyncEndpoints, Path, Reply, WrapperEndpoints
from dockerflow.logging.asgi import (
    OBSERVATION,
    ASGIApplication,
    Receive,
    RequestObserver,
    Scope,
    Send,
    header_getter,
    path_below_mount,
)
from dockerflow.logging.request import RequestObservation, RequestSettings

T = TypeVar("T")


class Dockerflow(WrapperEndpoints, AsyncEndpoints):
    """An ASGI application around another one, with endpoints, health checks and request summaries.

    Lifespan events, websockets and all else pass through to the application.

    :param application: the ASGI application.
    :param version_path: the directory of ``version.json``; by default the working directory, then
        ``/app``.
    :param registry: the checks that the heartbeat runs, by default those of the whole process.
    :param silenced_checks: ids of check messages that are neither counted nor logged.
    :param settings: ``DOCKERFLOW_`` settings by their names. A setting that is not there is read
        from the environment variable of the same name.
    :param user_id: a function that takes the scope of a request at its end, and returns the
        ``uid`` of its summary. It runs on the event loop, so it is not async and must not block.
    :param route: a function like ``user_id`` that returns the ``route`` of the summary, such as
        ``"/orders/{number}"``. By default summaries have no ``route``.
    :param db: a SQLAlchemy engine, sync or async, to check.
    :param redis: a Redis client, sync or asyncio, to check.
    :param migrate: an Alembic ``Config``, or the path of an ``alembic.ini``, to check that its
        migrations have been applied to ``db``.
    :raises ValueError: if a setting is unknown or invalid.
    :raises ImportError: if the library behind a check is missing, with the extra to install.
    :raises TypeError: if an argument has the wrong type.
    """

    logger = logging.getLogger("dockerflow.asgi")

    def __init__(
        self,
        application: ASGIApplication,
        *,
        version_path: Path | None = None,
        registry: CheckRegistry | None = None,
        silenced_checks: Iterable[str] | None = None,
        settings: Mapping[str, Any] | None = None,
        user_id: Callable[[Scope], Any] | None = None,
        route: Callable[[Scope], Any] | None = None,
        db: Any = None,
        redis: Any = None,
        migrate: Any = None,
    ) -> None:
        names = RequestSettings.names()
        super().__init__(registry, silenced_checks, version_path, settings, names)
        self.require_functions(application, user_id=user_id, route=route)
        self.add_service_checks(db, redis, migrate, migrated_db=db)
        self.application = application
        self._makers = {"uid": user_id, "route": route}
        request_settings = RequestSettings.read(functools.partial(self.get_setting, self))
        self._observer = RequestObserver(self._answer, request_settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass on whatever else the server sends."""
        await self._observer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path, method = path_below_mount(scope), scope["method"]
            if self.is_probe(self, path):
                accept = header_getter(scope)("Accept") or ""
                reply = await self.answer_probe_async(self, path, method, accept)
            else:
                reply = self.answer_error(path, method)
            if reply is not None:
                await _send(reply, send)
                return
            observation: RequestObservation = scope[OBSERVATION]
            observation.add_at_end(self._makers, scope, self.logger)
        await self.application(scope, receive, send)

    async def run_in_thread(self, func: Callable[[], T]) -> T:
        """Call a function that may block, under asyncio or trio, and return its result."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            import trio  # installed, because the server uses it

            return await trio.to_thread.run_sync(func)
        return await super().run_in_thread(func)


async def _send(reply: Reply, send: Send) -> None:
    """Send a reply of the endpoints; a server leaves out the body for HEAD."""
    headers = [
        ("content-type", reply.media_type),
        ("content-length", str(len(reply.body))),
        *reply.headers,
    ]
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": reply.body})
