"""What the checks of a database share: a connection of their own, and how they word a failure."""

from __future__ import annotations

import contextlib
import contextvars
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, TypeGuard

from ._services import PATIENCE, needed, one_line

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect, Engine
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# The parameter by which a driver limits, in seconds, all that making a connection takes. Without it
# psycopg waits 130 s for a server that accepts and then says nothing, asyncpg 60 s, libpq for ever.
_TIMEOUT_PARAMETERS = {
    "asyncpg": "timeout",
    "psycopg": "connect_timeout",
    "psycopg2": "connect_timeout",
    "psycopg_async": "connect_timeout",
}

_checking = contextvars.ContextVar("dockerflow_checking", default=False)
_listening = threading.Lock()


def require_sqlalchemy() -> None:
    """Say which extra brings SQLAlchemy, where it is missing.

    :raises ModuleNotFoundError: it is not installed.
    """
    needed("sqlalchemy", "sqlalchemy", "db")


def is_async_engine(database: object) -> TypeGuard[AsyncEngine]:
    """Say whether it is an async engine.

    Its module is not imported for that: without greenlet, which SQLAlchemy 2.1 no longer brings by
    itself, it can't be. Who has an async engine has imported it.
    """
    module = sys.modules.get("sqlalchemy.ext.asyncio")
    return module is not None and isinstance(database, module.AsyncEngine)


def engine_of(database: Any) -> Any:
    """Return the engine of an extension that has one, or the engine itself.

    :raises TypeError: it is an async engine.
    """
    from sqlalchemy.engine import Engine

    engine = database
    if not isinstance(engine, Engine) and not is_async_engine(engine):
        engine = getattr(database, "engine", database)
    if is_async_engine(engine):
        raise TypeError(f"{engine!r} is an async engine: use the check whose name ends in _async")
    return engine


@contextlib.contextmanager
def connection_to(engine: Engine) -> Generator[Connection, None, None]:
    """Connect to the database without the application's pool.

    The connection is made as the pool makes its own (same URL, arguments, ``creator`` and event
    listeners), so what it meets is the state of the service: neither an idle connection that a
    restart has cut nor a pool that is used up.

    :param engine: the application's engine; it is not changed.
    """
    own = _own_engine(engine)
    with _in_time(engine), contextlib.ExitStack() as stack:
        if own is not engine:
            stack.callback(own.dispose)
        yield stack.enter_context(own.connect())


@contextlib.asynccontextmanager
async def async_connection_to(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection, None]:
    """Connect as :func:`connection_to` does.

    A query that is cancelled costs the connection: SQLAlchemy cuts it, and says no farewell that a
    server which has stopped answering would have to answer.
    """
    from sqlalchemy.ext.asyncio import AsyncEngine

    own = engine
    if _is_own(engine.connect, AsyncEngine.connect):
        sync_engine = _own_engine(engine.sync_engine)
        if sync_engine is not engine.sync_engine:
            own = AsyncEngine(sync_engine)
    try:
        with _in_time(engine.sync_engine):
            connection = await own.connect()
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        if own is not engine:
            await own.dispose()


def failure_text(error: Exception, engine: Any) -> str | None:
    """Word the failure of a database on one line, as SQLAlchemy does: ``(class) text``.

    :return: ``None`` where the error is none of SQLAlchemy, the driver or the network.
    """
    from sqlalchemy.exc import SQLAlchemyError

    url = getattr(engine, "url", None)
    password = getattr(url, "password", None)
    if isinstance(error, SQLAlchemyError):
        # its str() has the statement and a link to SQLAlchemy's manual as well
        return one_line(error.args[0] if error.args else type(error).__name__, password)
    if not isinstance(error, OSError) and not _is_drivers(error, engine):
        return None
    kind = type(error)
    name = (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    return one_line(f"({name}) {error}", password)


def _is_drivers(error: Exception, engine: Any) -> bool:
    # asyncpg's own errors pass through SQLAlchemy unwrapped while it connects
    driver = getattr(getattr(engine, "dialect", None), "driver", None)
    return any(kind.__module__.partition(".")[0] == driver for kind in type(error).__mro__)


def _own_engine(engine: Any) -> Any:
    """Return an engine with an empty pool of the same making, or ``engine`` where that can't be."""
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import StaticPool

    if (
        not isinstance(engine, Engine)
        # mocked, or a subclass's: what the application calls is what is to be checked
        or not _is_own(engine.connect, Engine.connect)
        # SQLite in memory, shared by all threads: a connection more would be a database more
        or isinstance(engine.pool, StaticPool)
    ):
        return engine
    try:
        pool = engine.pool.recreate()
    except NotImplementedError:  # a pool class of the application's
        return engine
    options = engine.get_execution_options()
    return Engine(pool, engine.dialect, engine.url, execution_options=options, hide_parameters=True)


def _is_own(method: Any, function: Any) -> bool:
    return getattr(method, "__func__", None) is function


@contextlib.contextmanager
def _in_time(engine: Any) -> Generator[None, None, None]:
    """Limit what connecting may take, where the driver can and the application has set no limit."""
    _listen(engine)
    token = _checking.set(True)
    try:
        yield
    finally:
        _checking.reset(token)


def _listen(engine: Any) -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if not isinstance(engine, Engine) or engine.dialect.driver not in _TIMEOUT_PARAMETERS:
        return
    with _listening:
        # Where the application makes its connections by hooks of its own, they alone decide.
        if not list(engine.dialect.dispatch.do_connect):
            event.listen(engine, "do_connect", _connect_in_time)


def _connect_in_time(
    dialect: Dialect, record: object, arguments: tuple[Any, ...], parameters: dict[str, Any]
) -> Any:
    """Connect for a check; for the application, return None, by which SQLAlchemy does it itself."""
    if not _checking.get() or len(list(dialect.dispatch.do_connect)) > 1:
        return None
    # a copy: older releases hand out the dict that all connections are made with
    limit = {_TIMEOUT_PARAMETERS[dialect.driver]: int(PATIENCE)}
    return dialect.connect(*arguments, **{**limit, **parameters})
