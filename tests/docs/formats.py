"""Parsers of what a page shows beside Python, and what can be executed of it."""

from __future__ import annotations

import configparser
import io
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

from tests.docs.commands import check_requirement, check_requirements
from tests.docs.printed import Wrong

# https://docs.docker.com/reference/dockerfile/
_INSTRUCTIONS = re.compile(
    "ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|ONBUILD|RUN|SHELL|STOPSIGNAL"
    "|USER|VOLUME|WORKDIR"
)

# What the expressions of a GitHub workflow are on the tests' machine.
_GITHUB = {
    "github.sha": "52ce614fbf99540a1bf6228e36be6cef63b4d73b",
    "github.ref_name": "2026.11.0",
    "github.repository": "example/service",
    "github.run_id": "2223",
    "github.server_url": "https://github.com",
}
CI_ENVIRON = {
    "GITHUB_SHA": _GITHUB["github.sha"],
    "GITHUB_REF_NAME": _GITHUB["github.ref_name"],
    "GITHUB_REPOSITORY": _GITHUB["github.repository"],
    "GITHUB_RUN_ID": _GITHUB["github.run_id"],
    "GITHUB_SERVER_URL": _GITHUB["github.server_url"],
    "CIRCLE_SHA1": _GITHUB["github.sha"],
    "CIRCLE_TAG": _GITHUB["github.ref_name"],
    "CIRCLE_PROJECT_USERNAME": "example",
    "CIRCLE_PROJECT_REPONAME": "service",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/example/service/2223",
}


def parse_shell(text: str) -> None:
    """Have bash read a script without running it.

    :raises Wrong: it is no valid script.
    """
    read = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    if read.returncode or read.stderr:
        raise Wrong(f"bash can't read it: {read.stderr.strip()}")


def parse_yaml(text: str) -> list[Any]:
    """Read the documents of a YAML file.

    :raises Wrong: it is not YAML; the text says where.
    """
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise Wrong(f"not YAML: {error}") from None
    for document in documents:
        if not isinstance(document, dict | list):
            raise Wrong(f"not a YAML document but {document!r}")
        if "handlers" in document and "version" in document:
            load_logging("dictConfig(json.load(sys.stdin))", json.dumps(document))
    return documents


def parse_json(text: str) -> list[Any]:
    """Read a JSON file.

    :raises Wrong: it is not JSON.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Wrong(f"not JSON: {error}") from None
    if "handlers" in document and "version" in document:
        load_logging("dictConfig(json.load(sys.stdin))", text)
    return [document]


def parse_toml(text: str) -> list[Any]:
    """Read a TOML file, and check the requirements that it names.

    :raises Wrong: it is not TOML, or requires what does not exist.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Wrong(f"not TOML: {error}") from None
    for requirement in document.get("project", {}).get("dependencies", ()):
        check_requirement(requirement)
    return [document]


def parse_ini(text: str) -> list[Any]:
    """Read an ini file; one that configures logging is loaded.

    :raises Wrong: it is no ini file, or logging refuses it.
    """
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise Wrong(f"no ini file: {error}") from None
    if parser.has_section("formatters"):
        load_logging("fileConfig(sys.stdin)", text)
    return []


def load_logging(call: str, text: str) -> None:
    """Configure the logging of a process of its own, in which warnings are errors.

    :param call: an expression of functions of ``logging.config`` that reads standard input.
    :raises Wrong: it can't be configured like that.
    """
    code = f"import json, sys; from logging.config import *; {call}"
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=text,
        text=True,
        capture_output=True,
        check=False,
    )
    if loaded.returncode:
        raise Wrong(f"logging can't be configured by it:\n{loaded.stderr}")


def parse_dockerfile(text: str) -> list[Any]:
    """Read a Dockerfile.

    :raises Wrong: it has an instruction that there is not, or a command that no shell can read.
    """
    parsed = DockerfileParser(fileobj=io.StringIO(text))
    instructions = [one for one in parsed.structure if one["instruction"] != "COMMENT"]
    names = [one["instruction"] for one in instructions]
    for name in names:
        if not _INSTRUCTIONS.fullmatch(name):
            raise Wrong(f"Docker has no instruction {name}")
    if not names or names[0] not in {"FROM", "ARG"}:
        raise Wrong("a Dockerfile begins with FROM")
    for one in instructions:
        value = one["value"]
        if one["instruction"] in {"RUN", "CMD", "ENTRYPOINT"}:
            if value.startswith("["):
                parse_json(value)
            else:
                parse_shell(re.sub(r"^(--\S+\s+)+", "", value))
    return []


PARSERS: dict[str, Callable[[str], list[Any]]] = {
    "dockerfile": parse_dockerfile,
    "ini": parse_ini,
    "json": parse_json,
    "toml": parse_toml,
    "yaml": parse_yaml,
}


def parse_file(language: str, name: str, text: str) -> list[Any]:
    """Read a file that a page shows, by its language and its name.

    :returns: the documents that it holds, where it is of a language that has such.
    :raises Wrong: it is not what it should be, or of a language without a parser.
    """
    if language in PARSERS:
        return PARSERS[language](text)
    if language == "python":
        try:
            compile(text, name, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise Wrong(f"line {error.lineno} of {name}: {error.msg}") from None
    elif language in {"sh", "bash"}:
        parse_shell(text)
    elif language == "text" and name.startswith("requirements"):
        check_requirements(text)
    elif language not in {"text", "html", "html+django", "mako"}:
        raise Wrong(f"the tests can't read a file in the language {language!r}")
    return []


def probed_paths(document: Any) -> Iterator[str]:
    """List the paths that the probes of Kubernetes ask, in any depth of a document."""
    for key, value in _items(document):
        if key == "httpGet":
            yield value["path"]
        else:
            yield from probed_paths(value)


def scripts_of_steps(document: Any) -> Iterator[str]:
    """List what the steps of GitHub Actions and CircleCI run, expressions filled in."""
    for key, value in _items(document):
        if key == "run":
            script: str = value["command"] if isinstance(value, dict) else value
            yield re.sub(r"\$\{\{\s*(\S+?)\s*\}\}", _expression, script)
        else:
            yield from scripts_of_steps(value)


def _expression(match: re.Match[str]) -> str:
    if match[1] not in _GITHUB:
        raise Wrong(f"the tests don't know the expression {match[0]}")
    return _GITHUB[match[1]]


def _items(document: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(document, dict):
        yield from document.items()
    elif isinstance(document, list):
        yield from enumerate(document)
