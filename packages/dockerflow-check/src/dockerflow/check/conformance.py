"""The tests that the pytest plugin adds. See ``plugin.py``, which loads it if it is asked for."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Generator, Iterator
from types import ModuleType

import pytest

from . import DockerflowWarning, http, plugin
from .clauses import Clause
from .expected import read_version
from .findings import Finding, Outcome, TargetError
from .output import shown_place
from .printing import printable

Findings = dict[str, list[Finding] | TargetError]
"""By URL, what a service has been found to do, or why it couldn't be checked."""

FINDINGS = pytest.StashKey[Findings]()


class ClauseTest(pytest.Function):
    """The test of one clause."""

    def reportinfo(self) -> tuple[pathlib.Path, int, str]:
        """Return where the test is and its name, for reports: it has no line of its own."""
        return self.path, 0, self.name


class ClauseTests(pytest.Module):
    """The tests of all clauses. Its file is the conftest.py that gives the URL, if one does."""

    @classmethod
    def make(cls, parent: pytest.Collector, path: pathlib.Path, module: ModuleType) -> ClauseTests:
        """Return the tests of a file, without importing it."""
        tests: ClauseTests = cls.from_parent(parent, path=path)  # pyright: ignore[reportUnknownMemberType] - its arguments have no types
        tests.obj = module
        return tests

    def collect(self) -> Iterator[ClauseTest]:
        """Make a test for each clause."""
        for clause in http.CLAUSES:
            arguments = {"name": f"{clause.id}-{clause.name}", "callobj": make_test(clause)}
            yield ClauseTest.from_parent(self, **arguments)  # pyright: ignore[reportUnknownMemberType] - its arguments have no types


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Add the tests for ``--dockerflow-url``, which belong to no file, behind all others."""
    report = yield
    config = collector.config
    if isinstance(collector, pytest.Session) and config.getoption("--dockerflow-url") is not None:
        # Neither the file nor its module exists; the name is that of the tests.
        tests = ClauseTests.make(collector, config.rootpath / "dockerflow", plugin)
        report.result = [*(report.result or []), tests]
    return report


def pytest_collect_file(file_path: pathlib.Path, parent: pytest.Collector) -> ClauseTests | None:
    """Collect the tests from a conftest.py that overrides the fixture."""
    if file_path.name != "conftest.py" or parent.config.getoption("--dockerflow-url") is not None:
        return None
    for each in parent.config.pluginmanager.get_plugins():
        is_it = isinstance(each, ModuleType) and each.__file__ == str(file_path)
        if is_it and "dockerflow_url" in vars(each):
            return ClauseTests.make(parent, file_path, each)
    return None


def make_test(clause: Clause) -> Callable[[pytest.FixtureRequest], None]:
    """Return the test function of a clause."""

    def test(request: pytest.FixtureRequest) -> None:
        url: str | None = request.config.getoption("--dockerflow-url")
        judge(
            clause, find(request.config, url or request.getfixturevalue("dockerflow_url")), request
        )

    test.__doc__ = clause.says
    return test


def find(config: pytest.Config, url: str) -> list[Finding]:
    """Check a service, once in a run."""
    findings = config.stash.setdefault(FINDINGS, {})
    if url not in findings:
        file: str | None = config.getoption("--dockerflow-expect-version")
        try:
            findings[url] = http.check_http(
                url,
                expected_version=None if file is None else read_version(file),
                error_endpoint=bool(config.getoption("--dockerflow-error-endpoint")),
            )
        except TargetError as error:
            findings[url] = error
    found = findings[url]
    if isinstance(found, TargetError):
        pytest.fail(printable(str(found)), pytrace=False)
    return found


def judge(clause: Clause, findings: list[Finding], request: pytest.FixtureRequest) -> None:
    """Fail, warn or skip as the findings of a clause say."""
    for each in findings:
        if each.clause.id != clause.id:
            continue
        place = shown_place(each.place)
        text = f"{clause.id}: {printable(each.text)}{f' ({place})' if place else ''}"
        if each.outcome is Outcome.FAILED:
            pytest.fail(f"{text}\n{clause.says}\nSource: {clause.source}", pytrace=False)
        elif each.outcome is Outcome.SKIPPED:
            pytest.skip(text)
        elif each.outcome is Outcome.WARNING:
            warn(text, request.node)


def warn(text: str, node: pytest.Item) -> None:
    """Warn, or fail where warnings are errors."""
    try:
        node.warn(DockerflowWarning(text))
    except DockerflowWarning:
        is_error = True
    else:
        is_error = False
    if is_error:  # outside of the block, or pytest would show both exceptions
        pytest.fail(text, pytrace=False)
