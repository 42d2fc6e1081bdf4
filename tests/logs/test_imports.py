"""What is imported, and when; and that no record depends on it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import dockerflow.logging

STANDARD = ["json", "logging"]


def run(program: str) -> str:
    """Run a program in a fresh process, in which nothing has been imported yet."""
    # -S: a site-packages may import what it likes at start-up
    path = repr([entry for entry in sys.path if entry])
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", f"import sys; sys.path[:] = {path}\n{program}"],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADED = f"""
def loaded():
    own = [name for name in sys.modules if name.startswith("dockerflow.logging.")]
    standard = [name for name in {STANDARD} if name in sys.modules]
    return standard + sorted(name.rpartition(".")[2] for name in own)
"""


@pytest.mark.parametrize(
    ("program", "modules"),
    [
        ("import dockerflow.logging", []),
        (
            """
from dockerflow.logging import RequestSummary, request_id_context
RequestSummary().write(200)
""",
            ["logging", "marks", "records", "reprs", "request_id", "summary"],
        ),
        ("from dockerflow.logging import RequestSummary", ["logging", "summary"]),
        (
            r"""
from dockerflow.logging import MozlogFormatter
import logging
odd = {"v": {1: object()}, "w": [{2}], "x": float("nan"), "y": "a\udc80"}
for extra in {}, {"a": 1, "b": "b", "c": {"d": []}}, odd:
    made = logging.makeLogRecord({"msg": "x %s", "args": (1,), **extra})
    MozlogFormatter().format(made)
""",
            [
                *("logging", "conversion", "encoder", "fast", "formatter", "marks", "natural"),
                *("plain", "reprs", "traceback"),
            ],
        ),
    ],
)
def test_only_what_is_used(program: str, modules: list[str]) -> None:
    """A part of the package brings no other, and formatting anything but JSON needs no json."""
    assert run(f"{LOADED}\n{program}\nprint(loaded())") == repr(modules)


def test_formatting_imports_nothing() -> None:
    """Who has a formatter writes the same lines where nothing more can be imported."""
    program = """
import logging, datetime
from dockerflow.logging import MozlogFormatter
class Subclass(MozlogFormatter):
    def convert_record(self, record):
        return super().convert_record(record)
class Odd:
    def __repr__(self):
        return "odd"
formatters = MozlogFormatter(), Subclass()
imports = sys.meta_path
try:
    raise ValueError("v") from KeyError("k")
except ValueError:
    exc_info = sys.exc_info()
odd = {"v": {1: Odd(), (2, 3): {4}}, "at": datetime.datetime(2026, 1, 1), "nan": float("nan"),
       "deep": [[[]]], "s": "a\\udc80", "odd": Odd(), "group": ExceptionGroup("g", [OSError()])}
for attributes in ({}, odd, {"exc_info": exc_info}, {"args": (1, 2)}, {"stack_info": "s"}):
    for formatter in formatters:
        made = logging.makeLogRecord({"name": "n", "msg": "said", "created": 1.5, **attributes})
        made.process = 7
        print(formatter.format(made))
"""
    # as at the interpreter's shutdown
    alone = run(program.replace("imports = sys.meta_path", "sys.meta_path = None"))
    assert alone.splitlines() == run(program).splitlines()
    assert alone.count("\n") == 9
    assert "convert_record_error" not in alone


@pytest.mark.parametrize("failure", ["ImportError", "OSError", "RuntimeError"])
def test_a_json_message_without_a_parser(failure: str) -> None:
    """Where json can't be imported, a message that is JSON is kept as text, and later is parsed."""
    program = f"""
import logging
from dockerflow.logging import MozlogFormatter
class Broken:
    def find_spec(name, path, target=None):
        raise {failure}("broken")
sys.meta_path.insert(0, Broken)
made = logging.makeLogRecord({{"msg": '{{"a": 1}}'}})
print(MozlogFormatter().format(made))
sys.meta_path.remove(Broken)
print(MozlogFormatter().format(made))
"""
    lines = [json.loads(line)["Fields"] for line in run(program).splitlines()]
    assert lines == [{"msg": '{"a": 1}'}, {"a": 1}]


def test_a_json_message_with_a_full_stack() -> None:
    """The first message that is JSON may be logged at any depth of a recursion, and is parsed."""
    program = """
import io, logging
import dockerflow.logging.conversion as conversion
from dockerflow.logging import MozlogHandler
import json
stream = io.StringIO()
handler = MozlogHandler(stream)
logged = 0

def down():
    global logged
    try:
        down()
    except RecursionError:
        for name in [*sys.modules]:
            if name.partition(".")[0] == "json":
                del sys.modules[name]
        conversion._decode = None
        handler.emit(logging.makeLogRecord({"msg": '{"level": %d}' % logged}))
        logged += 1
        if logged < 60:
            raise
try:
    down()
except RecursionError:
    pass
print(stream.getvalue())
"""
    lines = [json.loads(line)["Fields"] for line in run(program).splitlines()]
    assert len(lines) >= 50
    # where even the attempt at it was too much, the text is left
    assert all(set(fields) in ({"level"}, {"msg"}) for fields in lines)
    assert sum("level" in fields for fields in lines) >= 50


def test_public_names() -> None:
    """Names that are imported on use are found like any, and others are not."""
    program = """
import dockerflow.logging as package
assert set(package.__all__) <= set(dir(package))
for module in "formatter handler request_id summary traceback".split():
    assert getattr(package, module).__name__ == f"dockerflow.logging.{module}"
names = {}
exec("from dockerflow.logging import *", names)
assert set(package.__all__) <= set(names)
assert all(names[name] is getattr(package, name) for name in package.__all__)
assert not hasattr(package, "MozlogFormater") and not hasattr(package, "__wrapped__")
import pickle
assert pickle.loads(pickle.dumps(package.MozlogFormatter)) is package.MozlogFormatter
print("ok")
"""
    assert run(program) == "ok"


def test_each_name_has_its_module() -> None:
    """What is imported on use are the names that are public."""
    homes = dockerflow.logging._NAMES
    assert sorted(name for names in homes.values() for name in names) == sorted(
        dockerflow.logging.__all__
    )
