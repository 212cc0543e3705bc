"""What an erasure takes along beside the story: records that wait, and the names of repeats."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
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
UPDATE {schema}.left_out SET why = 'erased', owner = NULL, event_id = NULL
WHERE owner = ANY ($1) AND topic = ANY ($2) RETURNING topic, partition, hash
"""


@dataclass(frozen=True, slots=True)
class _Waiting:
    value: bytes | None
    offset: int


async def forget(
    connection: Connection,
    schema: str,
    workers: Collection[UUID],
    books: Bookkeeping,
    changes: Changes,
) -> None:
    """Count what was parked or left out of these workers as erased, and keep no name of it."""
    parked = await connection.fetch(_PARKED.format(schema=schema), workers)
    waiting: dict[tuple[str, int], list[_Waiting]] = {}
    for topic, partition, offset, value in parked:
        waiting.setdefault((topic, partition), []).append(_Waiting(value, offset))
    found = [nameless(place, records, ERASED) for place, records in waiting.items()]
    await books.leave_out(found, changes, instead_of=PARKED)
    owners = [worker.bytes for worker in workers]
    named = await connection.fetch(_NAMED.format(schema=schema), owners, list(STORIES.topics))
    if named:
        columns = {"topic": pl.String, "partition": pl.Int32, "hash": pl.Int64}
        rows = pl.DataFrame(list(map(tuple, named)), schema=columns, orient="row")
        changes.leave_out(rows.with_columns(pl.lit(ERASED).alias("why")), instead_of="repeats")
