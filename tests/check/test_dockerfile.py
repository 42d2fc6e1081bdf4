"""The checks of a Dockerfile: what breaks each clause, and what does not."""

from __future__ import annotations

import contextlib
import pathlib

import pytest

from dockerflow.check.dockerfile import CLAUSES, check_dockerfile
from dockerflow.check.findings import Finding, Outcome, TargetError

GOOD = """\
# syntax=docker/dockerfile:1
FROM node:24-slim
RUN groupadd --gid 10001 app \\
 && useradd --uid 10001 --gid app --home-dir /app --no-create-home --shell /usr/sbin/nologin app
WORKDIR /app
COPY package.json .
RUN npm ci
COPY . .
USER app
ENV PORT=8000 NODE_ENV=production
EXPOSE 8000
HEALTHCHECK --timeout=5s CMD curl --fail http://127.0.0.1:$PORT/__lbheartbeat__
ENTRYPOINT ["/usr/bin/env"]
CMD ["node", "server.js"]
"""

ACCOUNTS = "RUN groupadd -g 10001 app && useradd -u 10001 -g app app\n"


def check(folder: pathlib.Path, text: str | bytes) -> dict[str, list[Finding]]:
    """Return the findings of a Dockerfile by clause."""
    file = folder / "Dockerfile"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    found: dict[str, list[Finding]] = {clause.id: [] for clause in CLAUSES}
    for each in check_dockerfile(str(file)):
        found[each.clause.id].append(each)
    assert all(found.values())
    return found


def outcomes(folder: pathlib.Path, text: str) -> dict[str, Outcome]:
    """Return the outcome of each clause of a Dockerfile."""
    return {id: each[0].outcome for id, each in check(folder, text).items()}


def test_good_one_keeps_all_clauses(tmp_path: pathlib.Path) -> None:
    """A Dockerfile that keeps the specification passes each clause, once."""
    found = check(tmp_path, GOOD)
    assert {id: [each.outcome for each in several] for id, several in found.items()} == {
        clause.id: [Outcome.PASSED] for clause in CLAUSES
    }


