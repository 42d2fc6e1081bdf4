"""The clauses that the manifests of Kubernetes can be asked for."""

from __future__ import annotations

from .clauses import SPECIFICATION, Clause, Level

_CONTAINER = f"{SPECIFICATION}#containerized-app-requirements"
_PROBES = (
    "https://kubernetes.io/docs/tasks/configure-pod-container/"
    "configure-liveness-readiness-startup-probes/"
)

# A MUST, although the specification has no word for probes: it gives backing services to
# /__heartbeat__ alone, and keeps /__lbheartbeat__ free of them for who decides on one instance.
LIVENESS_IS_NOT_HEARTBEAT = Clause(
    id="K8S01",
    name="liveness-is-not-heartbeat",
    level=Level.MUST,
    says="No liveness probe asks /__heartbeat__.",
    source=_CONTAINER,
    why="The heartbeat fails with a backing service. Kubernetes then restarts all pods at once, "
    "which mends nothing, and their start may overload the service when it is back. The "
    "specification does not mention probes; it keeps /__lbheartbeat__ free of backing services.",
    fixes={"any": "livenessProbe:\n  httpGet: {path: /__lbheartbeat__, port: http}"},
)

LIVENESS_IS_LBHEARTBEAT = Clause(
    id="K8S02",
    name="liveness-is-lbheartbeat",
    level=Level.SHOULD,
    says="The container of the service has a liveness probe, and it asks /__lbheartbeat__.",
    source=_CONTAINER,
    why="It is the one endpoint that says that the process answers, and nothing else. A process "
    "that hangs is restarted by it.",
    fixes={"any": "livenessProbe:\n  httpGet: {path: /__lbheartbeat__, port: http}"},
)

HAS_READINESS = Clause(
    id="K8S03",
    name="has-readiness",
    level=Level.SHOULD,
    says="The container of the service has a readiness probe.",
    source=f"{_PROBES}#define-readiness-probes",
    why="Without it a pod gets requests before it listens: each deployment loses some.",
    fixes={"any": "readinessProbe:\n  httpGet: {path: /__lbheartbeat__, port: http}"},
)

READINESS_IS_NOT_HEARTBEAT = Clause(
    id="K8S04",
    name="readiness-is-not-heartbeat",
    level=Level.SHOULD,
    says="No readiness probe asks /__heartbeat__ for all checks.",
    source=_CONTAINER,
    why="A backing service that all pods share takes all of them out of the Service at once: the "
    "clients get no answer where they would have got the service's own error.",
    fixes={
        "any": "readinessProbe:\n  httpGet: {path: /__lbheartbeat__, port: http}\n"
        "# or a group of checks that differ by pod, e.g. /__heartbeat__/readiness"
    },
)

HEARTBEAT_HAS_TIME = Clause(
    id="K8S05",
    name="heartbeat-has-time",
    level=Level.SHOULD,
    says="A probe that asks /__heartbeat__ has a timeoutSeconds above the default of 1 second.",
    source=f"{_PROBES}#configure-probes",
    why="A heartbeat asks backing services. The probe would give up before it can say which of "
    "them is slow, and count that as a failure.",
    fixes={
        "any": "startupProbe:\n  httpGet: {path: /__heartbeat__, port: http}\n"
        "  timeoutSeconds: 6  # above the time limit of the checks"
    },
)

PORTS_AGREE = Clause(
    id="K8S06",
    name="ports-agree",
    level=Level.SHOULD,
    says="PORT is one of the container's ports, and its HTTP probes ask ports that it has.",
    source=_CONTAINER,
    why="The service listens on PORT. A probe or a Service that uses another port finds nobody.",
    fixes={
        "any": 'env:\n  - {name: PORT, value: "8000"}\nports:\n'
        "  - {name: http, containerPort: 8000}"
    },
)

RUNS_AS_APP = Clause(
    id="K8S07",
    name="runs-as-app",
    level=Level.SHOULD,
    says="The securityContext of the pod or of the container has runAsUser 10001.",
    source=f"{SPECIFICATION}#dockerfile-requirements",
    why="It does not run as root then, whatever the image says. runAsNonRoot alone does not start "
    "an image that ends with USER app: Kubernetes can't tell from a name that it isn't root.",
    fixes={
        "any": "securityContext:\n  runAsNonRoot: true\n  runAsUser: 10001\n  runAsGroup: 10001"
    },
)

PROBE_NEEDS_NO_CURL = Clause(
    id="K8S08",
    name="probe-needs-no-curl",
    level=Level.SHOULD,
    says="No probe runs curl or wget inside of the container.",
    source=f"{_PROBES}#define-a-liveness-http-request",
    why="Slim images don't have them, so that the probe always fails; and each run starts a "
    "process.",
    fixes={"any": "livenessProbe:\n  httpGet: {path: /__lbheartbeat__, port: http}"},
)

HAS_STARTUP = Clause(
    id="K8S09",
    name="has-startup",
    level=Level.SHOULD,
    says="A container with a liveness probe has a startup probe too, or an initialDelaySeconds.",
    source=f"{_PROBES}#define-startup-probes",
    why="A slow start, such as one that runs migrations, is otherwise ended by the liveness probe, "
    "again and again.",
    fixes={
        "any": "startupProbe:\n  httpGet: {path: /__lbheartbeat__, port: http}\n"
        "  periodSeconds: 2\n  failureThreshold: 30"
    },
)

CLAUSES: tuple[Clause, ...] = (
    LIVENESS_IS_NOT_HEARTBEAT,
    LIVENESS_IS_LBHEARTBEAT,
    HAS_READINESS,
    READINESS_IS_NOT_HEARTBEAT,
    HEARTBEAT_HAS_TIME,
    PORTS_AGREE,
    RUNS_AS_APP,
    PROBE_NEEDS_NO_CURL,
    HAS_STARTUP,
)
