"""The middleware: endpoints, request ids and request summaries, in sync and in async."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.exception import convert_exception_to_response
from django.http import Http404, HttpRequest
from django.http.multipartparser import MultiPartParserError
from django.utils.deprecation import MiddlewareMixin

from dockerflow.logging.summary import SUMMARY_LOGGER

from .observed import KEY, ObservedRequest
from .views import ENDPOINTS, endpoint_of

# What Django answers with a status of its own.
_ANSWERED = (Http404, PermissionDenied, MultiPartParserError, BadRequest, SuspiciousOperation)


class DockerflowMiddleware(MiddlewareMixin):
    """Answer the endpoints, give each request an id, and write its summary.

    Placed first in ``MIDDLEWARE``, it answers probes before any other middleware can refuse them.

    :param get_response: the next middleware or the view, sync or async.
    """

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        # Django 4.2 has no such attribute; Python 3.11 marks no callables in inspect.
        self.async_mode = iscoroutinefunction(get_response)  # pyright: ignore[reportDeprecated]
        self.summary_logger = logging.getLogger(SUMMARY_LOGGER)
        # What an endpoint raises becomes a page here, so that this page bears the request's id.
        self._before: Any = convert_exception_to_response(
            self._before_async if self.async_mode else self._before_sync
        )
        self._own_request = self._is_overridden("process_request")
        self._own_response = self._is_overridden("process_response")

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request; the answer is to be awaited where ``get_response`` is async."""
        if self.async_mode:
            return self.__acall__(request)
        observed = self._begin(request)
        try:
            response = None
            if self._own_request or request.path_info in ENDPOINTS:
                response = self._before(request)
            if response is None:
                response = self.get_response(request)
            response = self.process_response(request, response)
        except BaseException as error:
            observed.end(request, error)
            raise
        observed.end(request)
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        """Answer a request as the event loop's own."""
        get_response: Any = self.get_response
        observed = self._begin(request)
        try:
            response = None
            if self._own_request or request.path_info in ENDPOINTS:
                response = await self._before(request)
            if response is None:
                response = await get_response(request)
            if self._own_response:
                response = await sync_to_async(self.process_response)(request, response)
            else:
                response = self.process_response(request, response)
            if observed.is_streamed:
                observed.watch(asyncio.current_task())
        except BaseException as error:
            observed.end(request, error)
            raise
        observed.end(request)
        return response

    def _begin(self, request: HttpRequest) -> ObservedRequest:
        observed = request.__dict__.get(KEY)
        if observed is None or not observed.depth:  # or it is listed twice
            observed = ObservedRequest(self, request)
            observed.begin(request)
        observed.depth += 1
        return observed

    def _before_sync(self, request: HttpRequest) -> Any:
        return self.process_request(request)

    async def _before_async(self, request: HttpRequest) -> Any:
        if self._own_request:
            return await sync_to_async(self.process_request)(request)
        view = endpoint_of(request.path_info, asynchronous=True)
        response = None if view is None else view(request)
        return await response if inspect.isawaitable(response) else response

    def _is_overridden(self, name: str) -> bool:
        own = getattr(getattr(self, name), "__func__", None)
        return own is not vars(DockerflowMiddleware)[name]

    # ------------------------------------------------------------------ for subclasses and tests
    # A test may call these by themselves, for a request that was never begun.

    def process_request(self, request: HttpRequest) -> Any:
        """Give the request its id, and answer it where it is for an endpoint.

        :param request: the request, before any other middleware has seen it.
        :returns: a response, or ``None`` for the application's own requests.
        """
        observed = request.__dict__.get(KEY)
        if observed is None or not observed.depth:
            ObservedRequest(self, request).begin(request)
        view = endpoint_of(request.path_info, asynchronous=False)
        return None if view is None else view(request)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Send the id back, and write the summary, at the end of its body if that is streamed.

        :param request: the request that is answered.
        :param response: the answer; ``None``, as tests give it, makes a summary without ``code``.
        :returns: ``response``, which may be anything: what is no response is left alone.
        """
        observed = request.__dict__.get(KEY) or ObservedRequest(self, request)
        if observed.middleware is self or not observed.depth:  # or it is listed twice
            observed.processed(request, response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Leave an exception to others; its text comes by Django's ``got_request_exception``.

        Only where a test calls the method by itself, outside of a request, the summary is written.

        :param request: the request that failed.
        :param exception: what its view raised.
        """
        observed = request.__dict__.get(KEY) or ObservedRequest(self, request)
        if not observed.depth and not isinstance(exception, _ANSWERED):
            observed.collect(request)
            observed.finish(exception)

    def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
        """Build the fields of a request's summary; meant to be extended in subclasses.

        ``code``, ``errno`` and the final ``t`` are added when the response has been handed over.
        """
        observed = request.__dict__.get(KEY) or ObservedRequest(self, request)
        return observed.basic_fields(request)
