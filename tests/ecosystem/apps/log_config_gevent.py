"""The same with gevent, which has to patch before the thread of a queue is started."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from tests.ecosystem.apps.log_config import logconfig_dict  # noqa: E402

__all__ = ["logconfig_dict"]
