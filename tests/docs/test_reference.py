"""The reference has everything public, and its tables agree with the code."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest
from sphinx.util.inventory import InventoryFile

from dockerflow import health
from dockerflow.endpoints import EndpointSettings
from dockerflow.logging.request import RequestObservation, RequestSettings
from dockerflow.logging.summary import REQUEST_SUMMARY, TASK_SUMMARY
from tests.docs.test_pages import DOCS
from tests.packaging.distributions import DISTRIBUTIONS, ROOT

pytestmark = pytest.mark.timeout(300)

# Listed by their modules for the adapters.
FOR_ADAPTERS = {
    *("endpoints", "engines_of", "failure_text", "is_async_client", "is_async_engine"),
    "require_database",
}
# What a view gets, and what the base class in the json module calls it, goes without saying.
SELF_EXPLANATORY = {"self", "cls", "request", "o"}
# Settings of the release that the changelog begins with, which describes whole packages.
IN_THE_FIRST_RELEASE = {
    *("CHECK_TIMEOUT", "ERROR_ENDPOINT", "HEARTBEAT_FAILED_STATUS_CODE", "HEARTBEAT_SHOW_DETAILS"),
    *("REQUEST_ID_HEADER_NAME", "REQUEST_ID_RESPONSE_HEADER"),
    *("SUMMARY_EXCLUDE_PATHS", "SUMMARY_LOG_QUERYSTRING"),
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Build the site as `hatch run docs` does; return the kinds of the names in its reference."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--fail-on-warning", "--keep-going", "--nitpicky", "--quiet")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    inventory = InventoryFile.loads((folder / "objects.inv").read_bytes(), uri="").data
    return {name: kind for kind in inventory if kind.startswith("py:") for name in inventory[kind]}


def shown_modules() -> list[str]:
    """List the modules that have a place in the reference."""
    pages = "\n".join(path.read_text() for path in DOCS.glob("reference/*.md"))
    return re.findall(r"automodule:: (\S+)", pages)


def test_every_public_name_is_in_the_reference(described: dict[str, str]) -> None:
    """What a module of the reference lists in ``__all__`` is described there, or in core."""
    missing: list[str] = []
    for module in map(importlib.import_module, shown_modules()):
        for name in set(getattr(module, "__all__", ())) - FOR_ADAPTERS:
            places = {f"{module.__name__}.{name}", f"dockerflow.checks.{name}"}
            if not inspect.ismodule(getattr(module, name)) and not places & described.keys():
                missing.append(f"{module.__name__}.{name}")
    assert missing == []


def test_every_parameter_is_explained(described: dict[str, str]) -> None:
    """The docstring of each function and class of the reference names all that goes in."""
    unexplained: list[str] = []
    for name, kind in described.items():
        if kind in {"py:function", "py:method", "py:class"}:
            value = resolve(name)
            said = inspect.getdoc(value) or ""
            takes = vars(value).get("__init__") if inspect.isclass(value) else value
            names = set(inspect.signature(takes).parameters) if takes else set[str]()
            if not re.search(r"parameters\s+are\s+those", said):
                names = {each for each in names if not re.search(rf"\b{each}\b", said)}
                unexplained += [f"{name}({each})" for each in names - SELF_EXPLANATORY]
    assert unexplained == []


def test_signatures_are_those_of_the_code() -> None:
    """A signature that a page writes out has the parameters of the code, and its defaults."""
    pages = "\n".join(path.read_text() for path in DOCS.glob("reference/*.md"))
    functions = re.findall(r"autofunction:: (\S+)\((.*)\)", pages)
    methods = re.findall(r"py:method:: (\w+)\((.*)\)", pages)
    written = [
        *functions,
        *((f"dockerflow.checks.CheckRegistry.{name}", of) for name, of in methods),
    ]
    assert written
    for path, arguments in written:
        namespace: dict[str, Any] = {}
        exec(f"def shown({arguments}): ...", namespace)
        shown = inspect.signature(namespace["shown"]).parameters.values()
        real = inspect.signature(resolve(path)).parameters.values()
        assert [(each.name, each.kind, each.default) for each in shown] == [
            (each.name, each.kind, each.default) for each in real if each.name != "self"
        ], path


def resolve(path: str) -> Any:
    """Return what a dotted path names."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        parent, _, name = path.rpartition(".")
        owner = resolve(parent)
        value: Any = (
            inspect.getattr_static(owner, name) if inspect.isclass(owner) else getattr(owner, name)
        )
        return getattr(value, "__func__", value)


# --- tables -------------------------------------------------------------------------------------


def rows(page: pathlib.Path) -> list[tuple[str, str]]:
    """Read the first two columns of a page's tables, where the first one is code."""
    return re.findall(r"^\| ((?:Django: )?`[^|]*`) \| ([^|]*?) \|", page.read_text(), re.MULTILINE)


