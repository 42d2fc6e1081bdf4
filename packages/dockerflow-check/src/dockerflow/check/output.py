"""How findings are shown: as a table, lines, JSON, JUnit's XML, SARIF and annotations of GitHub.

What a finding says may come from a hostile service or file, so each form escapes it.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit
from xml.etree import ElementTree

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .clauses import Clause, Level
from .findings import Finding, Outcome, Place
from .printing import printable

SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

STYLES = {
    Outcome.PASSED: "green",
    Outcome.WARNING: "yellow",
    Outcome.FAILED: "bold red",
    Outcome.SKIPPED: "bright_black",
}
FAULTS = {Outcome.FAILED, Outcome.WARNING}


def is_url(path: str) -> bool:
    """Return whether a place is a URL, and no file."""
    return path.startswith(("http://", "https://"))


def shown_path(path: str) -> str:
    """Return a file or a URL for people: printable, and without a URL's user and password."""
    if is_url(path):
        try:
            parts = urlsplit(path)
        except ValueError:
            return "(a malformed URL)"
        path = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return printable(path)


def shown_place(place: Place | None) -> str:
    """Return a place for people; "" for none."""
    return "" if place is None else str(Place(shown_path(place.path), place.line))


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """Count the findings of each outcome."""
    counts = Counter(each.outcome for each in findings)
    return {outcome.value: counts[outcome] for outcome in Outcome}


def summary_line(findings: Sequence[Finding]) -> str:
    """Say in one line how many findings each outcome has."""
    counts = summary(findings)
    words = {**{each: each for each in counts}, "warning": "warnings"}
    if counts["warning"] == 1:
        words["warning"] = "warning"
    return ", ".join(f"{number} {words[each]}" for each, number in counts.items())


def print_findings(
    findings: Sequence[Finding], target: str, console: Console, *, as_table: bool
) -> None:
    """Print the findings and a summary: a table, or else one line for each finding."""
    if as_table:
        console.print(table_of(findings, target))
        console.print()
    else:
        for each in findings:
            place = shown_place(each.place)
            print_line(
                console,
                f"{each.outcome:<8} {each.clause.id:<7} {each.clause.level:<7} "
                f"{printable(each.text)}{f' ({place})' if place else ''}",
            )
    print_line(console, summary_line(findings))
    faulty = [
        each.clause.id
        for outcome in (Outcome.FAILED, Outcome.WARNING)
        for each in findings
        if each.outcome is outcome
    ]
    if faulty:
        print_line(console, f"How to mend a fault, and why: dockerflow-check explain {faulty[0]}")


def print_line(console: Console, line: str) -> None:
    """Print a text as it is: not wrapped, and no markup in it."""
    console.print(Text(line), soft_wrap=True)


def table_of(findings: Iterable[Finding], target: str) -> Table:
    """Return the findings as a table for a terminal, in which the URL of a service is left out."""
    service = shown_path(target).rstrip("/") if is_url(target) else ""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("outcome", no_wrap=True)
    table.add_column("id", no_wrap=True)
    table.add_column("level", no_wrap=True)
    table.add_column("finding", overflow="fold")
    table.add_column("place", overflow="fold", max_width=24)
    for each in findings:
        style = STYLES[each.outcome]
        is_quiet = each.outcome is Outcome.SKIPPED
        table.add_row(
            Text(each.outcome, style),
            Text(each.clause.id, style),
            Text(each.clause.level),
            Text(printable(each.text), style if is_quiet else ""),
            Text(shown_place(each.place).removeprefix(service), "bright_black"),
        )
    return table


def as_json(findings: Sequence[Finding], target: str) -> str:
    """Return the findings as JSON.

    :param target: what was checked: a URL, a file or a command.
    """
    document = {
        "target": shown_path(target),
        "summary": summary(findings),
        "findings": [
            {
                "id": each.clause.id,
                "name": each.clause.name,
                "level": each.clause.level,
                "outcome": each.outcome,
                "text": printable(each.text),
                "path": None if each.place is None else shown_path(each.place.path),
                "line": None if each.place is None else each.place.line,
                "source": each.clause.source,
            }
            for each in findings
        ],
    }
    return json.dumps(document, indent=2)


