"""Falcon's application, wrapped for WSGI servers, and again below a prefix."""

from __future__ import annotations

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from dockerflow.wsgi import Dockerflow
from tests.adapters.apps.wrapped.falcon import new_wsgi
from tests.adapters.apps.wrapped.start import wrap
from tests.servers.apps import OPTIONS, log_to_stdout

log_to_stdout()
inner = Dockerflow(new_wsgi())
app = wrap(Dockerflow, DispatcherMiddleware(inner, {"/below": inner}), OPTIONS)
