"""Check the manifests of Kubernetes: the probes, ports and users of their pods."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

from . import manifest_clauses as clauses
from .files import Fault, findings_of, read_text
from .findings import Finding, Place, TargetError
from .manifest_clauses import CLAUSES
from .printing import printable, quoted
from .yaml_nodes import Node, NodeError, read_documents

__all__ = ["CLAUSES", "check_manifests"]

MAX_BYTES = 5_000_000  # of a file; Kubernetes stores no object of more than 1.5 MB
MAX_CONTAINERS = 2000
MAX_ITEMS = 200  # of the environment and the ports of a container; aliases may make millions
MAX_WORDS = 20  # of the command of a probe
ID = "10001"

_KINDS = ("startup", "readiness", "liveness")
_ENDPOINT = re.compile(r"(?:^|[/\s])__(lb)?heartbeat__(?:/([\w.~-]{1,100}))?")
_PODS = (
    ("spec", "template", "spec"),
    ("spec", "jobTemplate", "spec", "template", "spec"),
)
_OWN_PODS = {"Pod": ("spec",), "PodTemplate": ("template", "spec")}
_YES = {"true", "yes", "on"}


@dataclass(frozen=True)
class _Probe:
    """A probe of a container.

    :param node: its mapping.
    :param asked: the path of an HTTP probe, or the command that it runs.
    :param is_http: whether it is an HTTP probe.
    """

    node: Node
    asked: str
    is_http: bool

    @property
    def endpoint(self) -> str:
        """The endpoint: ``/__heartbeat__``, ``/__heartbeat__/GROUP``, another path, or nothing."""
        match = _ENDPOINT.search(self.asked)
        if match is not None:
            name = f"/__{match[1] or ''}heartbeat__"
            return f"{name}/{match[2]}" if match[2] and not match[1] else name
        if "dockerflow.probe" in self.asked and "--file" not in self.asked:
            return "/__lbheartbeat__"
        return self.asked if self.is_http else ""


@dataclass(frozen=True)
class _Container:
    """A container of a pod.

    :param node: its mapping.
    :param pod: the specification of its pod.
    :param file: the file in which it stands.
    :param kind: the kind of the object that makes the pod.
    """

    node: Node
    pod: Node
    file: str
    kind: str

    @property
    def runs_on(self) -> bool:
        """Whether it is meant to run for ever, and not until it is done."""
        return self.kind not in {"Job", "CronJob"}

    @property
    def is_managed(self) -> bool:
        """Whether the platform, Knative or Cloud Run, chooses its user and waits for its start."""
        return self.kind == "Service"

    def place(self, node: Node | None = None) -> Place:
        """Return the place of one of its nodes, or its own."""
        return Place(self.file, (node or self.node).line)

    @property
    def name(self) -> str:
        """Its name, for texts."""
        name = self.node.at("name").text  # Knative needs none
        return f"the container {quoted(name)}" if name else "the container"

    @cached_property
    def probes(self) -> dict[str, _Probe]:
        """Its probes, by kind: ``startup``, ``readiness``, ``liveness``."""
        nodes = {kind: self.node.at(f"{kind}Probe") for kind in _KINDS}
        return {kind: _read_probe(node) for kind, node in nodes.items() if node.is_there}

    @cached_property
    def port(self) -> Node | None:
        """The entry of ``PORT`` in its environment."""
        entries = self.node.at("env").items[:MAX_ITEMS]
        return next((each for each in entries if each.at("name").text == "PORT"), None)

    @property
    def asks_endpoints(self) -> bool:
        """Whether a probe asks an endpoint of Dockerflow."""
        return any("heartbeat__" in probe.endpoint for probe in self.probes.values())


def _read_probe(node: Node) -> _Probe:
    """Read a probe."""
    if "httpGet" in node.values:
        path = node.at("httpGet", "path").text or "/"
        return _Probe(node, unquote(path[:1000].partition("?")[0]), True)
    words = [word.text or "" for word in node.at("exec", "command").items[:MAX_WORDS]]
    return _Probe(node, " ".join(word[:1000] for word in words), False)


def check_manifests(paths: Iterable[str | os.PathLike[str]]) -> list[Finding]:
    """Check manifests, in YAML or JSON.

    :param paths: the files, each of one or several documents. Those that define no pods, such as
        a Service, are passed over.
    :returns: one finding for each clause, or several with the lines of its faults.
    :raises TargetError: if one of them can't be read, or if none defines a pod.
    """
    names: list[str] = []
    containers: list[_Container] = []
    services: list[_Container] = []
    for path in paths:
        text = read_text(path, MAX_BYTES)
        names.append(printable(os.fspath(path)))
        try:
            for document in read_documents(text):
                for each in _find_pods(document, names[-1]):
                    containers += each
                    services += _services(each)
                    if len(containers) > MAX_CONTAINERS:
                        text = f"{names[-1]} has more than {MAX_CONTAINERS:,} containers"
                        raise TargetError(text)
        except NodeError as error:
            raise TargetError(f"{names[-1]}:{error.line} can't be read: {error}") from error
    if not containers:
        listing = ", ".join(names[:5]) or "no file"
        raise TargetError(f"{listing}: there is no pod in it, such as that of a Deployment")
    place = Place(names[0]) if len(names) == 1 else None
    return [
        *_check_liveness(containers, place),
        *_check_liveness_endpoint(services, place),
        *_check_readiness([each for each in services if not each.is_managed], place),
        *_check_readiness_endpoint(containers, place),
        *_check_timeout(containers, place),
        *_check_ports(services, place),
        *_check_user([each for each in services or containers if not each.is_managed], place),
        *_check_curl(containers, place),
        *_check_startup(containers, place),
    ]


def _find_pods(document: Node, file: str) -> Iterator[list[_Container]]:
    """Find the containers of each pod of a document."""
    seen: set[int] = set()  # what an alias repeats is looked at once
    waiting = [document]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        kind = node.at("kind").text or ""
        items = node.at("items")
        if kind.endswith("List") and items.items and id(items) not in seen:
            seen.add(id(items))
            waiting += reversed(items.items)
        paths = (*_PODS, _OWN_PODS[kind]) if kind in _OWN_PODS else _PODS
        pod = next((node.at(*path) for path in paths if node.at(*path, "containers").items), None)
        if pod is None:
            continue
        found: list[_Container] = []
        for group in (pod.at("containers"), pod.at("initContainers")):
            if group.items and id(group) not in seen:
                seen.add(id(group))
                found += [_Container(each, pod, file, kind) for each in group.items]
        yield found


def _services(containers: list[_Container]) -> list[_Container]:
    """Return the containers of a pod that are the service: not those beside it.

    They are those whose probes ask the endpoints; or else those with ports.
    """
    running = [each for each in containers if each.runs_on]
    asked = [each for each in running if each.asks_endpoints]
    return asked or [each for each in running if each.port or each.node.at("ports").items]


_NO_SERVICE = "there is no container that has ports, and whose pod is set up here"


def _check_liveness(containers: list[_Container], place: Place | None) -> list[Finding]:
    """Check that no liveness probe asks the heartbeat."""
    faults: list[Fault] = []
    for each in containers:
        probe = each.probes.get("liveness")
        if probe is not None and probe.endpoint == "/__heartbeat__":
            text = f"the liveness probe of {each.name} asks /__heartbeat__; ask /__lbheartbeat__"
            faults.append((text, each.place(_line_of(probe))))
    good = "no liveness probe asks /__heartbeat__"
    return findings_of(clauses.LIVENESS_IS_NOT_HEARTBEAT, faults, good, place=place)


def _line_of(probe: _Probe) -> Node:
    """Return the node of a probe that says what it asks."""
    for node in (probe.node.at("httpGet", "path"), probe.node.at("exec", "command")):
        if node.is_there:
            return node
    return probe.node


def _check_liveness_endpoint(services: list[_Container], place: Place | None) -> list[Finding]:
    """Check that liveness probes ask the endpoint for it."""
    faults: list[Fault] = []
    unknown = None if services else _NO_SERVICE
    for each in services:
        probe = each.probes.get("liveness")
        if probe is None:
            faults.append((f"{each.name} has no liveness probe", each.place()))
        elif probe.endpoint and probe.endpoint != "/__lbheartbeat__":
            text = f"the liveness probe of {each.name} asks {quoted(probe.endpoint)}"
            faults.append((f"{text}; ask /__lbheartbeat__", each.place(_line_of(probe))))
        elif "tcpSocket" in probe.node.values:
            text = f"the liveness probe of {each.name} sees only that a port is open"
            faults.append((f"{text}; ask /__lbheartbeat__", each.place(probe.node)))
        elif not probe.endpoint:
            unknown = f"what the liveness probe of {each.name} asks can't be seen"
    good = "liveness probes ask /__lbheartbeat__"
    return findings_of(clauses.LIVENESS_IS_LBHEARTBEAT, faults, good, place=place, unknown=unknown)


def _check_readiness(services: list[_Container], place: Place | None) -> list[Finding]:
    """Check that there are readiness probes."""
    faults = [
        (f"{each.name} has no readiness probe", each.place())
        for each in services
        if each.probes.get("readiness") is None
    ]
    unknown = None if services else _NO_SERVICE
    good = "there are readiness probes"
    return findings_of(clauses.HAS_READINESS, faults, good, place=place, unknown=unknown)


def _check_readiness_endpoint(containers: list[_Container], place: Place | None) -> list[Finding]:
    """Check that no readiness probe asks for all checks."""
    faults: list[Fault] = []
    for each in containers:
        probe = each.probes.get("readiness")
        if probe is not None and probe.endpoint == "/__heartbeat__":
            text = f"the readiness probe of {each.name} asks /__heartbeat__; ask /__lbheartbeat__"
            faults.append((text, each.place(_line_of(probe))))
    good = "no readiness probe asks /__heartbeat__"
    return findings_of(clauses.READINESS_IS_NOT_HEARTBEAT, faults, good, place=place)


def _check_timeout(containers: list[_Container], place: Place | None) -> list[Finding]:
    """Check that probes wait for a heartbeat."""
    faults: list[Fault] = []
    unknown: str | None = "no probe asks /__heartbeat__"
    for each in containers:
        for kind, probe in each.probes.items():
            if not probe.endpoint.startswith("/__heartbeat__"):
                continue
            unknown = None
            node = probe.node.at("timeoutSeconds")
            if node.text is None or _number(node) <= 1:
                text = f"the {kind} probe of {each.name} gives {probe.endpoint} 1 second"
                where = each.place(node if node.text else probe.node)
                faults.append((f"{text}; set timeoutSeconds above the time of the checks", where))
    good = "probes wait for the heartbeat"
    return findings_of(clauses.HEARTBEAT_HAS_TIME, faults, good, place=place, unknown=unknown)


def _number(node: Node) -> int:
    """Return the number of a scalar; 0 if it is none."""
    text = node.text or ""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _check_ports(services: list[_Container], place: Place | None) -> list[Finding]:
    """Check that PORT, the ports of the containers and those of the probes are the same."""
    faults: list[Fault] = []
    unknown: str | None = "no PORT and no port of a probe is given together with ports"
    for each in services:
        entries = each.node.at("ports").items[:MAX_ITEMS]
        ports = {text for entry in entries if (text := entry.at("containerPort").text)}
        names = {text for entry in entries if (text := entry.at("name").text)}
        value = None if each.port is None else each.port.at("value").text
        if value is not None and each.port is not None and ports:
            unknown = None
            if value not in ports:
                text = f"PORT of {each.name} is {quoted(value)}, which is none of its ports"
                faults.append((text, each.place(each.port)))
        known = ports | names | {text for text in (value,) if text}
        for kind, probe in each.probes.items():
            node = probe.node.at("httpGet", "port")
            if node.text is None or not known:
                continue
            unknown = None
            if node.text not in known:
                text = f"the {kind} probe of {each.name} asks port {quoted(node.text)}"
                faults.append((f"{text}, which it does not have", each.place(node)))
    good = "the ports agree"
    return findings_of(clauses.PORTS_AGREE, faults, good, place=place, unknown=unknown)


def _check_user(containers: list[_Container], place: Place | None) -> list[Finding]:
    """Check the user that containers run as."""
    faults: list[Fault] = []
    for each in containers:
        contexts = [each.node.at("securityContext"), each.pod.at("securityContext")]
        users = [context.at("runAsUser") for context in contexts]
        user = next((node for node in users if node.text is not None), None)
        is_checked = any((one.at("runAsNonRoot").text or "").lower() in _YES for one in contexts)
        if user is None and is_checked:
            text = f"{each.name} has runAsNonRoot without runAsUser, and won't start with USER app"
            faults.append((f"{text}; add runAsUser: {ID}", each.place()))
        elif user is None:
            text = f"nothing says which user {each.name} runs as; add runAsUser: {ID}"
            faults.append((text, each.place()))
        elif user.text != ID:
            text = f"{each.name} runs as user {quoted(user.text or '')}; use {ID}"
            faults.append((text, each.place(user)))
    unknown = None if containers else _NO_SERVICE
    good = f"the user is {ID}"
    return findings_of(clauses.RUNS_AS_APP, faults, good, place=place, unknown=unknown)


def _check_curl(containers: list[_Container], place: Place | None) -> list[Finding]:
    """Check that probes need no other programs."""
    faults: list[Fault] = []
    for each in containers:
        for kind, probe in each.probes.items():
            program = re.search(r"\b(?:curl|wget)\b", "" if probe.is_http else probe.asked)
            if program is not None:
                text = f"the {kind} probe of {each.name} runs {program[0]}; use httpGet"
                faults.append((text, each.place(_line_of(probe))))
    good = "no probe runs curl or wget"
    return findings_of(clauses.PROBE_NEEDS_NO_CURL, faults, good, place=place)


def _check_startup(containers: list[_Container], place: Place | None) -> list[Finding]:
    """Check that services have time to start."""
    faults: list[Fault] = []
    unknown: str | None = "there is no liveness probe"
    for each in containers:
        probe = each.probes.get("liveness")
        if probe is None:
            continue
        unknown = None
        if (
            each.probes.get("startup") is None
            and _number(probe.node.at("initialDelaySeconds")) == 0
        ):
            text = f"{each.name} has a liveness probe, and no startup probe"
            faults.append((text, each.place(probe.node)))
    good = "there are startup probes"
    return findings_of(clauses.HAS_STARTUP, faults, good, place=place, unknown=unknown)
