"""The outbox: an event is written in the sender's own transaction, and sent once that commits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from connectors.sdk.ddl import DEFAULT_TABLE, checked_table
from connectors.sdk.drivers import insert, insert_async
from connectors.sdk.encoding import Event, encoded, identified, typed
from schemas.edge import EdgeEvent

# Rows that are handed to the driver at once.
_CHUNK = 1_000


class Outbox:
    """Puts events into a table of the sender's own database, PostgreSQL or SQLite.

    The table is made by `python -m connectors.sdk.relay init` or from `ddl()`. What is put is
    sent by a relay if and only if the transaction commits, in the order of commits and, within a
    transaction, in the order of `put`.
    """

    def __init__(self, table: str = DEFAULT_TABLE) -> None:
        """Raises ValueError for what is no table's name."""
        self._table = checked_table(table)

    def put(self, target: Any, event: Event) -> EdgeEvent:
        """Write one event through `target` and answer it with its id.

        target: a connection, cursor or session of sqlite3, psycopg, psycopg2, Django or SQLAlchemy,
        with the caller's transaction open. Raises InvalidEvent, NotInTransaction, and what the
        driver raises.
        """
        known = _ready(event)
        insert(target, self._sql, [_row(known)])
        return known

    def put_all(self, target: Any, events: Iterable[Event]) -> int:
        """Write many and answer how many. Raises as `put` does; the caller then rolls back."""
        count = 0
        for rows in _chunks(events):
            insert(target, self._sql, rows)
            count += len(rows)
        return count

    async def put_async(self, target: Any, event: Event) -> EdgeEvent:
        """As `put`, for asyncpg, psycopg's AsyncConnection, SQLAlchemy's AsyncSession."""
        known = _ready(event)
        await insert_async(target, self._sql, [_row(known)])
        return known

    async def put_all_async(self, target: Any, events: Iterable[Event]) -> int:
        """As `put_all`."""
        count = 0
        for rows in _chunks(events):
            await insert_async(target, self._sql, rows)
            count += len(rows)
        return count

    def _sql(self, placeholder: str) -> str:
        return f"INSERT INTO {self._table} (event) VALUES ({placeholder})"  # noqa: S608


def _ready(event: Event) -> EdgeEvent:
    """Checked before it is in the transaction, where the mistake can still be put right."""
    known = identified(typed(event))
    assert isinstance(known, EdgeEvent)
    return known


def _row(event: EdgeEvent) -> tuple[str]:
    return (encoded(event).text.decode(),)


def _chunks(events: Iterable[Event]) -> Iterable[list[tuple[str]]]:
    rows: list[tuple[str]] = []
    for event in events:
        rows.append(_row(_ready(event)))
        if len(rows) == _CHUNK:
            yield rows
            rows = []
    if rows:
        yield rows
