"""The checks of Kubernetes manifests: what breaks each clause, and what does not."""

from __future__ import annotations

import contextlib
import json
import pathlib

import pytest
import yaml

from dockerflow.check.findings import Finding, Outcome, TargetError
from dockerflow.check.manifest import CLAUSES, check_manifests

GOOD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  template:
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 10001}
      containers:
        - name: web
          image: registry.example.org/shop:2026.11.0
          env:
            - {name: PORT, value: "8000"}
          ports:
            - {name: http, containerPort: 8000}
          startupProbe:
            httpGet: {path: /__heartbeat__/startup, port: http}
            timeoutSeconds: 6
          readinessProbe:
            httpGet: {path: /__lbheartbeat__, port: http}
          livenessProbe:
            httpGet:
              path: /__lbheartbeat__
              port: 8000
            periodSeconds: 10
"""
POD = "kind: Pod\nspec:\n  containers:\n"
LIVENESS = "              path: /__lbheartbeat__"
READINESS = "httpGet: {path: /__lbheartbeat__, port: http}"


def check(folder: pathlib.Path, *texts: str | bytes) -> dict[str, list[Finding]]:
    """Return the findings of files by clause."""
    files = [folder / f"{number}.yaml" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_bytes(text.encode() if isinstance(text, str) else text)
    found: dict[str, list[Finding]] = {clause.id: [] for clause in CLAUSES}
    for each in check_manifests([str(file) for file in files]):
        found[each.clause.id].append(each)
    assert all(found.values())
    return found


def outcomes(folder: pathlib.Path, *texts: str) -> dict[str, Outcome]:
    """Return the outcome of each clause of files."""
    return {id: each[0].outcome for id, each in check(folder, *texts).items()}


def test_good_one_keeps_all_clauses(tmp_path: pathlib.Path) -> None:
    """A manifest with the right probes, ports and user passes each clause, once."""
    found = check(tmp_path, GOOD)
    assert {id: [each.outcome for each in several] for id, several in found.items()} == {
        clause.id: [Outcome.PASSED] for clause in CLAUSES
    }


FAULTS = [
    ("K8S01", LIVENESS, LIVENESS.replace("lb", ""), 23),
    ("K8S01", LIVENESS, LIVENESS.replace("lb", "").replace("/__", "/shop/__") + "/?a=hunter2", 23),
    ("K8S01", LIVENESS, "              path: /%5f%5fheartbeat__", 23),
    ("K8S02", LIVENESS, LIVENESS.replace("lb", ""), 23),
    ("K8S02", LIVENESS, LIVENESS.replace("lb", "") + "/liveness", 23),
    ("K8S02", LIVENESS, "              path: /health?token=hunter2", 23),
    ("K8S02", f"httpGet:\n{LIVENESS}\n              port: 8000", "tcpSocket: {port: 8000}", 22),
    ("K8S02", "livenessProbe", "deathProbe", 10),
    ("K8S03", "readinessProbe", "readyProbe", 10),
    ("K8S04", READINESS, READINESS.replace("lb", ""), 20),
    ("K8S05", "            timeoutSeconds: 6\n", "", 17),
    ("K8S05", "timeoutSeconds: 6", "timeoutSeconds: 1", 18),
    ("K8S06", 'value: "8000"', 'value: "9000"', 13),
    ("K8S06", "              port: 8000", "              port: 9000", 24),
    ("K8S06", READINESS, READINESS.replace("http}", "web}"), 20),
    ("K8S07", "runAsUser: 10001", "runAsUser: 0", 8),
    ("K8S07", ", runAsUser: 10001", "", 10),
    ("K8S07", "{runAsNonRoot: true, runAsUser: 10001}", "{}", 10),
    ("K8S08", READINESS, 'exec: {command: [curl, "http://127.0.0.1:8000/__lbheartbeat__"]}', 20),
    ("K8S08", READINESS, 'exec: {command: [sh, -c, "wget localhost:8000 || exit 1"]}', 20),
    ("K8S09", "startupProbe", "startProbe", 22),
]


@pytest.mark.parametrize(("id", "good", "bad", "line"), FAULTS)
def test_fault(tmp_path: pathlib.Path, id: str, good: str, bad: str, line: int) -> None:
    """A fault breaks its clause on its line; only liveness on the heartbeat is a MUST."""
    assert good in GOOD
    (finding,) = check(tmp_path, GOOD.replace(good, bad))[id]
    assert finding.outcome is (Outcome.FAILED if id == "K8S01" else Outcome.WARNING)
    assert finding.place is not None
    assert (finding.place.path, finding.place.line) == (str(tmp_path / "0.yaml"), line)
    assert "hunter2" not in finding.text


ALLOWED = [
    ("K8S02", f"httpGet:\n{LIVENESS}\n", "exec: {command: [python, -m, dockerflow.probe]}\n#"),
    ("K8S02", LIVENESS, "              path: /shop/__lbheartbeat__/"),
    ("K8S04", READINESS, READINESS.replace("lb", "").replace("t__,", "t__/readiness,")),
    ("K8S06", "8000}\n", "8000}\n            - {containerPort: 9000}\n"),
    ("K8S07", "          env:", "          securityContext: {runAsUser: 10001}\n          env:"),
    ("K8S09", "periodSeconds: 10", "initialDelaySeconds: 10"),
]


@pytest.mark.parametrize(("id", "usual", "other"), ALLOWED)
def test_other_way(tmp_path: pathlib.Path, id: str, usual: str, other: str) -> None:
    """Another way to keep a clause passes too."""
    assert usual in GOOD
    text = GOOD.replace(usual, other)
    if id == "K8S09":
        text = text.replace("startupProbe", "startProbe")
    assert outcomes(tmp_path, text)[id] is Outcome.PASSED


def test_what_cannot_be_seen_is_skipped(tmp_path: pathlib.Path) -> None:
    """A command of a probe, and a worker without ports, are skipped with the reason."""
    text = GOOD.replace(f"httpGet:\n{LIVENESS}\n              port: 8000", "exec: {command: [ok]}")
    assert check(tmp_path, text)["K8S02"][0].outcome is Outcome.SKIPPED
    worker = "kind: Pod\nspec: {containers: [{name: worker}]}\n"
    found = outcomes(tmp_path, worker)
    assert {id for id, each in found.items() if each is Outcome.SKIPPED} == {
        *("K8S02", "K8S03", "K8S05", "K8S06", "K8S09")
    }


@pytest.mark.parametrize(
    "kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout"]
)
def test_kinds_with_a_template(tmp_path: pathlib.Path, kind: str) -> None:
    """The probes of each kind of workload are checked."""
    text = GOOD.replace("Deployment", kind).replace(LIVENESS, LIVENESS.replace("lb", ""))
    assert outcomes(tmp_path, text)["K8S01"] is Outcome.FAILED


def test_other_kinds(tmp_path: pathlib.Path) -> None:
    """Pods are found in a Pod, a Job, a CronJob, a List and in JSON."""
    probe = {"httpGet": {"path": "/__heartbeat__"}}
    pod = {"containers": [{"name": "a", "ports": [{}], "livenessProbe": probe}]}
    template = {"template": {"spec": pod}}
    objects = [
        {"kind": "Pod", "spec": pod},
        {"kind": "Job", "spec": template},
        {"kind": "CronJob", "spec": {"jobTemplate": {"spec": template}}},
        {"kind": "PodTemplate", **template},
    ]
    for each in (
        *objects,
        {"kind": "List", "items": objects},
        {"kind": "PodList", "items": objects},
    ):
        for text in (json.dumps(each), yaml.safe_dump(each)):
            found = check(tmp_path, text)["K8S01"]
            assert {one.outcome for one in found} == {Outcome.FAILED}
    assert outcomes(tmp_path, json.dumps(objects[1]))["K8S03"] is Outcome.SKIPPED  # a job ends


def test_containers_beside_the_service_are_left_alone(tmp_path: pathlib.Path) -> None:
    """A proxy in the pod needs no endpoints of Dockerflow, but may not restart by the heartbeat."""
    proxy = (
        "        - name: proxy\n          ports: [{containerPort: 80}]\n"
        "          livenessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 5}\n"
    )
    assert set(outcomes(tmp_path, GOOD + proxy).values()) == {Outcome.PASSED}
    found = check(tmp_path, GOOD + proxy.replace("path: /", "path: /__heartbeat__"))
    assert found["K8S01"][0].outcome is Outcome.FAILED
    init = GOOD + proxy.replace("        - name: proxy", "      initContainers:\n        - name: a")
    assert (
        outcomes(tmp_path, init.replace("path: /,", "path: /__heartbeat__,"))["K8S01"]
        is Outcome.FAILED
    )


def test_managed_service(tmp_path: pathlib.Path) -> None:
    """Knative waits for a start by itself, and chooses the user: neither is asked for."""
    text = GOOD.replace("Deployment", "Service").replace("readiness", "other")
    found = outcomes(tmp_path, text.replace("runAsUser: 10001", ""))
    assert {id for id, each in found.items() if each is not Outcome.PASSED} == {"K8S03", "K8S07"}
    assert found["K8S03"] is found["K8S07"] is Outcome.SKIPPED
    nameless = text.replace("- name: web", "- image: web").replace(LIVENESS, "")
    assert " of the container asks '/'" in check(tmp_path, nameless)["K8S02"][0].text


def test_several_files_and_documents(tmp_path: pathlib.Path) -> None:
    """Faults of several files and documents have their places; others are passed over."""
    bad = GOOD.replace(LIVENESS, LIVENESS.replace("lb", ""))
    service = "kind: Service\nspec: {ports: [{port: 80}]}\n"
    found = check(tmp_path, f"---\n---\n{bad}---\n# nothing\n---\n{service}", service, bad)
    assert [str(each.place) for each in found["K8S01"]] == [
        f"{tmp_path}/0.yaml:25",
        f"{tmp_path}/2.yaml:23",
    ]
    assert found["K8S04"][0].place is None


def test_anchors_and_merges(tmp_path: pathlib.Path) -> None:
    """Aliases and merge keys are followed as kubectl does."""
    text = GOOD.replace(
        "          readinessProbe:\n            httpGet: {path: /__lbheartbeat__, port: http}\n", ""
    ).replace("livenessProbe:", "readinessProbe: &probe")
    merged = text + "          livenessProbe: {<<: [*probe], failureThreshold: 9}\n"
    assert set(outcomes(tmp_path, merged).values()) == {Outcome.PASSED}
    own = text + "          livenessProbe: {<<: *probe, httpGet: {path: /__heartbeat__}}\n"
    assert outcomes(tmp_path, own)["K8S01"] is Outcome.FAILED


def test_control_characters_are_escaped(tmp_path: pathlib.Path) -> None:
    """A text out of the file can't move the cursor of a terminal."""
    text = GOOD.replace("name: web", r'name: "\e[2Jweb"').replace("livenessProbe", "other")
    finding = check(tmp_path, text)["K8S02"][0]
    assert r"\x1b[2Jweb" in finding.text
    assert "\x1b" not in finding.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no pod in it"),
        (b"---\n---\n...\n", "no pod in it"),
        (b"kind: Service\nspec: {}\n", "no pod in it"),
        (b"just text", "no pod in it"),
        (b"kind: Pod\nspec: {containers: []}\n", "no pod in it"),
        (b"kind: Deployment\nspec: [1, {template: 3}]\n", "no pod in it"),
        (b"a: b: c\n", "0.yaml:1 can't be read: it is no YAML"),
        (b"a: 'b\n", "it is no YAML"),
        (b"a: *b\n", "an alias has no anchor"),
        (b"\n{{- if .Values.web }}\nkind: Pod\n{{- end }}\n", ":2 can't .* a template; render it"),
        (b"kind: Pod\n{{- end }}\n", "a template; render it first"),
        (b"kind: Pod\nspec: {{ toYaml . }}\n", ":2 can't .* a template"),
        (b'kind: Pod\nname: "{{ .Release.Name }}"\n', ":2 can't .* a template"),
        (b'kind: Pod\nname: {{ include "shop.name" . }}\n', "a template"),
        (b"kind: \xff", "not text in UTF-8"),
        (b"kind: \x00", "not a text file"),
        (b"kind: \x07", "characters that YAML does not allow|control characters"),
        (b"a" * 5_000_001, "larger than 5,000,000 bytes"),
        (b"- a\n" * 250_000, "more than 200,000 values"),
        (POD.encode() + b"  - a: b\n" * 3000, "more than 2,000 containers"),
        (b"--- a\n" * 11_000, "more than 10,000 documents"),
        (b"[" * 100_000, "nested more than 60 deep|maximum nesting depth"),
        (b"{a: " * 100_000, "nested more than 60 deep"),
    ],
)
def test_nothing_to_check(tmp_path: pathlib.Path, content: bytes, says: str) -> None:
    """What is no manifest is refused in one sentence that names it."""
    with pytest.raises(TargetError, match=says) as caught:
        check(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "0.yaml"))
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: pathlib.Path) -> None:
    """No file, a directory and a missing file are refused in one sentence."""
    with pytest.raises(TargetError, match="no file"):
        check_manifests([])
    with pytest.raises(TargetError, match="is a directory"):
        check_manifests([tmp_path])
    with pytest.raises(TargetError, match="No such file"):
        check_manifests([tmp_path / "none.yaml"])


