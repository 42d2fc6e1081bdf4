"""Each distribution alone in an environment, from its wheel, without access to the source."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.packaging.distributions import (
    ADAPTERS,
    CELERY,
    CHECK,
    CORE,
    DISTRIBUTIONS,
    LIBRARIES_OF_EXTRAS,
    LOGGING,
    Distribution,
)
from tests.packaging.environments import Environment

each = pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
each_adapter = pytest.mark.parametrize("distribution", ADAPTERS, ids=str)

Environments = Callable[[], Environment]


def import_all(distribution: Distribution) -> str:
    """A script that imports every module and prints its place, and all modules loaded with it."""
    return f"""
import importlib, json, sys
files = [importlib.import_module(name).__file__ for name in {distribution.modules!r}]
print(json.dumps({{"files": files, "modules": sorted(sys.modules), "prefix": sys.prefix}}))
"""


@each
def test_it_installs_and_imports_only_what_it_needs(
    distribution: Distribution, environment: Environments
) -> None:
    """A distribution installs what it requires, of which its modules need no more.

    They import without a warning, and come from the wheel.
    """
    alone = environment()
    alone.install(distribution.pinned())
    expected = {distribution.name, *distribution.stands_on}
    for name in (distribution.framework, *distribution.libraries):
        if name is not None:
            library = environment()
            library.install(name)
            expected |= set(library.installed())
    assert set(alone.installed()) == expected
    seen = alone.value(import_all(distribution))
    assert all(file.startswith(seen["prefix"]) for file in seen["files"])


@pytest.mark.parametrize("distribution", [*ADAPTERS, CELERY], ids=str)
def test_the_checker_never_comes_along(
    distribution: Distribution, environment: Environments
) -> None:
    """With all its extras, an adapter installs neither the checker nor what that requires.

    Some frameworks require a part of it themselves, as Flask requires click.
    """
    whole = environment()
    whole.install(distribution.pinned(*distribution.extras))
    framework = environment()
    framework.install(distribution.framework or LOGGING.pinned())
    unwanted = {CHECK.name, *(name.lower() for name in CHECK.libraries)}
    came = set(whole.installed()) & unwanted
    assert came <= set(framework.installed())


@each
def test_importing_it_imports_no_library_of_an_extra(
    distribution: Distribution, environment: Environments
) -> None:
    """Even if the libraries of all its extras are installed, importing it imports none of them.

    FastAPI itself imports one of them, OpenTelemetry.
    """
    whole = environment()
    whole.install(distribution.pinned(*distribution.extras))
    seen = whole.value(import_all(distribution))
    framework = (distribution.framework or "sys").lower()
    own = whole.value(f"import json, sys, {framework}; print(json.dumps(sorted(sys.modules)))")
    assert LIBRARIES_OF_EXTRAS.isdisjoint(set(seen["modules"]) - set(own))


@each_adapter
def test_its_checks_need_no_more_than_its_extras(
    distribution: Distribution, environment: Environments
) -> None:
    """With only its extras, the database is checked, and so are migrations (there are none)."""
    whole = environment()
    whole.install(distribution.pinned("all"))
    statuses = whole.value(f"""
import json, logging
logging.disable()
{distribution.check}
print(json.dumps(statuses))
""")
    migrations = distribution.migrations
    assert statuses == {"check_database_connected": "ok", "check_migrations_applied": migrations}


@pytest.mark.parametrize("distribution", [*ADAPTERS, CELERY], ids=str)
def test_the_single_package_is_noticed_and_the_remedy_works(
    distribution: Distribution, environment: Environments
) -> None:
    """With the old dockerflow installed, importing an adapter warns once, with the remedy."""
    mixed = environment()
    mixed.install("dockerflow==2026.3.4", "pip")
    mixed.install(distribution.pinned())
    script = f"""
import json, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import dockerflow.{distribution.leaves[0]}
print(json.dumps([str(warning.message) for warning in caught]))
"""
    (warning,) = mixed.value(script)
    uninstall, install = re.findall(r"^ +pip (.*)$", warning, re.MULTILINE)
    assert uninstall == "uninstall -y dockerflow"
    names = f"{CORE.name} {LOGGING.name} {distribution.name}"
    assert install == f"install --force-reinstall --no-deps {names}"
    mixed.pip(*uninstall.split())
    mixed.pip(*install.split(), "--no-index", f"--find-links={mixed.wheels}")
    assert mixed.value(script) == []
    mixed.run(import_all(distribution))
