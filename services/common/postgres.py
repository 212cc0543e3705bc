"""PostgreSQL: the pool, and schema files applied once at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from services.common.errors import DependencyDown
from services.common.locks import Lock
from services.common.log import get_logger

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from services.common.settings import Settings

# As text, for asyncpg's classes take no parameters at run time.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"

log = get_logger("postgres")
_CLOSE_S = 10.0

# Any of these means that the server is away, not that the statement is wrong.
AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
    # What asyncpg raises on a connection that the server ended while it was idle.
    asyncpg.InternalClientError,
    TimeoutError,
)


@asynccontextmanager
async def open_pool(
    settings: Settings, *, most: int = 10, working_state: bool = False
) -> AsyncIterator[Pool]:
    """A pool of connections. Raises DependencyDown when PostgreSQL does not answer.

    working_state: for tables that may be lost, and statements that leave nothing behind in the
    session. Commits are not waited for on disk, and a returned connection is not reset.
    """
    try:
        pool = await asyncpg.create_pool(
            settings.database_url.get_secret_value(),
            min_size=1,
            max_size=most,
            command_timeout=60,
            timeout=10,
            reset=_leave if working_state else None,
            server_settings={
                "application_name": "throughline",
                "timezone": "UTC",
                **({"synchronous_commit": "off"} if working_state else {}),
            },
        )
    except AWAY as error:
        raise DependencyDown("PostgreSQL does not answer") from error
    try:
        yield pool
    finally:
        await _close(pool)


async def _close(pool: Pool) -> None:
    """A connection that is still in use is waited for, but not for ever: its work may be lost."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await pool.close()
    except TimeoutError:  # asyncpg has ended all connections when it was cancelled
        log.warning("connections were still in use")


async def _leave(_connection: Connection) -> None:
    """Save the round trip that makes a connection as good as new."""


async def apply_sql(pool: Pool, sql: str) -> None:
    """Run an idempotent script (CREATE … IF NOT EXISTS), one process at a time."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", Lock.APPLY_SQL)
        await connection.execute(sql)


async def apply_schema(pool: Pool, package: str) -> None:
    """Apply `schema.sql` of a package, such as `services.consent`."""
    await apply_sql(pool, resources.files(package).joinpath("schema.sql").read_text())
