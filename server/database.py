"""The engine: how the two dialects are opened, and how their transactions begin."""

import json
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, FunctionElement, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.compiler import SQLCompiler

from server.errors import SchemaError
from server.settings import Settings
from server.tables import UtcDateTime

_KEEPALIVES = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 4}
_SILENCE_MS = 30_000
"""A peer that has vanished without a word is noticed within half a minute, not in two hours."""

_dumps = partial(json.dumps, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


class DatabaseNow(FunctionElement[Any]):
    """The database's clock at the time of the statement: leases of all runners go by it."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(_element: DatabaseNow, _compiler: SQLCompiler, **_options: Any) -> str:
    # The text format of SQLAlchemy's DateTime: microseconds, of which SQLite knows three digits.
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(DatabaseNow, "postgresql")
def _postgresql_now(_element: DatabaseNow, _compiler: SQLCompiler, **_options: Any) -> str:
    return "clock_timestamp()"


def open_engine(settings: Settings) -> Engine:
    """Returns an engine for the settings' database; nothing is connected yet.

    Transactions on a connection with the execution option
    `writes` begin in a way that cannot fail half-way for want of a lock (see `_begin_sqlite`).

    Raises:
        SchemaError: the address is of another kind of database.
    """
    try:
        url = make_url(settings.database_url)
    except (ArgumentError, ValueError):  # their messages may show a part of the password
        raise SchemaError(
            "database_url must be a SQLAlchemy address, such as "
            "postgresql://user:password@host:5432/espalier"
        ) from None
    match url.get_backend_name():
        case "sqlite":
            return _open_sqlite(settings)
        case "postgresql":
            return _open_postgresql(url)
        case other:
            raise SchemaError(f"database_url must be of sqlite or postgresql, got {other!r}")


def _open_postgresql(url: URL) -> Engine:
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        json_serializer=_dumps,
        # What is stored may be a secret, and messages of errors go to the log.
        hide_parameters=True,
        # What one statement has waited for, the next one sees.
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={"connect_timeout": 5, **_KEEPALIVES, "tcp_user_timeout": _SILENCE_MS},
    )

    def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The same for the server's end: it must not keep the locks of a machine that is gone.
        cursor = connection.cursor()
        for name, value in _KEEPALIVES.items():
            cursor.execute(f"SET tcp_{name} = {value}")
        cursor.execute(f"SET tcp_user_timeout = {_SILENCE_MS}")
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", configure)
    return engine


def _open_sqlite(settings: Settings) -> Engine:
    url = make_url(settings.database_url)
    if not url.database or url.database == ":memory:":
        raise SchemaError(
            "database_url must name a file: several processes share the database, "
            f"got {settings.database_url!r}"
        )
    engine = create_engine(url, json_serializer=_dumps, hide_parameters=True)

    def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # Autocommit for the driver: it must not begin transactions of its own.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(settings.sqlite_busy_timeout_s * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {settings.sqlite_synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _begin_sqlite(connection: Connection) -> None:
    """Begins a transaction that takes the write lock at once if it is going to write.

    A deferred one that reads first and then writes fails with "database is locked" whenever another
    process has written in between, whatever the busy timeout.
    """
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
