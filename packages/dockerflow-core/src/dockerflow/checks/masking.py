"""Keep the secrets of URLs out of answers and log lines."""

from __future__ import annotations

import re

# From "://" to the last "@" before the next blank or URL: a password may hold "/", "?" and "@",
# and masking too much of an odd text is safer than too little.
_USER_PART = re.compile(r"(?<=://)(?:(?!://)\S)*@")


def mask_urls(text: str) -> str:
    """Return ``text`` with the user part of every URL replaced.

    ``redis://user:secret@host/0`` becomes ``redis://***@host/0``
    (`RFC 3986, section 3.2.1 <https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1>`_).
    """
    return _USER_PART.sub("***@", text) if "@" in text else text
