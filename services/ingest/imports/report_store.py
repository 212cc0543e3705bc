"""SQL of what is said about an import's rows: the report, and the refused rows themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from uuid import UUID

import asyncpg

from services.common.postgres import Connection, Pool
from services.ingest.imports.rows import Note

# As Note has them.
_NOTE_COLUMNS = (
    "row_number, severity, event_type, column_name, rule, reason, fix, value, line_number"
)
_NOTES = f"""
SELECT note_id, {_NOTE_COLUMNS} FROM ingest_work.import_note
WHERE import_id = $1 AND note_id > $2 ORDER BY note_id LIMIT $3
"""  # noqa: S608 - the columns are ours
_REFUSED = """
SELECT row_number, sealed FROM ingest_work.import_refused
WHERE import_id = $1 AND row_number > $2 ORDER BY row_number LIMIT $3
"""
_PAGE = 500  # rows
_GROUPS = """
SELECT severity, event_type, column_name, rule, reason, fix, count(*) AS rows,
    (array_agg(line_number ORDER BY line_number))[1:5] AS first_lines
FROM ingest_work.import_note WHERE import_id = $1
GROUP BY severity, event_type, column_name, rule, reason, fix
ORDER BY severity, count(*) DESC, min(note_id) LIMIT 100
"""


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused row, sealed."""

    row_number: int
    sealed: bytes


async def add_notes(connection: Connection, import_id: UUID, notes: Sequence[Note]) -> None:
    if notes:
        await connection.copy_records_to_table(
            "import_note",
            schema_name="ingest_work",
            columns=["import_id", *_NOTE_COLUMNS.split(", ")],
            records=[(import_id, *astuple(note)) for note in notes],
        )


async def add_refused(connection: Connection, import_id: UUID, rows: Sequence[Refused]) -> None:
    if rows:
        await connection.copy_records_to_table(
            "import_refused",
            schema_name="ingest_work",
            columns=["import_id", "row_number", "sealed"],
            records=[(import_id, row.row_number, row.sealed) for row in rows],
        )


class ReportStore:
    """Reads reports, without holding one in memory."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def notes(self, import_id: UUID) -> AsyncIterator[Mapping[str, object]]:
        """In the order of the file."""
        async for row in self._pages(_NOTES, import_id):
            yield dict(row)

    async def refused(self, import_id: UUID) -> AsyncIterator[Refused]:
        """In the order of the file."""
        async for row in self._pages(_REFUSED, import_id):
            yield Refused(row["row_number"], row["sealed"])

    async def _pages(self, statement: str, import_id: UUID) -> AsyncIterator[asyncpg.Record]:
        """Rows in the order of their first column. No connection waits for whoever reads slowly."""
        last = -1
        while rows := await self._pool.fetch(statement, import_id, last, _PAGE):
            for row in rows:
                yield row
            last = rows[-1][0]

    async def refused_count(self, import_id: UUID) -> int:
        count: int = await self._pool.fetchval(
            "SELECT count(*) FROM ingest_work.import_refused WHERE import_id = $1", import_id
        )
        return count

    async def groups(self, import_id: UUID) -> list[dict[str, object]]:
        """What was refused or left empty, by reason, with the first lines of each."""
        return [dict(row) for row in await self._pool.fetch(_GROUPS, import_id)]
