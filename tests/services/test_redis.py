"""The Redis checks against a real Redis, and the ways it fails."""

from __future__ import annotations

import asyncio
import functools
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
import redis
import redis.asyncio
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from dockerflow.checks.redis import (
    check_redis_connected,
    check_redis_connected_async,
    is_async_client,
    redis_check,
)
from tests.services.beats import Beats, check_threads, wait_until
from tests.services.faults import BlackHole, FaultProxy
from tests.services.servers import RedisServer, Server

MakeProxy = Callable[[Server], FaultProxy]
Client = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def beats(request: pytest.FixtureRequest) -> Iterator[Beats]:
    with Beats(asynchronous=request.param == "async") as made:
        yield made


@pytest.fixture
def make(beats: Beats) -> Iterator[Client]:
    """Make a client of the kind in question; it is closed after the test."""
    made: list[Any] = []

    def client(url: str, **options: Any) -> Any:
        module: Any = redis.asyncio if beats.asynchronous else redis
        made.append(module.Redis.from_url(url, **options))
        return made[-1]

    yield client
    for one in made:
        if beats.asynchronous:
            beats.run(one.aclose())
        else:
            one.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dockerflow.checks.redis.PATIENCE", 0.8)


def url_of(proxy: FaultProxy | BlackHole) -> str:
    return f"redis://127.0.0.1:{proxy.port}/0"


def clients_of(server: RedisServer) -> int:
    with redis.Redis.from_url(server.url) as admin:
        return len(admin.client_list())


class OkayServer(socketserver.StreamRequestHandler):
    """Answer each Redis command with ``OK``."""

    def handle(self) -> None:
        while data := self.request.recv(1000):
            self.request.sendall(b"+OK\r\n" * data.count(b"*"))


def refuse(proxy: FaultProxy) -> None:
    proxy.down()


def fall_silent(proxy: FaultProxy) -> None:
    proxy.mode = "silent"


def reset(proxy: FaultProxy) -> None:
    proxy.mode = "reset"
    proxy.drop_all(reset=True)


def hang_up(proxy: FaultProxy) -> None:
    proxy.mode = "close"
    proxy.drop_all()


def babble(proxy: FaultProxy) -> None:
    proxy.mode = "garbage"
    proxy.drop_all()


def cut_short(proxy: FaultProxy) -> None:
    proxy.cut_after = 3
    proxy.drop_all()


def heal(proxy: FaultProxy) -> None:
    proxy.up()
    proxy.mode = "pass"
    proxy.cut_after = None


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("fault", "id", "text"),
    [
        (refuse, "E004", "Could not connect to redis: "),
        (fall_silent, "E004", "Could not connect to redis: Timeout"),
        (reset, "E004", "Could not connect to redis: "),
        (hang_up, "E004", "Could not connect to redis: "),
        (cut_short, "E004", "Could not connect to redis: "),
        (babble, "E010", 'Redis error: "Protocol Error'),
    ],
)
def test_faults_of_the_network(
    beats: Beats,
    make: Client,
    redis_server: RedisServer,
    proxy: MakeProxy,
    fault: Callable[[FaultProxy], None],
    id: str,
    text: str,
) -> None:
    """Each fault has its message, and the first heartbeat after it is ok."""
    between = proxy(redis_server)
    client = make(url_of(between))
    if beats.asynchronous:
        beats.run(client.set("used", "before"))
    else:
        client.set("used", "before")
    check = redis_check(client)
    assert beats.says(check) == {}
    fault(between)
    for _ in range(2):
        said = beats.says(check)
        assert list(said) == [id]
        assert said[id].startswith(text)
    heal(between)
    assert beats.says(check) == {}


@pytest.mark.usefixtures("impatient")
def test_black_hole(beats: Beats, make: Client, black_hole: BlackHole) -> None:
    """A port whose packets are dropped is given up, though the client would wait for ever."""
    client = make(url_of(black_hole), socket_timeout=None, socket_connect_timeout=None)
    assert beats.says(redis_check(client)) == {
        "E004": "Could not connect to redis: Timeout connecting to server"
    }


