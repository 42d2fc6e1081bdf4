"""The Redis checks with a real Redis, and the ways it fails."""

from __future__ import annotations

import asyncio
import gc
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
import redis
import redis.asyncio
import redis.asyncio.retry
from redis.backoff import NoBackoff
from redis.credentials import UsernamePasswordCredentialProvider as Credentials
from redis.retry import Retry

from dockerflow.checks.redis import (
    check_redis_connected,
    check_redis_connected_async,
    redis_check,
)
from tests.services.beats import Beats, wait_until
from tests.services.faults import BROKEN, FaultProxy, Mode
from tests.services.servers import RedisServer, Server
from tests.services.service import redis_url

Client = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def beats(request: pytest.FixtureRequest) -> Iterator[Beats]:
    with Beats(asynchronous=request.param == "async") as made:
        yield made


@pytest.fixture
def make(beats: Beats) -> Iterator[Client]:
    """Create a client of this kind that retries once; it is closed after the test."""
    made: list[Any] = []

    def client(url: str, **options: Any) -> Any:
        module: Any = redis.asyncio if beats.asynchronous else redis
        retry = redis.asyncio.retry.Retry if beats.asynchronous else Retry
        made.append(module.Redis.from_url(url, **{"retry": retry(NoBackoff(), 1)} | options))
        return made[-1]

    yield client
    for one in made:
        if beats.asynchronous:
            beats.run(one.aclose())
        else:
            one.close()


@pytest.fixture(scope="module")
def mute_redis() -> Iterator[RedisServer]:
    """A Redis that does not know the commands with a password, like an old one or a proxy."""
    server = RedisServer("--rename-command", "HELLO", "", "--rename-command", "AUTH", "")
    server.start()
    yield server
    server.close()


@pytest.mark.parametrize("mode", [*BROKEN, "silent"])
def test_faults_of_the_network(
    beats: Beats,
    make: Client,
    redis_server: RedisServer,
    proxy: Callable[[Server], FaultProxy],
    mode: Mode,
) -> None:
    """Each fault is an error of Redis, and the first heartbeat after it is ok."""
    between = proxy(redis_server)
    check = redis_check(make(redis_url(between.port), socket_timeout=0.5))
    assert beats.says(check) == {}
    between.mode = mode
    (id,) = beats.says(check)
    assert id in ("E004", "E010")  # nonsense instead of an answer may cause either
    between.mode = "pass"
    assert beats.says(check) == {}


@pytest.mark.parametrize("options", [{}, {"retry": None}], ids=["one retry", "no retry"])
@pytest.mark.parametrize("noticed", [True, False])
def test_restart(
    beats: Beats, make: Client, redis_server: RedisServer, options: dict[str, Any], *, noticed: bool
) -> None:
    """A connection that a restart has cut causes no failure, whether a heartbeat saw it or not."""
    check = redis_check(make(redis_server.url, **options))
    assert beats.says(check) == {}
    redis_server.kill()
    if noticed:
        assert list(beats.says(check)) == ["E004"]
    redis_server.start()
    assert beats.says(check) == {}


@pytest.mark.parametrize(
    "options",
    [
        {"decode_responses": True},
        {"protocol": 2},
        {"protocol": 3, "decode_responses": True},
        {"socket_timeout": 1, "health_check_interval": 1},
    ],
)
def test_options(
    beats: Beats, make: Client, redis_server: RedisServer, options: dict[str, Any]
) -> None:
    """Clients of every kind get their answer."""
    assert beats.says(redis_check(make(redis_server.url, **options))) == {}


def test_a_wrong_password(beats: Beats, make: Client, redis_server: RedisServer) -> None:
    """A password that Redis refuses is reported without being shown."""
    said = beats.says(redis_check(make(redis_server.url.replace("hunter2", "tr0ub4dor"))))
    assert list(said) == ["E004"]
    assert "tr0ub4dor" not in said["E004"]


@pytest.mark.parametrize("secret", ["hunter2", "hunter2" * 50], ids=["short", "long"])
@pytest.mark.parametrize(
    "given", [{"password": None}, {"credential_provider": None}, {"password": None, "protocol": 2}]
)
def test_a_redis_that_repeats_the_password(
    beats: Beats, make: Client, mute_redis: RedisServer, secret: str, given: dict[str, Any]
) -> None:
    """If Redis repeats an unknown command, with a shortened password, that text is left out."""
    kinds = {"password": secret, "credential_provider": Credentials(None, secret)}
    options = {name: kinds.get(name, value) for name, value in given.items()}
    said = beats.says(redis_check(make(f"redis://127.0.0.1:{mute_redis.port}", **options)))
    assert list(said) == ["E010"]
    assert "unknown command" in said["E010"]
    assert "hunter2" not in said["E010"]


