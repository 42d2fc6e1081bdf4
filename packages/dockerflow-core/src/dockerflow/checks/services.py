"""What the checks of backing services share. For adapters too; no promise of stability."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from urllib.parse import quote

from .findings import mask_urls


def import_extra(module: str, extra: str, adapter_extra: str) -> ModuleType:
    """Import a module of a library that is an extra.

    :param module: the module's import name, such as ``"redis.exceptions"``.
    :param extra: the extra of dockerflow-core that installs the library.
    :param adapter_extra: the extra of the adapters that does.
    :raises ModuleNotFoundError: if the library is not installed, with the command that installs it.
    """
    library = module.partition(".")[0]
    try:
        import_module(library)
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != library:  # the library is there, but something that it needs is not
            raise
        raise ModuleNotFoundError(
            f"this check needs {library!r}, which is not installed: "
            f'pip install "dockerflow-core[{extra}]", or the extra "{adapter_extra}" of your '
            f'adapter, as in "dockerflow-flask[{adapter_extra}]"',
            name=library,
        ) from error


def public_text(text: object, secrets: Iterable[object] = ()) -> str:
    """Return a text on one line, without secrets.

    :param secrets: passwords, which are replaced wherever they stand, also percent-encoded; empty
        ones are skipped. The user part of URLs is always replaced.
    """
    line = str(text)
    known = {str(secret) for secret in secrets if secret}
    known |= {quote(secret, safe="") for secret in known}
    for secret in sorted(known, key=len, reverse=True):
        line = line.replace(secret, "***")
    return " ".join(mask_urls(line).split())
