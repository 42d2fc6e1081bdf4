"""The rules of what ``/__version__`` and ``/__heartbeat__`` say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from .clauses import Clause
from .findings import Finding, broken, passed, skipped
from .http_answers import HEARTBEAT, VERSION, Answer, Seen, is_5xx, json_object, works
from .printing import shown

# Ours; those of application/health+json; those of Spring; and some that people write.
_GOOD_WORDS = {"ok", "debug", "info", "warning", "pass", "warn", "up", "healthy", "degraded"}
_BAD_WORDS = {"error", "critical", "fail", "down", "out_of_service", "unhealthy"}
_WORDS = {*_GOOD_WORDS, *_BAD_WORDS, "unknown"}

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+|git@\S+")
_COMMIT = re.compile(r"[0-9A-Fa-f]{7,64}")


def version_is_200(clause: Clause, seen: Seen) -> Finding:
    """Look at the status of ``/__version__``."""
    answer = seen.get[VERSION]
    if works(answer):
        return passed(clause, f"{answer}.", answer.place)
    return broken(clause, f"{answer}: answer with 200 and /app/version.json.", answer.place)


def version_is_object(clause: Clause, seen: Seen) -> Finding:
    """Parse the body of ``/__version__``."""
    answer = seen.get[VERSION]
    if answer.status != 200:
        return skipped(clause, f"{answer}.", answer.place)
    try:
        content: object = answer.json()
    except ValueError as error:
        remedy = "send the content of version.json"
        return broken(clause, f"The body is not JSON ({error}): {remedy}.", answer.place)
    if isinstance(content, dict):
        return passed(clause, "The body is a JSON object.", answer.place)
    kinds: dict[type, str] = {list: "an array", str: "a string", type(None): "null"}
    kind = kinds.get(type(content), "a value")
    return broken(clause, f"The body is {kind}: make it a JSON object.", answer.place)


def version_has_keys(clause: Clause, seen: Seen) -> Finding:
    """Look at the four keys of the version object."""
    version, place = seen.version(), seen.get[VERSION].place
    if version is None:
        return skipped(clause, "There is no version object.", place)
    faults: list[str] = []
    for key in ("source", "version", "commit", "build"):
        if key not in version:
            faults.append(f"{key} is missing")
        elif not isinstance(version[key], str) and (key, version[key]) != ("version", None):
            faults.append(f"{key} is not a string")
    if faults:
        return broken(clause, f"{', '.join(faults)}: write version.json in CI.", place)
    return passed(clause, "source, version, commit and build are there.", place)


def version_is_file(clause: Clause, seen: Seen) -> Finding:
    """Compare the version object with ``version.json``."""
    version, expected, place = seen.version(), seen.expected_version, seen.get[VERSION].place
    if expected is None:
        return skipped(clause, "No version.json was given to compare with.", place)
    if version is None:
        return skipped(clause, "There is no version object.", place)
    # Names only: what is in the file may be nobody's business.
    differing = {
        key
        for key in {*version, *expected}
        if key not in version or key not in expected or version[key] != expected[key]
    }
    if differing:
        text = f"The answer differs from version.json in {_names(differing)}"
        return broken(clause, f"{text}: serve the file of this image.", place)
    return passed(clause, "The answer is the content of version.json.", place)


def version_is_json_type(clause: Clause, seen: Seen) -> Finding:
    """Look at the media type of ``/__version__``."""
    answer = seen.get[VERSION]
    if seen.version() is None:
        return skipped(clause, "There is no version object.", answer.place)
    if answer.media_type == "application/json":
        return passed(clause, "The media type is application/json.", answer.place)
    kind = shown(answer.media_type) or "missing"
    return broken(clause, f"The media type is {kind}: make it application/json.", answer.place)


def version_leads_to_build(clause: Clause, seen: Seen) -> Finding:
    """Look at the form of the URLs and of the hash, which may not be empty."""
    version, place = seen.version(), seen.get[VERSION].place
    if version is None:
        return skipped(clause, "There is no version object.", place)
    forms = {"source": _URL, "build": _URL, "commit": _COMMIT}
    texts = {key: value for key in forms if isinstance(value := version.get(key), str)}
    if not texts:
        return skipped(clause, "The version object has none of source, commit and build.", place)
    faults = [
        f"{key} is {'no Git hash' if key == 'commit' else 'no URL'}" if value else f"{key} is empty"
        for key, value in texts.items()
        if forms[key].fullmatch(value) is None
    ]
    if faults:
        return broken(clause, f"{', '.join(faults)}: write version.json in CI.", place)
    return passed(clause, f"{_names(texts)}: each has the right form.", place)


def heartbeat_is_200_or_5xx(clause: Clause, seen: Seen) -> Finding:
    """Look at the status of ``/__heartbeat__``."""
    answer = seen.get[HEARTBEAT]
    if works(answer):
        return passed(clause, f"{answer}.", answer.place)
    return broken(clause, f"{answer}: answer with 200, or 5xx on an error.", answer.place)


def _heartbeat_json(answer: Answer) -> bool:
    """Return whether a heartbeat means to be JSON."""
    labelled = answer.media_type == "application/json" or answer.media_type.endswith("+json")
    return labelled or answer.text.lstrip().startswith("{")


def heartbeat_has_known_shape(clause: Clause, seen: Seen) -> Finding:
    """Look at the object that a heartbeat may answer with."""
    answer = seen.get[HEARTBEAT]
    if not works(answer):
        return skipped(clause, f"{answer}.", answer.place)
    if not _heartbeat_json(answer):
        return skipped(clause, "The heartbeat is not JSON, which is optional.", answer.place)
    try:
        content = answer.json()
    except ValueError as error:
        return broken(
            clause, f"The body is not JSON ({error}): send it as text or mend it.", answer.place
        )
    if not isinstance(content, dict):
        return broken(clause, "The body is no object: put it into one.", answer.place)
    content = cast("dict[str, Any]", content)
    faults: list[str] = []
    if "status" in content and _word(content) not in _WORDS:
        faults.append("status is no known word")
    faults += [
        f"{key} is no object"
        for key in ("checks", "details")
        if key in content and not isinstance(content[key], dict)
    ]
    if faults:
        remedy = "name each check, with ok, warning or error"
        return broken(clause, f"In the object {', '.join(faults)}: {remedy}.", answer.place)
    return passed(clause, "The body is an object of a known shape.", answer.place)


def _word(content: Mapping[str, Any] | None) -> str | None:
    """Return the status of a heartbeat's object, in lower case."""
    status = content.get("status") if content is not None else None
    return status.lower() if isinstance(status, str) else None


def heartbeat_status_agrees(clause: Clause, seen: Seen) -> Finding:
    """Compare the word in the heartbeat's body with the status."""
    answer = seen.get[HEARTBEAT]
    word = _word(json_object(answer)) if works(answer) else None
    if word not in _GOOD_WORDS | _BAD_WORDS:
        return skipped(clause, "The heartbeat's body has no status to compare.", answer.place)
    if (word in _BAD_WORDS) != is_5xx(answer):
        remedy = "answer with 5xx if a check fails, and only then"
        return broken(clause, f'{answer} and says "{word}": {remedy}.', answer.place)
    return passed(clause, f'{answer} and says "{word}".', answer.place)


def _names(keys: Iterable[str]) -> str:
    """Return the names of keys as text: the first few."""
    names = sorted(keys)
    listing = ", ".join(shown(name) for name in names[:5])
    return f"{listing} and {len(names) - 5} more" if len(names) > 5 else listing
