"""How findings are shown."""

from __future__ import annotations

import io
import json
import re
from xml.etree import ElementTree

import pytest
from rich.console import Console

from dockerflow.check.findings import Finding, Place, broken, passed
from dockerflow.check.output import (
    as_json,
    as_junit,
    as_sarif,
    explanation,
    github_commands,
    print_findings,
    shown_path,
    summary_line,
)
from dockerflow.check.printing import printable
from tests.check.findings import CLAUSES, FINDINGS, URL

HOSTILE = "[bold]a[/]\x1b[2J\r\n::error::b\x00\u202e\ud800 <&\"'> é"
HARMLESS = r"[bold]a[/]\x1b[2J\r\n::error::b\x00\u202e\ud800 " + "<&\"'> é"


def printed(findings: list[Finding], *, as_table: bool, width: int = 100) -> str:
    """Return what is printed, on a terminal for a table."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=as_table, width=width, highlight=False)
    print_findings(findings, f"{URL}/", console, as_table=as_table)
    return file.getvalue()


def test_without_a_terminal_each_finding_is_a_line() -> None:
    """Piped findings are a line each, then the summary and how to learn more."""
    assert printed(FINDINGS, as_table=False, width=20).splitlines() == [
        "passed   HTTP01  MUST    200 with a JSON object (http://shop.example/__version__)",
        "warning  HTTP02  SHOULD  the media type is text/html (http://shop.example/__version__)",
        "failed   HTTP03  MUST    the status is 404 (http://shop.example/__lbheartbeat__)",
        "skipped  HTTP04  SHOULD  not asked for",
        "1 passed, 1 warning, 1 failed, 1 skipped",
        "How to mend a fault, and why: dockerflow-check explain HTTP03",
    ]


def test_a_terminal_shows_a_table_in_colours() -> None:
    """On a terminal the findings are a table with colours; places are paths of the service."""
    text = printed(FINDINGS, as_table=True)
    assert "\x1b[" in text
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert re.search(r"outcome +id +level +finding +place", plain)
    assert re.search(r"failed +HTTP03 +MUST +the status is 404 +/__lbheartbeat__", plain)
    assert "1 passed, 1 warning, 1 failed, 1 skipped" in plain


def test_findings_without_faults_point_to_nothing() -> None:
    """If nothing is broken, the summary is the last line."""
    good = [FINDINGS[0], FINDINGS[3]]
    assert (
        printed(good, as_table=False).splitlines()[-1]
        == "1 passed, 0 warnings, 0 failed, 1 skipped"
    )


@pytest.mark.parametrize("as_table", [True, False])
def test_hostile_text_is_shown_escaped(as_table: bool) -> None:
    """Markup, control characters and changes of direction in a finding are shown as they are."""
    text = printed([broken(CLAUSES[0], HOSTILE)], as_table=as_table, width=200)
    assert HARMLESS in text
    assert "\x1b[2J" not in text


def test_a_password_in_a_url_is_never_shown() -> None:
    """The user and the password of a URL are left out of all reports."""
    target = "http://ada:s3cret@shop.example:8000/x"
    findings = [broken(each, "bad", Place(target)) for each in CLAUSES]
    reports = [
        printed(findings, as_table=False),
        as_json(findings, target),
        as_junit(findings, target, strict=False),
        as_sarif(findings, target),
        *github_commands(findings),
    ]
    assert [report for report in reports if "s3cret" in report or "ada" in report] == []
    assert "http://shop.example:8000/x" in reports[0]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("http://[bad", "(a malformed URL)"),
        ("https://a@b@c/d?e#f", "https://c/d?e#f"),
        ("a\nb", r"a\nb"),
        ("C:/a@b", "C:/a@b"),
    ],
)
def test_a_place_is_shown_for_people(path: str, shown: str) -> None:
    """Places are shown printable, and a malformed URL is no obstacle."""
    assert shown_path(path) == shown


def test_json_has_all_of_each_finding() -> None:
    """The JSON holds the target, the counts, and all that is known of each finding."""
    document = json.loads(as_json(FINDINGS, URL))
    assert document["target"] == URL
    assert document["summary"] == {"passed": 1, "warning": 1, "failed": 1, "skipped": 1}
    assert document["findings"][2] == {
        "id": "HTTP03",
        "name": "lbheartbeat-is-200",
        "level": "MUST",
        "outcome": "failed",
        "text": "the status is 404",
        "path": f"{URL}/__lbheartbeat__",
        "line": None,
        "source": CLAUSES[2].source,
    }
    assert document["findings"][3]["path"] is None


@pytest.mark.parametrize(("strict", "failures"), [(False, 1), (True, 2)])
def test_junit_has_a_test_for_each_finding(strict: bool, failures: int) -> None:
    """JUnit's XML has a test for each finding; with strict, warnings are failures."""
    root = ElementTree.fromstring(as_junit(FINDINGS, URL, strict=strict))
    suite = root[0]
    assert (root.tag, suite.tag) == ("testsuites", "testsuite")
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["4", f"{failures}", "0", "1"]
    assert len(suite.findall("testcase/failure")) == failures
    assert [each.get("name") for each in suite.findall("testcase[skipped]")] == [
        "HTTP04 error-endpoint"
    ]