FAULTS = [
    ("DOCK01", "groupadd --gid 10001 app", "groupadd --gid 1000 app", 3),
    ("DOCK01", "groupadd --gid 10001 app", "groupadd app", 3),
    ("DOCK01", "groupadd --gid 10001 app", "groupadd --gid 10001 web", 2),
    ("DOCK01", "groupadd --gid 10001 app", "echo groupadd --gid 10001 app", 2),
    ("DOCK02", "useradd --uid 10001", "useradd --uid 1000", 3),
    ("DOCK02", "useradd --uid 10001", "useradd", 3),
    ("DOCK02", "--gid app --home", "--gid users --home", 3),
    ("DOCK02", "nologin app", "nologin web", 2),
    ("DOCK02", " \\\n && useradd", " # && useradd", 2),
    ("DOCK03", "USER app\n", "", 2),
    ("DOCK03", "USER app\n", "USER app\nUSER root\n", 10),
    ("DOCK03", "USER app\n", "USER 0\n", 9),
    ("DOCK03", "USER app\n", "USER app:root\n", 9),
    ("DOCK04", 'ENTRYPOINT ["/usr/bin/env"]\n', "", 13),
    ("DOCK04", 'CMD ["node", "server.js"]\n', "", 13),
    ("DOCK04", 'CMD ["node", "server.js"]\n', "CMD []\n", 13),
    ("DOCK05", "WORKDIR /app", "WORKDIR /srv", 8),
    ("DOCK05", "COPY . .", "COPY . /srv", 8),
    ("DOCK06", "PORT=8000 ", "", 2),
    ("DOCK06", '"server.js"]', '"server.js", "--port", "8000"]', 14),
    ("DOCK06", '"server.js"]', '"server.js", "--bind=0.0.0.0:80"]', 14),
    ("DOCK06", '"server.js"]', '"server.js", "--port", "$PORT"]', 14),
    ("DOCK07", "PORT=8000", "PORT=5000", 10),
    ("DOCK07", "PORT=8000 NODE_ENV=production\nEXPOSE 8000", "A=1\nEXPOSE 80", 11),
    ("DOCK08", "PORT=8000", "PORT=8000 DB_PASSWORD=hunter2", 10),
    ("DOCK08", "PORT=8000", "DATABASE_URL=postgres://shop:hunter2@db/shop PORT=8000", 10),
    ("DOCK08", "RUN npm ci", "ARG NPM_TOKEN\nRUN npm ci", 7),
    ("DOCK08", "RUN npm ci", "ENV NPM_TOKEN=$NPM\nRUN npm ci", 7),
    ("DOCK08", "RUN npm ci", "RUN git clone https://me:hunter2@example.org/a.git", 7),
    ("DOCK08", "RUN npm ci", f"RUN login ghp_{'a1' * 18}", 7),
    ("DOCK08", "COPY package.json .", "COPY package.json .env ./", 6),
    ("DOCK09", "node:24-slim", "node", 2),
    ("DOCK09", "node:24-slim", "node:latest", 2),
    ("DOCK09", "node:24-slim", "registry.example.org:5000/node", 2),
    ("DOCK09", "RUN npm ci", "COPY --from=ghcr.io/astral-sh/uv:latest /uv /bin/", 7),
    ("DOCK10", "node:24-slim", "docker.io/example/node:24", 2),
    ("DOCK11", '["/usr/bin/env"]', "/usr/bin/env", 13),
    ("DOCK11", '["node", "server.js"]', "node server.js", 14),
    ("DOCK11", '["node", "server.js"]', "['node', 'server.js']", 14),
    ("DOCK11", '["node", "server.js"]', '["sh", "-c", "node server.js"]', 14),
    ("DOCK12", "/__lbheartbeat__", "/__heartbeat__", 12),
    ("DOCK12", "/__lbheartbeat__", "/health", 12),
    ("DOCK13", "COPY package.json .", "ADD https://example.org/tool.tar.gz /app/", 6),
    ("DOCK13", "COPY package.json .", "ADD git@example.org:a/b.git /app/", 6),
]


@pytest.mark.parametrize(("id", "good", "bad", "line"), FAULTS)
def test_fault(tmp_path: pathlib.Path, id: str, good: str, bad: str, line: int) -> None:
    """A fault breaks its clause, a MUST or a SHOULD, on its line, and no secret is shown."""
    assert good in GOOD
    (finding,) = check(tmp_path, GOOD.replace(good, bad))[id]
    is_must = id <= "DOCK04"
    assert finding.outcome is (Outcome.FAILED if is_must else Outcome.WARNING)
    assert finding.place is not None
    assert finding.place.path == str(tmp_path / "Dockerfile")
    assert finding.place.line == line
    assert "hunter2" not in finding.text
    assert "ghp_" not in finding.text


