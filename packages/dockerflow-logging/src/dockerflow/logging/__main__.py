"""Show log lines as text for people: ``docker logs shop | python -m dockerflow.logging``."""

from __future__ import annotations

import argparse
import fileinput
import json
import logging
import signal
import sys

from .console import render, wants_color
from .formatter import MozlogFormatter
from .google_cloud import mozlog_line

_CLOCK = "%Y-%m-%d %H:%M:%S.%f"
_SEVERITIES = {
    logging.getLevelName(level).lower(): severity
    for level, severity in sorted(MozlogFormatter.SYSLOG_LEVEL_MAP.items())
}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m dockerflow.logging",
        description="Show log lines in mozlog or in Google Cloud's format as text. "
        "Other lines pass through unchanged.",
        epilog="example: docker logs -f shop | %(prog)s --rid c68c94 --level warning",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="default: standard input")
    parser.add_argument("--rid", default="", help="only the request whose id begins with RID")
    parser.add_argument(
        "--level",
        choices=_SEVERITIES,
        default="debug",
        type=str.lower,
        help="only this level and those above it: %(choices)s",
        metavar="LEVEL",
    )
    parser.add_argument(
        "--color",
        action=argparse.BooleanOptionalAction,
        help="default: if standard output is a terminal",
    )
    options = parser.parse_args()
    # End quietly at a closed pipe and at Ctrl-C, as other commands do. Windows has no SIGPIPE.
    for name in ("SIGPIPE", "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    color = wants_color() if options.color is None else options.color
    lowest = _SEVERITIES[options.level]
    try:
        with fileinput.FileInput(options.files, mode="rb") as lines:
            for raw in lines:
                sys.stdout.buffer.write(shown(raw, options.rid, lowest, color))
                sys.stdout.buffer.flush()
    except OSError as error:
        parser.error(str(error))


def shown(raw: bytes, rid: str, severity: int, color: bool) -> bytes:
    """Return what to show for a line.

    :param raw: the line; its JSON may follow a prefix, such as that of docker compose.
    :param rid: the beginning of the request's id.
    :param severity: the lowest severity to show, as a number of syslog.
    :param color: whether to use colours.
    :returns: its text, nothing if it is filtered out, or the line itself if it is not a log line.
    """
    start = raw.find(b"{")
    try:
        parsed = json.loads(raw[start:])
        line = mozlog_line(parsed) or parsed
        text = render(line, _CLOCK, color=color)
        found = str(line["Fields"].get("rid") or "")
        is_wanted = line["Severity"] <= severity and found.startswith(rid)
    except Exception:  # another text with braces
        return raw
    if not is_wanted:
        return b""
    return raw[:start] + f"{text}\n".encode(sys.stdout.encoding, "backslashreplace")


if __name__ == "__main__":
    main()
