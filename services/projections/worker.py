"""The projections worker: fetch, fold, commit, with the next batch made during the commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence, Set
from datetime import timedelta

import asyncpg

from services.common.errors import RetryableError, UnknownSchema
from services.common.later_schemas import LaterSchemas
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.common.settings import Settings
from services.projections.batch import Batch, make_batch
from services.projections.declaration import Projection
from services.projections.intake import Partition
from services.projections.projections import RETRACTIONS
from services.projections.reader import LogReader, open_reader
from services.projections.retractions import Retractions
from services.projections.settings import ProjectionsSettings
from services.projections.store import ReadModelStore, StalePosition, open_store

# What goes away by itself: the server is away, full, or has picked us to break a deadlock.
_PASSES = (
    *AWAY,
    RetryableError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
)

log = get_logger("projections")


class ProjectionsWorker:
    """Keeps the read model up with the log until it is stopped.

    Any number may run; the partitions are shared out among them. Whatever fails is tried again
    from the stored positions, so nothing is lost and nothing counts twice.
    """

    def __init__(
        self,
        settings: Settings,
        own: ProjectionsSettings,
        projections: Sequence[type[Projection]],
        retractions: Retractions = RETRACTIONS,
    ) -> None:
        self._settings = settings
        self._own = own
        self._projections = projections
        self._retractions = retractions
        self._later = LaterSchemas(settings)
        self._stop = asyncio.Event()
        self._held: Set[bytes] = frozenset()
        self._resting: dict[Partition, float] = {}
        #: How many events this worker has committed, repeats included.
        self.events = 0

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`. Errors that pass by themselves are waited out, others raised."""
        await self._persist(self._read)

    async def _read(self) -> None:
        async with open_reader(self._settings, self._own) as reader:
            await self._persist(lambda: self._write(reader))

    async def _write(self, reader: LogReader) -> None:
        schema = self._own.read_schema
        rules = self._retractions
        async with open_store(self._settings, schema, self._projections, rules) as store:
            await self._follow(reader, store)

    async def _follow(self, reader: LogReader, store: ReadModelStore) -> None:
        """Commit one batch after the other; begin anew from the stored positions when stale."""
        while not self._stop.is_set():
            await self._align(reader, store)
            ahead = asyncio.create_task(self._make(reader, store))
            try:
                while (batch := await self._unless_stopped(ahead)) is not None:
                    # The next batch is fetched and folded while PostgreSQL writes this one.
                    ahead = asyncio.create_task(self._make(reader, store))
                    await store.apply(batch)
                    self.events += batch.events
            except StalePosition as error:
                log.info("reading the positions again", why=str(error))
            except UnknownSchema as error:
                # Of an event that an earlier process stored, in a story that is folded again.
                await self._later.find(error)
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    async def _align(self, reader: LogReader, store: ReadModelStore) -> None:
        reader.moved = False
        basis = await store.basis(reader.assigned())
        self._held = basis.held
        self._resting.clear()
        reader.seek(basis.positions)

    async def _make(self, reader: LogReader, store: ReadModelStore) -> Batch | None:
        """The next batch; None when partitions came or went."""
        while not reader.moved:
            self._wake(reader)
            records, starts = await reader.fetch()
            if not records:
                continue
            batch = await asyncio.to_thread(make_batch, records, starts, self._held, store.layouts)
            reader.went_on(((span.topic, span.partition), span.end) for span in batch.spans)
            await self._rest(reader, batch)
            if batch.spans:
                return batch
        return None

    async def _rest(self, reader: LogReader, batch: Batch) -> None:
        """Stop partitions that hold an event nobody here knows, until the registry or we do."""
        for partition, (offset, error) in batch.intake.stopped.items():
            reader.rest(partition, offset)
            until = asyncio.get_running_loop().time()
            try:
                await self._later.find(error)
            except UnknownSchema as unknown:
                log.error("partition stopped", partition=partition, offset=offset, why=str(unknown))
                until += self._own.unknown_schema_wait.total_seconds()
            self._resting[partition] = until
        for parked in batch.intake.parked:
            log.error("record parked", position=str(parked.position), why=parked.reason)

    def _wake(self, reader: LogReader) -> None:
        now = asyncio.get_running_loop().time()
        due = [partition for partition, until in self._resting.items() if until <= now]
        for partition in due:
            del self._resting[partition]
        reader.wake(due)

    async def _unless_stopped(self, work: asyncio.Task[Batch | None]) -> Batch | None:
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        return None if self._stop.is_set() else work.result()

    async def _persist(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Repeat until stopped, with waits that double while it keeps failing."""
        loop, wait = asyncio.get_running_loop(), self._own.first_wait
        while not self._stop.is_set():
            began = loop.time()
            try:
                await attempt()
            except _PASSES as error:
                if loop.time() - began > self._own.longest_wait.total_seconds():
                    wait = self._own.first_wait
                log.warning("trying again", why=str(error) or repr(error), wait_s=_seconds(wait))
                await self._pause(wait)
                wait = min(2 * wait, self._own.longest_wait)

    async def _pause(self, wait: timedelta) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), wait.total_seconds())


def _seconds(wait: timedelta) -> float:
    return round(wait.total_seconds(), 2)
