"""Checking the image of a container, from its archive and without any daemon."""

from __future__ import annotations

from collections.abc import Callable

from .archive import load
from .clauses import SPECIFICATION, Clause, Level
from .findings import Finding, Place, broken, passed, skipped
from .image_checks import Checks, FaultError, UnseenError
from .streams import Limits

MAX_SIZE = 10**9  # bytes

DOCKERFILE = f"{SPECIFICATION}#dockerfile-requirements"
APP = f"{SPECIFICATION}#containerized-app-requirements"
OPTIONAL = f"{SPECIFICATION}#optional-recommendations"
BUILDING = f"{SPECIFICATION}/blob/main/docs/building-container.md"
VERSION = f"{SPECIFICATION}/blob/main/docs/version_object.md"

CREATE_USER = {
    "any": "RUN groupadd --gid 10001 app \\\n"
    "    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin app\n"
    "# Alpine: RUN addgroup -g 10001 app && adduser -D -H -u 10001 -G app app",
    "Go": "# where the last stage is FROM scratch, which has no users\n"
    "COPY --from=build /etc/passwd /etc/group /etc/\n"
    "USER app",
}
WRITE_VERSION = {
    "any": "In CI, before `docker build`, with COPY version.json /app/ in the Dockerfile:\n"
    'printf \'{"source": "%s", "version": "%s", "commit": "%s", "build": "%s"}\\n\' \\\n'
    '  "$REPOSITORY_URL" "$TAG" "$COMMIT" "$BUILD_URL" > version.json',
    "Django": "Run `python -m dockerflow.version write` in CI; it knows GitHub, GitLab, CircleCI.",
    "Flask": "Run `python -m dockerflow.version write` in CI; it knows GitHub, GitLab, CircleCI.",
}

CLAUSES = (
    Clause(
        "IMG01",
        "group-app",
        Level.MUST,
        "The image has a group app with the GID 10001.",
        DOCKERFILE,
        "Volumes and policies of a cluster name the group by its number, which has to be the same "
        "in all images.",
        CREATE_USER,
    ),
    Clause(
        "IMG02",
        "user-app",
        Level.MUST,
        "The image has a user app with the UID 10001, who is a member of the group app.",
        DOCKERFILE,
        "A policy that forbids root compares numbers, and files on volumes belong to a number.",
        CREATE_USER,
    ),
    Clause(
        "IMG03",
        "default-user",
        Level.MUST,
        "The image's default user is app.",
        DOCKERFILE,
        "Without it the service runs as root, and who breaks into it is root too.",
        {"any": "# the last USER instruction, before ENTRYPOINT and CMD\nUSER app"},
    ),
    Clause(
        "IMG04",
        "entrypoint-and-cmd",
        Level.MUST,
        "The image has both an ENTRYPOINT and a CMD.",
        DOCKERFILE,
        "The image starts without arguments, and other commands, such as a migration, can replace "
        "CMD alone.",
        {
            "Django": '# entrypoint.sh ends in: exec "$@"\nENTRYPOINT ["/app/entrypoint.sh"]\n'
            'CMD ["gunicorn", "project.wsgi"]',
            "Flask": '# entrypoint.sh ends in: exec "$@"\nENTRYPOINT ["/app/entrypoint.sh"]\n'
            'CMD ["gunicorn", "service:app"]',
            "Express": 'ENTRYPOINT ["node"]\nCMD ["server.js"]',
            "Go": 'ENTRYPOINT ["/app/service"]\nCMD ["serve"]',
        },
    ),
    Clause(
        "IMG05",
        "app-directory",
        Level.SHOULD,
        "The sources are in the directory /app.",
        DOCKERFILE,
        "Tools and people look for the service and for its version.json there.",
        {"any": "WORKDIR /app\nCOPY . /app", "Go": "COPY --from=build /src/service /app/service"},
    ),
    Clause(
        "IMG06",
        "version-file",
        Level.MUST,
        "The image has a file /app/version.json.",
        APP,
        "It says what is deployed; without it nobody knows which commit has the fault.",
        WRITE_VERSION,
    ),
    Clause(
        "IMG07",
        "version-object",
        Level.MUST,
        "/app/version.json is a JSON object with the strings source, version, commit and build.",
        VERSION,
        "Deployments and dashboards read these keys from /__version__.",
        WRITE_VERSION,
    ),
    Clause(
        "IMG08",
        "version-values",
        Level.SHOULD,
        "In version.json, source and build are URLs without a user, and commit is a hash.",
        VERSION,
        "A placeholder that the build has not filled in leads nowhere, and a token in a URL is "
        "shown to everybody by /__version__.",
        WRITE_VERSION,
    ),
    Clause(
        "IMG09",
        "port-8000",
        Level.SHOULD,
        "The image says that it listens on port 8000: by PORT in its environment, or by EXPOSE.",
        OPTIONAL,
        "With the same port everywhere, the configuration of load balancers and probes is the "
        "same too.",
        {"any": "ENV PORT=8000\nEXPOSE 8000"},
    ),
    Clause(
        "IMG10",
        "read-only-files",
        Level.SHOULD,
        "The user app can't write to the files and directories of /app.",
        BUILDING,
        "Who breaks into the service could replace its code, and stay.",
        {"any": "# as root, without --chown; write to /tmp or to a volume\nCOPY . /app"},
    ),
    Clause(
        "IMG11",
        "no-secrets",
        Level.SHOULD,
        "There are no passwords, tokens and keys in the image's environment and history.",
        "https://docs.docker.com/build/building/secrets/",
        "Everybody who can pull the image can read them, with `docker inspect` and `docker "
        "history`, also after a later instruction has unset them.",
        {
            "any": "RUN --mount=type=secret,id=token TOKEN=$(cat /run/secrets/token) make\n"
            "# and `docker build --secret id=token,src=token.txt .`; the service's own secrets\n"
            "# come from its environment when it runs. Replace those that have been published."
        },
    ),
    Clause(
        "IMG12",
        "size",
        Level.SHOULD,
        "The image is no larger than it needs to be: by default, a gigabyte, not compressed.",
        BUILDING,
        "Each new machine pulls it before the service can start there.",
        {
            "Django": "FROM python:3.13-slim",
            "Flask": "FROM python:3.13-slim",
            "Express": "FROM node:24-slim\nRUN npm ci --omit=dev",
            "Go": "Build in a first stage, and COPY --from=build the program alone to a small one.",
        },
    ),
    Clause(
        "IMG13",
        "no-git-or-env-files",
        Level.SHOULD,
        "No .git and no .env is below /app, in no layer.",
        "https://docs.docker.com/build/concepts/context/#dockerignore-files",
        "They hold the whole history and the secrets of a developer's machine. What a later layer "
        "removes is still in the image.",
        {"any": "# .dockerignore\n**/.git\n**/.env"},
    ),
    Clause(
        "IMG14",
        "no-device-files",
        Level.SHOULD,
        "The image has no device files.",
        "https://github.com/opencontainers/image-spec/blob/main/layer.md#file-types",
        "The engine makes those of /dev; others give access to the machine's devices, or can't be "
        "unpacked without privileges.",
        {"any": "Don't run mknod in the build, and start from an official image."},
    ),
)

