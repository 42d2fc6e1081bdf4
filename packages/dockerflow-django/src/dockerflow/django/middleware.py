"""The middleware: endpoints, request ids and request summaries, in sync and in async."""

from __future__ import annotations

import asyncio
import inspect
import logging
from types import MethodType
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.exception import response_for_exception
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.utils.deprecation import MiddlewareMixin

from dockerflow.logging.summary import SUMMARY_LOGGER

from .observed import ObservedRequest, begin, observed_of
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
        self._own_request = self.process_request != MethodType(_PROCESS_REQUEST, self)
        # Compared with the methods that are there when a request comes, which a subclass or a test
        # may have replaced: where they are these, the same is done in fewer steps.
        self._process_response = MethodType(_PROCESS_RESPONSE, self)
        self.plain_build = MethodType(_BUILD_EXTRA_META, self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request; the answer is to be awaited where ``get_response`` is async."""
        if self.async_mode:
            return self.__acall__(request)
        get_response: Any = self.get_response
        observed = begin(self, request)
        try:
            response = None
            if self._own_request or request.path_info in ENDPOINTS:
                response = self._before(request)
            if response is None:
                response = get_response(request)
            if self.process_response == self._process_response:
                observed.answered(request, response)
            else:
                response = self.process_response(request, response)
        except BaseException as error:
            observed.fail(request, error)
            raise
        observed.end()
        return response

    async def __acall__(self, request: HttpRequest) -> Any:
        """Answer a request as the event loop's own."""
        get_response: Any = self.get_response
        observed = begin(self, request)
        try:
            response = None
            if self._own_request or request.path_info in ENDPOINTS:
                response = await self._abefore(request)
            if response is None:
                response = await get_response(request)
            if self.process_response == self._process_response:
                observed.answered(request, response)
            else:
                response = await sync_to_async(self.process_response)(request, response)
            if observed.body is not None:
                observed.watch(asyncio.current_task())
        except BaseException as error:
            observed.fail(request, error)
            raise
        observed.end()
        return response

    # What an endpoint raises becomes a page here, so that this page bears the request's id.

    def _before(self, request: HttpRequest) -> Any:
        try:
            if self._own_request:
                return self.process_request(request)
            view = endpoint_of(request.path_info, asynchronous=False)
            return None if view is None else view(request)
        except Exception as error:
            return response_for_exception(request, error)

    async def _abefore(self, request: HttpRequest) -> Any:
        try:
            if self._own_request:
                return await sync_to_async(self.process_request)(request)
            view = endpoint_of(request.path_info, asynchronous=True)
            response = None if view is None else view(request)
            # To ask whether it is awaitable takes as long as a view that only says 200.
            if type(response) is HttpResponse or not inspect.isawaitable(response):
                return response
            return await response
        except Exception as error:
            page = sync_to_async(response_for_exception, thread_sensitive=False)
            return await page(request, error)

    # ------------------------------------------------------------------ for subclasses and tests
    # A test may call these by themselves, for a request that was never begun.

    def process_request(self, request: HttpRequest) -> Any:
        """Give the request its id, and answer it where it is for an endpoint.

        :param request: the request, before any other middleware has seen it.
        :returns: a response, or ``None`` for the application's own requests.
        """
        observed = begin(self, request)
        if isinstance(observed, ObservedRequest):
            observed.token = None
        view = endpoint_of(request.path_info, asynchronous=False)
        return None if view is None else view(request)

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Send the id back, and write the summary, at the end of its body if that is streamed.

        :param request: the request that is answered.
        :param response: the answer; ``None``, as tests give it, makes a summary without ``code``.
        :returns: ``response``, which may be anything: what is no response is left alone.
        """
        observed = observed_of(self, request)
        if observed.token is None:
            observed.answered_alone(request, response)
        elif observed.middleware is self:  # or it is listed twice
            observed.answered(request, response)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Leave an exception to others; its text comes by Django's ``got_request_exception``.

        Only where a test calls the method by itself, outside of a request, the summary is written.

        :param request: the request that failed.
        :param exception: what its view raised.
        """
        observed = observed_of(self, request)
        if observed.token is None and not isinstance(exception, _ANSWERED):
            observed.collect(request)
            observed.finish(exception)

    def _build_extra_meta(self, request: HttpRequest) -> dict[str, Any]:
        """Build the fields of a request's summary; meant to be extended in subclasses.

        ``code``, ``errno`` and the final ``t`` are added when the response has been handed over.
        """
        observed = observed_of(self, request)
        fields = observed.basic_fields(request)
        if "t" in fields:
            fields["t"] = observed.elapsed()
        return fields


_PROCESS_REQUEST = DockerflowMiddleware.process_request
_PROCESS_RESPONSE = DockerflowMiddleware.process_response
_BUILD_EXTRA_META = DockerflowMiddleware._build_extra_meta  # pyright: ignore[reportPrivateUsage]
