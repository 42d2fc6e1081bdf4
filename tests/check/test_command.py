"""The command ``dockerflow-check``."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from dockerflow.check import command, dockerfile, http, image, logs, manifest, service
from dockerflow.check.catalogue import CATALOGUE, Catalogue
from dockerflow.check.findings import Finding, Place, TargetError, passed
from tests.check.findings import CLAUSES, FINDINGS, URL

Calls = list[tuple[tuple[Any, ...], dict[str, Any]]]
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CI system, and no terminal with colours, is found in the environment."""
    for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run() -> Run:
    """Run the command in this process."""
    return lambda *args, **options: CliRunner().invoke(command.main, args, **options)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The HTTP room answers with findings of ours, and notes how it was called."""
    seen: Calls = []

    def check_http(*args: Any, **kwargs: Any) -> list[Finding]:
        seen.append((args, kwargs))
        return FINDINGS

    monkeypatch.setattr(http, "CLAUSES", CLAUSES)
    monkeypatch.setattr(http, "check_http", check_http)
    monkeypatch.setattr(command, "CATALOGUE", Catalogue(CLAUSES, logs.CLAUSES))
    return seen


def raising(text: str) -> Callable[..., list[Finding]]:
    """Return a check of something that can't be checked."""

    def check(*_: object, **__: object) -> list[Finding]:
        raise TargetError(text)

    return check


def test_a_broken_must_is_status_1(run: Run, calls: Calls) -> None:
    """Findings are printed, and a broken MUST is exit status 1."""
    result = run("http", URL)
    assert result.exit_code == 1
    assert "failed   HTTP03  MUST    the status is 404" in result.stdout
    assert calls == [
        (
            (URL,),
            {
                "timeout": 10,
                "expected_version": None,
                "error_endpoint": False,
                "request_id_header": "X-Request-ID",
                "verify": True,
            },
        )
    ]


@pytest.mark.parametrize(
    ("options", "status", "ids"),
    [
        (["--skip", "HTTP03"], 0, ["HTTP01", "HTTP02", "HTTP04"]),
        (["--skip", "HTTP03", "--strict"], 1, ["HTTP01", "HTTP02", "HTTP04"]),
        (["--skip", "http03, HTTP02", "--strict"], 0, ["HTTP01", "HTTP04"]),
        (["--only", "HTTP01", "--only", "HTTP02"], 0, ["HTTP01", "HTTP02"]),
        (["--only", "HTTP"], 1, ["HTTP01", "HTTP02", "HTTP03", "HTTP04"]),
        (["--only", "HTTP", "--skip", "HTTP02,HTTP03"], 0, ["HTTP01", "HTTP04"]),
        (["--skip", "LOG,HTTP03"], 0, ["HTTP01", "HTTP02", "HTTP04"]),
    ],
)
@pytest.mark.usefixtures("calls")
def test_clauses_are_chosen_by_id_and_area(
    run: Run, options: list[str], status: int, ids: list[str]
) -> None:
    """Only the chosen clauses are reported and count; with --strict warnings count too."""
    result = run("http", URL, "--json", *options)
    assert [each["id"] for each in json.loads(result.stdout)["findings"]] == ids
    assert result.exit_code == status


@pytest.mark.parametrize(
    "options", [["--only", "HTTP77"], ["--skip", "lb\x1bheart"], ["--only", "LOG"]]
)
def test_a_choice_of_nothing_is_refused(run: Run, calls: Calls, options: list[str]) -> None:
    """Unknown ids, and a choice that leaves nothing to check, are status 2; nothing is asked."""
    result = run("http", URL, *options)
    assert (result.exit_code, result.stdout, calls) == (2, "", [])
    assert "\x1b" not in result.stderr


def test_the_options_of_http(run: Run, calls: Calls, tmp_path: pathlib.Path) -> None:
    """The options of the command reach the check."""
    version = {"version": "1.2", "commit": "c"}
    (tmp_path / "version.json").write_text(json.dumps(version))
    options = ["--timeout", "2.5", "--error-endpoint", "--request-id-header", "X-Trace"]
    options += ["--expect-version", str(tmp_path / "version.json")]
    run("http", URL, *options, "--insecure")
    assert calls[0][1] == {
        "timeout": 2.5,
        "expected_version": version,
        "error_endpoint": True,
        "request_id_header": "X-Trace",
        "verify": False,
    }
    run("http", URL, "--cacert", "ca.pem")
    assert calls[1][1]["verify"] == "ca.pem"


