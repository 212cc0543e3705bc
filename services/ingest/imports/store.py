"""All SQL of imports."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from uuid import UUID

import asyncpg

from services.common.access import Principal, Role
from services.common.postgres import Connection, Pool
from services.ingest.imports.rows import Note
from services.ingest.imports.tally import Tally

_NOTE_COLUMNS = (
    "row_number, severity, event_type, column_name, rule, reason, fix, value"  # as Note has them
)


@dataclass(frozen=True, slots=True)
class NewImport:
    """What is asked for."""

    import_id: UUID
    principal: Principal
    mapping: str
    mapping_name: str
    file_name: str
    dry_run: bool
    bytes_total: int
    encoding: str


@dataclass(frozen=True, slots=True)
class Import(NewImport):
    """And what has become of it."""

    state: str
    bytes_done: int
    row_done: int
    tally: Tally
    problem: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        if self.state == "done":
            return 1.0
        return round(min(self.bytes_done / max(self.bytes_total, 1), 1.0), 4)


def _import_of(row: asyncpg.Record) -> Import:
    return Import(
        principal=Principal(Role(row["role"]), row["organization_id"], row["key_id"]),
        tally=Tally.of(json.loads(row["counts"])),
        **{f.name: row[f.name] for f in fields(Import) if f.name not in ("principal", "tally")},
    )


class ImportStore:
    """Imports and their reports."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, new: NewImport) -> None:
        await self._pool.execute(
            "INSERT INTO ingest_work.import (import_id, organization_id, role, key_id, mapping,"
            " mapping_name, file_name, dry_run, bytes_total, encoding)"
            " VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)",
            new.import_id,
            new.principal.subject,
            new.principal.role.value,
            new.principal.key_id,
            new.mapping,
            new.mapping_name,
            new.file_name,
            new.dry_run,
            new.bytes_total,
            new.encoding,
        )

    async def get(self, import_id: UUID) -> Import | None:
        row = await self._pool.fetchrow(
            "SELECT * FROM ingest_work.import WHERE import_id = $1", import_id
        )
        return None if row is None else _import_of(row)

    async def open_ids(self) -> list[UUID]:
        """Imports that wait or were running, oldest first."""
        rows = await self._pool.fetch(
            "SELECT import_id FROM ingest_work.import WHERE state IN ('queued', 'running')"
            " ORDER BY created_at, import_id"
        )
        return [row["import_id"] for row in rows]

    async def open_count(self, organization_id: str) -> int:
        count: int = await self._pool.fetchval(
            "SELECT count(*) FROM ingest_work.import"
            " WHERE organization_id = $1 AND state IN ('queued', 'running')",
            organization_id,
        )
        return count

    async def start(self, import_id: UUID) -> None:
        await self._pool.execute(
            "UPDATE ingest_work.import SET state = 'running' WHERE import_id = $1", import_id
        )

    async def key_is_good(self, key_id: str) -> bool:
        return bool(
            await self._pool.fetchval(
                "SELECT true FROM vault.access_key WHERE key_id = $1 AND revoked_at IS NULL", key_id
            )
        )

    async def advance(
        self, import_id: UUID, row_done: int, bytes_done: int, tally: Tally, notes: Sequence[Note]
    ) -> None:
        """Counts, report and position move together, so a crash repeats all of a batch or none."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE ingest_work.import SET row_done = $2, bytes_done = $3, counts = $4"
                " WHERE import_id = $1",
                import_id,
                row_done,
                bytes_done,
                json.dumps(tally.as_dict()),
            )
            await _add_notes(connection, import_id, notes)

    async def finish(self, import_id: UUID, problem: str | None = None) -> None:
        await self._pool.execute(
            "UPDATE ingest_work.import SET state = $2, problem = $3, finished_at = now()"
            " WHERE import_id = $1",
            import_id,
            "done" if problem is None else "failed",
            problem,
        )

    async def notes(self, import_id: UUID) -> AsyncIterator[Mapping[str, object]]:
        """The report, in the order of the file, without holding it in memory."""
        async with self._pool.acquire() as connection, connection.transaction():
            async for row in connection.cursor(
                f"SELECT {_NOTE_COLUMNS} FROM ingest_work.import_note"  # noqa: S608
                " WHERE import_id = $1 ORDER BY note_id",
                import_id,
                prefetch=500,
            ):
                yield dict(row)


async def _add_notes(connection: Connection, import_id: UUID, notes: Sequence[Note]) -> None:
    if not notes:
        return
    await connection.copy_records_to_table(
        "import_note",
        schema_name="ingest_work",
        columns=["import_id", *_NOTE_COLUMNS.split(", ")],
        records=[(import_id, *astuple(note)) for note in notes],
    )