def test_every_check_id_is_in_the_table() -> None:
    """The table of ids has each constant of ``dockerflow.health`` with its value."""
    constants = {
        f"`{name}`": f"`{value}`"
        for name, value in vars(health).items()
        if isinstance(value, str) and name.isupper()
    }
    assert {name: id for id, name in rows(DOCS / "reference" / "check-ids.md")} == constants


def test_every_setting_is_in_the_tables() -> None:
    """The settings of the reference are those of the code, with the defaults."""
    reference = dict(rows(DOCS / "reference" / "settings.md"))
    sources = (path for one in DISTRIBUTIONS for path in one.source.rglob("*.py"))
    in_code = (re.findall(r"\bDOCKERFLOW_[A-Z]\w+", path.read_text()) for path in sources)
    assert set(reference) == {f"`{name}`" for names in in_code for name in names}
    for settings in (EndpointSettings(), RequestSettings()):
        for each in dataclasses.fields(settings):
            default = getattr(settings, each.name)
            text = f"{default:g}" if isinstance(default, float) else str(default)
            shown = reference[f"`{each.metadata['name']}`"]
            assert shown.strip("`").endswith("none" if default in (frozenset(), {}) else text)


def test_each_new_setting_is_in_the_changelog() -> None:
    """The changelog names each setting that came after its first release."""
    settings = (*dataclasses.fields(EndpointSettings), *dataclasses.fields(RequestSettings))
    names = {each.metadata["name"].removeprefix("DOCKERFLOW_") for each in settings}
    changelog = (ROOT / "CHANGELOG.md").read_text()
    new = names - IN_THE_FIRST_RELEASE
    missing = [name for name in new if f"DOCKERFLOW_{name}" not in changelog]
    assert missing == [], "say in CHANGELOG.md, below '### Added', what it is for"


def test_every_field_of_a_summary_is_in_the_tables() -> None:
    """The tables of log fields have those of both summaries, and no others."""
    page = (DOCS / "reference" / "log-fields.md").read_text()
    shown = {
        section.partition("\n")[0]: set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
        for section in page.split("\n## ")
    }
    settings = RequestSettings(logs_query_string=True)
    request = RequestObservation(settings, method="GET", path="/", get_header=lambda name: None)
    assert shown["request.summary"] == {*request.fields, "route", "msg"}  # route= adds the second
    tasks = next(one.source for one in DISTRIBUTIONS if one.name == "dockerflow-celery")
    source = (tasks / "celery" / "tasks.py").read_text()
    assert shown["task.summary"] == {*re.findall(r'^ {12}"(\w+)": ', source, re.MULTILINE), "msg"}


def test_every_logger_is_in_the_table() -> None:
    """The table of loggers has each that the packages write to."""
    page = (DOCS / "reference" / "loggers.md").read_text()
    written = page.partition("### ")[0]
    found: set[str] = set()
    for one in DISTRIBUTIONS:
        for path in one.source.rglob("*.py"):
            module = ".".join(path.relative_to(one.source.parent).with_suffix("").parts)
            for name in re.findall(r'getLogger\((__name__|".*?")\)', path.read_text()):
                found.add(module if name == "__name__" else name.strip('"'))
    shown = set(re.findall(r"^\| `(.*?)` \|", written, re.MULTILINE))
    # The last one is no logger, but what a line says that has lost its own.
    assert shown == found | {REQUEST_SUMMARY, TASK_SUMMARY, "dockerflow.logging"}


def test_every_distribution_is_in_the_table() -> None:
    """The table of distributions has each of them, with its import names and its extras."""
    page = (DOCS / "reference" / "index.md").read_text()
    for distribution in DISTRIBUTIONS:
        names = ", ".join(f"`dockerflow.{leaf}`" for leaf in distribution.leaves)
        extras = sorted(distribution.project.get("optional-dependencies", ()))
        shown = " ".join(["|", ", ".join(f"`{extra}`" for extra in extras), "|"]).replace("  ", " ")
        assert f"\n| `{distribution}` | {names} {shown}\n" in page


def test_every_option_of_a_command_is_in_the_tables() -> None:
    """The page of commands has the options that each command's ``--help`` shows, and no others."""
    page = (DOCS / "reference" / "commands.md").read_text()
    for section in page.split("\n## ")[1:]:
        module = section.partition("\n")[0]
        command = [sys.executable, "-m", module, *(["write"] if "version" in module else []), "-h"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"(?<![\w-])--[a-z-]+", shown.partition("\noptions:")[2]))
        in_table = re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
        assert set(re.findall(r"--[a-z-]+", "\n".join(in_table))) == options - {"--help"}, module
