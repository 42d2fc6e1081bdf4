"""The probes of checks.md."""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.docs.pages import blocks
from tests.docs.processes import PageServer
from tests.docs.shown import files_of, write_files
from tests.packaging.distributions import ROOT

FILES = files_of("checks.md")
LIVENESS = "/__lbheartbeat__"

# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#Probe
PROBES = {"startupProbe", "livenessProbe", "readinessProbe"}
KEYS_OF_PROBES = {
    *("httpGet", "exec", "tcpSocket", "grpc", "initialDelaySeconds", "periodSeconds"),
    *("timeoutSeconds", "successThreshold", "failureThreshold"),
    "terminationGracePeriodSeconds",
}


def documents() -> list[Any]:
    """Return all YAML of the page."""
    found: list[Any] = []
    for block in blocks((ROOT / "docs/checks.md").read_text()):
        if block.language == "yaml":
            found += yaml.safe_load_all(block.text)
    return found


def probes(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Find the probes of Kubernetes, in any depth."""
    if isinstance(document, list):
        document = dict(enumerate(document))
    if isinstance(document, dict):
        for key, value in document.items():
            if str(key).endswith("Probe"):
                yield key, value
            else:
                yield from probes(value)


@pytest.fixture
def service(tmp_path: pathlib.Path) -> Iterator[PageServer]:
    """The service of the page."""
    write_files(FILES, tmp_path)
    environ = {"PATH": f"{pathlib.Path(sys.executable).parent}:/usr/bin:/bin"}
    server = PageServer("exec gunicorn service:app", tmp_path, environ)
    server.start()
    yield server
    server.close()


def test_kubernetes() -> None:
    """The probes have keys that Kubernetes knows, and ask for no backing service."""
    found = [probe for document in documents() for probe in probes(document)]
    assert {name for name, _ in found} == PROBES
    for _, probe in found:
        assert probe.keys() <= KEYS_OF_PROBES
        if "httpGet" in probe:
            assert probe["httpGet"]["path"] == LIVENESS


def test_port_of_the_deployment() -> None:
    """The probes ask the port by a name that the container gives to the one it listens on."""
    (container,) = yaml.safe_load(FILES["deployment.yaml"])["spec"]["template"]["spec"][
        "containers"
    ]
    (port,) = container["ports"]
    assert {"name": "PORT", "value": str(port["containerPort"])} in container["env"]
    for _, probe in probes(container):
        assert probe["httpGet"]["port"] == port["name"]


def test_load_balancers(service: PageServer) -> None:
    """The paths that load balancers ask are answered with what they expect."""
    group = yaml.safe_load(FILES["target-group.yaml"])["Resources"]["Service"]["Properties"]
    assert service.status(group["HealthCheckPath"]) == int(group["Matcher"]["HttpCode"])
    assert group["HealthCheckTimeoutSeconds"] < group["HealthCheckIntervalSeconds"]
    check = yaml.safe_load(FILES["backend-config.yaml"])["spec"]["healthCheck"]
    assert service.status(check["requestPath"]) == 200
    assert check["timeoutSec"] < check["checkIntervalSec"]


def test_compose(service: PageServer) -> None:
    """Docker's health check is true while the service answers, and false when it does not."""
    web = yaml.safe_load(FILES["compose.yaml"])["services"]["web"]
    kind, *command = web["healthcheck"]["test"]
    assert kind == "CMD"
    words = [
        re.sub(rf":{web['environment']['PORT']}\b", f":{service.port}", word) for word in command
    ]
    words[0] = sys.executable

    def healthy() -> bool:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0

    assert healthy()
    service.stop()
    assert not healthy()


def test_compose_file(tmp_path: pathlib.Path) -> None:
    """The compose file is valid by the schema of its specification."""
    write_files({"compose.yaml": FILES["compose.yaml"]}, tmp_path)
    schema = "vendor.compose-spec"
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, "compose.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_exec_probe(tmp_path: pathlib.Path) -> None:
    """The command that asks a worker ends with 0 while all is well, with 1 otherwise."""
    write_files(FILES, tmp_path)
    (command,) = (
        probe["exec"]["command"]
        for document in documents()
        for _, probe in probes(document)
        if "exec" in probe
    )
    words = [sys.executable, *command[1:]]
    assert command[0] == "python"
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    (tmp_path / "spool").mkdir()
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 0
