"""All SQL of imports themselves: what is asked for, how far it is, how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from services.common.access import Principal, Role
from services.common.postgres import Pool
from services.ingest.imports.report_store import Refused, add_notes, add_refused
from services.ingest.imports.rows import Note
from services.ingest.imports.tally import Tally

_ADVANCE = """
UPDATE ingest_work.import SET row_done = $2, bytes_done = $3, counts = $4, busy_s = busy_s + $5,
    refused_bytes = refused_bytes + $6
WHERE import_id = $1 AND state = 'running'
"""
_FINISH = """
UPDATE ingest_work.import SET state = $2, problem = $3, finished_at = now()
WHERE import_id = $1 AND state IN ('queued', 'running')
"""
_CANCEL = """
UPDATE ingest_work.import SET state = 'cancelled', finished_at = now()
WHERE import_id = $1 AND state IN ('queued', 'running')
"""
_FORGET_OLD = """
DELETE FROM ingest_work.import_refused r USING ingest_work.import i
WHERE i.import_id = r.import_id AND i.finished_at < $1
"""
_TABLES_OF_ROWS = ("import_refused", "import_note", "import_rehearsed", "import_person")
_TABLES_OF_REHEARSAL = ("import_rehearsed", "import_person")


class Cancelled(Exception):
    """Somebody ended this import; what it has written stays."""


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
    sha256: str = ""  # of the file, in hex
    columns: tuple[str, ...] = ()  # of the file
    guessed: tuple[Mapping[str, object], ...] = ()  # of a dry run: types by column, no values


@dataclass(frozen=True, slots=True, kw_only=True)
class Import(NewImport):
    """And what has become of it."""

    state: str
    bytes_done: int
    row_done: int
    busy_s: float  # spent on its rows so far
    refused_bytes: int
    tally: Tally
    problem: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        if self.state == "done":
            return 1.0
        return round(min(self.bytes_done / max(self.bytes_total, 1), 1.0), 4)

    @property
    def rows_per_s(self) -> float | None:
        """While it was at work: waiting for its turn or for Kafka does not count."""
        read = self.tally.rows["read"]
        return round(read / self.busy_s, 1) if read and self.busy_s > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """At the speed so far."""
        if not self.is_open or self.bytes_done <= 0:
            return None
        left = max(self.bytes_total - self.bytes_done, 0)
        return round(self.busy_s * left / self.bytes_done, 1)


@dataclass(slots=True)
class Checkpoint:
    """How far an import is after a batch, and what there is to say about that batch."""

    row_done: int
    bytes_done: int
    busy_s: float  # of this batch
    tally: Tally
    notes: Sequence[Note]
    refused: Sequence[Refused]


def _import_of(row: asyncpg.Record) -> Import:
    made: dict[str, Any] = {
        "principal": Principal(Role(row["role"]), row["organization_id"], row["key_id"]),
        "tally": Tally.of(json.loads(row["counts"])),
        "columns": tuple(row["columns"]),
        "guessed": tuple(json.loads(row["guessed"])),
    }
    names = [f.name for f in fields(Import) if f.name not in made]
    return Import(**made, **{name: row[name] for name in names})


class ImportStore:
    """Imports."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, new: NewImport) -> None:
        given: dict[str, object] = {
            f.name: getattr(new, f.name) for f in fields(NewImport) if f.name != "principal"
        }
        given |= {"columns": list(new.columns), "guessed": json.dumps(new.guessed)}
        given |= {
            "organization_id": new.principal.subject,
            "role": new.principal.role.value,
            "key_id": new.principal.key_id,
        }
        places = ", ".join(f"${n}" for n in range(1, len(given) + 1))
        await self._pool.execute(
            f"INSERT INTO ingest_work.import ({', '.join(given)}) VALUES ({places})",  # noqa: S608
            *given.values(),
        )

    async def get(self, import_id: UUID) -> Import | None:
        row = await self._pool.fetchrow(
            "SELECT * FROM ingest_work.import WHERE import_id = $1", import_id
        )
        return None if row is None else _import_of(row)

    async def page(self, organization_id: str, before: UUID | None, limit: int) -> list[Import]:
        """An organisation's imports, newest first, from below `before` on."""
        rows = await self._pool.fetch(
            "SELECT * FROM ingest_work.import WHERE organization_id = $1"
            " AND ($2::uuid IS NULL OR import_id < $2) ORDER BY import_id DESC LIMIT $3",
            organization_id,
            before,
            limit,
        )
        return [_import_of(row) for row in rows]

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
            "UPDATE ingest_work.import SET state = 'running'"
            " WHERE import_id = $1 AND state = 'queued'",
            import_id,
        )

    async def key_is_good(self, key_id: str) -> bool:
        return bool(
            await self._pool.fetchval(
                "SELECT EXISTS (SELECT FROM vault.live_key WHERE key_id = $1)", key_id
            )
        )

    async def advance(self, import_id: UUID, reached: Checkpoint) -> None:
        """Counts, report and position move together, so a crash repeats all of a batch or none.

        Raises Cancelled.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            done = await connection.execute(
                _ADVANCE,
                import_id,
                reached.row_done,
                reached.bytes_done,
                json.dumps(reached.tally.as_dict()),
                reached.busy_s,
                sum(len(row.sealed) for row in reached.refused),
            )
            if done != "UPDATE 1":
                raise Cancelled
            await add_notes(connection, import_id, reached.notes)
            await add_refused(connection, import_id, reached.refused)

    async def count_people(self, import_id: UUID, people: Mapping[str, int]) -> None:
        await self._pool.execute(
            "UPDATE ingest_work.import SET counts = jsonb_set(counts, '{people}', $2)"
            " WHERE import_id = $1",
            import_id,
            json.dumps(people),
        )

    async def finish(self, import_id: UUID, problem: str | None = None) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            state = "done" if problem is None else "failed"
            await connection.execute(_FINISH, import_id, state, problem)
            for table in _TABLES_OF_REHEARSAL:
                await connection.execute(
                    f"DELETE FROM ingest_work.{table} WHERE import_id = $1",  # noqa: S608
                    import_id,
                )

    async def remove(self, import_id: UUID) -> None:
        """End it if it is open, and forget all that was kept of its rows; the counts stay."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_CANCEL, import_id)
            for table in _TABLES_OF_ROWS:
                await connection.execute(
                    f"DELETE FROM ingest_work.{table} WHERE import_id = $1",  # noqa: S608
                    import_id,
                )

    async def forget_old(self, now: datetime, keep: timedelta) -> None:
        """Refused rows of imports that were over so long ago."""
        await self._pool.execute(_FORGET_OLD, now - keep)
