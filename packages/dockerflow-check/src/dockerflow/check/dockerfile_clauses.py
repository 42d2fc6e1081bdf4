"""The clauses that a Dockerfile can be asked for."""

from __future__ import annotations

from .clauses import SPECIFICATION, Clause, Level

_DOCKERFILE = f"{SPECIFICATION}#dockerfile-requirements"
_CONTAINER = f"{SPECIFICATION}#containerized-app-requirements"
_BUILDING = f"{SPECIFICATION}/blob/main/docs/building-container.md"
_REFERENCE = "https://docs.docker.com/reference/dockerfile/"

_ACCOUNT = {
    "any": "RUN groupadd --gid 10001 app && useradd --uid 10001 --gid app --no-create-home app\n"
    "# Alpine: RUN addgroup -g 10001 app && adduser -u 10001 -G app -D -H app"
}
_COMMAND = {
    "Django": 'ENTRYPOINT ["/usr/bin/env"]\nCMD ["gunicorn", "shop.wsgi"]',
    "Flask": 'ENTRYPOINT ["/usr/bin/env"]\nCMD ["gunicorn", "service:app"]',
    "Express": 'ENTRYPOINT ["node"]\nCMD ["server.js"]',
    "Go": 'ENTRYPOINT ["/app/service"]\nCMD ["serve"]',
}

GROUP_IS_CREATED = Clause(
    id="DOCK01",
    name="group-app-is-created",
    level=Level.MUST,
    says="The Dockerfile creates a group app with GID 10001.",
    source=_DOCKERFILE,
    why="Volumes and policies of a cluster name the number, which must be the same in all images.",
    fixes=_ACCOUNT,
)

USER_IS_CREATED = Clause(
    id="DOCK02",
    name="user-app-is-created",
    level=Level.MUST,
    says="The Dockerfile creates a user app with UID 10001, a member of the group app.",
    source=_DOCKERFILE,
    why="Volumes and policies of a cluster name the number, which must be the same in all images.",
    fixes=_ACCOUNT,
)

USER_IS_APP = Clause(
    id="DOCK03",
    name="user-is-app",
    level=Level.MUST,
    says="The last USER instruction of the image is app, or 10001.",
    source=_DOCKERFILE,
    why="Without it the service runs as root, and whoever breaks into it is root in the container.",
    fixes={"any": "USER app\n# after all that needs root, such as installing packages"},
)

HAS_ENTRYPOINT_AND_CMD = Clause(
    id="DOCK04",
    name="entrypoint-and-cmd",
    level=Level.MUST,
    says="The Dockerfile has both ENTRYPOINT and CMD, and together they start the service.",
    source=_DOCKERFILE,
    why="The image starts the service without arguments, and other commands of it with them. An "
    "ENTRYPOINT drops the CMD of the image that it is built on.",
    fixes=_COMMAND,
)

SOURCES_ARE_IN_APP = Clause(
    id="DOCK05",
    name="sources-are-in-app",
    level=Level.SHOULD,
    says="The sources are copied to /app.",
    source=_DOCKERFILE,
    why="Tools look for the code, and for version.json, in /app.",
    fixes={"any": "WORKDIR /app\nCOPY . ."},
)

PORT_IS_USED = Clause(
    id="DOCK06",
    name="port-is-used",
    level=Level.SHOULD,
    says="The image sets a default of PORT, or its command uses it; no other port is written into "
    "the command.",
    source=_CONTAINER,
    why="The platform chooses the port by this variable, and asks there.",
    fixes={
        "Django": 'ENV PORT=8000\n# gunicorn reads PORT\nCMD ["gunicorn", "shop.wsgi"]',
        "Flask": 'ENV PORT=8000\n# gunicorn reads PORT\nCMD ["gunicorn", "service:app"]',
        "Express": "ENV PORT=8000\n// server.js\napp.listen(process.env.PORT);",
        "Go": 'ENV PORT=8000\n// main.go\nhttp.ListenAndServe(":"+os.Getenv("PORT"), mux)',
        "any": 'CMD ["sh", "-c", "exec uvicorn --host 0.0.0.0 --port $PORT service:app"]',
    },
)

PORT_IS_8000 = Clause(
    id="DOCK07",
    name="port-is-8000",
    level=Level.SHOULD,
    says="The default of PORT is 8000.",
    source=f"{SPECIFICATION}#optional-recommendations",
    why="One port for all services spares each deployment a setting.",
    fixes={"any": "ENV PORT=8000\nEXPOSE 8000"},
)

