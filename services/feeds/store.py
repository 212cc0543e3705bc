"""All SQL of the feeds: the tables that indicators read, and the releases."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from services.common.errors import Problem, UnknownSchema
from services.common.later_schemas import LaterSchemas
from services.common.locks import Lock
from services.common.postgres import Connection, Pool
from services.feeds.days import SERVICES, days_of
from services.feeds.gate import Cell, Programme

# Most of the log is read, so no index would help: the events come in the order of the table, by a
# cursor, and are decoded a part at a time.
SERVED = """
SELECT schema_id, payload FROM read.story WHERE event_type = ANY($1::text[]) AND occurred_at <= $2
"""
PART = 20_000  # events
ENROLMENTS = """
SELECT worker_id, enrolment_id, provider_id, course_id AS programme_id FROM read.training
WHERE course_id IS NOT NULL
"""
JOBS = "SELECT worker_id, started_at, ended_at FROM read.employment WHERE started_at IS NOT NULL"
COPIED = {"enrolment": ENROLMENTS, "job": JOBS}

PROGRAMMES = "SELECT organization_id, programme_id, title FROM read.programme"
POSITIONS = """
SELECT topic || ':' || partition || ':' || next_offset FROM read.stream_position ORDER BY 1
"""
ADD_RELEASE = """
INSERT INTO feeds.release SELECT $1, 1 + coalesce(max(number), 0), $2, $3, $4, $5, $6, $7, $8
FROM feeds.release WHERE feed_id = $1 RETURNING number
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A release before it has a number."""

    feed_id: str
    window_id: str
    definition_version: int
    minimum: int
    as_of: datetime
    reflects: Sequence[str]
    released_at: datetime
    released_by: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: a programme and what may be shown of it."""

    programme: Programme
    title: str | None
    cell: Cell

    def values(self) -> tuple[str | int | None, ...]:
        provider_id, programme_id = self.programme
        return (programme_id, self.title, provider_id, self.cell.status.value, self.cell.percent)


class FeedsStore:
    def __init__(self, pool: Pool, later: LaterSchemas) -> None:
        self._pool = pool
        self._later = later

    @asynccontextmanager
    async def exported(self, as_of: datetime) -> AsyncIterator[tuple[Path, list[str]]]:
        """A folder with the tables that indicators read, of one snapshot, and its positions.

        day-*.parquet: days of service up to as_of; enrolment.csv; job.csv. However many
        there are, no more than a part is in memory. Raises UnknownSchema, DoesNotDecode.
        """
        with tempfile.TemporaryDirectory(prefix="throughline-feeds-") as name:
            folder = Path(name)
            async with (
                self._pool.acquire() as c,
                c.transaction(isolation="repeatable_read", readonly=True),
            ):
                positions = [row[0] for row in await c.fetch(POSITIONS)]
                await self._export_days(c, folder, as_of)
                for table, query in COPIED.items():
                    output = folder / f"{table}.csv"
                    await c.copy_from_query(query, output=output, format="csv", header=True)
            yield folder, positions

    async def _export_days(self, connection: Connection, folder: Path, as_of: datetime) -> None:
        cursor = await connection.cursor(SERVED, sorted(SERVICES), as_of)
        for number in itertools.count():
            rows = await cursor.fetch(PART)
            await self._learn_of(rows)
            days = await asyncio.to_thread(days_of, rows)
            days.write_parquet(folder / f"day-{number}.parquet")
            if len(rows) < PART:
                break

    async def _learn_of(self, rows: Sequence[asyncpg.Record]) -> None:
        """Ask for the schemas of a later release: a year without some of its events is wrong."""
        for schema_id in {row["schema_id"] for row in rows}:
            await self._later.find(UnknownSchema(f"schema {schema_id}", schema_id))

    async def titles(self) -> dict[Programme, str | None]:
        """The title of each programme that the directory knows."""
        rows = await self._pool.fetch(PROGRAMMES)
        return {(row["organization_id"], row["programme_id"]): row["title"] for row in rows}

    async def add(self, draft: Draft, rows: Sequence[Row]) -> int:
        """Store a release for good and answer its number. Raises Problem 409 for a second one."""
        values = (draft.window_id, draft.definition_version, draft.minimum, draft.as_of)
        tail = (list(draft.reflects), draft.released_at, draft.released_by)
        async with self._pool.acquire() as connection, connection.transaction():
            # Numbers are given one after the other, so that the window alone can be there already.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", Lock.NUMBER_RELEASE)
            try:
                number: int = await connection.fetchval(ADD_RELEASE, draft.feed_id, *values, *tail)
            except asyncpg.UniqueViolationError:
                raise Problem(
                    409,
                    "already-released",
                    f"{draft.window_id} is released. A second release could tell who was added.",
                ) from None
            await connection.copy_records_to_table(
                "cell",
                schema_name="feeds",
                records=[
                    (draft.feed_id, number, place, *row.values()) for place, row in enumerate(rows)
                ],
            )
        return number

    async def releases(self, feed_id: str) -> list[asyncpg.Record]:
        return await self._pool.fetch(
            "SELECT * FROM feeds.release WHERE feed_id = $1 ORDER BY number DESC LIMIT 100", feed_id
        )

    async def release(
        self, feed_id: str, number: int
    ) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """One release with its rows, or None."""
        head = await self._pool.fetchrow(
            "SELECT * FROM feeds.release WHERE feed_id = $1 AND number = $2", feed_id, number
        )
        rows = await self._pool.fetch(
            "SELECT * FROM feeds.cell WHERE feed_id = $1 AND number = $2 ORDER BY position",
            feed_id,
            number,
        )
        return None if head is None else (dict(head), [dict(row) for row in rows])