ALLOWED = [
    ("DOCK02", " --gid app", " --gid users app && addgroup app app ; true"),
    ("DOCK02", " --gid app", " --gid users app && adduser app app ; true"),
    ("DOCK03", "USER app", "USER 10001:10001"),
    ("DOCK03", "USER app", "ARG A=x\nUSER ${A:+app}"),
    ("DOCK07", "PORT=8000 NODE_ENV", "NODE_ENV"),
    ("DOCK03", "USER app", "ARG WHO=app\nUSER ${WHO}"),
    ("DOCK05", "WORKDIR /app", "WORKDIR /\nWORKDIR app/src"),
    ("DOCK06", "PORT=8000 ", "PORT=$UNKNOWN "),
    ("DOCK06", '["node", "server.js"]', '["sh", "-c", "exec web --port ${PORT:-8000}"]'),
    ("DOCK08", "PORT=8000", "PORT=8000 TOKENIZERS_PARALLELISM=no SECRET_KEY_FILE=/run/secrets/a"),
    ("DOCK08", "PORT=8000", "PORT=8000 CHECK_TOKEN=no DB_PASSWORD=/run/secrets/db"),
    ("DOCK08", "RUN npm ci", "RUN git clone https://me:$TOKEN@example.org/a.git"),
    ("DOCK09", "node:24-slim", f"node@sha256:{'0' * 64}"),
    ("DOCK09", "FROM node:24-slim", "ARG VERSION=24\nFROM node:${VERSION}-slim"),
    ("DOCK10", "node:24-slim", "public.ecr.aws/docker/library/node:24"),
    ("DOCK11", '["node", "server.js"]', "exec node server.js"),
    ("DOCK11", '["node", "server.js"]', '["sh", "-c", "exec node server.js"]'),
    ("DOCK12", "curl --fail http://127.0.0.1:$PORT/__lbheartbeat__", "python -m dockerflow.probe"),
    ("DOCK13", "COPY package.json .", "ADD --checksum=sha256:00 https://example.org/a /app/"),
]


@pytest.mark.parametrize(("id", "usual", "other"), ALLOWED)
def test_other_way(tmp_path: pathlib.Path, id: str, usual: str, other: str) -> None:
    """Another way to keep a clause passes too."""
    assert usual in GOOD
    assert outcomes(tmp_path, GOOD.replace(usual, other))[id] is Outcome.PASSED


@pytest.mark.parametrize(
    "commands",
    [
        "RUN addgroup -g 10001 app && adduser -u 10001 -G app -D -H app\n",
        "RUN addgroup -S -g 10001 app; adduser -S -G app -u10001 app 2>/dev/null || true\n",
        (
            "RUN addgroup --gid 10001 app\n"
            "RUN adduser --disabled-password --gecos '' --uid 10001 --ingroup app app\n"
        ),
        "RUN useradd --uid=10001 app\n",
        "RUN adduser --system --group --uid 10001 app\n",
        "RUN bash -o pipefail -euc 'groupadd -g 10001 app && useradd -u 10001 -g app app'\n",
        "RUN busybox addgroup -g 10001 app && env A=1 adduser -D -u 10001 -G app app\n",
        "RUN /usr/sbin/groupadd -rg 10001 app && /usr/sbin/useradd -rMu 10001 -g 10001 app\n",
        (
            'RUN ["groupadd", "-g", "10001", "app"]\n'
            'RUN ["sh", "-c", "useradd -u 10001 -g app -c \'a; b\' app"]\n'
        ),
        "RUN groupmod -g 10001 -n app node && usermod -u 10001 -l app -g app node\n",
        "ARG ID=10001\nRUN groupadd -g ${ID} app && useradd -u ${ID} -g $ID app\n",
        (
            "RUN <<EOF\n# the service's user\nset -e\nif true; then groupadd \\\n"
            " -g 10001 app; fi # done\n"
            "useradd -u 10001 -g app app\nEOF\n"
        ),
        (
            "RUN echo app:x:10001: >> /etc/group && echo app:x:10001:10001::/app:/bin/false "
            ">> /etc/passwd\n"
        ),
        "COPY <<A <<B /etc/\napp:x:10001:10001::/:/bin/false\nA\napp:x:10001:\nB\n",
        "RUN groupadd -g 10001 app && useradd -u 10001 -g users app && usermod -aG app app\n",
    ],
)
def test_accounts(tmp_path: pathlib.Path, commands: str) -> None:
    """The user and the group are found in the commands of Debian, Alpine and others."""
    if "COPY <<A" in commands:
        commands = commands.replace("/etc/\n", "/etc/passwd\n")
    found = outcomes(tmp_path, f"FROM alpine:3.22\n{commands}USER app\n")
    assert (found["DOCK01"], found["DOCK02"]) == (Outcome.PASSED, Outcome.PASSED)


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ("RUN adduser -S -u 10001 app\n", Outcome.FAILED),  # its group is nogroup
        ("RUN useradd -u 10001 -N app\n", Outcome.FAILED),
        ("RUN useradd -u 10001 app ; useradd -l -u 1 app\n", Outcome.FAILED),
        ("RUN apk add adduser app\n", Outcome.FAILED),
        ("RUN groupadd -g $GID app && useradd -u $ID -g app app\n", Outcome.SKIPPED),
        ("COPY passwd /etc/passwd\n", Outcome.SKIPPED),
        ("COPY set-up.sh /tmp\nRUN /tmp/set-up.sh\n", Outcome.SKIPPED),
        ("RUN npm ci\n", Outcome.FAILED),
        ("RUN usermod -u 10001 -l app node\n", Outcome.SKIPPED),  # its groups are those of node
    ],
)
def test_accounts_in_doubt(tmp_path: pathlib.Path, commands: str, expected: Outcome) -> None:
    """What is no member of the group app fails; what can't be known is skipped.

    The user app of USER has to come from somewhere, and may come from a script.
    """
    found = outcomes(tmp_path, f"FROM alpine:3.22\n{commands}USER app\n")
    assert found["DOCK02"] is expected


