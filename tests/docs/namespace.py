"""The one Python namespace of a page, in a process of its own, that executes what it is sent.

Orders are JSON, one a line, on the file descriptor that the first argument names; answers go to
the second one: the traceback of what failed, or an empty string. What snippets print goes to the
process's own output.
"""

from __future__ import annotations

import doctest
import io
import json
import os
import sys
import traceback
import types


def execute(text: str, page: str, line: int, namespace: dict[str, object]) -> str:
    """Execute a snippet; a traceback names the page and its lines."""
    try:
        exec(compile("\n" * (line - 1) + text, page, "exec"), namespace)
    except BaseException as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        return "".join(traceback.format_exception(error))
    return ""


def compare(text: str, page: str, line: int, namespace: dict[str, object]) -> str:
    """Execute a session of the interactive interpreter, and compare what it prints."""
    session = doctest.DocTestParser().get_doctest(text, {}, page, page, line - 1)
    session.globs = namespace
    said = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    runner.run(session, out=said.write, clear_globs=False)
    return said.getvalue()


def main() -> None:
    """Serve until there are no more orders."""
    orders, answers = os.fdopen(int(sys.argv[1])), os.fdopen(int(sys.argv[2]), "w")
    sys.path[0] = os.getcwd()
    sys.argv = ["page.py"]
    module = types.ModuleType("page")
    module.__file__ = os.path.join(os.getcwd(), "page.py")
    sys.modules["page"] = module
    for order in map(json.loads, orders):
        run = compare if order["compared"] else execute
        answer = run(order["text"], order["page"], order["line"], module.__dict__)
        sys.stdout.flush()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