HAS_NO_SECRETS = Clause(
    id="DOCK08",
    name="no-secrets",
    level=Level.SHOULD,
    says="No ENV, ARG or URL of the Dockerfile holds a secret.",
    source="https://docs.docker.com/reference/build-checks/secrets-used-in-arg-or-env/",
    why="The values stay in the image and in its history, for all who can pull it.",
    fixes={
        "any": "RUN --mount=type=secret,id=token,env=TOKEN ./install\n"
        "# docker build --secret id=token,env=TOKEN .\n"
        "# What the running service needs is given to the container, by the platform."
    },
)

BASE_IS_PINNED = Clause(
    id="DOCK09",
    name="base-is-pinned",
    level=Level.SHOULD,
    says="Each image that is used has a tag with a version, or a digest; none is latest.",
    source="https://docs.docker.com/build/building/best-practices/#pin-base-image-versions",
    why="Tomorrow's build would otherwise be another image than the one that was tested today.",
    fixes={
        "Django": "FROM python:3.13-slim",
        "Flask": "FROM python:3.13-slim",
        "Express": "FROM node:24-slim",
        "Go": "FROM golang:1.25 AS build",
    },
)

BASE_IS_OFFICIAL = Clause(
    id="DOCK10",
    name="base-is-official",
    level=Level.SHOULD,
    says="The image is built on a Docker Official Image, such as node, python, golang or rust.",
    source=_BUILDING,
    why="Official images get security updates soon, from maintainers who are known.",
    fixes={
        "any": "FROM python:3.13-slim\n# A good reason for another image: --skip DOCK10",
    },
)

IS_EXEC_FORM = Clause(
    id="DOCK11",
    name="exec-form",
    level=Level.SHOULD,
    says="ENTRYPOINT is a JSON array, and so is CMD; a shell in them starts the service by exec.",
    source=f"{_REFERENCE}#shell-and-exec-form",
    why="A shell as the first process does not pass SIGTERM on: the service is killed in the midst "
    "of its requests. An ENTRYPOINT without an array ignores CMD.",
    fixes={
        "any": 'CMD ["gunicorn", "service:app"]\n# with variables\n'
        'CMD ["sh", "-c", "exec uvicorn --port $PORT service:app"]'
    },
)

HEALTHCHECK_ASKS_LBHEARTBEAT = Clause(
    id="DOCK12",
    name="healthcheck-asks-lbheartbeat",
    level=Level.SHOULD,
    says="A HEALTHCHECK asks /__lbheartbeat__, not /__heartbeat__.",
    source=_CONTAINER,
    why="The heartbeat fails with the database. Containers that are replaced for that all go at "
    "once, and new ones can't start either.",
    fixes={
        "Django": 'HEALTHCHECK --timeout=5s CMD ["python", "-m", "dockerflow.probe"]',
        "Flask": 'HEALTHCHECK --timeout=5s CMD ["python", "-m", "dockerflow.probe"]',
        "Express": 'HEALTHCHECK --timeout=5s CMD ["node", "-e", "fetch(`http://127.0.0.1:'
        '${process.env.PORT}/__lbheartbeat__`).then(r => process.exit(r.ok ? 0 : 1))"]',
        "Go": "HEALTHCHECK --timeout=5s CMD wget -q -O /dev/null "
        "http://127.0.0.1:$PORT/__lbheartbeat__",
    },
)

HAS_NO_ADD_FROM_URL = Clause(
    id="DOCK13",
    name="no-add-from-url",
    level=Level.SHOULD,
    says="ADD fetches nothing from a URL without a checksum.",
    source="https://docs.docker.com/build/building/best-practices/#add-or-copy",
    why="What is at the URL may change, and then comes into the image unseen.",
    fixes={"any": "ADD --checksum=sha256:24454f830c… https://example.org/tool.tar.gz /usr/local/"},
)

CLAUSES: tuple[Clause, ...] = (
    GROUP_IS_CREATED,
    USER_IS_CREATED,
    USER_IS_APP,
    HAS_ENTRYPOINT_AND_CMD,
    SOURCES_ARE_IN_APP,
    PORT_IS_USED,
    PORT_IS_8000,
    HAS_NO_SECRETS,
    BASE_IS_PINNED,
    BASE_IS_OFFICIAL,
    IS_EXEC_FORM,
    HEALTHCHECK_ASKS_LBHEARTBEAT,
    HAS_NO_ADD_FROM_URL,
)