def test_silence_is_reported_before_the_clock_strikes(
    redis_server: RedisServer, proxy: MakeProxy
) -> None:
    """A server that says nothing is reported as such, not as a check that is still running."""
    between = proxy(redis_server)
    between.mode = "silent"
    with redis.Redis(port=between.port) as client, Beats(asynchronous=False) as beats:
        assert list(beats.says(redis_check(client))) == ["E004"]


@pytest.mark.usefixtures("impatient")
def test_frozen(beats: Beats, make: Client, redis_server: RedisServer) -> None:
    """A server that is stopped in its tracks is reported, and ok as soon as it goes on."""
    check = redis_check(make(redis_server.url))
    redis_server.freeze()
    assert list(beats.says(check)) == ["E004"]
    redis_server.thaw()
    assert beats.says(check) == {}


def test_killed_and_back(beats: Beats, make: Client, redis_server: RedisServer) -> None:
    """A connection that the application had before a restart is no failure afterwards."""
    client = make(redis_server.url)
    if beats.asynchronous:
        beats.run(client.ping())
    else:
        client.ping()
    check = redis_check(client)
    redis_server.kill()
    assert list(beats.says(check)) == ["E004"]
    redis_server.start()
    assert beats.says(check) == {}


def test_restarted_between_heartbeats(
    beats: Beats, make: Client, redis_server: RedisServer
) -> None:
    """A restart that no heartbeat saw is no failure, though the pool's connection is cut."""
    client = make(redis_server.url)
    if beats.asynchronous:
        beats.run(client.ping())
    else:
        client.ping()
    redis_server.kill()
    redis_server.start()
    assert beats.says(redis_check(client)) == {}


def test_a_slow_answer_is_an_answer(
    beats: Beats, make: Client, redis_server: RedisServer, proxy: MakeProxy
) -> None:
    """A server that takes its time, within the limit, is ok."""
    between = proxy(redis_server)
    between.delay = 0.2
    assert beats.says(redis_check(make(url_of(between)))) == {}


def test_retries_are_left_out(redis_server: RedisServer, proxy: MakeProxy) -> None:
    """A client that retries for ever makes one attempt for a heartbeat, and keeps its retries."""
    between = proxy(redis_server)
    between.mode = "reset"
    retry = Retry(ConstantBackoff(60), -1)
    with redis.Redis(port=between.port, retry=retry) as client:
        options = dict(client.connection_pool.connection_kwargs)
        with Beats(asynchronous=False) as beats:
            assert list(beats.says(redis_check(client))) == ["E004"]
        assert between.connections == 1
        assert client.connection_pool.connection_kwargs == options


@pytest.mark.usefixtures("impatient")
def test_a_hung_server_costs_one_thread(redis_server: RedisServer) -> None:
    """Twenty heartbeats that don't wait for a frozen server have one thread between them."""
    with redis.Redis(port=redis_server.port) as client, Beats(asynchronous=False) as beats:
        check = redis_check(client)
        redis_server.freeze()
        for _ in range(20):
            assert list(beats.says(check, timeout=0.01)) == ["E013"]
            assert len(check_threads()) <= 1
        redis_server.thaw()
        for thread in check_threads():
            thread.join(20)
        assert beats.says(check) == {}


def test_a_cancelled_check_leaves_nothing_behind(redis_server: RedisServer) -> None:
    """A check that the clock cuts off closes its connection."""
    before = clients_of(redis_server)
    with Beats(asynchronous=True) as beats:
        check = redis_check(redis.asyncio.Redis(port=redis_server.port))
        redis_server.freeze()
        for _ in range(5):
            assert list(beats.says(check, timeout=0.05)) == ["E013"]
        redis_server.thaw()
        assert beats.says(check) == {}
        wait_until(lambda: clients_of(redis_server) == before)


def test_no_connection_is_left(beats: Beats, make: Client, redis_server: RedisServer) -> None:
    """A hundred heartbeats leave as many connections to the server as there were."""
    before = clients_of(redis_server)
    check = redis_check(make(redis_server.url))
    for _ in range(100):
        assert beats.says(check) == {}
    wait_until(lambda: clients_of(redis_server) == before)