CHECKS: dict[str, tuple[Callable[[Checks], str], str]] = {
    "IMG01": (Checks.group_app, "create it with groupadd --gid 10001 app"),
    "IMG02": (Checks.user_app, "create it with useradd --uid 10001 --gid 10001 app"),
    "IMG03": (Checks.default_user, "add USER app to the Dockerfile"),
    "IMG04": (Checks.entrypoint_and_cmd, "have both in the Dockerfile"),
    "IMG05": (Checks.app_directory, "COPY the sources to /app"),
    "IMG06": (Checks.version_file, "write it in CI, and COPY it to /app"),
    "IMG07": (Checks.version_object, "write the file in CI"),
    "IMG08": (Checks.version_values, "write the file in CI"),
    "IMG09": (Checks.port, "add ENV PORT=8000"),
    "IMG10": (Checks.read_only_files, "COPY the files as root, without --chown"),
    "IMG11": (Checks.secrets, "use RUN --mount=type=secret, and replace what has been published"),
    "IMG12": (Checks.size, "use a smaller base image, and build in a stage of its own"),
    "IMG13": (Checks.files_of_developers, "list .git and .env in .dockerignore"),
    "IMG14": (Checks.device_files, "don't make them in the build"),
}
"""What looks at each clause and returns what is well; and the remedy for a fault."""


def check_image(
    path: str,
    *,
    platform: str | None = None,
    max_size: int = MAX_SIZE,
    limits: Limits | None = None,
) -> list[Finding]:
    """Check the image of an archive: an OCI layout, or what ``docker save`` writes.

    :param path: the archive, compressed with gzip or not.
    :param platform: such as ``linux/arm64``; without it, the first image is checked.
    :param max_size: bytes of its layers, not compressed.
    :param limits: beyond which an archive is refused.
    :raises TargetError: if the archive can't be read, is damaged, or is refused.
    """
    checks = Checks(load(path, platform, limits), max_size)
    return [look(checks, clause, Place(path)) for clause in CLAUSES]


def look(checks: Checks, clause: Clause, place: Place) -> Finding:
    """Return what is found of a clause."""
    check, remedy = CHECKS[clause.id]
    try:
        return passed(clause, check(checks), place)
    except FaultError as fault:
        return broken(clause, f"{fault}; {remedy}", place)
    except UnseenError as reason:
        return skipped(clause, str(reason), place)