def test_braces_in_texts_are_no_template(tmp_path: pathlib.Path) -> None:
    """Templates that rendered manifests hold, such as those of alerts, are texts like others."""
    alert = 'kind: ConfigMap\ndata:\n  text: "{{ $labels.pod }} {{ .Labels.pod }}"\n'
    assert set(outcomes(tmp_path, f"# {{{{ .Values.a }}}}\n{alert}---\n{GOOD}").values()) == {
        Outcome.PASSED
    }


def test_tags_make_nothing(tmp_path: pathlib.Path) -> None:
    """A tag that names Python code runs nothing."""
    marker = tmp_path / "ran"
    text = GOOD + f"      a: !!python/object/apply:os.system ['touch {marker}']\n      b: !Ref c\n"
    assert set(outcomes(tmp_path, text).values()) == {Outcome.PASSED}
    assert not marker.exists()


ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 40)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{number}: &a{number} {{<<: [{', '.join([f'*a{number - 1}'] * 9)}]}}\n"
    for number in range(1, 40)
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "text",
    [
        ALIASES + POD + "  - *a39\n",
        MERGES + POD + "  - *a39\n",
        "&a\nkind: List\nitems: [*a, *a]\n",
        "kind: List\nitems: &a\n- {kind: List, items: *a}\n",
        "&a {<<: *a, <<: [*a, *a], kind: *a}",
        "x: &x [" + "{}, " * 60_000 + "]\nkind: List\nitems:\n" + "- {<<: *x}\n" * 60_000,
        "x: &x [" + "{}, " * 60_000 + "]\nkind: List\nitems:\n"
        "" + "- {kind: List, items: *x}\n" * 20_000,
        "x: &x\n" + "- {a: b}\n" * 30_000 + POD + "  - {ports: *x, env: *x}\n" * 4_000,
        "x: &x ["
        + "y" * 4_000_000
        + ", curl]\n"
        + POD
        + "  - {livenessProbe: {exec: {command: *x}}}\n" * 4_000,
        POD + "  - a: b\n" * 60_000,
        "{" * 4_900_000,
        "{{ " * 1_600_000,
        "a: &a {b: c}\n" + "? *a\n" * 100_000,
        "--- a\n" * 500_000,
        "- 'a''b'\n" * 180_000,
    ],
)
def test_bombs_end_soon(tmp_path: pathlib.Path, text: str) -> None:
    """A file made to cost time or memory is checked, or refused, all the same."""
    with contextlib.suppress(TargetError):
        check(tmp_path, text)