def test_group_of_a_system_user(tmp_path: pathlib.Path) -> None:
    """The group that useradd makes for a system user has a number below 1000, and none given."""
    found = outcomes(tmp_path, "FROM debian:13\nRUN useradd --system -u 10001 app\nUSER app\n")
    assert (found["DOCK01"], found["DOCK02"]) == (Outcome.FAILED, Outcome.PASSED)


SKIPPED = [
    ("DOCK01", "app \\\n", "$APP \\\n"),
    ("DOCK03", "USER app", "USER $UNKNOWN"),
    ("DOCK05", "COPY . .", "COPY . $UNKNOWN/app"),
    ("DOCK07", "PORT=8000", "PORT=${UNKNOWN}"),
    ("DOCK07", "PORT=8000 NODE_ENV=production\nEXPOSE 8000", "A=1"),
    ("DOCK09", "node:24-slim", "node:$UNKNOWN"),
    ("DOCK09", "node:24-slim", "${UNKNOWN:+node}${A/b}"),
    ("DOCK10", "node:24-slim", "$UNKNOWN"),
    ("DOCK11", 'ENTRYPOINT ["/usr/bin/env"]\nCMD ["node", "server.js"]\n', ""),
    ("DOCK12", "--timeout=5s CMD curl --fail http://127.0.0.1:$PORT/__lbheartbeat__", "NONE"),
    ("DOCK12", "curl --fail http://127.0.0.1:$PORT/__lbheartbeat__", "./healthy"),
]


@pytest.mark.parametrize(("id", "known", "unknown"), SKIPPED)
def test_what_is_not_known_is_skipped(
    tmp_path: pathlib.Path, id: str, known: str, unknown: str
) -> None:
    """What depends on a value from elsewhere is skipped, with the reason."""
    assert known in GOOD
    text = GOOD.replace(known, unknown)
    if id == "DOCK05":
        text = text.replace("COPY package.json .", "").replace("WORKDIR /app", "WORKDIR $UNKNOWN")
    (finding,) = check(tmp_path, text)[id]
    assert finding.outcome is Outcome.SKIPPED
    assert finding.text


def test_clauses_explain_themselves() -> None:
    """Each clause has an id of its own, a source to read, a reason, and how to mend it."""
    ids = [clause.id for clause in CLAUSES]
    assert ids == sorted(set(ids))
    for clause in CLAUSES:
        assert clause.says.endswith(".")
        assert clause.why.endswith(".")
        assert clause.source.startswith("https://")
        assert clause.fixes.keys() <= {"Django", "Flask", "Express", "Go", "any"}
        assert "any" in clause.fixes or len(clause.fixes) == 4