def as_junit(findings: Sequence[Finding], target: str, *, strict: bool) -> str:
    """Return the findings as JUnit's XML, of which CI systems make a report of tests.

    It knows no warnings: they are successes with a text, or with ``strict`` failures.
    """
    failing = FAULTS if strict else {Outcome.FAILED}
    suite = ElementTree.Element(
        "testsuite",
        name=f"dockerflow-check {shown_path(target)}",
        tests=str(len(findings)),
        failures=str(sum(each.outcome in failing for each in findings)),
        errors="0",
        skipped=str(sum(each.outcome is Outcome.SKIPPED for each in findings)),
    )
    for each in findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname="dockerflow", name=f"{each.clause.id} {each.clause.name}"
        )
        place = shown_place(each.place)
        text = printable(each.text) + (f" ({place})" if place else "")
        if each.outcome in failing:
            fault = ElementTree.SubElement(
                case, "failure", message=printable(each.text), type=each.clause.level
            )
            fault.text = f"{text}\n{each.clause.says}\n{each.clause.source}"
        elif each.outcome is Outcome.SKIPPED:
            ElementTree.SubElement(case, "skipped", message=text)
        else:
            ElementTree.SubElement(case, "system-out").text = f"{each.outcome}: {text}"
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def as_sarif(findings: Sequence[Finding], target: str) -> str:
    """Return the faults as SARIF 2.1.0, of which code hosts make alerts beside the code.

    What was skipped is a notification, for hosts show each result as an alert.
    """
    clauses = list({each.clause.id: each.clause for each in findings}.values())
    results: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for each in findings:
        place = each.place or Place(target)
        if each.outcome in FAULTS:
            result = {
                "ruleId": each.clause.id,
                "ruleIndex": clauses.index(each.clause),
                "level": "error" if each.outcome is Outcome.FAILED else "warning",
                "message": {"text": printable(each.text)},
                "locations": [sarif_location(place)],
            }
            results.append(result)
        elif each.outcome is Outcome.SKIPPED:
            note = {
                "associatedRule": {"id": each.clause.id, "index": clauses.index(each.clause)},
                "level": "note",
                "message": {"text": printable(each.text)},
            }
            notes.append(note)
    run = {
        "tool": {
            "driver": {
                "name": "dockerflow-check",
                "informationUri": "https://dockerflow.readthedocs.io/",
                "rules": [sarif_rule(each) for each in clauses],
            }
        },
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "results": results,
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def sarif_rule(clause: Clause) -> dict[str, Any]:
    """Return a clause as a rule of SARIF."""
    return {
        "id": clause.id,
        "name": clause.name,
        "shortDescription": {"text": clause.says},
        "fullDescription": {"text": f"{clause.says} {clause.why}"},
        "help": {"text": explanation(clause)},
        "helpUri": clause.source,
        "defaultConfiguration": {"level": "error" if clause.level is Level.MUST else "warning"},
    }


def sarif_location(place: Place) -> dict[str, Any]:
    """Return a place as a location of SARIF, whose files are URIs."""
    if is_url(place.path):
        uri = quote(shown_path(place.path), safe=":/?#[]@!$&'()*+,;=%")
    elif os.path.isabs(place.path):
        uri = pathlib.Path(place.path).as_uri()
    else:
        uri = quote(os.fsencode(pathlib.PurePath(place.path).as_posix()))
    location: dict[str, Any] = {"artifactLocation": {"uri": uri}}
    if place.line is not None:
        location["region"] = {"startLine": max(1, place.line)}
    return {"physicalLocation": location}


def github_commands(findings: Iterable[Finding]) -> Iterator[str]:
    """Return the faults as commands for GitHub Actions, which shows them beside the code."""
    for each in findings:
        if each.outcome not in FAULTS:
            continue
        properties: dict[str, str] = {}
        text = printable(each.text)
        if each.place is not None and is_url(each.place.path):
            text = f"{text} ({shown_place(each.place)})"
        elif each.place is not None:
            properties["file"] = each.place.path
            if each.place.line is not None:
                properties["line"] = str(each.place.line)
        properties["title"] = f"{each.clause.id} {each.clause.name}"
        command = "error" if each.outcome is Outcome.FAILED else "warning"
        listing = ",".join(f"{name}={escaped_property(properties[name])}" for name in properties)
        yield f"::{command} {listing}::{escaped_data(text)}"


def escaped_data(text: str) -> str:
    """Escape the text of a command for GitHub Actions, as its own toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escaped_property(text: str) -> str:
    """Escape a property of a command for GitHub Actions."""
    return escaped_data(text).replace(":", "%3A").replace(",", "%2C")


def explanation(clause: Clause) -> str:
    """Say what a clause means, why it is there, and how to mend what breaks it."""
    paragraphs = [
        f"{clause.id} {clause.name} ({clause.level})",
        clause.says,
        f"Why: {clause.why}",
        *(fix_text(name, fix) for name, fix in clause.fixes.items()),
        f"Source: {clause.source}",
    ]
    return "\n\n".join(paragraphs)


def fix_text(name: str, fix: str) -> str:
    """Return a remedy: a sentence behind its name, code below it."""
    title = "How to mend it" if name == "any" else name
    fix = fix.strip("\n")
    if "\n" not in fix:
        return f"{title}: {fix}"
    return "\n".join([f"{title}:", *(f"    {line}".rstrip() for line in fix.splitlines())])


def list_lines(clauses: Mapping[str, Clause]) -> Iterator[str]:
    """Return a line for each clause."""
    width = max((len(each.name) for each in clauses.values()), default=0)
    for id, clause in clauses.items():
        yield f"{id:<7} {clause.level:<7} {clause.name:<{width}}  {clause.says}"
