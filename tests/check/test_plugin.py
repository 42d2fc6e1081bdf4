"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import pathlib
import tomllib

import pytest

from tests.packaging.distributions import ROOT

# A service, as the HTTP room sees it: one clause of each outcome.
SERVICE = """
    import sys
    import pathlib
    from dockerflow.check import http
    from dockerflow.check.findings import TargetError
    from tests.check.findings import CLAUSES, FINDINGS

    def check_http(url, **options):
        with pathlib.Path(LOG).open("a") as log:
            log.write(f"{url} {options}\\n")
        if "unreachable" in url:
            raise TargetError("the connection is refused")
        return FINDINGS

    http.CLAUSES = CLAUSES
    http.check_http = check_http
"""

OVERRIDE = """
    import pytest

    @pytest.fixture(scope="session")
    def dockerflow_url():
        return "http://shop.example/override"
"""


@pytest.fixture
def log(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A project whose service is not real; what was asked of it is in this file.

    The plugin is loaded as if it were installed, and no other one but xdist's.
    """
    path = pytester.path / "asked.log"
    source = "\n".join(line.removeprefix("    ") for line in SERVICE.splitlines())
    (pytester.path / "fake_service.py").write_text(f"LOG = {str(path)!r}\n{source}")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", f"{pytester.path}:{ROOT}", prepend=":")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makeini("[pytest]\naddopts = -p xdist -p fake_service -p dockerflow.check.plugin\n")
    return path


def test_each_clause_is_a_test(pytester: pytest.Pytester, log: pathlib.Path) -> None:
    """With a URL, each clause is a test named by its id, and the service is checked once."""
    result = pytester.runpytest_subprocess("--dockerflow-url=http://shop.example", "-v", "-ra")
    result.assert_outcomes(passed=2, failed=1, skipped=1, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*collected 4 items",
            "dockerflow::HTTP01-version-is-json PASSED *",
            "dockerflow::HTTP02-version-is-typed PASSED *",
            "dockerflow::HTTP03-lbheartbeat-is-200 FAILED *",
            "dockerflow::HTTP04-error-endpoint SKIPPED (HTTP04: not asked for) *",
            "HTTP03: the status is 404 (http://shop.example/__lbheartbeat__)",
            "The lbheartbeat-is-200 is so.",
            "Source: https://github.com/mozilla-services/Dockerflow#*",
            "dockerflow::HTTP02-version-is-typed",
            "*DockerflowWarning: HTTP02: the media type is text/html (*",
        ]
    )
    result.stdout.no_fnmatch_line("*conformance.py*Failed*")
    assert log.read_text().splitlines() == [
        "http://shop.example {'expected_version': None, 'error_endpoint': False}"
    ]


def test_tests_of_clauses_stand_beside_others(pytester: pytest.Pytester, log: pathlib.Path) -> None:
    """They are collected behind the project's own tests, and -k chooses among all."""
    pytester.makepyfile("def test_one(): pass")
    result = pytester.runpytest_subprocess(
        "--dockerflow-url=http://shop.example", "--collect-only", "-q"
    )
    assert result.outlines[:5] == [
        "test_tests_of_clauses_stand_beside_others.py::test_one",
        "dockerflow::HTTP01-version-is-json",
        "dockerflow::HTTP02-version-is-typed",
        "dockerflow::HTTP03-lbheartbeat-is-200",
        "dockerflow::HTTP04-error-endpoint",
    ]
    assert not log.exists()
    result = pytester.runpytest_subprocess(
        "--dockerflow-url=http://shop.example", "-k", "HTTP01 or one"
    )
    result.assert_outcomes(passed=2, deselected=3)


def test_the_options_reach_the_check(pytester: pytest.Pytester, log: pathlib.Path) -> None:
    """The expected version and the error endpoint are handed on."""
    (pytester.path / "version.json").write_text('{"version": "1.2"}')
    options = ["--dockerflow-expect-version=version.json", "--dockerflow-error-endpoint"]
    pytester.runpytest_subprocess("--dockerflow-url=http://shop.example", *options)
    assert log.read_text() == (
        "http://shop.example {'expected_version': {'version': '1.2'}, 'error_endpoint': True}\n"
    )


def test_a_service_that_can_not_be_checked_fails_each_test(
    pytester: pytest.Pytester, log: pathlib.Path
) -> None:
    """If the service can't be reached, each test fails with that sentence, after one try."""
    result = pytester.runpytest_subprocess("--dockerflow-url=http://unreachable")
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["the connection is refused"])
    assert len(log.read_text().splitlines()) == 1


def test_a_missing_version_fails_each_test(pytester: pytest.Pytester, log: pathlib.Path) -> None:
    """If the expected version can't be read, each test says so."""
    options = ["--dockerflow-expect-version=missing.json"]
    result = pytester.runpytest_subprocess("--dockerflow-url=http://shop.example", *options)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["missing.json can't be read: *"])
    assert not log.exists()