def test_junit_is_xml_whatever_a_finding_says() -> None:
    """Characters that XML has not are escaped, so the file can always be read."""
    text = as_junit(
        [broken(CLAUSES[0], HOSTILE + "\ufffe"), passed(CLAUSES[1], HOSTILE)], HOSTILE, strict=True
    )
    failure = ElementTree.fromstring(text).find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("message") == HARMLESS + r"\ufffe"
    text.encode()


def test_sarif_has_the_faults_as_results() -> None:
    """SARIF holds each clause as a rule, faults as results, and what was skipped as notes."""
    document = json.loads(as_sarif(FINDINGS, URL))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [each["id"] for each in rules] == [each.id for each in CLAUSES]
    assert [each["defaultConfiguration"]["level"] for each in rules][:2] == ["error", "warning"]
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [
        ("HTTP02", "warning"),
        ("HTTP03", "error"),
    ]
    for each in run["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["associatedRule"] == {"id": "HTTP04", "index": 3}


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        (Place("deploy/my app%.yaml", 3), "deploy/my%20app%25.yaml"),
        (Place("./Dockerfile", 3), "Dockerfile"),
        (Place("/srv/ü/Dockerfile", 3), "file:///srv/%C3%BC/Dockerfile"),
        (Place("a\udcff", 3), "a%FF"),
        (Place("http://shop.example/a b", 3), "http://shop.example/a%20b"),
        (None, "image.tar"),
    ],
)
def test_sarif_places_are_uris(place: Place | None, uri: str) -> None:
    """Each result has a location, as code hosts ask; a file is a URI relative to the repository."""
    document = json.loads(as_sarif([broken(CLAUSES[0], "bad", place)], "image.tar"))
    location = document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": uri}
    assert location.get("region") == (None if place is None else {"startLine": 3})


def test_annotations_name_file_and_line() -> None:
    """Faults are commands for GitHub Actions with file and line, and nothing ends them early."""
    findings = [
        *FINDINGS,
        broken(CLAUSES[0], "100%\n::error::b", Place("a:b,c\n.yaml", 7)),
        broken(CLAUSES[1], "no line", Place("Dockerfile")),
    ]
    assert list(github_commands(findings)) == [
        f"::warning title=HTTP02 version-is-typed::the media type is text/html ({URL}/__version__)",
        f"::error title=HTTP03 lbheartbeat-is-200::the status is 404 ({URL}/__lbheartbeat__)",
        r"::error file=a%3Ab%2Cc%0A.yaml,line=7,title=HTTP01 version-is-json::100%25\n::error::b",
        "::warning file=Dockerfile,title=HTTP02 version-is-typed::no line",
    ]


def test_an_explanation_has_reason_remedies_and_source() -> None:
    """An explanation says what, why and how: code below its name, a sentence beside it."""
    text = explanation(CLAUSES[0])
    assert text.startswith("HTTP01 version-is-json (MUST)\n\nThe version-is-json is so.\n")
    assert "\n\nWhy: Probes need it.\n" in text
    assert "Flask:\n    @app.get('/')\n    def view():\n        return ''\n" in text
    assert "How to mend it: Answer with 200." in text
    assert text.endswith(f"Source: {CLAUSES[0].source}")


def test_printable_text_stays() -> None:
    """Printable text of any language is left alone."""
    assert printable("Größe 名 🙂") == "Größe 名 🙂"
    assert summary_line([]) == "0 passed, 0 warnings, 0 failed, 0 skipped"