def test_other_base_image_may_have_accounts(tmp_path: pathlib.Path) -> None:
    """On an image that is not Docker's own, missing accounts are skipped with the reason."""
    found = check(tmp_path, "FROM registry.example.org/base:7\nUSER app\nCOPY . .\n")
    assert [found[id][0].outcome for id in ("DOCK01", "DOCK02", "DOCK05")] == [Outcome.SKIPPED] * 3
    assert "registry.example.org/base:7" in found["DOCK01"][0].text


def test_other_base_image_may_have_the_rest(tmp_path: pathlib.Path) -> None:
    """So are a missing USER, ENTRYPOINT and CMD; what is set here is checked all the same."""
    text = "FROM registry.example.org/base:7\nCOPY . /app\n"
    for more in ("", 'CMD ["serve"]\n'):
        found = check(tmp_path, text + more)
        assert [found[id][0].outcome for id in ("DOCK03", "DOCK04")] == [Outcome.SKIPPED] * 2
        assert "registry.example.org/base:7" in found["DOCK03"][0].text
    other = outcomes(tmp_path, f'{text}USER root\nENTRYPOINT ["serve"]\n')
    assert [other["DOCK03"], other["DOCK04"]] == [Outcome.FAILED] * 2


def test_last_stage_counts(tmp_path: pathlib.Path) -> None:
    """Only the last stage and those it is built on count, and a copied /etc/passwd counts."""
    text = f"""\
FROM golang:1.25 AS build
{ACCOUNTS}COPY . /src
USER root
ENTRYPOINT ["/bin/true"]
FROM scratch AS Base
COPY --from=build /etc/passwd /etc/group /etc/
ENV PORT=8000
USER app
CMD ["serve"]
FROM base
COPY --from=build /src/service /app/
ENTRYPOINT ["/app/service"]
CMD ["serve"]
"""
    assert {outcome for id, outcome in outcomes(tmp_path, text).items() if id != "DOCK12"} == {
        Outcome.PASSED
    }


@pytest.mark.parametrize("target", ["Production", "0"])
def test_target(tmp_path: pathlib.Path, target: str) -> None:
    """Another stage than the last may be the image."""
    text = GOOD.replace("node:24-slim", "node:24-slim AS production")
    (tmp_path / "Dockerfile").write_text(f"{text}FROM production\nUSER root\n")
    found = check_dockerfile(tmp_path / "Dockerfile", target=target)
    assert {each.outcome for each in found} == {Outcome.PASSED}
    with pytest.raises(TargetError, match="Dockerfile has no stage 'tests'"):
        check_dockerfile(tmp_path / "Dockerfile", target="tests")


def test_entrypoint_drops_command_of_earlier_stage(tmp_path: pathlib.Path) -> None:
    """A CMD of an earlier stage is gone after an ENTRYPOINT, as in Docker."""
    text = 'FROM node:24 AS a\nCMD ["x"]\nFROM a\nENTRYPOINT ["y"]\n'
    finding = check(tmp_path, text)["DOCK04"][0]
    assert finding.outcome is Outcome.FAILED
    assert "ENTRYPOINT drops that of an earlier stage" in finding.text
    other = 'FROM node:24 AS a\nENTRYPOINT ["y"]\nFROM a\nCMD ["x"]\n'
    assert outcomes(tmp_path, other)["DOCK04"] is Outcome.PASSED


def test_accounts_of_other_stage_do_not_count(tmp_path: pathlib.Path) -> None:
    """Accounts of a stage that the image is not built on are missing."""
    found = outcomes(tmp_path, f"FROM node:24 AS a\n{ACCOUNTS}FROM node:24\nUSER app\n")
    assert found["DOCK01"] is Outcome.FAILED