@pytest.mark.parametrize("folder", [".", "tests/system"])
def test_a_fixture_of_the_project_gives_the_url(
    pytester: pytest.Pytester, log: pathlib.Path, folder: str
) -> None:
    """A conftest.py that overrides the fixture has the tests, and its folder's fixtures."""
    (pytester.path / folder).mkdir(parents=True, exist_ok=True)
    source = "\n".join(line.removeprefix("    ") for line in OVERRIDE.splitlines())
    conftest = pytester.path / folder / "conftest.py"
    autouse = "@pytest.fixture(autouse=True, scope='module')\ndef each(request): request.module\n"
    conftest.write_text(f"{source}\n\n{autouse}")
    (pytester.path / folder / "test_other.py").write_text("def test_other(): pass")
    name = str(conftest.relative_to(pytester.path))
    result = pytester.runpytest_subprocess("-v")
    result.assert_outcomes(passed=3, failed=1, skipped=1, warnings=1)
    result.stdout.fnmatch_lines([f"{name}::HTTP01-version-is-json PASSED *"])
    asked = "http://shop.example/override {'expected_version': None, 'error_endpoint': False}\n"
    assert log.read_text() == asked
    result = pytester.runpytest_subprocess(f"{name}::HTTP01-version-is-json")
    result.assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess("--dockerflow-url=http://option.example", "-q")
    result.assert_outcomes(passed=3, failed=1, skipped=1, warnings=1)
    assert log.read_text().splitlines()[-1].startswith("http://option.example ")


def test_the_tests_run_on_several_workers(pytester: pytest.Pytester, log: pathlib.Path) -> None:
    """Under pytest-xdist, the tests are distributed as all others; a worker checks once."""
    result = pytester.runpytest_subprocess("--dockerflow-url=http://shop.example", "-n", "2")
    result.assert_outcomes(passed=2, failed=1, skipped=1, warnings=1)
    assert len(log.read_text().splitlines()) <= 2
    log.unlink()
    options = ["-n", "2", "--dist=loadfile"]
    result = pytester.runpytest_subprocess("--dockerflow-url=http://shop.example", *options)
    result.assert_outcomes(passed=2, failed=1, skipped=1, warnings=1)
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.usefixtures("log")
def test_warnings_can_be_errors_or_ignored(pytester: pytest.Pytester) -> None:
    """Filters decide about a broken SHOULD, as about all warnings."""
    url = "--dockerflow-url=http://shop.example"
    result = pytester.runpytest_subprocess(url, "-W", "error")
    result.assert_outcomes(passed=1, failed=2, skipped=1)
    result.stdout.fnmatch_lines(["HTTP02: the media type is text/html (*"])
    ignore = "ignore::dockerflow.check.DockerflowWarning"
    result = pytester.runpytest_subprocess(url, "-W", "error", "-W", ignore)
    result.assert_outcomes(passed=2, failed=1, skipped=1)


@pytest.mark.usefixtures("log")
def test_junit_and_lastfailed_know_the_tests(pytester: pytest.Pytester) -> None:
    """Pytest's own features work on the tests: its XML, and running only those that failed."""
    url = "--dockerflow-url=http://shop.example"
    result = pytester.runpytest_subprocess(url, "--junitxml=junit.xml", "-p", "junitxml")
    result.assert_outcomes(passed=2, failed=1, skipped=1, warnings=1)
    assert 'name="HTTP03-lbheartbeat-is-200"' in (pytester.path / "junit.xml").read_text()
    result = pytester.runpytest_subprocess(url, "--lf")
    result.assert_outcomes(failed=1)


def test_nothing_is_loaded_if_it_is_not_asked_for(
    pytester: pytest.Pytester, log: pathlib.Path
) -> None:
    """A run that doesn't ask for the tests has none, and imports only the plugin itself."""
    pytester.makeini("[pytest]\naddopts = -p dockerflow.check.plugin\n")
    pytester.makeconftest("")
    pytester.makepyfile(
        """
        import sys

        def test_one():
            ours = {name for name in sys.modules if name.startswith("dockerflow.")}
            assert ours == {"dockerflow.check", "dockerflow.check.plugin"}
            assert not {"click", "httpx", "rich", "yaml"} & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert not log.exists()


@pytest.mark.usefixtures("log")
def test_the_fixture_without_a_url_says_what_to_do(pytester: pytest.Pytester) -> None:
    """A test of the project that uses the fixture gets the URL, or a sentence that says how."""
    pytester.makepyfile("def test_one(dockerflow_url): assert dockerflow_url == 'http://a'")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["give --dockerflow-url, or override the fixture *"])
    pytester.runpytest_subprocess("--dockerflow-url=http://a", "-k", "one").assert_outcomes(
        passed=1, deselected=4
    )


def test_the_plugin_is_an_entry_point() -> None:
    """Pytest finds the plugin by the distribution's entry point."""
    text = (ROOT / "packages/dockerflow-check/pyproject.toml").read_text()
    entry_points = tomllib.loads(text)["project"]["entry-points"]
    assert entry_points == {"pytest11": {"dockerflow": "dockerflow.check.plugin"}}
