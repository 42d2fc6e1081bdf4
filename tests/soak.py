"""Run each example for minutes while its services come and go: ``hatch run soak``.

Redis and PostgreSQL are killed and come back in turns, every five seconds. While both are up, the
allocated memory, the threads and the descriptors of the example's processes are counted. The
figures after the first minute are divided into thirds: growth is the minimum of the last third
minus the minimum of the first, so that requests in progress don't count.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.servers.web import ROOT, WebServer, storm
from tests.services.beats import wait_until
from tests.services.servers import PostgresServer, RedisServer

GUNICORN = ("-m", "gunicorn", "--threads=8", "--bind=127.0.0.1:{port}", "--chdir")
UVICORN = ("-m", "uvicorn", "--no-access-log", "--port={port}", "--app-dir")
EXAMPLES = ROOT / "examples"
SERVERS: dict[str, Sequence[str]] = {
    "django-gunicorn": (*GUNICORN, f"{EXAMPLES}/django", "django.core.wsgi:get_wsgi_application()"),
    "django-uvicorn": (*UVICORN, f"{EXAMPLES}/django", "--lifespan=off", "visits.asgi:application"),
    "fastapi": (*UVICORN, f"{EXAMPLES}/fastapi", "--factory", "app:create_app"),
    "flask": (*GUNICORN, f"{EXAMPLES}/flask", "app:create_app()"),
    "sanic": (f"{EXAMPLES}/sanic/app.py",),
    "wsgi": (*GUNICORN, f"{EXAMPLES}/wsgi", "app:create_app()"),
    "asgi": (*UVICORN, f"{EXAMPLES}/asgi", "--factory", "app:create_app"),
}
# In ten minutes 100,000 requests and 10,000 heartbeats. One in ten uses the database.
RATE = 110_000 / 600
PATHS = [*["/__version__", "/missing", "/__lbheartbeat__"] * 3, "/", "/__heartbeat__"]
PHASE = 5  # seconds
LIMITS = (2048, 0, 5)  # kB of memory, threads, descriptors: a pool has up to five connections

Figures = tuple[int, int, int]


def main() -> int:
    """Soak the named examples, print a table, and return the exit status."""
    parser = argparse.ArgumentParser(prog="hatch run soak", description=main.__doc__)
    parser.add_argument("names", nargs="*", help=f"{', '.join(SERVERS)}; default: all")
    parser.add_argument("--minutes", type=float, default=10, help="for each; default: 10")
    options = parser.parse_args()
    if unknown := set(options.names) - SERVERS.keys():
        parser.error(f"no {', '.join(unknown)}; there are {', '.join(SERVERS)}")
    if options.minutes < 1:
        parser.error("it takes a minute at least, to have services down in each third of it")
    print("| example | minutes | requests | heartbeats | memory, kB | threads | descriptors |")
    print("|---" * 7 + "|", flush=True)
    grown = False
    for name in options.names or SERVERS:
        counts, before, after = soak(name, options.minutes * 60)
        beats = counts.pop("/__heartbeat__")
        cells = [f"{b:,} → {a:,}" for b, a in zip(before, after, strict=True)]
        numbers = f"{options.minutes:g} | {counts.total():,} | {beats:,}"
        print(f"| {name} | {numbers} | {' | '.join(cells)} |", flush=True)
        grown |= any(a - b > limit for b, a, limit in zip(before, after, LIMITS, strict=True))
    return int(grown)


def soak(name: str, seconds: float) -> tuple[Counter[str], Figures, Figures]:
    """Return how often each path was requested, and the figures after one minute and at the end."""
    with contextlib.ExitStack() as stack:
        redis, postgres, server = RedisServer(), PostgresServer(), WebServer(SERVERS[name])
        for each in (redis, postgres, server):
            stack.enter_context(contextlib.closing(each))
        redis.start()
        postgres.start()
        server.environ.update(DATABASE_URL=postgres.url(), REDIS_URL=redis.url)
        server.environ["PORT"] = str(server.port)
        if name.startswith("django"):
            server.environ["DATABASE_URL"] = postgres.url("postgresql")
            server.environ["DJANGO_SETTINGS_MODULE"] = "visits.settings"
            migrate = [sys.executable, "manage.py", "migrate", "--skip-checks", "-v0"]
            subprocess.run(migrate, cwd=EXAMPLES / "django", env=server.environ, check=True)
        (server.dir / "server.log").symlink_to(os.devnull)  # which would be gigabytes
        server.start()
        begin = time.monotonic()
        first = begin + min(60, seconds / 3)
        third = (begin + seconds - first) / 3
        samples: list[tuple[float, Figures]] = []
        with ThreadPoolExecutor() as pool:
            asking = pool.submit(ask, server, begin + seconds)
            for victim in itertools.cycle((redis, postgres)):
                if asking.done():
                    break
                victim.kill()
                time.sleep(PHASE)
                victim.start()
                wait_until(lambda: healthy(server))
                for _ in range(PHASE):
                    time.sleep(1)
                    samples.append((time.monotonic(), measure(server)))
        before = [figures for at, figures in samples if first <= at < first + third]
        after = [figures for at, figures in samples if at >= first + 2 * third]
        return asking.result(), least(before), least(after)


def ask(server: WebServer, end: float) -> Counter[str]:
    """Send requests at an even rate until the end, and return the number for each path."""
    counts, paths = Counter[str](), itertools.cycle(PATHS)
    begin = time.monotonic()
    while (now := time.monotonic()) < end:
        due = round((now - begin) * RATE) - counts.total()
        batch = [(next(paths), "soak") for _ in range(min(due, 50))]
        answers = asyncio.run(storm(server.port, batch))
        if not all(each.startswith(b"HTTP/1.1 ") for each in answers):
            sys.exit("a request was not answered")
        counts.update(path for path, _ in batch)
        time.sleep(0.05)
    return counts


def healthy(server: WebServer) -> bool:
    """Return whether all checks are good."""
    return server.get("/__heartbeat__").startswith(b"HTTP/1.1 200")


def measure(server: WebServer) -> Figures:
    """Return the memory in kB, the threads and the descriptors of a server's processes."""
    memory = threads = descriptors = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            if os.getpgid(int(process.name)) == server.pid:
                rollup = (process / "smaps_rollup").read_text()
                memory += sum(map(int, re.findall(r"\nPss_Anon:\s+(\d+)", rollup)))
                threads += len(list((process / "task").iterdir()))
                descriptors += len(list((process / "fd").iterdir()))
    return memory, threads, descriptors


def least(samples: Sequence[Figures]) -> Figures:
    """Return the minimum of each figure."""
    memory, threads, descriptors = zip(*samples, strict=True)
    return min(memory), min(threads), min(descriptors)


if __name__ == "__main__":
    sys.exit(main())
