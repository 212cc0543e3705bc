"""While PostgreSQL writes a batch, the worker fetches and makes the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from aiokafka import AIOKafkaProducer

from services.common.postgres import Pool
from services.common.settings import Settings
from services.projections.batch import Batch
from services.projections.intake import Partition
from services.projections.reader import LogReader
from services.projections.store import ReadModelStore
from tests.integration.test_projections import (
    QUICK,
    Positions,
    counts,
    ends,
    positions,  # noqa: F401 (a fixture)
    publish,
    running,
    session,
)

OWN = QUICK.model_copy(update={"batch_events": 100})


class SlowWrite:
    """A write that begins and ends when the test says so; the work itself is the store's own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.made = asyncio.Condition()
        self.batches = 0
        apply, went_on = ReadModelStore.apply, LogReader.went_on

        async def wait_and_apply(store: ReadModelStore, batch: Batch) -> None:
            self.begun.set()
            await self.may_end.wait()
            await apply(store, batch)

        def note(reader: LogReader, moved: Iterable[tuple[Partition, int]]) -> None:
            went_on(reader, moved)
            self.batches += 1
            self._told = asyncio.create_task(self._tell())

        monkeypatch.setattr(ReadModelStore, "apply", wait_and_apply)
        monkeypatch.setattr(LogReader, "went_on", note)

    async def _tell(self) -> None:
        async with self.made:
            self.made.notify_all()

    async def until_made(self, batches: int) -> None:
        async with asyncio.timeout(60), self.made:
            await self.made.wait_for(lambda: self.batches >= batches)


async def test_the_next_batch_is_fetched_and_made_during_a_write(
    settings: Settings,
    pool: Pool,
    producer: AIOKafkaProducer,
    positions: Positions,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = SlowWrite(monkeypatch)
    await publish(settings, producer, [session(n % 20) for n in range(2_000)])
    async with running(settings, OWN):
        try:
            await write.begun.wait()
            await write.until_made(2)
            assert (await counts(pool))[0] == 0, "nothing is written yet"
        finally:
            write.may_end.set()
        await positions.reach(await ends(settings))
    assert await counts(pool) == (2_000, 2_000, 20)
    assert write.batches >= 20, "none held more than was asked for"
