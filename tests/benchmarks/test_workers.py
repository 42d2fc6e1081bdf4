"""Workers, and what becomes of one whose output is wrong."""

from __future__ import annotations

import io
import json
import pathlib
import stat
import sys

import pytest

from benchmarks import worker
from benchmarks.measuring import Bench, Effort
from benchmarks.process import ROOT, NotMeasured, Worker, WorkerFailed
from benchmarks.rows import Environment, Row, chosen
from benchmarks.subjects import SelfTimed, Subject, Unavailable

COARSE = Effort(rounds=2, block=0.0005, share=0.005, least=2)


class Timed:
    """A subject that says what it took."""

    clock = "own"

    def __init__(self, *, wrong: bool = False) -> None:
        self.wrong = wrong
        self.asked: list[int] = []

    def run(self, count: int) -> None:
        """Do nothing."""
        self.asked.append(count)

    def spent(self) -> int:
        """Return ten for each."""
        return 10 * self.asked[-1]

    def check(self) -> None:
        """Say what the test wants said."""
        assert not self.wrong, "not what it has to be"


def spoken(
    monkeypatch: pytest.MonkeyPatch, subject: Subject | Exception, commands: str
) -> list[str]:
    """Return the answers of a worker to commands."""

    def make(name: str) -> Subject:
        if isinstance(subject, Exception):
            raise subject
        return subject

    monkeypatch.setattr(worker, "make", make)
    monkeypatch.setattr("gc.freeze", lambda: None)
    answers = io.StringIO()
    worker.main("x", io.StringIO(commands), answers)
    return answers.getvalue().splitlines()


def replaced(tmp_path: pathlib.Path, code: str) -> str:
    """Return an interpreter that runs *code* before the module it is asked for."""
    script = tmp_path / "code.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{code}\n"
        "from benchmarks.worker import main\nsys.exit(main(sys.argv[1], sys.stdin, sys.stdout))\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$3"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return str(python)


def test_a_worker_runs_and_checks_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker answers each command with the nanoseconds of the work, and a check with none."""
    subject: SelfTimed = Timed()
    assert spoken(monkeypatch, subject, "run 3\ncheck\nrun 20\n") == [
        "ready",
        "ok 30",
        "ok 0",
        "ok 200",
    ]


def test_a_wrong_output_comes_before_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subject whose check fails gets no block, and its worker says why."""
    subject = Timed(wrong=True)
    (answer,) = spoken(monkeypatch, subject, "run 3\n")
    word, _, why = answer.partition(" ")
    assert word == "failed"
    assert "not what it has to be" in json.loads(why)
    assert not subject.asked


@pytest.mark.parametrize(
    ("error", "answer"),
    [(Unavailable("it can't"), 'unavailable "it can\'t"'), (LookupError("x"), "unknown")],
    ids=["unavailable", "unknown"],
)
def test_a_subject_that_is_not_there_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, error: Exception, answer: str
) -> None:
    """What the installed package cannot do is told apart from what it does wrongly."""
    assert spoken(monkeypatch, error, "") == [answer]


def test_a_package_that_answers_wrongly_is_refused(tmp_path: pathlib.Path) -> None:
    """A formatter that loses a field ends the run before anything is measured."""
    python = replaced(
        tmp_path,
        "import json\n"
        "from dockerflow.logging import MozlogFormatter as F\n"
        "good = F.format\n"
        "F.format = lambda self, record: good(self, record).replace('\"t\"', '\"time\"')\n",
    )
    with (
        Worker(python, "logging.summary") as started,
        pytest.raises(WorkerFailed, match="is wrong"),
    ):
        started.wait_ready()


def test_a_package_that_comes_to_answer_wrongly_is_refused(tmp_path: pathlib.Path) -> None:
    """A formatter that leaves its way after a while ends the run, though it has been measured."""
    python = replaced(
        tmp_path,
        "from dockerflow.logging import MozlogFormatter as F\n"
        "good = F.format\nlines = []\n"
        "def form(self, record):\n"
        "    lines.append(1)\n"
        "    return good(self, record) if len(lines) < 300 else '{}'\n"
        "F.format = form\n",
    )
    rows = chosen(["logging.summary"])
    bench = Bench({"ours": python, "reference": sys.executable}, COARSE, None, lambda what: None)
    with pytest.raises(WorkerFailed, match="is wrong"):
        bench.measure(rows)


def test_a_worker_that_ends_is_refused(tmp_path: pathlib.Path) -> None:
    """A process that dies is reported with what it wrote to stderr."""
    python = replaced(tmp_path, "sys.exit('no such luck')")
    with (
        Worker(python, "logging.summary") as started,
        pytest.raises(WorkerFailed, match="such luck"),
    ):
        started.wait_ready()


def test_a_name_that_is_no_subject_is_told() -> None:
    """A row of a subject that does not exist is not measured, and says so."""
    started = Worker(sys.executable, "logging.nothing")
    with started, pytest.raises(NotMeasured, match=r"no subject logging\.nothing"):
        started.wait_ready()


def test_rows_are_measured_from_end_to_end() -> None:
    """Each row gets a factor within its interval, both times, and the cycles of all rounds."""
    rows = [
        *chosen(["logging.summary", "logging.pipe"]),
        Row(
            name="logging.both",
            title="a message beside an exception",
            group="Logging",
            theirs=(("ours", "logging.message"), ("ours", "logging.exception")),
            ours=(("reference", "logging.message"), ("reference", "logging.exception")),
        ),
        Row(
            name="logging.alone",
            title="what the other cannot do",
            group="Logging",
            theirs=(("reference", "logging.nothing"),),
            ours=(("ours", "logging.text"),),
            limit=60,
        ),
        Row("logging.none", "", "Logging", (("ours", "nothing.one"),), (("ours", "nothing.two"),)),
    ]
    said: list[str] = []
    pythons: dict[Environment, str] = {"ours": sys.executable, "reference": sys.executable}
    *measured, alone, none = Bench(pythons, COARSE, None, said.append).measure(rows)
    assert [one.name for one in measured] == ["logging.summary", "logging.pipe", "logging.both"]
    for one in measured:
        assert one.factor is not None
        assert one.factor.low <= one.factor.value <= one.factor.high
        assert one.cycles >= 4
        assert one.theirs is not None
        assert one.theirs > 0
        assert one.ours is not None
        assert one.ours > 0
    assert alone.ours is not None
    assert alone.factor is None
    assert alone.note == "there is no subject logging.nothing"
    assert none.note == "there is no subject nothing.one; there is no subject nothing.two"
    assert said
