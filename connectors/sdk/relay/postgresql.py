"""The outbox in PostgreSQL, read with asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from connectors.sdk.ddl import channel_of, statements
from connectors.sdk.errors import OutboxProblem
from connectors.sdk.relay.store import (
    Aside,
    Backlog,
    OutboxAway,
    Sent,
    SetAside,
    Standing,
    Store,
    Turn,
    Waiting,
)

try:
    import asyncpg
except ImportError as missing:
    raise OutboxProblem(
        "install asyncpg to relay from PostgreSQL: pip install asyncpg"
    ) from missing

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.OperatorInterventionError,  # shutting down, starting up
    asyncpg.InvalidTransactionStateError,  # ended by the server, for it was silent too long
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
)
_CONNECT_S, _STATEMENT_S = 10, 30
_PURGED_AT_ONCE = 5_000
# A relay whose machine vanished in its turn must not keep the others waiting: the server ends a
# session that is silent for this long inside a transaction. Longer than any call to the hub.
_SILENT = "SET idle_in_transaction_session_timeout = '120s'"
# One number for all outboxes beside one for the table. Held until the transaction ends, so that
# what the holder before us marked is committed when we get it.
_LOCK = """
SELECT pg_try_advisory_xact_lock(1953263462, ($1::text::regclass::oid::bigint - 2147483648)::int)
"""
# Not "what comes after the last one sent": a row's number is given before its transaction commits,
# so a smaller number may appear later.
_WAITING = """
SELECT id, event FROM {table} WHERE sent_at IS NULL AND set_aside_at IS NULL ORDER BY id LIMIT $1
"""
_SENT = """
UPDATE {table} AS o SET sent_at = clock_timestamp(), outcome = d.outcome, position = d.position,
    event = NULL
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS d (id, outcome, position)
WHERE o.id = d.id AND o.sent_at IS NULL
"""
_ASIDE = """
UPDATE {table} AS o SET set_aside_at = clock_timestamp(), problem = d.problem
FROM unnest($1::bigint[], $2::text[]) AS d (id, problem) WHERE o.id = d.id AND o.sent_at IS NULL
"""
_PURGE = """
DELETE FROM {table} WHERE id IN (
    SELECT id FROM {table} WHERE sent_at < clock_timestamp() - $1::interval LIMIT $2)
"""
_BACKLOG = """
SELECT count(*), min(put_at) FROM {table} WHERE sent_at IS NULL AND set_aside_at IS NULL
"""
_KEPT = """
SELECT (SELECT count(*) FROM {table} WHERE sent_at IS NOT NULL), (SELECT max(sent_at) FROM {table}),
    (SELECT count(*) FROM {table} WHERE set_aside_at IS NOT NULL)
