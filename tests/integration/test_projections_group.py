"""Several projection workers in one group: they come, go and freeze under load; nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from services.common.postgres import Pool
from services.common.settings import Settings
from services.projections.reader import LogReader
from tests.integration.test_projections import QUICK, publish, running, session
from tests.processes import HubProcess, until

_EACH = 200


class Group:
    """Worker processes of one hub, and events that were published for them."""

    def __init__(
        self, settings: Settings, producer: AIOKafkaProducer, pool: Pool, folder: Path
    ) -> None:
        self.settings, self.producer, self.pool, self.folder = settings, producer, pool, folder
        self.workers: dict[str, HubProcess] = {}
        self.sent = 0
        self.enough = asyncio.Event()

    def start(self, name: str, environment: dict[str, str]) -> None:
        env = {
            "PROJECTIONS_SESSION_TIMEOUT": "PT6S",
            **environment,
            "PROJECTIONS_INSTANCE_ID": name,
        }
        log = self.folder / f"{name}.log"
        self.workers[name] = HubProcess("work", "projections", environment=env, log=log)
        self.workers[name].start()

    async def send(self) -> None:
        await publish(self.settings, self.producer, [session(n % 40) for n in range(_EACH)])
        self.sent += _EACH

    async def load(self) -> None:
        while not self.enough.is_set():
            await self.send()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.enough.wait(), 0.2)

    async def caught_up(self) -> None:
        """Wait until every event that was sent is in the story, whoever wrote it."""
        wanted = self.sent

        async def done() -> bool:
            return int(await self.pool.fetchval("SELECT count(*) FROM read.story")) >= wanted

        await until(done)

    async def counts(self) -> tuple[int, int, int]:
        """Rows of the story, sessions in the table made of it, and repeats that were met."""
        row = await self.pool.fetchrow(
            "SELECT (SELECT count(*) FROM read.story),"
            " (SELECT sum(sessions)::bigint FROM read.training),"
            " (SELECT sum(repeats)::bigint FROM read.stream_position)"
        )
        assert row is not None
        return tuple(row)

    def stop(self) -> None:
        for worker in self.workers.values():
            if worker.running:
                os.kill(worker.pid, signal.SIGCONT)
            worker.stop()


@pytest.fixture
async def group(
    settings: Settings, producer: AIOKafkaProducer, pool: Pool, tmp_path: Path
) -> AsyncIterator[Group]:
    made = Group(settings, producer, pool, tmp_path)
    yield made
    made.stop()


async def test_workers_come_go_and_freeze_under_load_and_nothing_is_lost(
    group: Group, environment: dict[str, str]
) -> None:
    group.start("a", environment)
    await group.send()
    await group.caught_up()
    loading = asyncio.create_task(group.load())
    try:
        group.start("b", environment)
        group.start("c", environment)
        await group.caught_up()
        # Longer than its session lasts: the others get its partitions, or this never ends.
        os.kill(group.workers["b"].pid, signal.SIGSTOP)
        await group.send()
        await group.caught_up()
        group.workers["c"].stop()
        os.kill(group.workers["b"].pid, signal.SIGCONT)
        await group.send()
        await group.caught_up()
        group.workers["a"].kill()
        await group.send()
        await group.caught_up()
    finally:
        group.enough.set()
        await loading
    await group.caught_up()
    assert group.workers["b"].running
    assert await group.counts() == (group.sent, group.sent, 0)


async def test_a_member_that_is_back_within_its_session_is_not_missed(
    group: Group, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members have names: the other one keeps what it has, and is never told of a change."""
    assigned: list[int] = []
    told = LogReader.on_partitions_assigned

    def note(reader: LogReader, partitions: Collection[TopicPartition]) -> None:
        told(reader, partitions)
        assigned.append(len(partitions))

    monkeypatch.setattr(LogReader, "on_partitions_assigned", note)
    own = QUICK.model_copy(update={"instance_id": "a", "session_timeout": timedelta(seconds=60)})
    environment = {**environment, "PROJECTIONS_SESSION_TIMEOUT": "PT60S"}
    async with running(group.settings, own):
        await group.send()
        await group.caught_up()
        group.start("b", environment)

        async def shared() -> bool:
            return assigned[-1] < assigned[0]

        await until(shared)
        await group.send()
        await group.caught_up()
        before = len(assigned)
        group.workers["b"].kill()
        await group.send()
        group.start("b", environment)
        await group.caught_up()  # by both: nobody else reads what b had
        assert len(assigned) == before
    assert await group.counts() == (group.sent, group.sent, 0)
