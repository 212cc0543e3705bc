"""What the hub remembers of events that left a story, compared with what those events say.

`void`, `moved` and `erased` decide about events that are still to come, so a row of these that is
lost or altered would do harm later.
"""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from services.common.postgres import Connection
from services.projections.events import Events
from services.projections.retractions import Retractions, Standing, standing_in
from services.projections.verify.differences import Difference, Wrong

# The columns of each table, those of its key first.
_COLUMNS: Final = {
    "moved": ("worker_id",),
    "void": ("worker_id", "event_id", "void_event_id", "source", "why"),
    "erased": ("worker_id", "event_id", "recorded_at", "categories"),
}
_KEYS: Final = {"moved": 1, "void": 3, "erased": 2}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Rows: TypeAlias = Mapping[tuple[bytes, ...], tuple[Any, ...]]  # by key, the other columns


async def remembered(
    connection: Connection, schema: str, condition: str, bounds: Sequence[object]
) -> dict[str, Rows]:
    """The rows under a condition, by table; the connection reads as `table_side.raw` has it."""
    found = {}
    for table, columns in _COLUMNS.items():
        query = f"SELECT {', '.join(columns)} FROM {schema}.{table}{condition}"
        found[table] = _by_key(table, map(tuple, await connection.fetch(query, *bounds)))
    return found


def said_by(events: Events | None, rules: Retractions) -> dict[str, Rows]:
    """The rows that the events of some workers make; all of these, set aside or not."""
    standing = Standing() if events is None else standing_in(events, rules)
    rows_of: dict[str, Iterator[tuple[Any, ...]]] = {
        "moved": ((worker,) for worker in standing.moved),
        "void": (
            (v.worker_id, v.event_id, v.void_event_id, v.source, v.why) for v in standing.voids
        ),
        "erased": (
            (e.worker_id, e.event_id, _micros(e.recorded_at), sorted(e.categories))
            for e in standing.erasures
        ),
    }
    return {table: _by_key(table, rows) for table, rows in rows_of.items()}


def unlike(remembered: Mapping[str, Rows], said: Mapping[str, Rows]) -> Iterator[Difference]:
    for table in _COLUMNS:
        here, made = remembered[table], said[table]
        for key in sorted(here.keys() | made.keys()):
            if here.get(key) != made.get(key):
                yield Difference(_place(table, key), Wrong.TABLE, _words(table, key, here, made))


def _by_key(table: str, rows: Iterator[tuple[Any, ...]]) -> Rows:
    keys = _KEYS[table]
    return {row[:keys]: tuple(row[keys:]) for row in rows}


def _place(table: str, key: Sequence[bytes]) -> str:
    named = zip(_COLUMNS[table], key, strict=False)
    return f"{table} of " + ", ".join(f"{name} {UUID(bytes=value)}" for name, value in named)


def _words(table: str, key: tuple[bytes, ...], here: Rows, made: Rows) -> str:
    if key not in made:
        return f"{table} holds a row that no event makes"
    if key not in here:
        return f"{table} lacks a row that the events make"
    return f"{table} holds {here[key]}, the events say {made[key]}"


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
