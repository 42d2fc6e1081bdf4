"""What a run has found, and the file that keeps it."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .estimates import Estimate

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """What was found for a row.

    :ivar name: The row's name.
    :ivar factor: How many times faster ours is, or how many times less it adds.
    :ivar theirs: Seconds for one piece of their work.
    :ivar ours: Seconds for one piece of ours.
    :ivar cycles: How many cycles were looked at, in all rounds.
    :ivar note: Why something was not measured.
    """

    name: str
    factor: Estimate | None = None
    theirs: float | None = None
    ours: float | None = None
    cycles: int = 0
    note: str = ""


@dataclass(frozen=True)
class Run:
    """A run: what was found, with what, on what.

    :ivar python: The version of Python.
    :ivar machine: The machine, in one line.
    :ivar versions: The distributions that are the same in both environments, and the peers.
    :ivar results: What was found, in the order of the rows.
    """

    python: str
    machine: str
    versions: dict[str, str]
    results: list[Result] = field(default_factory=list[Result])

    @property
    def minor(self) -> str:
        """The version of Python without its patch level."""
        return ".".join(self.python.split(".")[:2])

    def dump(self) -> str:
        """Return the JSON text of the run, with seconds to four digits."""
        plain = asdict(self)
        for one in plain["results"]:
            for name in ("theirs", "ours"):
                one[name] = _short(one[name])
            if one["factor"] is not None:
                one["factor"] = {name: _short(value) for name, value in one["factor"].items()}
        return json.dumps(plain, indent=1) + "\n"

    @classmethod
    def load(cls, text: str) -> Run:
        """Return the run of a JSON text."""
        plain: dict[str, Any] = json.loads(text)
        results: list[dict[str, Any]] = plain.pop("results")
        for one in results:
            one["factor"] = one["factor"] and Estimate(**one["factor"])
        return cls(**plain, results=[Result(**one) for one in results])


def _short(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")


def machine() -> str:
    """Return the processor, the number of its cores, and the system."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
