"""Secrets in the lines of a log, and extracts of lines that show none.

Both use the same patterns, on the text of a line as it stands there, JSON or not. Each pattern
takes time linear in the line, whatever is on it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from .printing import printable, shown

MOST_SHOWN = 80
"""Characters of a line that an extract shows."""


class Secret(StrEnum):
    """A kind of secret."""

    URL = "a password or token in a URL"
    AUTHORIZATION = "a value of Authorization"
    PASSWORD = "a password or key"  # noqa: S105 - the name of a kind


_QUOTE = r"\\{0,3}[\"']"  # JSON within a JSON string has backslashes
_IS = rf"(?:b?{_QUOTE})?\s{{0,3}}[:=,]\s{{0,3}}"
_VALUE = (
    r"(?:b?\\{0,3}(?:\"(?P<double>(?:[^\"\\]++|\\.)*+)|'(?P<single>(?:[^'\\]++|\\.)*+))"
    r"|(?P<bare>[^\s\"'&]+))"
)
_NAMES = (
    r"(?:password|passwd|passphrase|client[_-]?secret|secret[_-]?key|private[_-]?key"
    r"|api[_-]?key|access[_-]?token|refresh[_-]?token)"
)
_SCHEMES = r"(?:basic|bearer|digest|token|negotiate|apikey|aws4-hmac-sha256)\s{1,3}"

# In each, the first group that matches stands before the secret, and the second is the secret.
_PATTERNS = {
    # RFC 3986, section 3.2.1
    Secret.URL: re.compile(
        r"(?P<before>[a-z0-9+.-]{0,12}://)(?P<user>[^\s/?#@\"\\]+)@", re.IGNORECASE
    ),
    # RFC 9110, section 11.6.2: a scheme and what belongs to it. A quoted one may have any scheme.
    Secret.AUTHORIZATION: re.compile(
        rf"(?P<before>\bauthorization{_IS}(?:b?{_QUOTE})?{_SCHEMES})(?P<value>[^\s\"'\\,;]+)"
        r"[^\"'\\]*"
        rf"|(?P<key>\bauthorization{_QUOTE}\s{{0,3}}[:,]\s{{0,3}}b?{_QUOTE})"
        r"(?P<other>[^\s\"'\\,;]+)[^\"'\\]*"
        r"|(?P<scheme>\bbearer\s{1,3})(?P<token>[\w.~+/-]{16,})",
        re.IGNORECASE,
    ),
    # With a colon only if it is quoted: "password: too short" is for people.
    Secret.PASSWORD: re.compile(
        rf"(?P<before>{_NAMES}(?:=|b?{_QUOTE}\s{{0,3}}[:,]\s{{0,3}})){_VALUE}", re.IGNORECASE
    ),
}

# Words without one of which a line has no match: most lines are done with at once.
_WORDS = {
    Secret.URL: ("@",),
    Secret.AUTHORIZATION: ("authorization", "bearer"),
    Secret.PASSWORD: ("pass", "secret", "key", "token"),
}

# Placeholders, and sentences such as "This field is required" that validation has about a field.
_HARMLESS = re.compile(
    r"\W*|x{3,}|[%${<\[].*|.*\s.*|none|null|nil|true|false|undefined"
    r"|\W*(?:redacted|filtered|masked|hidden|removed|omitted|required)\W*",
    re.IGNORECASE | re.DOTALL,
)

# Extracts are masked more widely: a password may hold "/", "?" and "@".
_USER_PART = re.compile(r"(?<=://)(?:(?!://)[^\s\"])*@")

_JSON_ESCAPE = re.compile(r"\\(?:u00([2-7][0-9a-fA-F])|(/))")


def secrets(text: str) -> Iterator[tuple[Secret, str]]:
    """Find secrets.

    :param text: a line.
    :returns: for each kind that is there, the kind and what stands before the first secret.
    """
    text = _unescaped(text)
    lower = text.lower()
    for kind, words in _WORDS.items():
        if not any(word in lower for word in words):
            continue
        for match in _PATTERNS[kind].finditer(text):
            before, value = _parts(match)
            if _is_secret(kind, value):
                yield kind, f"{printable(before)}***"
                break


def extract(text: str) -> str:
    """Return the beginning of a line: printable, and without secrets.

    :param text: a line.
    :returns: at most :data:`MOST_SHOWN` of its characters.
    """
    text = _USER_PART.sub("***@", _unescaped(text))  # masked before it is cut: half is enough
    for kind in (Secret.AUTHORIZATION, Secret.PASSWORD):
        text = _PATTERNS[kind].sub(lambda match: f"{_parts(match)[0]}***", text)
    return shown(text, MOST_SHOWN)


def _unescaped(text: str) -> str:
    r"""Resolve those escapes of JSON that may hide a secret; PHP writes ``:\/\/`` in URLs."""
    if "\\" not in text:
        return text
    return _JSON_ESCAPE.sub(lambda match: "/" if match[2] else chr(int(match[1], 16)), text)


def _parts(match: re.Match[str]) -> tuple[str, str]:
    """Return what stands before a secret, and the secret."""
    before, value = (group for group in match.groups() if group is not None)
    return before, value


def _is_secret(kind: Secret, value: str) -> bool:
    if kind is Secret.URL:
        user, _, password = value.partition(":")
        # A user is no secret, but a long one is a token; unless it is Sentry's public key.
        is_token = len(user) >= 20 and not re.fullmatch(r"[0-9a-f]{32}", user)
        return not _HARMLESS.fullmatch(password or (user if is_token else ""))
    return not _HARMLESS.fullmatch(re.split(r"[\\,;)}\]]", value, maxsplit=1)[0])
