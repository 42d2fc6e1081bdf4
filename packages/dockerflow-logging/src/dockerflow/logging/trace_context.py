"""Add the ids of OpenTelemetry's current span to log lines."""

from __future__ import annotations

import logging


class TraceContextLogFilter(logging.Filter):
    """Set ``trace_id`` and ``span_id`` on every record to the ids of the current span.

    They are those of W3C's Trace Context (https://www.w3.org/TR/trace-context/), 32 and 16
    hexadecimal digits. A record outside of a span is not changed, nor is one that already has one
    of these names. The filter works on handlers and on loggers.

    :raises ImportError: if ``opentelemetry-api`` is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        from opentelemetry import trace

        self._trace = trace

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the ids.

        :param record: any record.
        :returns: always True, so that no record is dropped.
        """
        context = self._trace.get_current_span().get_span_context()
        if context.is_valid and vars(record).keys().isdisjoint(("trace_id", "span_id")):
            record.trace_id = self._trace.format_trace_id(context.trace_id)
            record.span_id = self._trace.format_span_id(context.span_id)
        return True
