"""Celery: the ids and summaries of tasks, the lines of worker and beat, the liveness file.

One worker of each pool runs tasks that end in every possible way; the tests read its output.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import pathlib
import signal
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from celery import VERSION, signals
from celery.exceptions import Retry

from dockerflow.celery import observe, tasks
from dockerflow.celery.worker import LivenessFile
from dockerflow.logging import request_id_context
from dockerflow.logging.wsgi import RequestObserver
from tests.servers.web import WebServer
from tests.services.apps.celery import ExpectedError, GreenletExit, app, ends, quick, sends
from tests.services.beats import wait_until
from tests.services.servers import RedisServer

# The expected state, errno, severity and message of each run, by the endings of apps/celery.py.
ENDINGS: dict[str, list[tuple[str, int, int, str | None]]] = {
    "well": [("SUCCESS", 0, 6, None)],
    "error": [("FAILURE", 500, 3, "broken")],
    "braces": [("FAILURE", 500, 3, '{"user": 1}')],
    "expected": [("FAILURE", 0, 6, "usual")],
    "ignore": [("IGNORED", 0, 6, None)],
    "reject": [("REJECTED", 0, 6, None)],
    "retry": [("RETRY", 0, 6, "Retry in 0s: ValueError('again')"), ("SUCCESS", 0, 6, None)],
    "context": [("SUCCESS", 0, 6, None)],
    "expired": [("REVOKED", 0, 6, "expired")],
    "revoked": [("REVOKED", 0, 6, "revoked")],
    "kwargs": [("FAILURE", 500, 3, "Task keyword arguments is not a mapping")],
}
KILLED: dict[str, list[tuple[str, int, int, str | None]]] = {
    "exit": [("FAILURE", 500, 3, "Worker exited prematurely: exitcode ")],
    "kill": [("FAILURE", 500, 3, "Worker exited prematurely: signal 9 (SIGKILL)")],
    "hard": [("FAILURE", 500, 3, "TimeLimitExceeded")],
    "soft": [("FAILURE", 500, 3, "SoftTimeLimitExceeded")],
    "hook": [("FAILURE", 500, 3, "hook")],
    "caught": [("SUCCESS", 0, 6, None)],
    "SIGTERM": [("REVOKED", 0, 6, "terminated")],
    "SIGUSR1": [("FAILURE", 500, 3, "SoftTimeLimitExceeded")],
}
POOLS = {
    "prefork": ENDINGS | KILLED,
    "threads": ENDINGS | {"exit": [("FAILURE", 500, 3, "3")]},
    "solo": ENDINGS,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "expired": {"expires": -1},
    "hard": {"time_limit": 1},
    "soft": {"soft_time_limit": 1},
    "caught": {"soft_time_limit": 1},
    "kill": {"link_error": quick.si()},
}

# Headers that arrive, and whether the task accepts them.
CARRIED = {"from-elsewhere": True, "a\nb": False, "": False, "x" * 201: False, "é": False}
NO_IDS: list[Any] = [None, 17, ["a"], {"a": 1}]

PLAIN = {"", "worker: Warm shutdown (MainProcess)"}  # Celery writes these without logging


class Worker(WebServer):
    """A worker of apps/celery.py, or its beat, with its own Redis."""

    def __init__(self, redis: RedisServer, *words: str, **environ: str) -> None:
        super().__init__(())
        module = "tests.services.apps.celery"
        # If observe() configures logging, Celery warns about root before it is asked not to.
        ignore = () if "LOGGER_NAME" in environ else ("-W", "ignore:::celery.platforms")
        self.words = (*ignore, "-m", "celery", "--quiet", "-A", module, *words)
        self.liveness_file = self.dir / "alive"
        file = {"LIVENESS_FILE": str(self.liveness_file)}
        self.environ |= {"BROKER_URL": redis.url, **file, **environ}
        self.sign: tuple[str, str] | None = None  # logger and text of the line to wait for

    def ready(self) -> bool:
        return self.says(*self.sign) if self.sign else self.liveness_file.exists()

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the lines of a logger so far."""
        return [line for line in self.lines() if line["Type"] == kind]

    def says(self, kind: str, text: str, rid: str | None = None) -> bool:
        """Return whether there is a line with a text."""
        fields = [line["Fields"] for line in self.of(kind)]
        return any(text in each["msg"] and rid in (None, each["rid"]) for each in fields)