def test_syntax(tmp_path: pathlib.Path) -> None:
    """Directives, comments within instructions, a BOM and CRLF are read as Docker does."""
    text = (
        "\ufeff# escape=`\n\n  from node:24-slim as x\nrun true `  \n  # a comment\n\n"
        "  && groupadd -g 10001 app `\n && useradd -u 10001 -g app app\n"
        "copy <<-'EOF' /app/run\n\tUSER nobody\n\tEOF\nuser 'app'\nENV port 1\nenv PORT 8000\n"
        'entrypoint [ "a\\\\b" ]\ncmd ["b"]\nonbuild user root\n'
    )
    found = outcomes(tmp_path, text.replace("\n", "\r\n"))
    assert {outcome for id, outcome in found.items() if id != "DOCK12"} == {Outcome.PASSED}


def test_several_faults_have_their_lines(tmp_path: pathlib.Path) -> None:
    """A clause that is broken in several places has a finding for each, up to a bound."""
    text = "FROM node:24\nENV A_TOKEN=a\nENV B_TOKEN=b\n"
    found = check(tmp_path, text)["DOCK08"]
    assert [each.place and each.place.line for each in found] == [2, 3]
    many = check(tmp_path, "FROM node:24\n" + "ENV A_TOKEN=a\n" * 1500)["DOCK08"]
    assert len(many) == 51
    assert "1450 more" in many[-1].text


def test_control_characters_are_escaped(tmp_path: pathlib.Path) -> None:
    """A text out of the file can't move the cursor of a terminal."""
    finding = check(tmp_path, "FROM node:24\nUSER \x1b[2Jroot\n")["DOCK03"][0]
    assert r"\x1b[2Jroot" in finding.text
    assert "\x1b" not in finding.text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no FROM"),
        (b"{}", "no FROM"),
        (b"FROM a\nRUN <<EOF\necho\n", ":2 is no Dockerfile: a heredoc has no end"),
        (b"FROM a\n" + b"RUN a\n" * 3000, "more than 2000 instructions"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"FROM a\n\0", "not a text file"),
        (b"#" * 200_001, "larger than 200,000 bytes"),
    ],
)
def test_no_dockerfile(tmp_path: pathlib.Path, content: bytes, says: str) -> None:
    """What is no Dockerfile is refused in one sentence that names it."""
    with pytest.raises(TargetError, match=says) as caught:
        check(tmp_path, content)
    assert str(caught.value).startswith(str(tmp_path / "Dockerfile"))


def test_no_file(tmp_path: pathlib.Path) -> None:
    """A directory, a missing file and an impossible name are refused in one sentence."""
    with pytest.raises(TargetError, match="is a directory"):
        check_dockerfile(tmp_path)
    with pytest.raises(TargetError, match="No such file"):
        check_dockerfile(tmp_path / "none\nname")
    with pytest.raises(TargetError, match="can't be read"):
        check_dockerfile("a\0b")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    [
        "ENV A=" + "x" * 1000 + "\n" + "ENV A=$A$A$A\n" * 1900,
        "ENV " + "A=$A " * 30_000,
        "ENV " + " ".join(f"A{number}=1" for number in range(20_000)) + "\nENV B=1" * 1900,
        "ENV A=" + "x" * 9000 + "\nUSER " + "$A" * 80_000,
        "RUN " + "'" * 190_001,
        'RUN "' + '\\"' * 90_000,
        "RUN " + "useradd -u 10001 app;" * 9_000,
        "RUN " + "-p=-p=" * 30_000,
        'CMD ["-p=' + "-p=" * 60_000 + '"]',
        "CMD " + "--port " * 25_000,
        "CMD " + "[" * 190_000,
        "USER " + "${A:-" * 35_000,
        "COPY " + "<<A " * 45_000 + "\n",
        "RUN " + "://:" * 45_000,
        "RUN a \\\n" * 25_000,
        "FROM a AS a\n" * 1900,
        "COPY --from=0 / /\n" * 1900,
        "RUN " + "--a " * 45_000,
    ],
)
def test_hostile_text_ends_soon(tmp_path: pathlib.Path, text: str) -> None:
    """A text made to cost time or memory is checked, or refused, all the same."""
    with contextlib.suppress(TargetError):
        check(tmp_path, f"FROM node:24\n{text}")