def test_a_password_that_is_repeated() -> None:
    """A password in an error is masked wherever it appears, also a cluster's."""
    error = redis.AuthenticationError("xhunter2x is wrong, as in redis://u:p@ss@host")
    cluster = mock.Mock(spec=["ping", "nodes_manager"])
    cluster.nodes_manager.connection_kwargs = {"password": "hunter2"}
    for client in (redis.Redis(password="hunter2"), cluster):
        with mock.patch.object(client, "ping", side_effect=error):
            [message] = check_redis_connected(client)
        assert message.msg == "Could not connect to redis: x***x is wrong, as in redis://***@host"


@pytest.mark.parametrize("target", ["client", "class"])
@pytest.mark.parametrize(
    ("behaviour", "messages"),
    [
        ({"return_value": True}, {}),
        ({"return_value": "PONG"}, {}),
        ({"return_value": b"PONG"}, {}),
        ({"return_value": False}, {"E007": "Redis ping failed"}),
        ({"return_value": b"PING"}, {"E007": "Redis ping failed"}),
        ({"side_effect": redis.ConnectionError("x")}, {"E004": "Could not connect to redis: x"}),
        ({"side_effect": redis.TimeoutError("x")}, {"E004": "Could not connect to redis: x"}),
        ({"side_effect": redis.ResponseError("x")}, {"E010": 'Redis error: "x"'}),
        ({"side_effect": redis.RedisError()}, {"E010": 'Redis error: "RedisError"'}),
        ({"side_effect": ZeroDivisionError("x")}, {"E011": "ZeroDivisionError"}),
    ],
)
def test_ping_is_called(
    beats: Beats, make: Client, target: str, behaviour: dict[str, Any], messages: dict[str, str]
) -> None:
    """The client's own ``ping`` is called, so that mocks and instrumentation see it."""
    client = make("redis://127.0.0.1:1")
    owner = client if target == "client" else type(client)
    kind = mock.AsyncMock if beats.asynchronous else mock.Mock
    with mock.patch.object(owner, "ping", kind(**behaviour)):
        assert beats.says(redis_check(client)) == messages


def test_cluster(beats: Beats) -> None:
    """A cluster that answers but refuses commands fails, until it is complete again."""
    server = RedisServer("--cluster-enabled", "yes")
    try:
        server.start()
        with redis.Redis.from_url(server.url) as admin:

            def change(command: str, state: str) -> None:
                admin.execute_command("CLUSTER", command, *range(16384))
                wait_until(lambda: f"cluster_state:{state}" in info())

            def info() -> str:
                return str(admin.execute_command("CLUSTER", "INFO"))

            change("ADDSLOTS", "ok")
            module: Any = redis.asyncio if beats.asynchronous else redis
            client = module.RedisCluster.from_url(server.url)
            check = redis_check(client)
            assert beats.says(check, timeout=20) == {}
            change("DELSLOTS", "fail")
            assert beats.says(check, timeout=20) == {"E010": 'Redis error: "cluster_state:fail"'}
            change("ADDSLOTS", "ok")
            assert beats.says(check, timeout=20) == {}
        if beats.asynchronous:
            beats.run(client.aclose())
        else:
            client.close()
    finally:
        server.close()


def test_valkey(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of valkey-py is checked where redis-py is not installed."""
    exceptions = types.ModuleType("valkey.exceptions")
    base = type("ValkeyError", (Exception,), {"__module__": "valkey.exceptions"})
    refused = type("ConnectionError", (base,), {"__module__": "valkey.exceptions"})
    ping = mock.Mock(return_value=True)
    client = type("Valkey", (), {"__module__": "valkey.client", "ping": ping})()
    monkeypatch.setitem(sys.modules, "valkey", types.ModuleType("valkey"))
    monkeypatch.setitem(sys.modules, "valkey.exceptions", exceptions)
    monkeypatch.setitem(sys.modules, "redis", None)
    check = redis_check(client)
    assert check() == []
    ping.side_effect = refused("x")
    assert [each.msg for each in check()] == ["Could not connect to redis: x"]
    ping.side_effect = base("x")
    assert [each.msg for each in check()] == ['Redis error: "x"']


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # it can't close them
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_asyncio_client_in_sync_code(redis_server: RedisServer) -> None:
    """An asyncio client is checked in sync code too, where each run has its own event loop."""
    client = redis.asyncio.Redis.from_url(redis_server.url)
    with Beats(asynchronous=False) as beats:
        for _ in range(5):
            assert beats.says(redis_check(client)) == {}
    del client
    gc.collect()


def test_the_wrong_check_for_a_client() -> None:
    """A sync client never blocks an event loop, and no coroutine of an asyncio one is dropped."""
    client = mock.Mock(spec=["ping"])
    with pytest.raises(TypeError, match="check_redis_connected"):
        asyncio.run(check_redis_connected_async(client))
    assert not client.ping.called
    with pytest.raises(TypeError, match="check_redis_connected_async"):
        check_redis_connected(redis.asyncio.Redis())
