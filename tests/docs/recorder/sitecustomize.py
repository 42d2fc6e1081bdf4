"""Writes down which files of a page Python executes: on ``PYTHONPATH`` of all that a page runs.

https://docs.python.org/3/library/audit_events.html
"""

from __future__ import annotations

import os
import sys
from typing import Any

FOLDER = os.environ["DOCS_FOLDER"] + os.sep
RECORD = os.environ["DOCS_RECORD"]


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "exec":
        path = os.path.abspath(getattr(arguments[0], "co_filename", "<string>"))
        if path.startswith(FOLDER):
            with open(RECORD, "a") as file:
                file.write(path + "\n")


sys.addaudithook(_record)