@pytest.mark.parametrize(
    "options", [["--cacert", "ca.pem", "--insecure"], ["--request-id-header", "X:\r\nY"]]
)
def test_options_of_http_that_make_no_sense(run: Run, calls: Calls, options: list[str]) -> None:
    """A certificate that is not looked at, and a header that is no name, are refused."""
    result = run("http", URL, *options)
    assert (result.exit_code, calls) == (2, [])
    assert options[0] in result.stderr
    assert "\r" not in result.stderr


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{" * 10**5, b"\xff", b" " * 1_000_001])
def test_an_unusable_version_is_refused(
    run: Run, calls: Calls, tmp_path: pathlib.Path, content: bytes | None
) -> None:
    """A version.json that is missing, huge or no JSON object is one line, and status 2."""
    path = tmp_path / "version.json"
    if content is not None:
        path.write_bytes(content)
    result = run("http", URL, "--expect-version", str(path))
    assert (result.exit_code, calls) == (2, [])
    assert result.stderr.startswith(f"Error: {path} ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "room", "function"),
    [
        (["http", URL], http, "check_http"),
        (["image", "a.tar"], image, "check_image"),
        (["dockerfile", "Dockerfile"], dockerfile, "check_dockerfile"),
        (["manifest", "a.yaml", "b.yaml"], manifest, "check_manifests"),
        (["logs", "-"], logs, "check_logs"),
        (["run", "--", "serve", "--port"], service, "check_run"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_can_not_be_checked_is_one_line(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    room: ModuleType,
    function: str,
    options: list[str],
) -> None:
    """In each command, a target that can't be checked is one escaped line, and status 2."""
    monkeypatch.setattr(room, function, raising("shop\x1b[2J\ncan't be reached"))
    result = run(args[0], *options, *args[1:])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: shop\\x1b[2J\\ncan't be reached\n"


def test_what_run_asks_of_the_endpoints(
    run: Run, calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """The options for the endpoints reach their check when a service is started."""

    def check_run(*_: object, check_http: Callable[[str], list[Finding]], **__: object) -> object:
        return check_http(URL)

    monkeypatch.setattr(service, "check_run", check_run)
    (tmp_path / "version.json").write_text('{"version": "1.2"}')
    options = ["--error-endpoint", "--request-id-header", "X-Trace"]
    run("run", *options, "--expect-version", str(tmp_path / "version.json"), "--", "serve")
    assert calls == [
        (
            (URL,),
            {
                "expected_version": {"version": "1.2"},
                "error_endpoint": True,
                "request_id_header": "X-Trace",
            },
        )
    ]


def test_files_and_commands_reach_their_rooms(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files, the command of a service and its limits are handed on as they were given."""
    seen: list[object] = []

    def check(*args: object, **kwargs: object) -> list[Finding]:
        kwargs.pop("check_http", None)
        seen.append((*args, kwargs))
        return []

    monkeypatch.setattr(image, "check_image", check)
    monkeypatch.setattr(dockerfile, "check_dockerfile", check)
    monkeypatch.setattr(manifest, "check_manifests", check)
    monkeypatch.setattr(service, "check_run", check)
    assert run("image", "a.tar").exit_code == 0
    options = ["--platform", "linux/arm64", "--max-size", "300"]
    assert run("image", "a.tar", *options).exit_code == 0
    assert run("dockerfile", "Dockerfile").exit_code == 0
    assert run("dockerfile", "Dockerfile", "--target", "web").exit_code == 0
    assert run("manifest", "a.yaml", "b.yaml").exit_code == 0
    options = ["--dependency", "127.0.0.1:6379", "--wait", "5"]
    assert run("run", *options, "--", "serve", "--json", "-x").exit_code == 0
    assert seen == [
        ("a.tar", {"platform": None, "max_size": 1_000_000_000}),
        ("a.tar", {"platform": "linux/arm64", "max_size": 300_000_000}),
        ("Dockerfile", {"target": None}),
        ("Dockerfile", {"target": "web"}),
        (("a.yaml", "b.yaml"), {}),
        (("serve", "--json", "-x"), {"dependency": "127.0.0.1:6379", "wait": 5.0, "grace": 10}),
    ]


@pytest.mark.parametrize("from_stdin", [True, False])
def test_logs_are_read_in_bounded_memory(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, from_stdin: bool
) -> None:
    """A log comes line by line, and of a line that is too long one byte more than the limit."""
    lines = [b'{"a": 1}\n', b"x" * 2_500_000 + b"\n", b"\n", b"y" * 1_000_000 + b"\n", b"last"]
    seen: list[bytes] = []

    def check_logs(log: Iterable[bytes], name: str) -> list[Finding]:
        assert name == ("standard input" if from_stdin else str(path))
        seen.extend(log)
        return []

    monkeypatch.setattr(logs, "check_logs", check_logs)
    path = tmp_path / "service.log"
    path.write_bytes(b"".join(lines))
    args = ["-"] if from_stdin else [str(path)]
    result = run("logs", *args, input=path.read_bytes())
    assert result.exit_code == 0
    assert [(line[:1], len(line)) for line in seen] == [
        (b"{", 9),
        (b"x", 1_000_001),
        (b"\n", 1),
        (b"y", 1_000_001),
        (b"l", 4),
    ]


@pytest.mark.parametrize("name", [".", "missing.log"])
def test_a_log_that_can_not_be_read_is_one_line(
    run: Run, tmp_path: pathlib.Path, name: str
) -> None:
    """A directory, or no file at all, is one line, and status 2."""
    result = run("logs", str(tmp_path / name))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {tmp_path / name} can't be read: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("calls")
def test_reports_are_written_beside_the_output(run: Run, tmp_path: pathlib.Path) -> None:
    """JUnit's XML and SARIF are written as well as what is printed, of the chosen clauses."""
    junit, sarif = tmp_path / "junit.xml", tmp_path / "check.sarif"
    options = ["--junit", str(junit), "--sarif", str(sarif), "--skip", "HTTP03", "--strict"]
    result = run("http", URL, *options)
    assert "1 passed, 1 warning, 0 failed, 1 skipped" in result.stdout
    assert len(ElementTree.fromstring(junit.read_text()).findall(".//failure")) == 1
    (sarif_run,) = json.loads(sarif.read_text())["runs"]
    assert [each["ruleId"] for each in sarif_run["results"]] == ["HTTP02"]


@pytest.mark.usefixtures("calls")
def test_a_report_that_can_not_be_written_is_one_line(run: Run, tmp_path: pathlib.Path) -> None:
    """A report into a folder that is not there is one line, and status 2."""
    result = run("http", URL, "--sarif", str(tmp_path / "missing" / "check.sarif"))
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("calls")
def test_github_gets_annotations(run: Run) -> None:
    """In GitHub Actions each fault is an annotation as well, and JSON stays JSON."""
    result = run("http", URL, env={"GITHUB_ACTIONS": "true", "FORCE_COLOR": "1"})
    lines = result.stdout.splitlines()
    assert lines[0].startswith("passed   HTTP01")  # no table
    assert [line.partition(" ")[0] for line in lines if line.startswith("::")] == [
        "::warning",
        "::error",
    ]
    result = run("http", URL, "--json", env={"GITHUB_ACTIONS": "true"})
    assert json.loads(result.stdout)["summary"]["failed"] == 1
    assert result.stderr.count("::error ") == 1


@pytest.mark.usefixtures("calls")
def test_a_terminal_gets_a_table(run: Run) -> None:
    """On a terminal the findings are a table in colours."""
    result = run("http", URL, env={"FORCE_COLOR": "1"}, color=True)
    assert "\x1b[" in result.stdout
    assert "outcome" in result.stdout


def test_a_command_without_a_target_shows_its_help(run: Run) -> None:
    """Without a target, each command shows its help, with status 2."""
    for name in ("http", "image", "dockerfile", "manifest", "logs", "run"):
        result = run(name)
        assert result.exit_code == 2
        assert f" {name} [OPTIONS]" in result.output


def test_explain_says_all_of_a_clause(run: Run) -> None:
    """What a clause means is printed for its id, in upper or lower case."""
    clause = next(iter(CATALOGUE.values()))
    result = run("explain", clause.id.lower())
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{clause.id} {clause.name} ({clause.level})\n")
    assert clause.why in result.stdout


def test_an_unknown_clause_is_not_explained(run: Run) -> None:
    """An unknown id is status 2, and says where to find those that there are."""
    result = run("explain", "HTTP00\x1b")
    assert result.exit_code == 2
    assert r"no clause 'HTTP00\x1b'; `dockerflow-check list` lists them" in result.stderr


def test_list_has_a_line_for_each_clause(run: Run) -> None:
    """All clauses are listed by id."""
    result = run("list")
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(CATALOGUE)


def test_text_that_the_output_has_no_letters_for(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    """If the output can't hold a character, it is written as an escape, and nothing fails."""
    monkeypatch.setattr(
        dockerfile,
        "check_dockerfile",
        lambda _, target: [passed(dockerfile.CLAUSES[0], "名", Place("é"))],
    )
    result = CliRunner(charset="ascii").invoke(command.main, ["dockerfile", "x"])
    assert result.exit_code == 0
    assert r"\u540d (\xe9)" in result.stdout


def test_the_command_in_a_process_of_its_own(tmp_path: pathlib.Path) -> None:
    """As a program it prints findings, complains on standard error, and has its exit status."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    program = [sys.executable, "-m", "dockerflow.check", "dockerfile"]
    done = subprocess.run(
        [*program, "Dockerfile"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "\nfailed   DOCK" in f"\n{done.stdout}"
    done = subprocess.run(
        [*program, "missing"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
