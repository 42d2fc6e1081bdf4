"""The heartbeat's page: who gets it, and its contents."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest

from dockerflow.checks import ERROR, WARNING, ChecksResults
from dockerflow.endpoints import EndpointSettings, Reply
from dockerflow.endpoints.page import heartbeat_page, prefers_html
from dockerflow.endpoints.replies import json_reply

FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        FIREFOX,
        "text/html",
        "TEXT/HTML ; Q=0.2",
        "text/*, application/json;q=0.9",
        "application/json;q=0.5, text/html;q=0.501",
        "application/*;q=0, */*, text/plain",
        "text/html, */*;q=odd",
        'text/html;level="1,2"',
    ],
)
def test_prefers_html(accept: str) -> None:
    """A client whose Accept header gives HTML a higher quality than JSON gets HTML."""
    assert prefers_html(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/json, text/plain, */*",
        "text/html;q=0.5, application/json",
        "text/html, application/json",
        "text/html;q=0, application/json;q=0",
        "text/html;q=0.8, */*;q=0.9, application/json;q=0.8",
        "text/html;q=odd",
        "application/json;q=0, */*",
        "text/html;q=nan, text/html;q=inf, text/html;q=-1, text/html;q=2, text/html;q=",
        "image/png",
        ",;,=;q,;q=;;",
        "text/html\ud800",
        "q=1;" * 100_000 + "," * 100_000,
    ],
    ids=lambda accept: accept[:40],
)
def test_prefers_json(accept: str) -> None:
    """Any other client gets JSON, also one with an invalid header."""
    assert not prefers_html(accept)


# ---------------------------------------------------------------------- what is on the page

NASTY = "<script>\"'&\ud800\n"


def page(results: ChecksResults | None = None, **options: Any) -> Reply:
    settings = EndpointSettings(**options.pop("settings", {}))
    group, version = options.pop("group", None), options.pop("version", Reply(404))
    made_at = datetime(2026, 11, 30, 9, 46, 13, 500, tzinfo=UTC)
    results = ChecksResults() if results is None else results
    return heartbeat_page(results, settings, group, version, made_at, **options)


class Document(HTMLParser):
    """The elements of a page with their attributes, and its text without its style."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(reply.body.decode())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return "".join(self.texts)


def failed() -> ChecksResults:
    messages = {"t.W1": "careful", NASTY: NASTY}
    return ChecksResults(
        details={
            "late": {"status": "warning", "level": WARNING, "messages": {"t.W2": "soon"}},
            NASTY: {"status": "error", "level": ERROR, "messages": messages},
        },
        statuses={"fine": "ok", "late": "warning", NASTY: "error", "quick": "ok"},
        level=ERROR,
        durations={"fine": 0.0123, NASTY: 5.04, "quick": 0.0},
        kept={"quick"},
    )


def test_checks() -> None:
    """The worst check comes first, with its messages and its time, all as plain text."""
    reply = page(failed(), settings={"failed_status": 503})
    assert (reply.status, reply.media_type) == (503, "text/html; charset=utf-8")
    document = Document(reply)
    lines = [line for line in document.text.splitlines() if line]
    names = [line for line in lines if line in ("fine", "late", "<script>\"'&\\ud800", "quick")]
    assert names == ["<script>\"'&\\ud800"] * 3 + ["late", "fine", "quick"]
    assert document.of("script") == []
    assert len(document.of("h1")) == len(document.of("caption")) == 1
    assert [each.get("scope") for each in document.of("th")] == ["col"] * 3 + ["rowgroup"] * 4
    for text in ("Error: heartbeat", "1 of 4 checks failed. Probes get status 503.", "careful"):
        assert text in document.text
    for status in ("✕Error5.0 s", "!Warning\n", "✓OK12.3 ms", "✓OKkept"):
        assert status in document.text


def test_details_hidden() -> None:
    """If details are hidden, the page has the status and mentions no check."""
    document = Document(page(failed(), settings={"show_details": False}))
    assert "✕Error" in document.text
    assert document.of("table") == []
    for text in ("fine", "late", "script", "careful", "1 of 4"):
        assert text not in document.text


def test_no_checks() -> None:
    """If there are no checks, the page says so, and has no empty table."""
    document = Document(page())
    assert "There are no checks. Probes get status 200." in document.text
    assert document.of("table") == []


def test_nothing_but_itself() -> None:
    """The page runs nothing and loads nothing; its policy allows only its own style."""
    reply = page(failed())
    document = Document(reply)
    loading = {"src", "href", "srcset", "action", "style", "http-equiv"}
    assert not any(loading & attributes.keys() for _, attributes in document.elements)
    (style,) = re.findall(r"<style>(.*?)</style>", reply.body.decode(), re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    headers = dict(reply.headers)
    policy = headers["Content-Security-Policy"].split("; ")
    assert policy[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert headers["Cache-Control"] == "no-store"
    assert headers["Vary"] == "Accept"
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("version", "title", "facts"),
    [
        (
            {"source": "https://git.example/a/shop.git", "version": "<1>", "commit": 5},
            "OK: shop heartbeat",
            ["Version<1>", "Commit5"],
        ),
        ({"source": "<b>/", "version": "", "commit": ["a"]}, "OK: <b> heartbeat", []),
        ({"source": None}, "OK: heartbeat", []),
        (["1"], "OK: heartbeat", []),
        (None, "OK: heartbeat", []),
    ],
)
def test_version(version: object, title: str, facts: list[str]) -> None:
    """The page shows version and commit, if known, and names the service after its source."""
    lines = Document(page(version=json_reply(200, version))).text.splitlines()
    assert title in lines
    assert [line for line in lines if line.startswith(("Version", "Commit"))] == facts
    assert "Checked at2026-11-30T09:46:13Z" in lines


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("group", [None, "live", "startup"])
def test_groups(group: str | None, slash: str) -> None:
    """The groups are links that work below any prefix, and the page's own group is marked."""
    path = f"/shop/__heartbeat__{f'/{group}' if group else ''}{slash}"
    settings = {"groups": {"live": (), "startup": ()}}
    document = Document(page(settings=settings, group=group, slash=bool(slash)))
    links = {urljoin(path, str(each["href"])): each for each in document.of("a")}
    all_checks = "/shop/__heartbeat__"
    assert list(links) == [all_checks, f"{all_checks}/live", f"{all_checks}/startup"]
    current = [link for link, attributes in links.items() if "aria-current" in attributes]
    assert current == [path.removesuffix("/")]


def test_colours() -> None:
    """Every text has the contrast that WCAG's level AA requires, in light and in dark."""
    (style,) = re.findall(r"<style>(.*?)</style>", page().body.decode(), re.DOTALL)
    themes = [dict(re.findall(r"--([a-z-]+): #(\w{6})", theme)) for theme in style.split("@media")]
    assert len(themes) == 2
    statuses = ("ok", "info", "warning", "error")
    pairs = [(name, "back") for name in ("text", "quiet", "link", *statuses)]
    pairs += [(status, f"{status}-back") for status in statuses]
    for theme in themes:
        for text, back in pairs:
            light, dark = sorted(map(luminance, (theme[text], theme[back])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, back)


def luminance(colour: str) -> float:
    """Return a colour's luminance: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in bytes.fromhex(colour))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
