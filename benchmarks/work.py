"""One piece of work, measured by pyperf in a process of its own.

``python -m benchmarks.work NAME --in-process -o FILE``, in the environment that is measured.
"""

from __future__ import annotations

from typing import Any

import pyperf

from . import records, requests


def main() -> None:
    """Measure the work named on the command line."""
    runner: Any = pyperf.Runner(processes=1, warmups=2, values=5, min_time=0.02)
    runner.argparser.add_argument("name", help="for example logging.summary.structlog")
    options = runner.parse_args()
    subject, work, package = f"{options.name}.dockerflow".split(".")[:3]
    if work == "request":
        options.loops = 200  # a difference says nothing about how long the measurement takes
    if subject == "logging":
        seconds = records.measure(work, package)
    else:
        seconds = requests.measure(subject, work, package)
    runner.bench_time_func(options.name, seconds)


if __name__ == "__main__":
    main()
