"""Runs imports in the background, one at a time, and goes on where a crash left off."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from aiokafka.errors import KafkaError

from services.common.clock import Clock, utc_now
from services.common.errors import Problem, RetryableError
from services.common.log import get_logger
from services.common.postgres import AWAY, Pool
from services.common.vault import Vault
from services.ingest.imports.opening import Batch, file_of, next_batch, open_import
from services.ingest.imports.settings import ImportSettings
from services.ingest.imports.store import Cancelled, Import, ImportStore
from services.ingest.imports.taking import EventWriter, Taking

_LONGEST_WAIT_S = 30.0
_IDLE_S = 60.0
_ORPHANED_AFTER_S = 3600.0  # an upload takes less
log = get_logger("imports")


def _delete_others(folder: Path, keep: set[str], now: float) -> None:
    for path in folder.glob("*-*-*-*-*"):
        with suppress(FileNotFoundError):  # forgotten meanwhile
            if path.name not in keep and path.stat().st_mtime < now - _ORPHANED_AFTER_S:
                shutil.rmtree(path, ignore_errors=True)


class ImportRunner:
    """Takes open imports in order; a lock in PostgreSQL keeps each in one process."""

    def __init__(
        self,
        pool: Pool,
        folder: Path,
        writer: EventWriter,
        vault: Vault,
        settings: ImportSettings,
        *,
        clock: Clock = utc_now,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._store = ImportStore(pool)
        self._folder = folder
        self._writer = writer
        self._vault = vault
        self._settings = settings
        self._clock = clock
        self._timer = timer
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """A new import waits."""
        self._wake.set()

    async def forget(self, import_id: UUID) -> None:
        """Delete its files; whoever reads them sees that it was ended, and stops."""
        folder = self._folder / str(import_id)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

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
        """Delete what a crash left on disk of uploads, and refused rows that were kept enough."""
        now = self._clock()
        open_ids = {str(import_id) for import_id in await self._store.open_ids()}
        await asyncio.to_thread(_delete_others, self._folder, open_ids, now.timestamp())
        await self._store.forget_old(now, self._settings.keep_refused)

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
        if job is None or not job.is_open:
            return
        problem = None
        try:
            await self._import(job)
        except Cancelled:
            await self._store.remove(import_id)
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
        await self.forget(import_id)
        log.info("import over", import_id=str(import_id), problem=problem)

    async def _import(self, job: Import) -> None:
        if not await self._store.key_is_good(job.principal.key_id):
            raise Problem(403, "key-revoked", "The key that sent the file was revoked.")
        opened = await asyncio.to_thread(open_import, self._folder, job, job.row_done)
        await self._store.start(job.import_id)
        taking = Taking(self._pool, self._writer, self._vault, self._settings, job)
        began = self._timer()
        batch = await asyncio.to_thread(next_batch, opened)
        while batch.rows:
            self._refuse_endless(job, batch)
            # The next batch is read and mapped while this one waits for the log.
            reading = asyncio.create_task(asyncio.to_thread(next_batch, opened))
            try:
                reached = await taking.take(batch, self._clock())
                ended = self._timer()
                reached.busy_s, began = ended - began, ended
                await self._store.advance(job.import_id, reached)
            except BaseException:
                reading.cancel()
                raise
            batch = await reading
        if (people := await taking.people()) is not None:
            await self._store.count_people(job.import_id, people)

    def _refuse_endless(self, job: Import, batch: Batch) -> None:
        """Raises Problem when the file has too many rows, or was sent too long ago."""
        if batch.rows[-1].row > self._settings.max_rows + 1:
            most, line = f"{self._settings.max_rows:,}", f"{batch.rows[0].line:,}"
            detail = f"The file has over {most} rows. Send those from line {line} on by themselves."
            raise Problem(413, "too-large", detail)
        if self._clock() - job.created_at > self._settings.give_up_after:
            hours = self._settings.give_up_after.total_seconds() / 3600
            detail = (
                f"It was not over within {hours:g} h. Send the file again: it goes on from here."
            )
            raise Problem(503, "too-late", detail)
