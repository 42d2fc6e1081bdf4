"""OpenTelemetry with Dockerflow: its spans, and their ids on log lines."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import override_settings
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util.http import parse_excluded_urls
from packaging.version import Version

import dockerflow.fastapi
import dockerflow.flask
import dockerflow.sanic
from dockerflow.logging import TraceContextLogFilter, configure, dict_config
from tests.adapters.apps import django, fastapi, sanic
from tests.adapters.apps.wrapped import flask
from tests.adapters.harness import ASGIApp, Options, RunningApp, WSGIApp

PATHS = ("/id", "/status/503", "/missing", "/redirect", "/handled", "/boom")
STREAMS = ("/stream", "/stream-fails")
PROBES = "__heartbeat__,__lbheartbeat__"  # excluded as in the docs
BEFORE, AFTER, ALONE = "before", "after", "without"
OLD = Version(version("opentelemetry-instrumentation-fastapi")) < Version("0.55b0")
SERVER = trace.SpanKind.SERVER
Step = Callable[[Any], object]

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)  # possible only once in a process


def set_up(app: Any, when: str, instrument: Step, observe: Step) -> None:
    """Instrument an application before Dockerflow observes it, after that, or without it."""
    steps = {BEFORE: (instrument, observe), AFTER: (observe, instrument), ALONE: (instrument,)}
    for step in steps[when]:
        step(app)


def start_flask(when: str) -> RunningApp:
    """Start Flask's application."""
    app = flask.new_app()
    set_up(app, when, FlaskInstrumentor().instrument_app, dockerflow.flask.Dockerflow)
    return WSGIApp(app)


def start_fastapi(when: str) -> RunningApp:
    """Start FastAPI's application."""
    app = fastapi.new_fastapi()
    instrument = functools.partial(FastAPIInstrumentor().instrument_app, excluded_urls=PROBES)
    set_up(app, when, instrument, dockerflow.fastapi.Dockerflow)
    return ASGIApp(app, lifespan=True)


def start_sanic(when: str) -> RunningApp:
    """Start Sanic's application under ASGI, within OpenTelemetry's middleware."""
    app = sanic.new_app()
    if when != ALONE:
        dockerflow.sanic.Dockerflow(app)
    return ASGIApp(OpenTelemetryMiddleware(app, parse_excluded_urls(PROBES)), lifespan=True)


def start_django(when: str, urls: type, make: Callable[[], RunningApp]) -> RunningApp:
    """Start Django's application: OpenTelemetry inserts its middleware before all others."""
    names = [each for each in settings.MIDDLEWARE if when != ALONE or "Dockerflow" not in each]

    def serve() -> RunningApp:
        with override_settings(MIDDLEWARE=names):
            DjangoInstrumentor().instrument(excluded_urls=PROBES)
            try:
                return make()
            finally:
                DjangoInstrumentor().uninstrument()

    return django.DjangoApp(Options(), urls, serve)


def start_wsgi(when: str) -> RunningApp:
    """Start Django's application under WSGI."""
    return start_django(when, django.Views, lambda: WSGIApp(get_wsgi_application()))


def start_asgi(when: str) -> RunningApp:
    """Start Django's application under ASGI."""
    return start_django(when, django.AsyncViews, lambda: ASGIApp(django.TaskHandler()))


CASES = [
    pytest.param(start, when, id=f"{start.__name__.removeprefix('start_')}-{when}")
    for start, whens in {
        start_flask: (BEFORE, AFTER),
        start_fastapi: (BEFORE, AFTER),
        start_wsgi: (BEFORE,),
        start_asgi: (BEFORE,),
        start_sanic: (AFTER,),
    }.items()
    for when in whens
]


def spans(app: RunningApp, path: str) -> list[tuple[Any, ...]]:
    """Return the exported data of a request, without ids and times."""
    exporter.clear()
    app.request(path)
    return [
        (span.name, span.kind, span.status.status_code, span.attributes, len(span.events))
        for span in exporter.get_finished_spans()
    ]


@pytest.mark.parametrize(("start", "when"), CASES)
def test_the_spans_are_those_of_the_application(
    start: Callable[[str], RunningApp], when: str
) -> None:
    """The exported spans are the same as without Dockerflow, however a request ends."""
    with contextlib.closing(start(when)) as app, contextlib.closing(start(ALONE)) as alone:
        for path in (*PATHS, *STREAMS):
            expected = spans(alone, path)
            assert expected
            assert spans(app, path) == expected, path
        for probe in ("/__heartbeat__", "/__lbheartbeat__"):
            assert spans(app, probe) == []


@pytest.fixture
def configured() -> Iterator[None]:
    """The loggers, restored after the test."""
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, dict_config("shop")["loggers"])]
    kept = [
        (each, each.level, each.propagate, each.handlers[:], each.filters[:]) for each in loggers
    ]
    root.handlers = []  # dictConfig() would close them
    yield
    for each, level, propagate, handlers, filters in kept:
        each.setLevel(level)
        each.propagate = propagate
        each.handlers = handlers
        each.filters = filters


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(("start", "when"), CASES)
def test_lines_have_the_ids(
    start: Callable[[str], RunningApp], when: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines of a view and the summary of its request have the ids of its exported span.

    OpenTelemetry ends the span of a streamed Flask or Django response before it is sent.
    """
    if (start, when) == (start_fastapi, BEFORE) and OLD:
        pytest.skip("its middleware was then inside of later middleware")
    configure("shop", format="mozlog")
    with contextlib.closing(start(when)) as app:
        for path in (*PATHS, *STREAMS):
            capsys.readouterr()
            spans(app, path)
            (server,) = [each for each in exporter.get_finished_spans() if each.kind is SERVER]
            context = server.context
            ids = trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
            lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
            lines = [each for each in lines if each["Type"] in ("app", "request.summary")]
            fields = [each["Fields"] for each in lines]
            found = [(each.get("trace_id"), each.get("span_id")) for each in fields]
            if path in STREAMS and start not in (start_fastapi, start_sanic):
                early = found[:-1] if OLD else []  # the span was still there in a view's lines
                assert set(early) <= {(None, None), ids}
                assert set(found[len(early) :]) == {(None, None)}, path
            else:
                assert set(found) == {ids}, path
            assert lines[-1]["Type"] == "request.summary"
            assert (lines[0]["Type"] == "app") is (path in ("/id", "/stream"))


@pytest.mark.parametrize("extra", [{}, {"trace_id": "mine"}, {"span_id": 5}])
def test_ids_of_the_callers_own(extra: dict[str, object]) -> None:
    """If the caller sets a trace or a span on a record, that is kept, and ours is not added."""
    made = logging.makeLogRecord(extra)
    with trace.get_tracer("shop").start_as_current_span("ship") as span:
        assert TraceContextLogFilter().filter(made)
    names = ("trace_id", "span_id")
    found = {name: value for name, value in vars(made).items() if name in names}
    context = span.get_span_context()
    ids = map(format, (context.trace_id, context.span_id), ("032x", "016x"))
    assert found == (extra or dict(zip(names, ids, strict=True)))
