"""How each PostgreSQL and SQLite driver takes one statement, and whether a transaction is open.

No driver is imported: what is handed in says by its class which one it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from connectors.sdk.errors import NotInTransaction

Row = tuple[str]
_TAKEN = "sqlite3, psycopg, psycopg2, Django and SQLAlchemy"
_PLACEHOLDERS = {"sqlite3": "?", "psycopg": "%s", "psycopg2": "%s", "django": "%s"}
_ASYNC_PLACEHOLDERS = {"asyncpg": "$1", "psycopg": "%s"}
_SQLALCHEMY_STYLES = {
    "qmark": "?",
    "pyformat": "%s",
    "format": "%s",
    "numeric_dollar": "$1",
}


def driver_of(target: object) -> str:
    """The package that the object's class, or one that it extends, comes from."""
    known = {*_PLACEHOLDERS, *_ASYNC_PLACEHOLDERS, "sqlalchemy"}
    roots = (part.__module__.partition(".")[0] for part in type(target).__mro__)
    return next((root for root in roots if root in known), "")


def insert(target: Any, sql: Callable[[str], str], rows: Sequence[Row]) -> None:
    """Run the statement for each row on a connection, cursor or session, in its transaction.

    Raises NotInTransaction when none is open and each statement would commit by itself.
    """
    driver = driver_of(target)
    if driver == "sqlalchemy":
        _with_sqlalchemy(target, sql, rows)
    elif driver not in _PLACEHOLDERS or inspect.iscoroutinefunction(
        getattr(target, "execute", None)
    ):
        raise TypeError(
            f"put() takes a connection or cursor of {_TAKEN}; for {type(target).__name__},"
            " if it is asynchronous, use put_async()"
        )
    else:
        connection = _connection_of(target, driver)
        _require_transaction(connection, driver)
        # A cursor of our own: one that is handed in may hold rows that are still to be read.
        cursor = connection.cursor()
        try:
            cursor.executemany(sql(_PLACEHOLDERS[driver]), list(rows))
        finally:
            cursor.close()


async def insert_async(target: Any, sql: Callable[[str], str], rows: Sequence[Row]) -> None:
    """The same for asyncpg, psycopg's AsyncConnection and SQLAlchemy's AsyncSession."""
    driver = driver_of(target)
    if driver == "sqlalchemy" and hasattr(target, "run_sync"):
        await target.run_sync(_with_sqlalchemy, sql, rows)
    elif driver == "asyncpg":
        if not target.is_in_transaction():
            raise _outside("async with connection.transaction():")
        await target.executemany(sql("$1"), list(rows))
    elif driver == "psycopg":
        connection = getattr(target, "connection", target)
        _require_transaction(connection, driver)
        async with connection.cursor() as cursor:
            await cursor.executemany(sql("%s"), list(rows))
    else:
        raise TypeError(
            "put_async() takes a connection of asyncpg, psycopg (AsyncConnection) or SQLAlchemy"
            f" (AsyncSession, AsyncConnection), not {type(target).__name__}"
        )


def _with_sqlalchemy(target: Any, sql: Callable[[str], str], rows: Sequence[Row]) -> None:
    """A Session or a Connection. `exec_driver_sql` begins a transaction when none is open."""
    connection = target.connection() if hasattr(target, "get_bind") else target
    driven = connection.connection.driver_connection
    if (driver := driver_of(driven)) in _PLACEHOLDERS and _commits_by_itself(driven, driver):
        raise _outside("an engine or session that is not in AUTOCOMMIT")
    placeholder = _SQLALCHEMY_STYLES[connection.dialect.paramstyle]
    connection.exec_driver_sql(sql(placeholder), list(rows))


def _connection_of(target: Any, driver: str) -> Any:
    if driver == "django":
        return getattr(target, "db", target)
    return getattr(target, "connection", target)


def _require_transaction(connection: Any, driver: str) -> None:
    if driver == "django":
        if connection.get_autocommit() and not connection.in_atomic_block:
            raise _outside("with transaction.atomic():")
    elif _commits_by_itself(connection, driver):
        raise _outside("BEGIN" if driver == "sqlite3" else "with connection.transaction():")


def _commits_by_itself(connection: Any, driver: str) -> bool:
    """Whether the driver would commit the next statement at once."""
    if driver == "sqlite3":
        if connection.in_transaction:
            return False
        # Before Python 3.12 there is no attribute; -1 is LEGACY_TRANSACTION_CONTROL.
        autocommit = getattr(connection, "autocommit", -1)
        return autocommit is True or (autocommit == -1 and connection.isolation_level is None)
    if not connection.autocommit:
        return False
    status = getattr(connection.info, "transaction_status", 0)
    return int(status) == 0  # idle


def _outside(within: str) -> NotInTransaction:
    return NotInTransaction(
        "put() outside a transaction: the event would be sent even if what it tells of is"
        f" rolled back. Call it within {within}"
    )