class Life:
    """Everything that one worker received and wrote until it was stopped."""

    def __init__(self, pool: str, redis: RedisServer) -> None:
        self.pool = pool
        self.sent: dict[str, str] = {}  # task ids
        environ = {"LOGGER_NAME": "shop"} if pool == "prefork" else {}
        words = ("--loglevel", "INFO", "--concurrency", "2", "--pool", pool)
        self.worker = Worker(redis, "worker", "--without-mingle", *words, **environ)

    def run(self) -> None:
        """Start the worker, send tasks, wait, and stop it."""
        self.worker.start()
        self.send_all()
        expected = sum(map(len, POOLS[self.pool].values())) + len(CARRIED) + len(NO_IDS)
        expected += 11  # sends(), its nine, and the one of them that fails
        expected += 1 + (self.pool == "prefork")  # protocol 1, and an error callback
        wait_until(lambda: len(self.summaries()) >= expected, 30)
        modified = self.worker.liveness_file.stat().st_mtime_ns
        wait_until(lambda: self.worker.liveness_file.stat().st_mtime_ns > modified)
        self.worker.stop()

    def send_all(self) -> None:
        """Send a task for each ending, and others for their ids."""
        request("sends", sends.delay)
        for how in POOLS[self.pool]:
            self.sent[how] = str(uuid.uuid4())
            request(how, functools.partial(self.send, how))
        with without_observer():
            for value in [*CARRIED, *NO_IDS]:
                headers = {"request_id": value}
                sent = ends.apply_async(("well",), headers=headers)
                self.sent[repr(value)] = sent.id
        request("protocol-1", send_protocol_1)

    def send(self, how: str) -> None:
        """Send a task for one ending."""
        task_id, argument = self.sent[how], how if how in ENDINGS | KILLED else "well"
        if how == "revoked":
            app.control.revoke(task_id)
            wait_until(lambda: self.worker.says("celery.worker.control", task_id))
        elif how == "kwargs":
            send_arguments([["well"], [1], {}], task_id)
            return
        elif how in ("hard", "soft", "SIGTERM", "SIGUSR1"):
            argument = "sleep"
        options = OPTIONS.get(how, {})
        ends.apply_async((argument,), task_id=task_id, **options)
        if how.startswith("SIG"):
            wait_until(lambda: self.worker.says("app", "ends", how))
            app.control.revoke(task_id, terminate=True, signal=how)

    def summaries(self) -> list[dict[str, Any]]:
        return self.worker.of("task.summary")


def request(request_id: str, action: Callable[[], object]) -> None:
    """Call a function within a web request."""

    def application(environ: Any, start_response: Any) -> list[bytes]:
        action()
        start_response("204 No Content", [])
        return []

    environ: dict[str, Any] = {"HTTP_X_REQUEST_ID": request_id}
    setup_testing_defaults(environ)
    list(RequestObserver(application)(environ, lambda *_: print))


@contextlib.contextmanager
def without_observer() -> Generator[None]:
    """Send tasks from a process that does not use dockerflow."""
    signals.before_task_publish.disconnect(tasks.send_request_id)
    yield
    signals.before_task_publish.connect(tasks.send_request_id)


def send_arguments(body: list[Any], task_id: str) -> None:
    """Send a message that Celery itself would refuse to send."""
    headers = {"id": task_id, "task": "ends", "lang": "py", "request_id": "kwargs"}
    with app.producer_or_acquire() as producer:
        producer.publish(body, headers=headers, exchange="", routing_key="celery")


