"""The heartbeat as a page for people: one HTML document that needs no other file.

It does not refresh itself, because a forgotten tab would run the checks for ever.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from typing import Any, cast

from dockerflow.checks import ERROR, ChecksResults, level_to_text

from .replies import Reply, heartbeat_reply
from .settings import EndpointSettings

# Each colour of text has a contrast of at least 4.5 to each background that it is used on.
# https://www.w3.org/TR/WCAG22/#contrast-minimum
_STYLE = """
:root {
  color-scheme: light dark;
  --back: #ffffff; --text: #1f2328; --quiet: #59636e; --line: #d1d9e0; --link: #0550ae;
  --ok: #116329; --info: #0550ae; --warning: #7d4e00; --error: #b31d28;
  --ok-back: #dafbe1; --info-back: #ddf4ff; --warning-back: #fff1c2; --error-back: #ffe5e3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #0d1117; --text: #e6edf3; --quiet: #9aa4af; --line: #3d444d; --link: #79c0ff;
    --ok: #56d364; --info: #79c0ff; --warning: #e3b341; --error: #ff9b94;
    --ok-back: #12261e; --info-back: #121d2f; --warning-back: #272115; --error-back: #301a1f;
  }
}
body {
  margin: 0; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
main { max-width: 60rem; margin: auto; padding: 1.5rem 1rem; }
header { padding: 1rem 1.25rem; border-left: .5rem solid; border-radius: .25rem; }
h1 { margin: .25rem 0; font-size: 3rem; line-height: 1.1; }
p, dl { margin: 0; }
.sign { display: inline-block; margin-right: .3em; }
td .sign { min-width: .9em; }
.ok { color: var(--ok); }
.debug, .info { color: var(--info); }
.warning { color: var(--warning); }
.error, .critical { color: var(--error); }
header.ok { background: var(--ok-back); }
header.debug, header.info { background: var(--info-back); }
header.warning { background: var(--warning-back); }
header.error, header.critical { background: var(--error-back); }
main > * { margin: 0 0 1.5rem; }
nav ul { display: inline; margin: 0; padding: 0; }
nav li { display: inline-block; margin-left: .75rem; }
a { display: inline-block; padding: .25rem 0; color: var(--link); }
[aria-current] { color: var(--text); font-weight: 600; text-decoration: none; }
table { width: 100%; border-collapse: collapse; }
caption { padding: 0 0 .5rem; font-size: 1.25rem; font-weight: 600; text-align: left; }
tbody { border-top: 1px solid var(--line); }
th, td { padding: .5rem 0; text-align: left; vertical-align: top; }
td { white-space: nowrap; }
td[class] { padding: .5rem 1rem; font-weight: 600; }
th:last-child, td:nth-child(3) { text-align: right; }
thead th { color: var(--quiet); font-size: .875rem; font-weight: 400; }
thead th:nth-child(2) { padding: .5rem 1rem; }
td[colspan] { padding: 0; white-space: normal; }
dt { color: var(--quiet); font-size: .875rem; }
dd { margin: 0 0 .5rem; tab-size: 4; white-space: pre-wrap; }
"""

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# The last three don't fall back to default-src.
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = (("Content-Security-Policy", _POLICY), ("X-Content-Type-Options", "nosniff"))

_SIGNS = {"ok": "✓", "debug": "i", "info": "i", "warning": "!", "error": "✕", "critical": "✕"}


def prefers_html(accept: str) -> bool:
    """Return whether a client prefers HTML to JSON.

    :param accept: the request's Accept header
        (`RFC 9110, section 12.5.1 <https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1>`_);
        invalid media ranges are ignored, and the whole header is if it names no text type.
    """
    accept = accept.lower()
    if "text/" not in accept:  # the common case: a probe
        return False
    qualities: dict[str, float] = {}
    for part in accept.split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        text = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            quality = float(text)
        except ValueError:
            continue
        if 0 <= quality <= 1:
            qualities[media_range] = max(quality, qualities.get(media_range, 0))

    def quality_of(*media_ranges: str) -> float:
        return next((qualities[each] for each in media_ranges if each in qualities), 0)

    html = quality_of("text/html", "text/*", "*/*")
    return html > quality_of("application/json", "application/*", "*/*")


def heartbeat_page(
    results: ChecksResults,
    settings: EndpointSettings,
    group: str | None,
    version: Reply,
    made_at: datetime,
    *,
    slash: bool = False,
) -> Reply:
    """Answer a heartbeat with a page; its status and facts are the same as in the JSON.

    :param group: the requested group of checks, None for all checks.
    :param version: the answer of ``/__version__``.
    :param made_at: the time of the heartbeat, in UTC.
    :param slash: whether the path of the request ends with a slash; links are relative to it.
    """
    reply = heartbeat_reply(results, settings)
    # A lone surrogate, such as in a check's name, can't be sent as UTF-8; JSON escapes it.
    body = "".join(_document(results, settings, reply.status, group, version, made_at, slash))
    data = body.encode("utf-8", "backslashreplace")
    return Reply(reply.status, data, "text/html; charset=utf-8", (*reply.headers, *_HEADERS))


def _document(
    results: ChecksResults,
    settings: EndpointSettings,
    code: int,
    group: str | None,
    version: Reply,
    made_at: datetime,
    slash: bool,
) -> Iterator[str]:
    facts = _facts(version)
    status = level_to_text(results.level)
    subject = escape(" ".join(filter(None, (_service(facts), group, "heartbeat"))))
    yield f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{_word(status)}: {subject}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<header class="{status}">
<p>{subject}</p>
<h1>{_status(status)}</h1>
<p>{_summary(results, settings)} Probes get status {code}.</p>
</header>
"""
    yield from _groups(settings, group, slash)
    if settings.show_details and results.statuses:
        yield from _checks(results)
    yield "<dl>\n"
    for key in ("version", "commit"):
        value = facts.get(key)
        if isinstance(value, str | int | float) and value != "":
            yield f"<dt>{key.capitalize()}</dt><dd>{escape(str(value))}</dd>\n"
    time = made_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    yield f'<dt>Checked at</dt><dd><time datetime="{time}">{time}</time></dd>\n'
    yield "</dl>\n</main>\n</body>\n</html>\n"


def _facts(version: Reply) -> Mapping[str, Any]:
    """Return the content of a version object, or nothing for any other answer."""
    content: object = json.loads(version.body) if version.status == 200 else None
    return cast("Mapping[str, Any]", content) if isinstance(content, Mapping) else {}


def _service(facts: Mapping[str, Any]) -> str:
    """Return the name of the repository, by which people recognise the service."""
    source = facts.get("source")
    name = source.rstrip("/").rpartition("/")[2] if isinstance(source, str) else ""
    return name.removesuffix(".git")


def _status(status: str) -> str:
    sign = _SIGNS[status]
    return f'<span class="sign" aria-hidden="true">{sign}</span>{_word(status)}'


def _word(status: str) -> str:
    return "OK" if status == "ok" else status.capitalize()


def _summary(results: ChecksResults, settings: EndpointSettings) -> str:
    if not settings.show_details:
        return "The details are hidden."
    total = len(results.statuses)
    if not total:
        return "There are no checks."
    failed = sum(details["level"] >= ERROR for details in results.details.values())
    return f"{failed} of {total} {'check' if total == 1 else 'checks'} failed."


def _groups(settings: EndpointSettings, group: str | None, slash: bool) -> Iterator[str]:
    """Link to the groups with relative URLs, which work under any prefix."""
    names = settings.groups
    if not names:
        return
    here = ("../" if slash else "") + ("../" if group is not None else "")
    yield '<nav aria-label="Groups of checks">Groups:\n<ul>\n'
    for name in (None, *names):
        path = "__heartbeat__" if name is None else f"__heartbeat__/{name}"
        current = ' aria-current="page"' if name == group else ""
        text = "all checks" if name is None else escape(name)
        yield f'<li><a href="{here}{escape(path)}"{current}>{text}</a></li>\n'
    yield "</ul>\n</nav>\n"


def _checks(results: ChecksResults) -> Iterator[str]:
    yield """<table>
<caption>Checks</caption>
<thead>
<tr><th scope="col">Check</th><th scope="col">Status</th><th scope="col">Time</th></tr>
</thead>
"""

    def severity(name: str) -> int:
        return results.details[name]["level"] if name in results.details else 0

    for name in sorted(results.statuses, key=severity, reverse=True):
        status = results.statuses[name]
        yield f"""<tbody>
<tr><th scope="rowgroup">{_breakable(name)}</th>
<td class="{status}">{_status(status)}</td><td>{_duration(results, name)}</td></tr>
"""
        if name in results.details:
            yield '<tr><td colspan="3"><dl>\n'
            for id, text in results.details[name]["messages"].items():
                yield f"<dt>{_breakable(id)}</dt><dd>{escape(text)}</dd>\n"
            yield "</dl></td></tr>\n"
        yield "</tbody>\n"
    yield "</table>\n"


def _breakable(name: str) -> str:
    """Escape a name, and allow line breaks after its parts, for narrow screens."""
    return escape(name).replace("_", "_<wbr>").replace(".", ".<wbr>")


def _duration(results: ChecksResults, name: str) -> str:
    if name in results.kept:
        return "kept"
    seconds = results.durations.get(name)
    if seconds is None:
        return ""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
