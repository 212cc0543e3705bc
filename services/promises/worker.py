"""The promises worker: the agent that reads, and the tender that sends and lets time in."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from services.common.agent import (
    Agent,
    AgentOptions,
    Record,
    agent_running,
    partitions_of,
)
from services.common.clock import Clock, utc_now
from services.common.kafka import open_producer
from services.common.log import get_logger
from services.common.postgres import open_pool
from services.common.running import Ending
from services.common.settings import Settings
from services.common.tasks import end
from services.promises.following import Follower
from services.promises.settings import PromisesSettings
from services.promises.stream_store import StreamStore
from services.promises.tending import Tender

log = get_logger("promises")


class PromisesWorker(Ending):
    """Runs until `stop`, or until a part fails: a new process begins where PostgreSQL stands."""

    def __init__(self, settings: Settings, own: PromisesSettings, clock: Clock = utc_now) -> None:
        super().__init__()
        self._settings = settings
        self._own = own
        self._clock = clock

    async def work(self, stack: AsyncExitStack) -> None:
        settings, own = self._settings, self._own
        pool = await stack.enter_async_context(open_pool(settings, most=4))
        producer = await stack.enter_async_context(open_producer(settings))
        store = StreamStore(pool)
        follower = Follower(settings, store, producer, self._clock)
        tender = Tender(follower, store, self._clock, own.look_every)
        options = self._options()
        await store.make_positions(await partitions_of(settings))

        async def take_in(records: Sequence[Record]) -> None:
            await follower.take_in(records)
            tender.wake()

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="promises-")))
        agent = await stack.enter_async_context(
            agent_running(settings, options, folder, store.positions, take_in)
        )
        log.info("following promises")
        await self._until_stopped(stack, tender, agent)

    def _options(self) -> AgentOptions:
        return AgentOptions(
            group=f"{self._settings.topic_prefix}promises",
            batch=self._own.batch,
            within=self._own.batch_within,
            session_timeout=self._own.session_timeout,
            instance_id=self._own.instance_id,
        )

    async def _until_stopped(self, stack: AsyncExitStack, tender: Tender, agent: Agent) -> None:
        tending = asyncio.create_task(tender.run(agent), name="tend promises")
        stopped = asyncio.create_task(self.ending.wait())
        stack.push_async_callback(end, stopped, tending)
        watched: list[asyncio.Future[Any]] = [stopped, tending, agent.failed]
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        for ended in done:
            await ended