def send_protocol_1() -> None:
    message = app.amqp.as_task_v1(str(uuid.uuid4()), "ends", args=("well",))
    with app.producer_or_acquire() as producer:
        app.amqp.send_task_message(producer, "ends", message, queue="celery")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with contextlib.closing(RedisServer()) as server:
        server.start()
        app.conf.update(broker_url=server.url, result_backend=server.url)
        yield server
        app.close()


@pytest.fixture(scope="module", params=POOLS)
def life(request: pytest.FixtureRequest, redis: RedisServer) -> Iterator[Life]:
    life = Life(request.param, redis)
    with contextlib.closing(life.worker):
        life.run()
        yield life


@contextlib.contextmanager
def started(worker: Worker, *sign: str) -> Generator[Worker]:
    """Run a worker or beat, and wait until it has written a line, or is ready."""
    worker.sign = (sign[0], sign[1]) if sign else None
    with contextlib.closing(worker):
        worker.start()
        yield worker


def test_one_summary_of_each_run(life: Life) -> None:
    """However a run ends, it has one summary, with the id of the request that sent it."""
    for how, expected in POOLS[life.pool].items():
        lines = [each for each in life.summaries() if each["Fields"]["task_id"] == life.sent[how]]
        assert len(lines) == len(expected), (how, lines)
        for retries, (line, (state, errno, severity, text)) in enumerate(
            zip(lines, expected, strict=True)
        ):
            fields = line["Fields"]
            assert (fields["state"], fields["errno"], line["Severity"]) == (state, errno, severity)
            assert fields.get("msg", "")[: len(text or "")] == (text or "")
            assert (fields["task"], fields["queue"], fields["rid"]) == ("ends", "celery", how)
            assert fields["retries"] == retries
            began = state != "REVOKED" or text == "terminated"
            assert (fields.get("t", -1) >= 0) == (began and how != "kwargs")
            least = 900 if how in ("hard", "soft", "caught") else 0
            assert fields.get("t", 0) >= least


def test_ids_go_on(life: Life) -> None:
    """Tasks that a task sends have its id: later ones, chains, groups, chords, error callbacks."""
    lines = [each["Fields"] for each in life.summaries() if each["Fields"]["rid"] == "sends"]
    assert Counter(each["task"] for each in lines) == {"sends": 1, "ends": 1, "quick": 9}
    if life.pool == "prefork":  # its parent sends the error callback of a killed task
        lines = [each["Fields"] for each in life.summaries() if each["Fields"]["rid"] == "kill"]
        assert [each["task"] for each in lines] == ["ends", "quick"]


def test_ids_that_arrive(life: Life) -> None:
    """A task accepts a valid id, and otherwise uses its own; protocol 1 carries it as well."""
    rids = {each["Fields"]["task_id"]: each["Fields"]["rid"] for each in life.summaries()}
    for value, is_taken in CARRIED.items():
        task_id = life.sent[repr(value)]
        assert rids[task_id] == (value if is_taken else task_id)
    for value in NO_IDS:
        assert rids[life.sent[repr(value)]] == life.sent[repr(value)]
    assert "protocol-1" in rids.values()


def test_lines_of_a_task(life: Life) -> None:
    """All lines of a task have its id, also Celery's own of a failure, its only one."""
    lines = [each for each in life.worker.lines("error") if each["Type"] != "task.summary"]
    assert [each["Type"] for each in lines] == ["app", "celery.app.trace"]
    assert "raised unexpected: ValueError('broken')" in lines[1]["Fields"]["msg"]
    assert lines[1]["Fields"]["traceback"].startswith("Uncaught exception:")
    said = [each["Fields"]["msg"] for each in life.worker.lines() if "msg" in each["Fields"]]
    assert [text for text in said if " received" in text or " succeeded in " in text] == []
    # A task may put another id into the context: it is removed after the task.
    assert "left behind" not in {each["Fields"]["rid"] for each in life.worker.lines()}