def test_a_used_up_pool_is_not_waited_for(redis_server: RedisServer) -> None:
    """While the application holds its only connection, the check has one of its own."""
    pool = redis.BlockingConnectionPool.from_url(redis_server.url, max_connections=1, timeout=None)
    with redis.Redis(connection_pool=pool) as client, client.pubsub() as subscription:
        subscription.subscribe("news")
        with Beats(asynchronous=False) as beats:
            assert beats.says(redis_check(client)) == {}
    pool.disconnect()


@pytest.mark.parametrize(
    "options",
    [
        {"decode_responses": True},
        {"protocol": 2},
        {"protocol": 3, "decode_responses": True},
        {"db": 3, "client_name": "shop"},
        {"socket_timeout": 1, "health_check_interval": 1},
    ],
)
def test_options(
    beats: Beats, make: Client, redis_server: RedisServer, options: dict[str, Any]
) -> None:
    """Clients of every make get their answer."""
    assert beats.says(redis_check(make(redis_server.url, **options))) == {}


def test_unix_socket(beats: Beats, make: Client, redis_server: RedisServer) -> None:
    """A Unix socket is as good as a port."""
    assert beats.says(redis_check(make(redis_server.unix_url))) == {}


# redis-py 5.0 leaves the socket that it could not connect to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_unix_socket(beats: Beats, make: Client) -> None:
    """A Unix socket that is not there is a Redis that can't be reached."""
    said = beats.says(redis_check(make("unix:///nowhere.sock")))
    assert list(said) == ["E004"]


def test_passwords(beats: Beats, make: Client) -> None:
    """The client's password is used, and a wrong one is reported without being told."""
    server = RedisServer("--requirepass", "hunter2")
    try:
        server.start()
        address = f"127.0.0.1:{server.port}"
        assert beats.says(redis_check(make(f"redis://default:hunter2@{address}"))) == {}
        for user in ("", "someone"):
            said = beats.says(redis_check(make(f"redis://{user}:tr0ub4dor@{address}")))
            assert list(said) == ["E004"]
            assert "tr0ub4dor" not in said["E004"]
        assert beats.says(redis_check(make(f"redis://{address}")))
    finally:
        server.close()


def test_an_old_server_that_repeats_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server repeats of the arguments of HELLO is left out."""
    echo = "unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `u`, `hunter2`, "
    client = redis.Redis(password="hunter2")
    ping = mock.Mock(side_effect=redis.ResponseError(echo))
    monkeypatch.setattr(client, "ping", ping)
    [message] = check_redis_connected(client)
    assert message.msg == 'Redis error: "unknown command `HELLO`"'
    ping.side_effect = redis.AuthenticationError("hunter2 is wrong, hunter25 isn't it")
    [message] = check_redis_connected(client)
    assert message.msg == "Could not connect to redis: *** is wrong, hunter25 isn't it"


@pytest.mark.parametrize("target", ["client", "class"])
@pytest.mark.parametrize(
    ("behaviour", "messages"),
    [
        ({"return_value": True}, {}),
        ({"return_value": "PONG"}, {}),
        ({"return_value": b"PONG"}, {}),
        ({"return_value": False}, {"E007": "Redis ping failed"}),
        ({"return_value": None}, {"E007": "Redis ping failed"}),
        ({"return_value": "what?"}, {"E007": "Redis ping failed"}),
        ({"side_effect": redis.ConnectionError("x")}, {"E004": "Could not connect to redis: x"}),
        ({"side_effect": redis.TimeoutError("x")}, {"E004": "Could not connect to redis: x"}),
        ({"side_effect": redis.ResponseError("x")}, {"E010": 'Redis error: "x"'}),
        ({"side_effect": redis.RedisError()}, {"E010": 'Redis error: "RedisError"'}),
    ],
)
def test_a_mocked_ping_is_asked(
    beats: Beats, make: Client, target: str, behaviour: dict[str, Any], messages: dict[str, str]
) -> None:
    """A test of an application may replace ``ping``, and gets what it put there."""
    client = make("redis://127.0.0.1:1")
    owner = client if target == "client" else type(client)
    kind = mock.AsyncMock if beats.asynchronous else mock.Mock
    with mock.patch.object(owner, "ping", kind(**behaviour)):
        assert beats.says(redis_check(client)) == messages


def test_an_error_of_another_kind_passes(beats: Beats, make: Client) -> None:
    """What is no error of Redis is not called one."""
    client = make("redis://127.0.0.1:1")
    kind = mock.AsyncMock if beats.asynchronous else mock.Mock
    with mock.patch.object(client, "ping", kind(side_effect=ZeroDivisionError("oops"))):
        assert list(beats.says(redis_check(client))) == ["E011"]


def test_a_wrong_answer(beats: Beats, make: Client) -> None:
    """A server that answers PING with something else is no Redis."""
    with socketserver.TCPServer(("127.0.0.1", 0), OkayServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        client = make(f"redis://127.0.0.1:{server.server_address[1]}", protocol=2)
        assert beats.says(redis_check(client)) == {"E007": "Redis ping failed"}
        server.shutdown()
        thread.join()


def test_a_subclass_with_a_ping_of_its_own(redis_server: RedisServer) -> None:
    """A client that pings in its own way is asked in that way."""

    class Careful(redis.Redis):
        pings = 0

        def ping(self, **kwargs: Any) -> Any:
            self.pings += 1
            return super().ping(**kwargs)

    with Careful(port=redis_server.port) as client:
        assert check_redis_connected(client) == []
        assert client.pings == 1


def test_flask_redis(redis_server: RedisServer) -> None:
    """Flask-Redis's extension is the client that it stands for, down to its mocked ping."""
    flask = pytest.importorskip("flask")
    flask_redis = pytest.importorskip("flask_redis")
    app = flask.Flask("shop")
    app.config["REDIS_URL"] = redis_server.url
    extension = flask_redis.FlaskRedis(app)
    assert not is_async_client(extension)
    assert check_redis_connected(extension) == []
    with mock.patch.object(extension, "ping", side_effect=redis.ConnectionError("down")):
        assert [each.id for each in check_redis_connected(extension)] == ["dockerflow.health.E004"]
    extension.close()