"""
_EXAMPLES = """
SELECT id, put_at, set_aside_at, problem FROM {table} WHERE set_aside_at IS NOT NULL
ORDER BY id LIMIT $1
"""
_RETRY = """
UPDATE {table} SET set_aside_at = NULL, problem = NULL
WHERE set_aside_at IS NOT NULL AND ($1::bigint[] IS NULL OR id = ANY($1))
"""
_DISCARD = "DELETE FROM {table} WHERE set_aside_at IS NOT NULL AND id = ANY($1::bigint[])"


class PostgresTurn:
    """A batch inside the transaction that holds the turn: on that connection or not at all."""

    def __init__(self, connection: Connection, table: str, waiting: Sequence[Waiting]) -> None:
        self._connection = connection
        self._table = table
        self.waiting = waiting

    async def mark(self, sent: Sequence[Sent], aside: Sequence[Aside]) -> None:
        done = ([s.id for s in sent], [s.outcome for s in sent], [s.position for s in sent])
        refused = ([a.id for a in aside], [a.problem for a in aside])
        await self._connection.execute(_SENT.format(table=self._table), *done)
        await self._connection.execute(_ASIDE.format(table=self._table), *refused)


class PostgresStore(Store):
    """One connection. It must be to the server itself or to a pooler in session mode."""

    def __init__(self, url: str, table: str) -> None:
        super().__init__(table)
        self._url = url
        self._connection: Connection | None = None
        self._news = asyncio.Event()

    async def open(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            return
        with _away():
            self._connection = await asyncpg.connect(
                self._url, timeout=_CONNECT_S, command_timeout=_STATEMENT_S
            )
            await self._connection.execute(_SILENT)
            await self._connection.add_listener(channel_of(self.table), self._heard)
        # What came while nobody listened.
        self._news.set()

    def _heard(self, *_: object) -> None:
        self._news.set()

    async def close(self) -> None:
        if self._connection is not None:
            try:
                await self._connection.close(timeout=5)
            except _AWAY:
                self._connection.terminate()
            self._connection = None

    async def _opened(self) -> Connection:
        await self.open()
        assert self._connection is not None
        return self._connection

    async def execute(self, sql: str, *arguments: Any) -> int:
        """Run one statement; answers how many rows it changed."""
        with _away():
            said = await (await self._opened()).execute(self._sql(sql), *arguments)
        return int(said.rpartition(" ")[2]) if said[-1:].isdigit() else 0

    def _sql(self, sql: str) -> str:
        return sql.format(table=self.table)

    async def version(self) -> int:
        connection = await self._opened()
        with _away():
            if await connection.fetchval("SELECT to_regclass($1)", f"{self.table}_schema") is None:
                return 0
            found: int = await connection.fetchval(
                self._sql("SELECT max(version) FROM {table}_schema")
            )
        return found

    async def init(self) -> int:
        connection = await self._opened()
        with _away():
            async with connection.transaction():
                # Two that start at once must not both make the tables.
                await connection.execute("SELECT pg_advisory_xact_lock(1953263462, 0)")
                before = await self.version()
                for statement in statements("postgresql", self.table, since=before):
                    await connection.execute(statement)
        return before

    @asynccontextmanager
    async def turn(self, most: int) -> AsyncIterator[Turn | None]:
        connection = await self._opened()
        self._news.clear()
        with _away():
            # Each statement sees what is committed when it begins, whatever the database's default.
            async with connection.transaction(isolation="read_committed"):
                if not await connection.fetchval(_LOCK, self.table):
                    yield None
                    return
                rows = await connection.fetch(self._sql(_WAITING), most)
                waiting = [Waiting(row["id"], row["event"]) for row in rows]
                yield PostgresTurn(connection, self.table, waiting)

    async def news(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return

    async def purge(self, age: timedelta) -> int:
        total = 0
        while True:
            found = await self.execute(_PURGE, age, _PURGED_AT_ONCE)
            total += found
            if found < _PURGED_AT_ONCE:
                return total

    async def backlog(self) -> Backlog:
        connection = await self._opened()
        with _away():
            row = await connection.fetchrow(self._sql(_BACKLOG))
        assert row is not None
        return Backlog(*row.values())

    async def standing(self, examples: int = 20) -> Standing:
        connection = await self._opened()
        with _away():
            kept = await connection.fetchrow(self._sql(_KEPT))
            aside = await connection.fetch(self._sql(_EXAMPLES), examples)
        assert kept is not None
        shown = [SetAside(*found.values()) for found in aside]
        sent, last, set_aside = kept
        return Standing(await self.backlog(), sent, last, set_aside, shown)

    async def retry(self, ids: Sequence[int] | None = None) -> int:
        found = await self.execute(_RETRY, None if ids is None else list(ids))
        if found:
            await self.execute("SELECT pg_notify($1, '')", channel_of(self.table))
        return found

    async def discard(self, ids: Sequence[int]) -> int:
        return await self.execute(_DISCARD, list(ids))


@contextmanager
def _away() -> Iterator[None]:
    """Errors of the driver in our words."""
    try:
        yield
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise OutboxProblem(f"PostgreSQL refuses the log-in: {error}") from None
    except asyncpg.InvalidCatalogNameError as error:
        raise OutboxProblem(f"check the database's URL: {error}") from None
    except asyncpg.InsufficientPrivilegeError as error:
        rights = "SELECT, UPDATE and DELETE on the outbox and SELECT on its _schema table"
        raise OutboxProblem(f"{error}: the relay's role needs {rights}") from None
    except asyncpg.UndefinedTableError as error:
        raise OutboxProblem(f"{error}: run `init`, or apply `ddl`") from None
    except _AWAY as error:
        kind = type(error).__name__
        raise OutboxAway(f"PostgreSQL does not answer as it must: {kind} {error}") from error
    except asyncpg.PostgresError as error:
        raise OutboxProblem(f"PostgreSQL refuses: {type(error).__name__} {error}") from error