def test_all_lines_are_json(life: Life) -> None:
    """Each line is JSON and occurs once, except for the text that Celery writes without logging."""
    lines = life.worker.log.splitlines()
    assert {each for each in lines if not each.startswith("{")} <= PLAIN
    assert max(Counter(each for each in lines if each not in PLAIN).values()) == 1
    name = "shop" if life.pool == "prefork" else "orders"
    assert {each["Logger"] for each in life.worker.lines()} == {name}
    said = [(each["Type"], each["Fields"]["msg"]) for each in life.worker.of("celery.apps.worker")]
    assert [text.endswith(" ready.") for _, text in said] == [True]


def test_liveness_file_of_a_worker_that_has_stopped(life: Life) -> None:
    """A working worker removes its liveness file when it stops."""
    assert not life.worker.liveness_file.exists()


def test_liveness_file_of_a_worker_that_takes_no_tasks(tmp_path: pathlib.Path) -> None:
    """A heartbeat before the worker is ready, or after it has stopped, creates no file."""
    file = LivenessFile(tmp_path / "alive")
    file.touch()
    assert not file.path.exists()
    file.start()
    assert file.path.exists()
    file.stop()
    file.touch()
    assert not file.path.exists()


def test_broker_down_at_start() -> None:
    """A worker that waits for its broker logs JSON; it has its liveness file when it is ready."""
    with contextlib.closing(RedisServer()) as redis:
        worker = Worker(redis, "worker", "--loglevel", "INFO", "--pool", "solo")
        with started(worker, "celery.worker.consumer.consumer", "Cannot connect"):
            assert not worker.liveness_file.exists()
            redis.start()
            wait_until(worker.liveness_file.exists)
            worker.kill()
            assert worker.liveness_file.exists()  # it stays, and grows old
            assert {each for each in worker.log.splitlines() if not each.startswith("{")} <= PLAIN


def test_liveness_file_that_cannot_be_written(redis: RedisServer) -> None:
    """The worker reports each of its problems once, and runs tasks; --loglevel applies."""
    words = ("worker", "--loglevel", "ERROR", "--pool", "solo")
    worker = Worker(redis, *words, LIVENESS_FILE="/dev/null/alive")
    with started(worker, "dockerflow.celery", "liveness_file"):
        for how in ("well", "error"):
            request(how, functools.partial(ends.delay, how))
        wait_until(lambda: worker.of("task.summary") != [])
        worker.stop()
        (line,) = worker.of("dockerflow.celery")
        assert line["Fields"]["msg"] == (
            "liveness_file is '/dev/null/alive', which can't be written (Not a directory); set it"
            " to a file in a folder that the worker may write to, such as '/tmp/worker-alive'"
        )
        well = [each["Type"] for each in worker.lines() if each["Fields"]["rid"] == "well"]
        assert well == ["task.summary"]


@pytest.mark.skipif(VERSION < (5, 5), reason="this Celery sends no signal for it")
def test_cold_shutdown(redis: RedisServer) -> None:
    """A run that the worker cancels at a cold shutdown is to be retried, as Celery says."""
    worker = Worker(redis, "worker", "--loglevel", "INFO", "--concurrency", "1")
    with started(worker):
        request("cancelled", functools.partial(ends.delay, "sleep"))
        # The run has begun in its process, and the parent, which cancels it, has been notified.
        wait_until(lambda: any((app.control.inspect().active() or {}).values()))
        worker.stop_signal = signal.SIGQUIT
        worker.stop()
        (summary,) = worker.of("task.summary")
        assert (summary["Fields"]["state"], summary["Fields"]["rid"]) == ("RETRY", "cancelled")
        assert summary["Fields"]["msg"] == "cancelled"
    app.control.purge()


def test_format_that_is_none(redis: RedisServer) -> None:
    """A worker whose logging can't be configured does not start, and names the remedy."""
    worker = Worker(redis, "worker", "--pool", "solo", DOCKERFLOW_LOG_FORMAT="gpc")
    with contextlib.closing(worker), pytest.raises(RuntimeError, match=r"gpc.*mozlog, gcp"):
        worker.start()


