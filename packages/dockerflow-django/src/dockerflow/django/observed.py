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
    """The observation of a request of Django's.

    :ivar middleware: the middleware that is being called for the request, and records it; None
        where a test calls the ``process_`` methods by hand.
    :ivar has_body_begun: whether a chunk of the streamed body has been asked for.
    :ivar is_body_ready: whether all of the streamed body is with whoever sends it.
    """

    middleware: object = None
    has_body_begun = False
    is_body_ready = False

    def body_closed(self) -> None:
        """End the request, as Django does at the end of each response."""
        self.body_ended(None, complete=self.is_body_ready)

    def task_ended(self, task: asyncio.Task[Any]) -> None:
        """End the request with the task that has sent its body.

        Django closes no response whose sending fails, and swallows the cancellation of a task whose
        client has gone.
        """
        if self.has_body_begun:  # else it was a task in between, of a sync middleware
            is_cut_off = task.cancelled() or task.cancelling() or task.exception()
            self.body_ended(None, complete=self.is_body_ready and not is_cut_off)


def get_observation(request: HttpRequest | None) -> DjangoObservation | None:
    """Return the observation of a request, None where it has not begun."""
    return getattr(request, "dockerflow_observation", None)


def begin(request: HttpRequest, logger: Any) -> DjangoObservation:
    """Return a new observation of a request, and put it and the id where others look for them."""
    settings = request_settings()
    query = request.META.get("QUERY_STRING", "")
    if isinstance(request, WSGIRequest):  # bytes, each as one character, as PEP 3333 asks
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
    attributes._id = observation.request_id  # where the existing package has the two
    attributes._start_timestamp = time.time()
    name = settings.header_name.upper().replace("-", "_")
    request.META[f"HTTP_{name}"] = observation.request_id
    return observation


def observe_response(
    observation: DjangoObservation, request: HttpRequest, response: object
) -> None:
    """Note a response, send the id with it, and finish the observation unless it is streamed."""
    if isinstance(response, HttpResponseBase):
        header = observation.response_started(response.status_code, ())
        if header is not None:
            response.headers.setdefault(*header)  # the application may have set it
        if isinstance(response, StreamingHttpResponse):
            _observe_body(observation, request, response)
            return
    observation.finish()


def _observe_body(observation: DjangoObservation, request: HttpRequest, response: Any) -> None:
    # Django closes a response by this list alone, of which `streaming_content` appends a close():
    # what is put before and behind lets a generator that is closed log its lines with the id.
    closers: list[Any] = getattr(response, "_resource_closers", [])
    closers.insert(0, observation.__enter__)
    file = getattr(response, "file_to_stream", None)
    # A WSGI server may send a file by itself, and only close it.
    observation.is_body_ready = file is not None and "wsgi.file_wrapper" in request.META
    observe = _AsyncBody if response.is_async else _body
    response.streaming_content = observe(response.streaming_content, observation)
    if file is not None:
        response.file_to_stream = file  # which new content has reset
    closers += [observation.body_closed, observation.__exit__]
    # Another middleware may drop the response, which nobody closes then.
    weakref.finalize(response, observation.finish).atexit = False


def _body(chunks: Iterator[bytes], observation: DjangoObservation) -> Iterator[bytes]:
    """Observe a sync body, which stays one under ASGI too: other middleware may go over it.

    Django reads it into a list there, before it sends the first byte: its closing is the end.
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
    # Django sends it while it handles an exception that no one else has handled. Applications that
    # report one which they have handled name a sender.
    observation, error = get_observation(request), sys.exc_info()[1]
    if sender is None and observation is not None and error is not None:
        observation.failed(error)


# https://docs.djangoproject.com/en/stable/ref/signals/#got-request-exception
got_request_exception.connect(_note_exception, dispatch_uid="dockerflow")
