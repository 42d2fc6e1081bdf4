"""The pytest plugin: a test for each clause on HTTP, against a running service.

``pytest --dockerflow-url URL`` checks the service at a URL. Or override the fixture
``dockerflow_url`` in a conftest.py.

Pytest loads this module into each of its runs, so it imports nothing of ours. Only if it is asked
for, the rest of the plugin is loaded.
"""

from __future__ import annotations

from types import ModuleType

import pytest

REST = "dockerflow.check.conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("dockerflow", "the Dockerflow specification")
    group.addoption(
        "--dockerflow-url",
        metavar="URL",
        help="check the service at this URL: one test for each clause on HTTP",
    )
    group.addoption(
        "--dockerflow-expect-version",
        metavar="FILE",
        help="the version.json that the service must show",
    )
    group.addoption(
        "--dockerflow-error-endpoint", action="store_true", help="request /__error__ too"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Load the tests if there is a URL."""
    if config.getoption("--dockerflow-url") is not None:
        config.pluginmanager.import_plugin(REST)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Load the tests if a conftest.py overrides the fixture."""
    is_module = isinstance(plugin, ModuleType) and plugin.__name__ != __name__
    if is_module and "dockerflow_url" in vars(plugin):
        manager.import_plugin(REST)


@pytest.fixture(scope="session")
def dockerflow_url(request: pytest.FixtureRequest) -> str:
    """The URL of the service to check: that of ``--dockerflow-url``, unless you override it."""
    url: str | None = request.config.getoption("--dockerflow-url")
    if url is None:
        pytest.fail(
            "give --dockerflow-url, or override the fixture dockerflow_url in a conftest.py",
            pytrace=False,
        )
    return url
