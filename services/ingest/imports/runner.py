"""Runs imports in the background, one at a time, and goes on where a crash left off."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol
from uuid import UUID

from aiokafka.errors import KafkaError

from schemas.edge import EdgeEvent
from services.common.access import Principal
from services.common.clock import Clock, utc_now
from services.common.errors import FieldError, Problem, RetryableError
from services.common.log import get_logger
from services.common.postgres import AWAY, Pool
from services.ingest.drafts import ItemResult
from services.ingest.imports.mapping import ImportMapping, parse_mapping
from services.ingest.imports.reader import Progress, inspect, read_rows, read_table
from services.ingest.imports.rows import Note, RowMapper, RowResult
from services.ingest.imports.store import Import, ImportStore, NewImport
from services.ingest.imports.tally import Written

BATCH_EVENTS = 1_000
_LONGEST_WAIT_S = 30.0
_IDLE_S = 60.0
_ORPHANED_AFTER_S = 3600.0  # an upload takes less
Rows = Iterator[tuple[int, Mapping[str, str] | Note]]
log = get_logger("imports")


class EventWriter(Protocol):
    """Writes events for a caller and says what became of each, in order."""

    async def write(
        self, items: Sequence[EdgeEvent], principal: Principal, at: datetime
    ) -> Sequence[ItemResult]: ...


def file_of(folder: Path, import_id: UUID) -> Path:
    return folder / str(import_id) / "file.csv"


def lookup_file_of(folder: Path, import_id: UUID, name: str) -> Path:
    return folder / str(import_id) / f"lookup-{name}.csv"


@dataclass(slots=True)
class Opened:
    """An import ready to read: its mapping, its file, and how far the reader has come."""

    mapper: RowMapper
    rows: Rows
    progress: Progress
    batch_rows: int
    encoding: str


def open_import(folder: Path, job: NewImport, row_done: int = 0) -> Opened:
    """Raises Problem 422 when the mapping and the files don't fit, FileNotFoundError."""
    mapping = parse_mapping(job.mapping.encode())
    path = file_of(folder, job.import_id)
    dialect = inspect(path, mapping.columns, encoding=mapping.encoding)
    tables = {
        name: read_table(lookup_file_of(folder, job.import_id, name), mapping, name)
        for name in mapping.files
    }
    mapper = RowMapper(mapping, tables, job.principal.subject)
    progress = Progress()
    rows = read_rows(path, dialect, progress)
    batch_rows = max(1, BATCH_EVENTS // len(mapping.events))
    opened = Opened(mapper, rows, progress, batch_rows, dialect.encoding)
    _skip(opened, mapping, row_done)
    return opened


def _skip(opened: Opened, mapping: ImportMapping, row_done: int) -> None:
    """Pass over what was written before a crash, remembering what was given once."""
    if row_done == 0:
        return
    remember = any(event.once for event in mapping.events)
    for number, cells in opened.rows:
        if remember:
            opened.mapper.map_all([(number, cells)])
        if number >= row_done:
            return


def next_batch(opened: Opened) -> list[RowResult]:
    return opened.mapper.map_all(islice(opened.rows, opened.batch_rows))


def _delete_others(folder: Path, keep: set[str], now: float) -> None:
    for path in folder.glob("*-*-*-*-*"):
        if path.name not in keep and path.stat().st_mtime < now - _ORPHANED_AFTER_S:
            shutil.rmtree(path, ignore_errors=True)


class ImportRunner:
    """Takes open imports in order; a lock in PostgreSQL keeps each in one process."""

    def __init__(
        self,
        pool: Pool,
        folder: Path,
        writer: EventWriter,
        *,
        max_notes: int = 100_000,
        clock: Clock = utc_now,
    ) -> None:
        self._pool = pool
        self._store = ImportStore(pool)
        self._folder = folder
        self._writer = writer
        self._max_notes = max_notes
        self._clock = clock
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A new import waits."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. What is interrupted stays open, and goes on at the next start."""
        wait_s = 1.0
        while True:
            self._wake.clear()
            try:
                await self._sweep()
                for import_id in await self._store.open_ids():
                    await self._run_locked(import_id)
                wait_s = 1.0
            except (RetryableError, KafkaError, *AWAY) as error:
                log.warning("import waits", error=repr(error), retry_after_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _IDLE_S)

    async def _sweep(self) -> None:
        """Delete what a crash left on disk of uploads that never became imports."""
        open_ids = {str(import_id) for import_id in await self._store.open_ids()}
        await asyncio.to_thread(_delete_others, self._folder, open_ids, self._clock().timestamp())

    async def _run_locked(self, import_id: UUID) -> None:
        """Skips an import whose file another process has, or that one is running."""
        if not await asyncio.to_thread(file_of(self._folder, import_id).exists):
            return
        key = int.from_bytes(import_id.bytes[8:], "big", signed=True)
        async with self._pool.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
                return
            try:
                await self._run_one(import_id)
            finally:
                with suppress(*AWAY):
                    await connection.execute("SELECT pg_advisory_unlock($1)", key)

    async def _run_one(self, import_id: UUID) -> None:
        job = await self._store.get(import_id)
        if job is None or job.state not in ("queued", "running"):
            return
        problem = None
        try:
            await self._import(job)
        except Problem as error:
            problem = "; ".join([error.detail, *(f"{e.field}: {e.problem}" for e in error.errors)])
        except FileNotFoundError:
            problem = "A file of this import is gone. Send it again."
        except (RetryableError, KafkaError, *AWAY):
            raise
        except Exception:
            log.exception("import failed", import_id=str(import_id))
            problem = "Something is wrong on our side. Send the file again."
        await self._store.finish(import_id, problem)
        await asyncio.to_thread(shutil.rmtree, self._folder / str(import_id), ignore_errors=True)
        log.info("import over", import_id=str(import_id), problem=problem)

    async def _import(self, job: Import) -> None:
        if not await self._store.key_is_good(job.principal.key_id):
            raise Problem(403, "key-revoked", "The key that sent the file was revoked.")
        opened = await asyncio.to_thread(open_import, self._folder, job, job.row_done)
        await self._store.start(job.import_id)
        tally = job.tally
        noted = tally.refused.total() + tally.warnings.total()
        while batch := await asyncio.to_thread(next_batch, opened):
            written = iter(await self._written(batch, job))
            notes: list[Note] = []
            for row in batch:
                notes += tally.add(row, list(islice(written, len(row.events))))
            kept = notes[: max(0, self._max_notes - noted)]
            noted += len(notes)
            await self._store.advance(
                job.import_id, batch[-1].row, opened.progress.bytes_read, tally, kept
            )

    async def _written(self, batch: Sequence[RowResult], job: Import) -> Sequence[Written]:
        events = [event for row in batch for event in row.events]
        if job.dry_run:
            return [Written("valid")] * len(events)
        if not events:
            return []
        results = await self._writer.write(events, job.principal, self._clock())
        return [_written(result) for result in results]


def _written(result: ItemResult) -> Written:
    error = result.errors[0] if result.errors else FieldError("", "")
    return Written(result.status.value, error.field, error.problem, error.fix or "")
