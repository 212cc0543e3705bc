"""All SQL of the feeds: the tables that indicators read, and the releases."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from services.common.errors import Problem
from services.common.locks import Lock
from services.common.postgres import Pool
from services.feeds.gate import Cell

# Days on which a person got a qualifying service. Offers and acknowledgements are none, and
# support does not delay an exit (RSA-TAC-17-01, footnote 13).
SERVICES = """
SELECT s.worker_id, t.course_id AS programme_id, s.served_at
FROM (
    SELECT worker_id, enrolment_id, unnest(ARRAY[
        enrolled_at, progressed_at, completed_at, exited_at]) AS served_at
    FROM read.training
    UNION ALL
    SELECT worker_id, enrolment_id, taken_at FROM read.assessment
) s
JOIN read.training t USING (worker_id, enrolment_id)
WHERE s.served_at IS NOT NULL AND t.course_id IS NOT NULL
"""
JOBS = "SELECT worker_id, started_at, ended_at FROM read.employment WHERE started_at IS NOT NULL"
TABLES = {"service": SERVICES, "job": JOBS}

TITLES = """
SELECT DISTINCT ON (programme_id) programme_id, title, organization_id FROM read.programme
WHERE programme_id = ANY($1::text[]) ORDER BY programme_id, organization_id
"""
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

    programme_id: str
    title: str | None
    provider_id: str | None
    cell: Cell

    def values(self) -> tuple[str | int | None, ...]:
        shown = (self.cell.status.value, self.cell.percent)
        return (self.programme_id, self.title, self.provider_id, *shown)


class FeedsStore:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def exported(self) -> AsyncIterator[tuple[dict[str, Path], list[str]]]:
        """The tables as CSV files of one snapshot of the read model, and its positions."""
        with tempfile.TemporaryDirectory(prefix="throughline-feeds-") as folder:
            paths = {name: Path(folder) / f"{name}.csv" for name in TABLES}
            async with self._pool.acquire() as c, c.transaction(isolation="repeatable_read"):
                positions = [row[0] for row in await c.fetch(POSITIONS)]
                for name, query in TABLES.items():
                    await c.copy_from_query(query, output=paths[name], format="csv", header=True)
            yield paths, positions

    async def titles(self, programmes: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Title and provider of each programme that the directory knows."""
        rows = await self._pool.fetch(TITLES, list(programmes))
        return {row["programme_id"]: (row["title"], row["organization_id"]) for row in rows}

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
