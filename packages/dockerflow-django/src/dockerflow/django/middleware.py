"""The middleware for endpoints, request ids and request summaries, sync and async."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

from dockerflow.logging.request_id import request_id_context
from dockerflow.logging.summary import REQUEST_SUMMARY

from . import views
from .conf import logger, request_settings, unlogged_ids
from .observed import DjangoObservation, begin, get_observation, observe_response
from .users import loaded_user_id


class DockerflowMiddleware(MiddlewareMixin):
    """Answer the endpoints, give each request an id, and write its summary.

    Put it first in ``MIDDLEWARE``, so that it answers probes before other middleware can refuse
    them. It is native in sync and async: for an async request, only the ``process_`` methods that
    a subclass overrides run in a thread.

    :param get_response: the next middleware or the view, sync or async.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self.summary_logger = logging.getLogger(REQUEST_SUMMARY)
        request_settings.cache_clear()
        request_settings()
        unlogged_ids()
        self._is_async = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated] - inspect's detects Django's mark only from Python 3.12
        # Exceptions of an endpoint become a page here, so that the page has the request's id.
        self._answered: Any = convert_exception_to_response(
            self._aanswer if self._is_async else self._answer
        )

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request; return an awaitable if ``get_response`` is async."""
        if self._is_async:
            return self.__acall__(request)
        with self._observe(request):
            try:
                return self.process_response(request, self._answered(request))
            except BaseException as error:
                self._record_failure(request, error)
                raise

    async def __acall__(self, request: HttpRequest) -> Any:
        """Answer a request on the event loop."""
        with self._observe(request) as observation:
            try:
                response = await self._answered(request)
                if self._overrides("process_response"):
                    response = await sync_to_async(self.process_response)(request, response)
                else:
                    response = self.process_response(request, response)
            except BaseException as error:
                self._record_failure(request, error)
                raise
        task = None if observation.finished else asyncio.current_task()
        if task is not None:  # the response is streamed
            task.add_done_callback(observation.task_ended)
        return response

    def _observe(self, request: HttpRequest) -> AbstractContextManager[DjangoObservation]:
        """Start observing a request, unless another middleware already does."""
        observation = get_observation(request)
        if observation is not None and not observation.finished:
            return nullcontext(observation)  # its id is already in the context
        observation = begin(request, self.summary_logger)
        observation.middleware = self
        return observation

    def _record_failure(self, request: HttpRequest, error: BaseException) -> None:
        """Record an exception, unless another middleware observes the request."""
        observation = get_observation(request)
        if observation and observation.middleware is self and not observation.finished:
            observation.update_fields(lambda: self._build_extra_meta(request), logger)
            observation.failed(error)
            observation.code = None  # if there was a response, it is not sent
            observation.finish()

    def _answer(self, request: HttpRequest) -> Any:
        response = self.process_request(request)
        return self.get_response(request) if response is None else response

    async def _aanswer(self, request: HttpRequest) -> Any:
        if self._overrides("process_request"):
            response = await sync_to_async(self.process_request)(request)
        else:
            response = await views.answer_async(request)
        get_response: Any = self.get_response
        return await get_response(request) if response is None else response

    def _overrides(self, name: str) -> bool:
        return getattr(type(self), name) is not getattr(DockerflowMiddleware, name)

    # ------------------------------------------------------------------ for subclasses and tests
    # Tests may call these directly, for a request that did not pass through the middleware.

    def process_request(self, request: HttpRequest) -> Any:
        """Give the request its id; answer it if it is for an endpoint, else return None."""
        observation = get_observation(request)
        if observation is None or observation.finished:
            request_id_context.set(begin(request, self.summary_logger).request_id)
        return views.answer(request)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Send the id back, and write the summary; for a streamed body, at its end.

        :param response: the response; None, which some tests pass, makes a summary without
            ``code``.
        :returns: ``response``, of any type; a value that is not a response is left unchanged.
        """
        observation = get_observation(request) or begin(request, self.summary_logger)
        if observation.middleware is None or observation.middleware is self:
            observation.update_fields(lambda: self._build_extra_meta(request), logger)
            observe_response(observation, request, response)
        if observation.middleware is None:
            request_id_context.set(None)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Note an exception that a test passes; Django reports others by a signal."""
        observation = get_observation(request)
        if observation is not None and observation.middleware is None:
            observation.failed(exception)

    def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
        """Return the fields of a request's summary; subclasses may extend them.

        ``code``, ``errno`` and the final ``t`` are added when the response has been handed over.
        """
        observation = get_observation(request) or begin(request, self.summary_logger)
        fields = {**observation.fields, "uid": loaded_user_id(request), "t": observation.elapsed()}
        fields.pop("code", None)  # missing if an earlier call has already removed it
        if not hasattr(request, "_start_timestamp"):  # an application may have removed it
            del fields["t"]
        return fields
