"""The encoder for those who call ``json.dumps`` themselves: the formatter has no use for it."""

from __future__ import annotations

import json

from .natural import natural, step
from .plain import jsonable


class SafeJSONEncoder(json.JSONEncoder):
    """A JSON encoder that has an answer for every value, for ``json.dumps(value, cls=...)``."""

    def default(self, o: object) -> object:
        """Return the natural form of *o*, a value that JSON has no type for."""
        return step(natural(o))

    def encode(self, o: object) -> str:
        """Return *o* as JSON text; what the standard encoder refuses is said as text."""
        try:
            return super().encode(o)
        except Exception:
            return super().encode(jsonable(o))
