"""The Dockerfile and the manifest of our pages pass, and each fault put into them is found."""

from __future__ import annotations

import pathlib
import re

import pytest

from dockerflow.check.dockerfile import check_dockerfile
from dockerflow.check.findings import Finding, Outcome
from dockerflow.check.manifest import check_manifests
from tests.packaging.distributions import ROOT


def block(page: str, caption: str, number: int = 0) -> str:
    """Return a file that a page shows."""
    text = (ROOT / "docs" / page).read_text()
    pattern = rf"^```.*\n:caption: {re.escape(caption)}\n\n((?:.*\n)*?)```$"
    found: str = re.findall(pattern, text, re.MULTILINE)[number]
    return found


def faults(findings: list[Finding]) -> set[str]:
    """Return the ids of the clauses that are broken."""
    return {
        each.clause.id for each in findings if each.outcome in (Outcome.FAILED, Outcome.WARNING)
    }


# Id, a text of the file, and what is put in its place.
DOCKERFILE_FAULTS = [
    ("DOCK01", "--gid 10001 app \\\n", "app \\\n"),
    ("DOCK02", "--uid 10001", "--uid 1000"),
    ("DOCK03", "USER app\n", ""),
    ("DOCK03", "USER app\n", "USER app\nUSER root\n"),
    ("DOCK04", 'ENTRYPOINT ["/usr/bin/env"]\n', ""),
    ("DOCK05", "WORKDIR /app", "WORKDIR /srv"),
    ("DOCK06", '"--workers"', '"--bind=0.0.0.0:8080", "--workers"'),
    ("DOCK07", "PORT=8000", "PORT=80"),
    ("DOCK08", "PORT=8000", "PORT=8000 SECRET_KEY=hunter22"),
    ("DOCK09", "python:3.13-slim", "python:latest"),
    ("DOCK10", "python:3.13-slim", "example/python:3.13"),
    ("DOCK11", 'ENTRYPOINT ["/usr/bin/env"]', "ENTRYPOINT exec /usr/bin/env gunicorn service:app"),
    ("DOCK12", "EXPOSE", "HEALTHCHECK CMD curl -f http://localhost:8000/__heartbeat__\nEXPOSE"),
    ("DOCK13", "COPY . .\n", "COPY . .\nADD https://example.org/data.json data.json\n"),
]
MANIFEST_FAULTS = [
    ("K8S01 K8S02", "/__lbheartbeat__", "/__heartbeat__"),
    ("K8S02", "{path: /__lbheartbeat__", "{path: /"),
    ("K8S03", "readinessProbe:", "x-readinessProbe:"),
    ("K8S04", "/__heartbeat__/readiness", "/__heartbeat__"),
    ("K8S05", "            timeoutSeconds: 6\n            failure", "            failure"),
    ("K8S06", "containerPort: 8000", "containerPort: 8080"),
    ("K8S07", ", runAsUser: 10001", ""),
    (
        "K8S08",
        "httpGet: {path: /__lbheartbeat__, port: http}",
        "exec: {command: [curl, --fail, 'http://localhost:8000/__lbheartbeat__']}",
    ),
    ("K8S09", "startupProbe:", "x-startupProbe:"),
]


def dockerfile(number: int) -> str:
    """Return the Dockerfile of the page, with the end for one of the frameworks."""
    page = "deploy.md"
    return block(page, "Dockerfile") + "\n" + block(page, "Dockerfile (added)", number)


def check_text(tmp_path: pathlib.Path, text: str) -> list[Finding]:
    """Check a Dockerfile."""
    (tmp_path / "Dockerfile").write_text(text)
    return check_dockerfile(str(tmp_path / "Dockerfile"))


@pytest.mark.parametrize("number", range(4))
def test_our_dockerfile(tmp_path: pathlib.Path, number: int) -> None:
    """The Dockerfile of Deployment breaks no clause, whatever the framework."""
    assert faults(check_text(tmp_path, dockerfile(number))) == set()


@pytest.mark.parametrize(("ids", "old", "new"), DOCKERFILE_FAULTS)
def test_faults_of_our_dockerfile(tmp_path: pathlib.Path, ids: str, old: str, new: str) -> None:
    """What is wrong with a copy of it is found, under the ids of the table and no other."""
    text = dockerfile(2)
    assert old in text
    assert faults(check_text(tmp_path, text.replace(old, new))) == set(ids.split())


def test_our_manifest(tmp_path: pathlib.Path) -> None:
    """The Deployment of the page on Kubernetes breaks no clause."""
    (tmp_path / "deployment.yaml").write_text(block("cookbook/kubernetes.md", "deployment.yaml"))
    findings = check_manifests([str(tmp_path / "deployment.yaml")])
    assert {each.outcome for each in findings} == {Outcome.PASSED}


@pytest.mark.parametrize(("ids", "old", "new"), MANIFEST_FAULTS)
def test_faults_of_our_manifest(tmp_path: pathlib.Path, ids: str, old: str, new: str) -> None:
    """What is wrong with a copy of it is found, under the ids of the table and no other."""
    text = block("cookbook/kubernetes.md", "deployment.yaml")
    assert old in text
    (tmp_path / "deployment.yaml").write_text(text.replace(old, new))
    assert faults(check_manifests([str(tmp_path / "deployment.yaml")])) == set(ids.split())
