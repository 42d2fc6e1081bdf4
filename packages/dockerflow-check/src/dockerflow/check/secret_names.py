"""Recognising secrets by their names and by their form. Their values are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

SECRET = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|TOKEN|SECRET|CREDENTIAL)S?[_-]?\d*\Z"
    r"|(?:PASSWORD|TOKEN|SECRET)[_-]?(?:VALUE|BASE64|B64|KEY_BASE|PROD|STAGING|DEV)\Z"
    r"|(?:^|[_-]|API|ACCESS|PRIVATE|SECRET)(?:KEYS?|PASS)\Z"
    r"|[_-]PWD\Z",
    re.IGNORECASE,
)
# Official images have a GPG_KEY, a fingerprint that all may know.
NO_SECRET = re.compile(
    r"(?:GPG|PGP|PUBLIC|PUBLISHABLE|PUB|CACHE|SORT|PRIMARY|FOREIGN)[_-]?KEYS?\Z", re.IGNORECASE
)
# What stands for a value: a variable, a command, a file, a number of days, a switch. PostgreSQL's
# official image checks its packages with a `key`, an OpenPGP fingerprint in upper case.
PLACEHOLDER = re.compile(
    r"[$`%].*|(?:/[\w.-]+){2,}|\d{0,3}|true|false|yes|no|on|off|none|null|\*+|x{3,}|"
    r"(?-i:[0-9A-F]{40})",
    re.IGNORECASE | re.DOTALL,
)
ASSIGNMENT = re.compile(
    r"""(?<![\w-])-{0,2}([A-Za-z_][\w-]{0,100})=("[^"]*"|'[^']*'|[^\s;&|"']*)"""
)
USER_PART = re.compile(r"([A-Za-z0-9+.-]{1,20})://([^\s/?#@:\"']{0,300})(:[^\s/?#@\"']{1,300})?@")
TOKEN = re.compile(
    r"\bgh[pousr]_[A-Za-z0-9]{20}|\bglpat-[\w-]{16}|\bAKIA[A-Z0-9]{16}\b|\bxox[abp]-[0-9]{8}|"
    r"-----BEGIN (?:[A-Z]{1,10} ){0,3}PRIVATE KEY"
)
TOKEN_LENGTH = 16  # characters; a user of a URL is shorter


def is_secret_name(name: str) -> bool:
    """Return whether the name of a variable is one of a secret."""
    return SECRET.search(name) is not None and NO_SECRET.search(name) is None


def is_secret(name: str, value: str) -> bool:
    """Return whether a variable looks like a secret that has a value."""
    return is_secret_name(name) and PLACEHOLDER.fullmatch(value.strip().strip("\"'")) is None


def has_password(text: str) -> bool:
    """Return whether a text has a URL with a password or a token in it."""
    for scheme, user, password in USER_PART.findall(text):
        is_token = scheme.endswith(("http", "https")) and len(user) >= TOKEN_LENGTH
        secret = password[1:] or (user if is_token else "")
        if not PLACEHOLDER.fullmatch(secret):
            return True
    return False


def has_token(text: str) -> bool:
    """Return whether a text has what looks like a token of GitHub and others, or a private key."""
    return TOKEN.search(text) is not None


def secret_names(command: str) -> Iterator[str]:
    """Yield the names of secrets that a command, or an instruction of a Dockerfile, gives a value.

    They are ``NAME=value`` and ``--name=value``.
    """
    for name, value in ASSIGNMENT.findall(command):
        if is_secret(name, value):
            yield name