def test_beat(redis: RedisServer) -> None:
    """All lines of beat are JSON; it has no liveness file."""
    # A signal may already have closed the file when the default scheduler reads it.
    beat = Worker(redis, "beat", "--loglevel", "INFO", "--scheduler", "celery.beat:Scheduler")
    with started(beat, "celery.beat", "Sending due task often (quick)"):
        beat.stop()
        assert [each for each in beat.log.splitlines() if not each.startswith("{")] == []
        assert {each["Logger"] for each in beat.lines()} == {"orders"}
        assert not beat.liveness_file.exists()
    app.control.purge()


# ---------------------------------------------------------------------- in the caller's process


@pytest.fixture
def eager(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The summaries of tasks that are run eagerly."""
    caplog.set_level(logging.INFO)
    app.conf.task_always_eager = True
    yield lambda: [vars(each) for each in caplog.records if each.name == "task.summary"]
    app.conf.task_always_eager = False


@pytest.mark.parametrize("propagates", [False, True])
def test_eager(eager: Callable[[], list[dict[str, Any]]], propagates: bool) -> None:
    """An eager task has its caller's id, and leaves the caller's context unchanged."""
    raised = (ValueError, ExpectedError, Retry) if propagates else ()
    expected = {"well": "SUCCESS", "error": "FAILURE", "expected": "FAILURE", "context": "SUCCESS"}

    def call() -> None:
        for how in expected:
            with contextlib.suppress(*raised):
                ends.apply((how,), throw=propagates)
            assert request_id_context.get() == "caller"
        ends.delay("well")

    request("caller", call)
    found = [(each["state"], each["rid"], each["msg"]) for each in eager()]
    texts = {"error": "broken", "expected": "usual"}
    states = [(state, "caller", texts.get(how, "")) for how, state in expected.items()]
    assert found == [*states, ("SUCCESS", "caller", "")]


def test_eager_retry(eager: Callable[[], list[dict[str, Any]]]) -> None:
    """A retry of an eager task runs at once, too, within the first run."""
    request("caller", lambda: ends.delay("retry"))
    found = [(each["state"], each["retries"], each["rid"]) for each in eager()]
    assert sorted(found) == [("RETRY", 0, "caller"), ("SUCCESS", 1, "caller")]


def test_killed_greenlet(eager: Callable[[], list[dict[str, Any]]]) -> None:
    """In the gevent pool, an exception terminates a task."""
    with pytest.raises(GreenletExit):
        ends.apply(("killed greenlet",))
    found = [(each["state"], each["errno"], each["msg"]) for each in eager()]
    assert found == [("REVOKED", 0, "terminated")]


def test_eager_outside_any_request(eager: Callable[[], list[dict[str, Any]]]) -> None:
    """Outside any request a task has its own id."""
    task_id = quick.apply(task_id="alone").id
    assert [each["rid"] for each in eager()] == [task_id]
    assert request_id_context.get() is None
    assert quick.apply(task_id="not an id").id == "not an id"
    (_, summary) = eager()
    assert summary["rid"] == str(uuid.UUID(summary["rid"]))


def test_log_filter_that_fails(
    eager: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A summary that can't be written does not affect its task."""

    def fail(record: logging.LogRecord) -> bool:
        raise RuntimeError("filter")

    logger = logging.getLogger("task.summary")
    logger.addFilter(fail)
    try:
        assert quick.delay().get() == "done"
    finally:
        logger.removeFilter(fail)
    assert eager() == []
    assert request_id_context.get() is None
    assert "--- Logging error in task.summary ---" in capsys.readouterr().err


def test_observe_twice(eager: Callable[[], list[dict[str, Any]]]) -> None:
    """Observing an application again adds no output."""
    observe(app)
    quick.delay()
    assert len(eager()) == 1
