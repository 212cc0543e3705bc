"""The projections worker: fetch, fold, commit, with the next batch made during the commit."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias

import asyncpg

from services.common.errors import RetryableError, UnknownSchema
from services.common.kafka import Position
from services.common.later_schemas import LaterSchemas
from services.common.log import get_logger
from services.common.postgres import AWAY
from services.common.settings import Settings
from services.common.tasks import end
from services.projections.batch import Batch, make_batch
from services.projections.declaration import Projection
from services.projections.intake import Partition
from services.projections.projections import RETRACTIONS
from services.projections.reader import GROUP, LogReader, open_reader
from services.projections.retractions import Retractions
from services.projections.settings import ProjectionsSettings
from services.projections.store import ReadModelChanged, ReadModelStore, StalePosition, open_store

Passes: TypeAlias = tuple[type[BaseException], ...]

# What goes away by itself: the server is away, full, or has picked us to break a deadlock.
_PASSES = (
    *AWAY,
    RetryableError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)

log = get_logger("projections")


class Pace(Protocol):
    """How fast tables are filled that nobody reads yet."""

    async def most(self, reader: LogReader) -> int:
        """Wait until records may be fetched, and say how many. An error ends the worker."""

    def took(self, records: int) -> None:
        """So many have been fetched since."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Work on tables beside those in use: in a consumer group of its own, at some pace."""

    group: str
    pace: Pace


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
        beside: Beside | None = None,
    ) -> None:
        self._settings = settings
        self._beside = beside
        self._own = own
        self._projections = projections
        self._retractions = retractions
        self._later = LaterSchemas(settings)
        self._stop = asyncio.Event()
        self._held: Set[bytes] = frozenset()
        self._dropped: Set[Position] = frozenset()
        self._resting: dict[Partition, float] = {}
        #: How many events this worker has committed, repeats included.
        self.events = 0

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`. Errors that pass by themselves are waited out, others raised."""
        # Until this release's tables stand there; what is filled beside is this release's own.
        passes = _PASSES if self._beside else (*_PASSES, ReadModelChanged)
        await self._persist(self._read, passes)

    async def _read(self) -> None:
        # Before it joins the group: who can't write must not hold partitions.
        async with self._store() as store:
            await store.check()
        group = self._beside.group if self._beside else GROUP
        async with open_reader(self._settings, self._own, group) as reader:
            await self._persist(lambda: self._write(reader))

    def _store(self) -> AbstractAsyncContextManager[ReadModelStore]:
        schema, rules, tells = self._own.read_schema, self._retractions, self._beside is None
        return open_store(self._settings, schema, self._projections, rules, tells=tells)

    async def _write(self, reader: LogReader) -> None:
        async with self._store() as store:
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
                    async with reader.writing:
                        if reader.moved:
                            break  # made of partitions that may be somebody else's by now
                        await store.apply(batch)
                    self.events += batch.events
            except StalePosition as error:
                log.info("reading the positions again", why=str(error))
            except UnknownSchema as error:
                # Of an event that an earlier process stored, in a story that is folded again.
                await self._later.find(error)
            finally:
                await end(ahead)

    async def _align(self, reader: LogReader, store: ReadModelStore) -> None:
        reader.moved = False
        basis = await store.basis(reader.assigned())
        self._held, self._dropped = basis.held, basis.dropped
        self._resting.clear()
        reader.seek(basis.positions)
        # What aiokafka had fetched and drops now are cycles of few objects and many bytes.
        gc.collect()

    async def _make(self, reader: LogReader, store: ReadModelStore) -> Batch | None:
        """The next batch; None when partitions came or went."""
        while not reader.moved:
            self._wake(reader)
            most = await self._beside.pace.most(reader) if self._beside else None
            records, starts = await reader.fetch(most)
            if self._beside:
                self._beside.pace.took(sum(map(len, records.values())))
            if not records:
                continue
            known = self._held, store.layouts, self._dropped, self._retractions
            batch = await asyncio.to_thread(make_batch, records, starts, *known)
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

    async def _persist(
        self, attempt: Callable[[], Awaitable[None]], passes: Passes = _PASSES
    ) -> None:
        """Repeat until stopped, with waits that double while it keeps failing."""
        loop, wait = asyncio.get_running_loop(), self._own.first_wait
        while not self._stop.is_set():
            began = loop.time()
            try:
                await attempt()
            except passes as error:
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
