"""The same with gevent, which must patch before the thread of a queue starts."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

from tests.ecosystem.apps.log_config import logconfig_dict  # noqa: E402

__all__ = ["logconfig_dict"]
