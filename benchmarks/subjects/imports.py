"""What importing costs, in a fresh interpreter that says it itself.

Taken from an installation, with its bytecode: an editable one pays for its finders at each import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Subject

_CODE = """\
import time
{before}
start = time.process_time_ns()
{statement}
print(time.process_time_ns() - start)
"""

_CHECK = """\
{before}
import json, os, sys
known = set(sys.modules)
{statement}
new = {{name: sys.modules[name] for name in set(sys.modules) - known}}
files = {{
    name: (one.__file__, os.path.isfile(one.__cached__))
    for name, one in new.items()
    if name.startswith("dockerflow") and one.__file__
}}
print(json.dumps(files))
"""


class Import:
    """The CPU time of one import.

    :param module: What is imported.
    :param before: The code of what is imported already.
    :param name: What is imported from the module, if not it as a whole.
    """

    clock = "own"

    def __init__(self, module: str, before: str = "", name: str | None = None) -> None:
        self._module = module
        statement = f"import {module}" if name is None else f"from {module} import {name}"
        self._code = _CODE.format(statement=statement, before=before)
        self._check = _CHECK.format(statement=statement, before=before)
        self._spent = 0

    def run(self, count: int) -> None:
        """Import it in *count* interpreters."""
        self._spent = sum(int(_python(self._code)) for _ in range(count))

    def spent(self) -> int:
        """Return the nanoseconds that the imports of the last `run` took."""
        return self._spent

    def check(self) -> None:
        """Look at where the modules come from, and that their bytecode is there, from now on."""
        files: dict[str, tuple[str, bool]] = json.loads(_python(self._check))
        assert self._module in files, f"{self._module} was there before"
        site = os.path.join(sysconfig.get_path("purelib"), "")
        elsewhere = [file for file, _ in files.values() if not file.startswith(site)]
        assert not elsewhere, f"not an installation: {elsewhere}"
        uncached = [file for file, cached in files.values() if not cached]
        assert not uncached, f"no bytecode of {uncached}"


def _python(code: str) -> str:
    # Isolated: from the environment's variables too, so that bytecode is written.
    command = [sys.executable, "-I", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


SUBJECTS: dict[str, Callable[[], Subject]] = {
    "imports.logging": lambda: Import("dockerflow.logging"),
    "imports.logging_beyond": lambda: Import("dockerflow.logging", "import json, logging"),
    "imports.formatter": lambda: Import("dockerflow.logging", name="MozlogFormatter"),
    "imports.checks": lambda: Import("dockerflow.checks"),
    "imports.checks_beyond": lambda: Import("dockerflow.checks", "import logging"),
    "imports.flask_beyond": lambda: Import("dockerflow.flask", "import flask"),
}