def test_cluster(beats: Beats) -> None:
    """A cluster client is asked for its own ping, and recovers where redis-py itself does."""
    server = RedisServer("--cluster-enabled", "yes")
    try:
        server.start()
        with redis.Redis(port=server.port) as admin:
            admin.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            wait_until(lambda: "cluster_state:ok" in str(admin.execute_command("CLUSTER", "INFO")))
        module: Any = redis.asyncio if beats.asynchronous else redis
        client = module.RedisCluster(host="127.0.0.1", port=server.port)
        check = redis_check(client)
        assert beats.says(check, timeout=20) == {}
        server.stop()
        assert set(beats.says(check, timeout=20)) <= {"E004", "E010"}
        server.start()
        if not beats.asynchronous or redis.__version__ >= "6":  # until then it forgot its nodes
            assert beats.says(check, timeout=20) == {}
        if beats.asynchronous:
            beats.run(client.aclose())
        else:
            client.close()
    finally:
        server.close()


@pytest.mark.parametrize("kind", ["client", "cluster", "mock"])
def test_the_kind_of_a_client(kind: str) -> None:
    """An asyncio client is told from a sync one without running any of its commands."""
    if kind == "mock":
        assert is_async_client(mock.AsyncMock())
        assert not is_async_client(mock.Mock(spec=["ping"]))
    elif kind == "cluster":
        assert is_async_client(redis.asyncio.RedisCluster("127.0.0.1", 1))
    else:
        assert is_async_client(redis.asyncio.Redis())
        assert not is_async_client(redis.Redis())


def test_the_wrong_check_for_a_client() -> None:
    """A sync client is never pinged on an event loop, nor an asyncio one's coroutine dropped."""
    client = mock.Mock(spec=["ping"])
    with pytest.raises(TypeError, match="check_redis_connected"):
        asyncio.run(check_redis_connected_async(client))
    assert not client.ping.called
    with pytest.raises(TypeError, match="check_redis_connected_async"):
        check_redis_connected(redis.asyncio.Redis())


def test_the_check_that_fits() -> None:
    """The builder gives a callable of the client's own kind."""
    client = redis.Redis()
    check = redis_check(client)
    assert isinstance(check, functools.partial)
    assert check.func is check_redis_connected
    assert check.args == (client,)
    check = redis_check(redis.asyncio.Redis())
    assert isinstance(check, functools.partial)
    assert check.func is check_redis_connected_async
