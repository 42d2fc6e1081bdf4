"""Clauses and findings for the tests of what shows them."""

from __future__ import annotations

from dockerflow.check.clauses import Clause, Level
from dockerflow.check.findings import Finding, Place, broken, passed, skipped


def clause(id: str, name: str, level: Level) -> Clause:
    """Return a clause."""
    source = "https://github.com/mozilla-services/Dockerflow#containerized-app-requirements"
    fixes = {"Flask": "@app.get('/')\ndef view():\n    return ''", "any": "Answer with 200."}
    return Clause(id, name, level, f"The {name} is so.", source, "Probes need it.", fixes)


CLAUSES = (
    clause("HTTP01", "version-is-json", Level.MUST),
    clause("HTTP02", "version-is-typed", Level.SHOULD),
    clause("HTTP03", "lbheartbeat-is-200", Level.MUST),
    clause("HTTP04", "error-endpoint", Level.SHOULD),
)

URL = "http://shop.example"

FINDINGS: list[Finding] = [
    passed(CLAUSES[0], "200 with a JSON object", Place(f"{URL}/__version__")),
    broken(CLAUSES[1], "the media type is text/html", Place(f"{URL}/__version__")),
    broken(CLAUSES[2], "the status is 404", Place(f"{URL}/__lbheartbeat__")),
    skipped(CLAUSES[3], "not asked for"),
]
