"""What an erasure takes along beside the story: records that wait, and the names of repeats."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from uuid import UUID

import polars as pl

from services.common.postgres import Connection
from services.projections.bookkeeping import Bookkeeping
from services.projections.counting import ERASED, PARKED, Changes, nameless
from services.projections.declaration import STORIES

_PARKED = """
DELETE FROM {schema}.parked WHERE worker_id = ANY ($1) RETURNING topic, partition, log_offset, value
"""
# Only repeats are left out under somebody's name.
_NAMED = """
UPDATE {schema}.left_out AS l SET why = 'erased', owner = NULL, event_id = NULL
FROM unnest($1::bytea[], $2::uuid[]) AS f (owner, event_id)
WHERE l.owner = f.owner AND (l.event_id = f.event_id OR f.event_id IS NULL) AND l.topic = ANY ($3)
RETURNING l.topic, l.partition, l.hash
"""


@dataclass(slots=True)
class Forgotten:
    """Workers of whom everything is erased, and of others the erased events: worker, event."""

    workers: set[UUID] = field(default_factory=set)
    events: set[tuple[bytes, bytes]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.workers or self.events)

    def add(self, workers: Set[UUID], erased: pl.DataFrame) -> None:
        """erased: rows of the log."""
        self.workers |= workers
        names = erased.select("worker_id", "event_id").iter_rows()
        self.events.update((worker, event) for worker, event in names)

    def names(self) -> tuple[list[bytes], list[UUID | None]]:
        """Worker and event; no event stands for all of a worker's."""
        whole = {worker.bytes for worker in self.workers}
        parts = [
            (worker, UUID(bytes=event)) for worker, event in self.events if worker not in whole
        ]
        named: list[tuple[bytes, UUID | None]] = [*((worker, None) for worker in whole), *parts]
        return [worker for worker, _ in named], [event for _, event in named]


@dataclass(frozen=True, slots=True)
class _Waiting:
    value: bytes | None
    offset: int


async def forget(
    connection: Connection,
    schema: str,
    forgotten: Forgotten,
    books: Bookkeeping,
    changes: Changes,
) -> None:
    """Count what was parked or left out of these as erased, and keep no name of it."""
    parked = await connection.fetch(_PARKED.format(schema=schema), list(forgotten.workers))
    waiting: dict[tuple[str, int], list[_Waiting]] = {}
    for topic, partition, offset, value in parked:
        waiting.setdefault((topic, partition), []).append(_Waiting(value, offset))
    found = [nameless(place, records, ERASED) for place, records in waiting.items()]
    await books.leave_out(found, changes, instead_of=PARKED)
    topics = list(STORIES.topics)
    named = await connection.fetch(_NAMED.format(schema=schema), *forgotten.names(), topics)
    if named:
        columns = {"topic": pl.String, "partition": pl.Int32, "hash": pl.Int64}
        rows = pl.DataFrame(list(map(tuple, named)), schema=columns, orient="row")
        changes.leave_out(rows.with_columns(pl.lit(ERASED).alias("why")), instead_of="repeats")
