"""One request, from its arrival to the last byte of its response."""

from __future__ import annotations

import asyncio
import functools
import sys
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.http.response import HttpResponseBase, StreamingHttpResponse

from dockerflow.logging.bodies import ObservedAsyncBody
from dockerflow.logging.request import RequestObservation
from dockerflow.logging.wsgi import get_header

from .conf import request_settings


class DjangoObservation(RequestObservation):
    """The observation of a Django request.

    :ivar middleware: the middleware that handles and records the request; None if a test calls the
        ``process_`` methods directly.
    :ivar has_body_begun: whether a chunk of the streamed body has been requested.
    :ivar is_body_ready: whether the whole streamed body has been handed over for sending.
    """

    middleware: object = None
    has_body_begun = False
    is_body_ready = False

    def body_closed(self) -> None:
        """End the request; called when Django closes the response."""
        self.body_ended(None, complete=self.is_body_ready)

    def task_ended(self, task: asyncio.Task[Any]) -> None:
        """End the request when the task that sends its body ends.

        Django does not close a response if sending it fails. If the client disconnects, it
        swallows the cancellation of the task.
        """
        if self.has_body_begun:  # otherwise it is the task of a sync middleware in between
            is_cut_off = task.cancelled() or task.cancelling() or task.exception()
            self.body_ended(None, complete=self.is_body_ready and not is_cut_off)


def get_observation(request: HttpRequest | None) -> DjangoObservation | None:
    """Return the observation of a request, or None if it has not begun."""
    return getattr(request, "dockerflow_observation", None)


def begin(request: HttpRequest, logger: Any) -> DjangoObservation:
    """Return a new observation of a request, and store it and the id on the request."""
    settings = request_settings()
    query = request.META.get("QUERY_STRING", "")
    if isinstance(request, WSGIRequest):  # in PEP 3333, each character stands for one byte
        query = query.encode("latin-1", "replace")
    observation = DjangoObservation(
        settings,
        method=request.method or "",
        path=request.path,
        get_header=functools.partial(get_header, request.META),
        query_string=query,
        mount=request.META.get("SCRIPT_NAME", ""),
        logger=logger,
    )
    attributes: Any = request
    attributes.dockerflow_observation = observation
    attributes._id = observation.request_id  # as in the single dockerflow package
    attributes._start_timestamp = time.time()
    name = settings.header_name.upper().replace("-", "_")
    request.META[f"HTTP_{name}"] = observation.request_id
    return observation


def observe_response(
    observation: DjangoObservation, request: HttpRequest, response: object
) -> None:
    """Note a response, add the id to it, and finish the observation unless it is streamed."""
    if isinstance(response, HttpResponseBase):
        header = observation.response_started(response.status_code, ())
        if header is not None:
            response.headers.setdefault(*header)  # the application may have set it
        if isinstance(response, StreamingHttpResponse):
            _observe_body(observation, request, response)
            return
    observation.finish()


def _observe_body(observation: DjangoObservation, request: HttpRequest, response: Any) -> None:
    # To close a response, Django calls the items of this list, to which `streaming_content` appends
    # the generator's close(). The items before and after it set and reset the request id, so that
    # the lines that the generator logs while it is closed have it.
    closers: list[Any] = getattr(response, "_resource_closers", [])
    closers.insert(0, observation.__enter__)
    file = getattr(response, "file_to_stream", None)
    # A WSGI server may send a file itself, without iterating over the body, and only close it.
    observation.is_body_ready = file is not None and "wsgi.file_wrapper" in request.META
    observe = _AsyncBody if response.is_async else _body
    response.streaming_content = observe(response.streaming_content, observation)
    if file is not None:
        response.file_to_stream = file  # setting streaming_content has reset it
    closers += [observation.body_closed, observation.__exit__]
    # Another middleware may drop the response, which is then never closed.
    weakref.finalize(response, observation.finish).atexit = False


def _body(chunks: Iterator[bytes], observation: DjangoObservation) -> Iterator[bytes]:
    """Observe a sync body. It stays sync under ASGI, because other middleware may iterate over it.

    Under ASGI, Django reads it into a list before it sends the first byte. The request therefore
    ends when the response is closed.
    """
    observation.has_body_begun, observation.is_body_ready = True, False
    while True:
        with observation:
            try:
                chunk = next(chunks)
            except StopIteration:
                observation.is_body_ready = True
                return
            except BaseException as error:
                observation.body_ended(error, complete=False)
                raise
        yield chunk


class _AsyncBody(ObservedAsyncBody[bytes]):
    """The body of a response under ASGI, or an async one under WSGI."""

    def __init__(self, chunks: AsyncIterator[bytes], observation: DjangoObservation) -> None:
        super().__init__(chunks, observation)
        self._django_observation = observation

    async def __anext__(self) -> bytes:
        self._django_observation.has_body_begun = True
        return await super().__anext__()


def _note_exception(sender: object, request: HttpRequest | None = None, **kwargs: Any) -> None:
    # Django sends this signal, without a sender, while it handles an exception that the application
    # has not handled. Applications that report a handled exception set a sender.
    observation, error = get_observation(request), sys.exc_info()[1]
    if sender is None and observation is not None and error is not None:
        observation.failed(error)


# https://docs.djangoproject.com/en/stable/ref/signals/#got-request-exception
got_request_exception.connect(_note_exception, dispatch_uid="dockerflow")
