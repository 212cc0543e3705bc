"""The outbox in an SQLite file, read with the standard library in a thread."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from connectors.sdk.ddl import statements
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

T = TypeVar("T")
# How long a statement waits while another process writes.
_BUSY_S = 10.0
_LOOK_EVERY_S = 0.25
_PURGED_AT_ONCE = 1_000  # small: the sender's own writes wait meanwhile
_WAITING = """
SELECT id, event FROM {table} WHERE sent_at IS NULL AND set_aside_at IS NULL ORDER BY id LIMIT ?
"""
_SENT = """
UPDATE {table} SET sent_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), outcome = ?,
    position = ?, event = NULL
WHERE id = ? AND sent_at IS NULL
"""
_ASIDE = """
UPDATE {table} SET set_aside_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), problem = ?
WHERE id = ? AND sent_at IS NULL
"""
_PURGE = """
DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE sent_at < ? LIMIT ?)
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
ORDER BY id LIMIT ?
"""
_RETRY = "UPDATE {table} SET set_aside_at = NULL, problem = NULL WHERE set_aside_at IS NOT NULL"
_DISCARD = "DELETE FROM {table} WHERE set_aside_at IS NOT NULL"


class SqliteTurn:
    """A batch while the lock beside the file is held; the file itself is free for its writers."""

    def __init__(self, store: SqliteStore, waiting: Sequence[Waiting]) -> None:
        self._store = store
        self.waiting = waiting

    async def mark(self, sent: Sequence[Sent], aside: Sequence[Aside]) -> None:
        """Begins the transaction that the end of the turn commits."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            done = [(s.outcome, s.position, s.id) for s in sent]
            connection.executemany(self._store.sql(_SENT), done)
            refused = [(a.problem, a.id) for a in aside]
            connection.executemany(self._store.sql(_ASIDE), refused)

        await self._store.do(write)


class SqliteStore(Store):
    """The relay runs on the machine that has the file."""

    def __init__(self, path: str, table: str) -> None:
        super().__init__(table)
        if not path or path == ":memory:":
            raise OutboxProblem("an outbox in memory can't be relayed: name a file")
        self._path = Path(path)
        self._connection: sqlite3.Connection | None = None
        self._lock: sqlite3.Connection | None = None
        self._one_by_one = threading.Lock()
        self._version: int | None = None

    async def open(self) -> None:
        if self._connection is None:
            self._connection = await asyncio.to_thread(self._connect)

    def _connect(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise OutboxProblem(f"there is no file {self._path}: check the path")
        with _away():
            return _connect(self._path, _BUSY_S)

    async def close(self) -> None:
        connections = [one for one in (self._connection, self._lock) if one is not None]
        self._connection = self._lock = None

        def shut() -> None:
            for connection in connections:
                connection.close()

        await asyncio.to_thread(self._alone, shut)

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run SQL in a thread, for the file may be busy."""
        await self.open()
        assert self._connection is not None
        connection = self._connection

        def in_our_words() -> T:
            with _away():
                return work(connection)

        return await asyncio.to_thread(self._alone, in_our_words)

    def _alone(self, work: Callable[[], T]) -> T:
        """One thread at a time: a call that was given up goes on in its thread, and what comes
        next, closing above all, waits for it."""
        with self._one_by_one:
            return work()

    def sql(self, sql: str) -> str:
        return sql.format(table=self.table)

    async def _change(self, sql: str, *arguments: Any) -> int:
        return await self.do(lambda c: c.execute(self.sql(sql), arguments).rowcount)

    async def version(self) -> int:
        def read(connection: sqlite3.Connection) -> int:
            name = f"{self.table}_schema"
            is_there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
            if connection.execute(is_there, (name,)).fetchone() is None:
                return 0
            found: int = connection.execute(f"SELECT max(version) FROM {name}").fetchone()[0]  # noqa: S608
            return found

        return await self.do(read)

    async def init(self) -> int:
        """Makes the file, too, when there is none."""
        self._path.touch()
        await self.do(lambda connection: connection.execute("BEGIN IMMEDIATE"))
        try:
            before = await self.version()
            for statement in statements("sqlite", self.table, since=before):
                await self._change(statement)
            await self.do(lambda connection: connection.commit())
        finally:
            await self.do(lambda connection: connection.rollback())
        return before

    @asynccontextmanager
    async def turn(self, most: int) -> AsyncIterator[Turn | None]:
        await self.open()
        if not await asyncio.to_thread(self._alone, self._take):
            yield None
            return
        try:
            rows = await self._rows(_WAITING, most)
            yield SqliteTurn(self, [Waiting(*row) for row in rows])
            await self.do(lambda connection: connection.commit())
        finally:
            await asyncio.to_thread(self._alone, self._give)

    def _take(self) -> bool:
        """Lock an empty database beside the file. The system frees it when this process dies, and
        the sender's own writes never wait for it.
        """
        if self._lock is None:
            with _away():
                self._lock = _connect(self._path.with_name(self._path.name + "-relay"), 0)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                return False
            raise OutboxAway(f"the lock beside {self._path} can't be had: {error}") from error
        return True

    def _give(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.rollback()
        if self._lock is not None:
            self._lock.rollback()

    async def news(self, timeout_s: float) -> None:
        """Look whether somebody wrote to the file; cheap, for it reads one number."""
        for _ in range(max(1, round(timeout_s / _LOOK_EVERY_S))):
            found = await self.do(lambda c: int(c.execute("PRAGMA data_version").fetchone()[0]))
            if found != self._version:
                self._version = found
                return
            await asyncio.sleep(min(_LOOK_EVERY_S, timeout_s))

    async def purge(self, age: timedelta) -> int:
        before = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        total = 0
        while True:
            found = await self._change(_PURGE, before, _PURGED_AT_ONCE)
            total += found
            if found < _PURGED_AT_ONCE:
                return total

    async def backlog(self) -> Backlog:
        ((waiting, oldest),) = await self._rows(_BACKLOG)
        return Backlog(waiting, _at(oldest))

    async def standing(self, examples: int = 20) -> Standing:
        ((sent, last, aside),) = await self._rows(_KEPT)
        found = await self._rows(_EXAMPLES, examples)
        shown = [SetAside(i, _instant(put), _instant(set_), why) for i, put, set_, why in found]
        return Standing(await self.backlog(), sent, _at(last), aside, shown)

    async def _rows(self, sql: str, *arguments: Any) -> list[Any]:
        return await self.do(lambda c: c.execute(self.sql(sql), arguments).fetchall())

    async def retry(self, ids: Sequence[int] | None = None) -> int:
        if ids is None:
            return await self._change(_RETRY)
        return await self._each(f"{_RETRY} AND id = ?", ids)

    async def discard(self, ids: Sequence[int]) -> int:
        return await self._each(f"{_DISCARD} AND id = ?", ids)

    async def _each(self, sql: str, ids: Sequence[int]) -> int:
        one_each = [(found,) for found in ids]
        return await self.do(lambda c: c.executemany(self.sql(sql), one_each).rowcount)


def _connect(path: Path, busy_s: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _at(text: str | None) -> datetime | None:
    return None if text is None else _instant(text)


@contextmanager
def _away() -> Iterator[None]:
    """Errors of SQLite in our words."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            raise OutboxProblem(f"{error}: run `init`, or apply `ddl`") from None
        # Locked for longer than we wait, disk full, read-only, I/O error.
        raise OutboxAway(f"SQLite does not do its work now: {error}") from error
    except sqlite3.DatabaseError as error:
        raise OutboxProblem(f"this is no sound SQLite file: {error}") from None
